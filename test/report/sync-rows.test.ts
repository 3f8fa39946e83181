import {describe, expect, it} from 'vitest'

import {EnvdriftError, type ErrorCode} from '../../src/core/errors.ts'
import type {Outcome, SyncReport} from '../../src/core/outcome.ts'
import type {Mapping} from '../../src/core/plan.ts'
import {syncResult} from '../../src/report/sync.ts'

/** What a pull request may put into a name. */
const nasty = 'a\n::error::b\u001B[2J##vso[x]'

const mapping = (more: Partial<Mapping> = {}): Mapping => ({
  ref: {vault: 'default', name: 'myapp-key'},
  key: 'DOTENV_PRIVATE_KEY_PRODUCTION',
  folderPath: 'svc',
  folder: '/repo/svc',
  keysFile: '/repo/svc/.env.keys',
  envFile: '/repo/svc/.env.production',
  envFileName: '.env.production',
  environment: undefined,
  ephemeral: false,
  required: 'always',
  ...more,
})

const reportOf = (outcomes: readonly Outcome[], mode: SyncReport['mode'] = 'sync'): SyncReport => ({
  config: '/repo/envdrift.toml',
  base: '/repo',
  mode,
  checkDecryption: true,
  validateSchema: true,
  outcomes,
  total: outcomes.length,
  coverage: undefined,
})

const failed = (code: ErrorCode, more: Partial<Mapping> = {}): Outcome => ({
  status: 'error',
  mapping: mapping(more),
  error: new EnvdriftError(code, `It is ${code}`, {suggestions: ['Look.']}),
})

function printed(report: SyncReport, quiet = false): string {
  const style = {color: false, width: Infinity, quiet, verbose: true, cwd: '/repo'}
  return syncResult(report)
    .outputs(style)
    .map(({text}) => text)
    .join('')
}

describe('a row that is wrong', () => {
  it.each<[string, Outcome, string]>([
    ['an error that shows no values', failed('NOT_IN_VAULT'), 'not-found'],
    [
      'a key that opens nothing',
      {status: 'ephemeral', mapping: mapping(), decryption: {kind: 'failed', names: ['A']}},
      'decryption',
    ],
    [
      'a schema that could not be held',
      {
        status: 'created',
        mapping: mapping(),
        schema: {kind: 'failed', error: new EnvdriftError('DECRYPTION_FAILED', 'No key', {suggestions: ['Look.']})},
      },
      'decryption',
    ],
    [
      'a schema that is violated',
      {status: 'created', mapping: mapping(), schema: {kind: 'violated', violations: [{name: 'A', rule: 'required'}]}},
      'error',
    ],
  ])('is no success, and not quiet: %s', (_, outcome, reason) => {
    const report = reportOf([outcome, {status: 'created', mapping: mapping()}])
    const result = syncResult(report)
    expect(result.reason).toBe(reason)
    expect(result.document).toMatchObject({ok: false})
    expect(printed(report)).toContain('1 of 2 services failed')
    expect(printed(report, true)).toMatch(/^ {2}[x+-] svc/)
  })
})

it('says of a run that only looked what it says, and of one that wrote what it did', () => {
  expect(printed(reportOf([{status: 'skipped', mapping: mapping(), reason: {kind: 'in-sync'}}], 'verify'))).toContain(
    'All services are in sync',
  )
  expect(printed(reportOf([{status: 'created', mapping: mapping()}]))).toContain('All services synced successfully')
})

it('counts a declined key as skipped, and says so in the document', () => {
  const {document} = syncResult(reportOf([{status: 'skipped', mapping: mapping(), reason: {kind: 'declined'}}]))
  expect(document).toMatchObject({
    summary: {updated: 0, skipped: 1},
    rows: [{status: 'skipped', reason: 'declined'}],
  })
})

it('explains the trouble of each vault, though it be of one kind', () => {
  const text = printed(
    reportOf(['one', 'two'].map((vault) => failed('NOT_LOGGED_IN', {ref: {vault, name: 'myapp-key'}}))),
  )
  expect(text.match(/\[ERROR\]/g)).toHaveLength(2)
})

it('C133 shows every name that others choose on one line, in rows and in their documents', () => {
  const names = {folderPath: nasty, ref: {vault: nasty, name: nasty}, environment: nasty, envFile: `/repo/${nasty}`}
  const error = new EnvdriftError('DIFFERS', nasty, {suggestions: [nasty]})
  const report = reportOf([
    {
      status: 'created',
      mapping: mapping(names),
      warning: nasty,
      schema: {kind: 'violated', violations: [{name: nasty, rule: nasty}]},
    },
    {
      status: 'updated',
      mapping: mapping(names),
      backup: `/repo/${nasty}`,
      decryption: {kind: 'failed', names: [nasty]},
      schema: {kind: 'failed', error},
    },
    {status: 'skipped', mapping: mapping(names), reason: {kind: 'matches-public-key', envFile: nasty}},
    {
      status: 'error',
      mapping: mapping(names),
      error,
      local: {fingerprint: '03'},
      vault: {fingerprint: '02', version: nasty},
    },
  ])
  const text = printed(report)
  expect(text).toContain(String.raw`a\n:\:error:\:b\x1b[2J#\#vso[x]`)
  // eslint-disable-next-line no-control-regex
  expect(text).not.toMatch(/::error|\u001B|##vso\[/)
})

it.each([true, false])('says in words what is not covered (required: %s)', (required) => {
  const report = {
    ...reportOf([{status: 'created', mapping: mapping()}]),
    coverage: {total: 2, uncovered: [nasty], required},
  }
  const text = printed(report)
  expect(text).toContain(required ? 'Not every encrypted env file is covered' : 'All services synced successfully')
  expect(text).toContain('1 of 2 encrypted env files are covered')
  expect(text).toContain(String.raw`${required ? '[ERROR]' : '[WARN]'} a\n:\:error:\:b\x1b[2J#\#vso[x] is encrypted`)
  // eslint-disable-next-line no-control-regex
  expect(text).not.toMatch(/::error|\u001B|##vso\[/)
})
