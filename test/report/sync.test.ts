import {describe, expect, it} from 'vitest'

import {EnvdriftError} from '../../src/core/errors.ts'
import type {Outcome, SyncReport} from '../../src/core/outcome.ts'
import type {Mapping} from '../../src/core/plan.ts'
import type {Style} from '../../src/core/report.ts'
import {syncResult} from '../../src/report/sync.ts'

const mapping = (folderPath: string, more: Partial<Mapping> = {}): Mapping => ({
  ref: {vault: 'default', name: 'myapp-key'},
  key: 'DOTENV_PRIVATE_KEY_PRODUCTION',
  folderPath,
  folder: `/repo/${folderPath}`,
  keysFile: `/repo/${folderPath}/.env.keys`,
  envFile: `/repo/${folderPath}/.env.production`,
  envFileName: '.env.production',
  environment: undefined,
  ephemeral: false,
  required: 'always',
  ...more,
})

const passed = {kind: 'passed', values: 3} as const

/** The document that this command grew from has these rows. */
const outcomes: readonly Outcome[] = [
  {status: 'created', mapping: mapping('services/myapp'), decryption: passed},
  {
    status: 'updated',
    mapping: mapping('services/auth'),
    backup: '/repo/services/auth/.env.keys.backup.20240115_143022',
    decryption: passed,
  },
  {status: 'skipped', mapping: mapping('services/api'), reason: {kind: 'in-sync'}},
]

const broken: Outcome = {
  status: 'error',
  mapping: mapping('services/broken'),
  error: new EnvdriftError(
    'DIFFERS',
    'Value mismatch detected: DOTENV_PRIVATE_KEY_PRODUCTION differs from myapp-key in the vault',
    {
      suggestions: ['Run `envdrift sync --force` to take the value of the vault; the old one is kept in a backup.'],
    },
  ),
  local: {fingerprint: '03ab12cd34…'},
  vault: {fingerprint: '02ef56ab78…', version: '7'},
}

const report = (parts: Partial<SyncReport> = {}): SyncReport => ({
  config: '/repo/envdrift.toml',
  base: '/repo',
  mode: 'sync',
  checkDecryption: false,
  validateSchema: false,
  outcomes,
  total: (parts.outcomes ?? outcomes).length,
  coverage: undefined,
  ...parts,
})

const style: Style = {color: false, width: Infinity, quiet: false, verbose: false, cwd: '/repo'}

function printed(of: SyncReport, how: Partial<Style> = {}): {stdout: string; stderr: string} {
  const outputs = syncResult(of).outputs({...style, ...how})
  const text = (to: string): string => outputs.flatMap((output) => (output.to === to ? [output.text] : [])).join('')
  return {stdout: text('stdout'), stderr: text('stderr')}
}

describe('what sync prints', () => {
  it('is what the original document shows', () => {
    const {stdout, stderr} = printed(report({checkDecryption: true}))
    expect(stderr).toBe('')
    expect(stdout).toBe(`  + services/myapp - created
    Decryption: PASSED
  ~ services/auth - updated
    Backup: services/auth/.env.keys.backup.20240115_143022
    Decryption: PASSED
  = services/api - skipped

╭──────────── Sync Summary ────────────╮
│ Services processed: 3                │
│ Created: 1                           │
│ Updated: 1                           │
│ Skipped: 1                           │
│ Errors: 0                            │
│                                      │
│ Decryption Tests:                    │
│   Passed: 2                          │
│   Failed: 0                          │
╰──────────────────────────────────────╯
All services synced successfully
`)
  })

  it('says in each row which vault it is about when there are several', () => {
    const {stdout} = printed(
      report({
        outcomes: [
          {status: 'created', mapping: mapping('one', {ref: {vault: 'aws-eu', name: 'team/app', field: 'auth'}})},
          {status: 'created', mapping: mapping('two', {ref: {vault: 'default', name: 'k', field: 'a'}})},
          {
            status: 'created',
            mapping: mapping('two', {ref: {vault: 'aws-eu', name: 'k2'}, environment: 'staging'}),
          },
        ],
      }),
    )
    expect(stdout.split('\n').slice(0, 3)).toEqual([
      '  + one (vault aws-eu) - created',
      '  + two (k#a, DOTENV_PRIVATE_KEY_PRODUCTION, vault default) - created',
      '  + two (k2, staging, vault aws-eu) - created',
    ])
  })

  it('shows a mismatch with two fingerprints and what to do', () => {
    const {stdout} = printed(report({outcomes: [broken], mode: 'verify'}))
    expect(stdout).toBe(`  x services/broken - error
    Error: Value mismatch detected: DOTENV_PRIVATE_KEY_PRODUCTION differs from myapp-key in the vault
    Local:  03ab12cd34…
    Vault:  02ef56ab78… (version 7)
    → Run \`envdrift sync --force\` to take the value of the vault; the old one is kept in a backup.

╭──────────── Sync Summary ────────────╮
│ Services processed: 1                │
│ Created: 0                           │
│ Updated: 0                           │
│ Skipped: 0                           │
│ Errors: 1                            │
╰──────────────────────────────────────╯
1 of 1 service failed
`)
  })

  it('has no line over 40 columns on a narrow terminal, but for paths', () => {
    const long = 'services/a-service-whose-name-is-longer-than-the-terminal'
    const all = report({
      checkDecryption: true,
      coverage: {total: 3, uncovered: ['services/forgotten/.env.production'], required: false},
      outcomes: [
        ...outcomes,
        broken,
        {status: 'created', mapping: mapping(long), decryption: {kind: 'failed', names: ['DATABASE_URL', 'API_KEY']}},
        {
          status: 'skipped',
          mapping: mapping('x'),
          reason: {kind: 'matches-public-key', envFile: '/repo/x/.env.production'},
        },
      ],
    })
    const {stdout, stderr} = printed(all, {width: 40, verbose: true})
    const tooLong = (stdout + stderr).split('\n').filter((line) => Array.from(line).length > 40)
    expect(tooLong.filter((line) => !/^\s*(?:[+~=x-] )?(?:services\/\S+|\S+\/\S+)$/.test(line))).toEqual([])
    expect(stdout).toContain(`  + ${long}\n    - created\n`)
  })

  it('is coloured only on request, and the same text', () => {
    const plain = printed(report({outcomes: [...outcomes, broken]}))
    const colored = printed(report({outcomes: [...outcomes, broken]}), {color: true})
    // eslint-disable-next-line no-control-regex
    expect(colored.stdout.replaceAll(/\u001B\[\d+m/g, '')).toBe(plain.stdout)
    expect(colored.stdout).toContain('\u001B[31mx\u001B[39m services/broken')
  })

  it('says once what a whole vault’s rows have in common', () => {
    const error = new EnvdriftError('NOT_LOGGED_IN', 'Nobody is logged in', {suggestions: ['Log in.']})
    const lost = ['one', 'two'].map((name): Outcome => ({status: 'error', mapping: mapping(name), error}))
    const {stdout, stderr} = printed(report({outcomes: lost}))
    expect(stderr).toBe('[ERROR] Nobody is logged in\n  → Log in.\n')
    expect(stdout.match(/ {4}Error: NOT_LOGGED_IN, explained above \(on stderr\)\n/g)).toHaveLength(2)
    expect(stdout).not.toMatch(/Nobody is logged in|→/)
  })

  it('says in full what another row of the same vault was told otherwise', () => {
    const lost = ['one', 'two'].map((name): Outcome => {
      const error = new EnvdriftError('TIMEOUT', `No answer for ${name}`, {suggestions: ['Wait.']})
      return {status: 'error', mapping: mapping(name), error}
    })
    const {stdout, stderr} = printed(report({outcomes: lost}))
    expect(stderr).toBe('[ERROR] No answer for one\n  → Wait.\n')
    expect(stdout).toContain('    Error: No answer for two\n    → Wait.\n')
    expect(stdout).not.toContain('No answer for one')
  })

  it('does not drown people in what a pull request can make long', () => {
    const name = 'n'.repeat(5_000_000)
    const many = Array.from({length: 30_000}, (_, n) => `NAME_${n}`)
    const error = new EnvdriftError('NOT_IN_VAULT', `No ${name}`, {suggestions: [`Store ${name}.`]})
    const long: Partial<Mapping> = {ref: {vault: name, name}, environment: name, envFile: `/repo/${name}`}
    const of = report({
      outcomes: [
        {status: 'error', mapping: mapping(name, long), error},
        {
          status: 'created',
          mapping: mapping('svc', long),
          notEncrypted: many,
          decryption: {kind: 'failed', names: many},
          schema: {kind: 'violated', violations: many.map((one) => ({name: one, rule: 'required'}))},
        },
      ],
      coverage: {total: 30_001, uncovered: many, required: true},
    })
    const {stdout, stderr} = printed(of, {verbose: true})
    expect(stdout.length + stderr.length).toBeLessThan(60_000)
    expect(stdout).toContain('and 29950 more')
    expect(stderr).toContain('and 29950 more encrypted env files that no mapping names')
    expect(stdout).toContain('more characters)')
    const rows = syncResult(of).document['rows'] as {error?: {message: string}; schema?: {violations: unknown[]}}[]
    expect(rows[0]!.error!.message.length).toBeLessThan(3000)
    expect(rows[1]!.schema!.violations).toHaveLength(30_000)
  })

  it('C133 shows names on one line, and no command of a CI system', () => {
    const {stdout} = printed(report({outcomes: [{status: 'created', mapping: mapping('a\n::error::b\u001B[2J')}]}))
    expect(stdout.split('\n')[0]).toBe(String.raw`  + a\n:\:error:\:b\x1b[2J - created`)
  })
})

it('C133 shows names in the document as harmless as in the rows', () => {
  const of = report({
    config: '/repo/##vso[task.setvariable]y/envdrift.toml',
    coverage: {total: 1, uncovered: ['x##vso[task.setvariable]y/.env.production'], required: false},
  })
  expect(JSON.stringify(syncResult(of).document)).not.toContain('##vso[')
})

it('prints nothing that is as long as a private key, whoever said it', () => {
  const quoted = 'ab'.repeat(32)
  const error = new EnvdriftError('BAD_REQUEST', `The service said: "${quoted}" is no name`, {suggestions: ['Look.']})
  const of = report({outcomes: [{status: 'error', mapping: mapping('svc'), error}]})
  expect(printed(of).stdout).toContain('The service said: "(64 hex digits)" is no name')
  expect(JSON.stringify(syncResult(of).document)).not.toContain(quoted)
})

it('says "all" only of what was compared', () => {
  const declined: Outcome = {status: 'skipped', mapping: mapping('x'), reason: {kind: 'declined'}}
  expect(printed(report({outcomes: [...outcomes, declined]})).stdout).toContain(
    '3 of 4 services in sync, 1 left alone\n',
  )
  const sops: Outcome = {status: 'skipped', mapping: mapping('x'), reason: {kind: 'sops'}}
  expect(printed(report({mode: 'verify', outcomes: [sops]})).stdout).toContain('0 of 1 service in sync, 1 left alone\n')
})

describe('the reason for the exit', () => {
  it.each([
    ['ok', report()],
    ['drift', report({outcomes: [broken]})],
    ['decryption', report({outcomes: [{...outcomes[0]!, decryption: {kind: 'failed', names: ['A']}}]})],
    [
      'error',
      report({outcomes: [{...outcomes[0]!, schema: {kind: 'violated', violations: [{name: 'A', rule: 'required'}]}}]}),
    ],
    ['drift', report({coverage: {total: 2, uncovered: ['x/.env'], required: true}})],
    ['ok', report({coverage: {total: 2, uncovered: ['x/.env'], required: false}})],
  ])('is %s', (reason, of) => {
    expect(syncResult(of).reason).toBe(reason)
  })
})
