import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {Ajv2020} from 'ajv/dist/2020.js'
import {expect, it} from 'vitest'

import {errorCodes} from '../../src/core/errors.ts'
import {makeUsualProject, production, type Project} from '../support/project.ts'
import {blocksIn, repository} from './pages.ts'

const schema = JSON.parse(readFileSync(join(repository, 'docs/schemas/sync.schema.json'), 'utf8')) as {
  readonly $defs: Readonly<Record<string, {readonly enum?: readonly string[]}>>
}
const ajv = new Ajv2020({allErrors: true, strict: false})
const validate = ajv.compile(schema)

type SyncDocument = {readonly rows?: readonly Readonly<Record<string, unknown>>[]; readonly [key: string]: unknown}

/** The document of one run, which has to satisfy the schema. */
async function documentOf(
  project: Pick<Project, 'sync'>,
  args: readonly string[],
  options: Parameters<Project['sync']>[1] = {},
): Promise<SyncDocument> {
  const {stdout} = await project.sync([...args, '--json'], options)
  const document = JSON.parse(stdout) as SyncDocument
  validate(document)
  expect(validate.errors ?? []).toEqual([])
  return document
}

it('the schema knows every exitReason, and no other', () => {
  const known = schema.$defs['exitReason']?.enum ?? []
  expect(known.toSorted()).toEqual([...new Set(['ok', ...Object.values(errorCodes)])].toSorted())
})

it('a run that creates, keeps, updates and checks writes documents that satisfy the schema', async () => {
  const project = await makeUsualProject()
  expect((await documentOf(project, [])).rows).toMatchObject([{status: 'created'}])
  expect((await documentOf(project, ['--check-decryption'])).rows).toMatchObject([
    {status: 'skipped', reason: 'in-sync', decryption: {status: 'passed', values: 1}},
  ])
  project.workspace.write('svc/.env.keys', production(project.other))
  const failed = await documentOf(project, ['--verify', '--ci'])
  expect(failed).toMatchObject({ok: false, exitReason: 'drift', rows: [{status: 'error', error: {code: 'DIFFERS'}}]})
  expect((await documentOf(project, ['--force'])).rows).toMatchObject([
    {status: 'updated', backup: expect.stringContaining('svc/.env.keys.backup.')},
  ])
})

it('a clean checkout, an ephemeral key, a refusal and a schema write documents that satisfy the schema', async () => {
  const clean = await makeUsualProject()
  expect((await documentOf(clean, ['--verify', '--ci'])).rows).toMatchObject([{reason: 'matches-public-key'}])
  clean.workspace.write('schema.json', '{"required": ["PORT"]}')
  const violated = await documentOf(clean, ['--validate-schema', '--schema', 'schema.json'])
  expect(violated.rows).toMatchObject([{schema: {status: 'violated', violations: [{name: 'PORT', rule: 'required'}]}}])
  clean.vault.forbid('myapp-key')
  expect(await documentOf(clean, [])).toMatchObject({exitReason: 'auth', rows: [{error: {code: 'FORBIDDEN'}}]})

  const ephemeral = await makeUsualProject({settings: ['ephemeral_keys = true']})
  expect((await documentOf(ephemeral, [])).rows).toMatchObject([{status: 'ephemeral'}])
})

it('a wrong key, a plain value and a file without a mapping write documents that satisfy the schema', async () => {
  const project = await makeUsualProject({local: (_, other) => production(other)})
  project.workspace.write('other/.env.production', project.workspace.read('svc/.env.production'))
  project.workspace.write('svc/.env.production', `${project.workspace.read('svc/.env.production')}PLAIN_VALUE=1\n`)
  const declined = await documentOf(project, ['--check-decryption'], {stdin: 'n\n'})
  expect(declined.rows).toMatchObject([
    {status: 'skipped', reason: 'declined', decryption: {status: 'failed', names: ['DATABASE_URL']}},
  ])
  expect(declined['coverage']).toEqual({total: 2, covered: 1, uncovered: ['other/.env.production'], required: false})
})

it('a run that fails as a whole writes a document that satisfies the schema', async () => {
  const project = await makeUsualProject()
  expect(await documentOf(project, ['--nonsense'])).toMatchObject({exitReason: 'usage', error: {code: 'USAGE'}})
  project.workspace.write('envdrift.toml', 'vault = "x"\n')
  expect(await documentOf(project, [])).toMatchObject({exitReason: 'config', error: {code: 'CONFIG_INVALID'}})
})

it('outside of a repository, coverage is null', async () => {
  const project = await makeUsualProject()
  project.workspace.git('config', '--unset', 'core.bare')
  const {rmSync} = await import('node:fs')
  rmSync(project.workspace.path('.git'), {recursive: true})
  expect((await documentOf(project, ['--verify', '--ci']))['coverage']).toBeNull()
})

it('the schema refuses what no run writes', async () => {
  const project = await makeUsualProject()
  const document = await documentOf(project, [])
  for (const wrong of [
    {...document, schemaVersion: 2},
    {...document, extra: true},
    {...document, summary: {}},
    {...document, rows: [{...document.rows![0], status: 'skipped'}]},
    {...document, exitReason: 'fine'},
  ])
    expect(validate(wrong)).toBe(false)
})

it('the row that docs/json.md shows satisfies the schema', () => {
  const row = ajv.compile({$ref: '#/$defs/row', $defs: schema.$defs})
  const [shown] = blocksIn('json').filter(({page}) => page === 'docs/json.md')
  row(JSON.parse(shown!.text))
  expect(row.errors ?? []).toEqual([])
})
