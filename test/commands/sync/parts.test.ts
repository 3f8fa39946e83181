import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {Ajv2020} from 'ajv/dist/2020.js'
import {describe, expect, it} from 'vitest'

import {plantKey} from '../../support/planted-keys.ts'
import {configText, makeProject, production, type Project} from '../../support/project.ts'
import {envdrift} from '../../support/run-envdrift.ts'
import {encryptEnvFile} from '../../support/workspace.ts'

const validate = new Ajv2020({strict: false}).compile(
  JSON.parse(readFileSync(join(import.meta.dirname, '../../../docs/schemas/mappings.schema.json'), 'utf8')) as object,
)

const services = ['auth', 'pay', 'payroll'] as const

/** Three services that one pattern finds; their keys are fields of one secret. */
async function makeShop(): Promise<Project & {readonly keys: Readonly<Record<string, ReturnType<typeof plantKey>>>}> {
  const keys = Object.fromEntries(services.map((name) => [name, plantKey()]))
  const project = await makeProject({
    secrets: {
      'team/app': JSON.stringify(Object.fromEntries(services.map((name) => [name, keys[name]!.privateKey]))),
    },
    files: Object.fromEntries(
      services.map((name) => [
        `services/${name}/.env.production`,
        encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', keys[name]!.publicKey, {A: '1'}),
      ]),
    ),
  })
  project.workspace.write(
    'envdrift.toml',
    `${configText([])}[[vault.sync.patterns]]\nenv_files = "services/*/.env.production"\nsecret_name = "team/app#{folder}"\n`,
  )
  return {...project, keys}
}

describe('a pattern over the fields of one secret', () => {
  it('gives each service its own key, with one request for all', async () => {
    const {sync, workspace, vault, keys} = await makeShop()
    const run = await sync(['--check-decryption'])
    expect(run).toMatchObject({code: 0, stderr: ''})
    for (const name of services) expect(workspace.read(`services/${name}/.env.keys`)).toContain(production(keys[name]!))
    expect(vault.requests().filter(({operation}) => operation.includes('GetSecretValue'))).toHaveLength(1)
    expect(run.stdout).toContain('3 of 3 encrypted env files are covered')
  })
})

describe('a part of the mappings', () => {
  it('is what --filter leaves: the summary says of how many, and the others count as covered', async () => {
    const {sync} = await makeShop()
    const run = await sync(['--verify', '--ci', '--filter', 'services/pay*', '--require-coverage'])
    expect(run).toMatchObject({code: 0, stderr: ''})
    expect(run.stdout).not.toContain('services/auth')
    expect(run.stdout).toContain('│ Services processed: 2 of 3 ')
    expect(run.stdout).toContain('All of these 2 of 3 services are in sync')
    expect(run.stdout).toContain('3 of 3 encrypted env files are covered')
  })

  it('of nothing fails under --filter, since nothing was checked', async () => {
    const {sync} = await makeShop()
    const run = await sync(['--verify', '--ci', '--filter', 'nowhere/*'])
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('No folder_path matches --filter nowhere/*')
  })

  it('is in exactly one shard, and an empty shard says that it is', async () => {
    const {sync} = await makeShop()
    const runs = await Promise.all(
      Array.from({length: 6}, (_, index) => sync(['--verify', '--ci', '--json', '--shard', `${index + 1}/6`])),
    )
    expect(runs.map(({code}) => code)).toEqual([0, 0, 0, 0, 0, 0])
    const folders = runs.map(({stdout}) =>
      (JSON.parse(stdout) as {rows: readonly {folder: string}[]}).rows.map(({folder}) => folder),
    )
    expect(folders.flat().toSorted()).toEqual(['services/auth', 'services/pay', 'services/payroll'])
    const empty = folders.findIndex((part) => part.length === 0)
    const run = await sync(['--verify', '--ci', '--shard', `${empty + 1}/6`])
    expect(run.stdout).toContain('Services processed: 0 of 3')
    expect(run.stdout).toContain('None of the 3 services is in this shard')
  })

  it.each(['--shard=1/2', '--shard=2/2', '--filter=s/a/', '--filter=s/b/'])(
    'is refused like the whole where two secrets want one key, as only the env file says: %s',
    async (part) => {
      const [one, other] = [plantKey(), plantKey()]
      const file = encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', other.publicKey, {A: '1'})
      const {sync, workspace, env} = await makeProject({
        secrets: {one: one.privateKey, other: other.privateKey},
        files: {'s/a/app.env.production': 'A=1\n', 's/a/.env': file, 's/b/.env.production': 'A=1\n'},
      })
      const mapping = (lines: string): string => `[[vault.sync.mappings]]\n${lines}\n`
      workspace.write(
        'envdrift.toml',
        configText([]) +
          mapping(
            'secret_name = "one"\nfolder_path = "s/a"\nenv_file = "app.env.production"\nenvironment = "production"',
          ) +
          mapping('secret_name = "other"\nfolder_path = "s/a"\nenv_file = ".env"') +
          mapping('secret_name = "other"\nfolder_path = "s/b"'),
      )
      for (const run of [
        await sync(['--force', '--ci', part]),
        await envdrift(['mappings', part], {cwd: workspace.root, env}),
      ]) {
        expect(run).toMatchObject({code: 1, stderr: expect.stringContaining('both want DOTENV_PRIVATE_KEY_PRODUCTION')})
      }
      expect(workspace.exists('s/a/.env.keys')).toBe(false)
    },
  )

  it('is not refused for a key whose name is only guessed, since the env file of a mapping elsewhere is missing', async () => {
    const [one, other] = [plantKey(), plantKey()]
    const {workspace, env} = await makeProject({
      secrets: {one: one.privateKey, other: other.privateKey},
      files: {'s/a/.env.production': encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', one.publicKey, {A: '1'})},
    })
    const mapping = (name: string, folder: string): string =>
      `[[vault.sync.mappings]]\nsecret_name = "${name}"\nfolder_path = "${folder}"\n`
    const settings = ['env_keys_filename = "../../.env.keys"']
    workspace.write('envdrift.toml', configText([], settings) + mapping('one', 's/a') + mapping('other', 's/b'))
    const part = await envdrift(['mappings', '--filter', 's/a'], {cwd: workspace.root, env})
    expect(part).toMatchObject({code: 0, stdout: expect.stringContaining('s/a/.env.production')})
    const whole = await envdrift(['mappings'], {cwd: workspace.root, env})
    expect(whole).toMatchObject({code: 1, stdout: expect.stringContaining('Folder does not exist: s/b')})
  })

  it('of a wrong shard is a wrong command line', async () => {
    const {sync} = await makeShop()
    expect(await sync(['--shard', '9/8'])).toMatchObject({code: 2})
  })
})

describe('envdrift mappings', () => {
  it('lists what a run would do, asks no vault, and writes a document that satisfies its schema', async () => {
    const {workspace, env, vault} = await makeShop()
    const run = await envdrift(['mappings'], {cwd: workspace.root, env})
    expect(run).toMatchObject({code: 0, stderr: ''})
    expect(run.stdout.split('\n').filter((line) => line !== '')).toEqual(
      services.map((name) =>
        expect.stringMatching(
          new RegExp(
            `^services/${name}/.env.production +DOTENV_PRIVATE_KEY_PRODUCTION +team/app#${name} +default +pattern in line 6$`,
          ),
        ),
      ),
    )
    const {stdout} = await envdrift(['mappings', '--json', '--filter', 'services/auth'], {cwd: workspace.root, env})
    const document = JSON.parse(stdout) as unknown
    validate(document)
    expect(validate.errors ?? []).toEqual([])
    expect(document).toMatchObject({
      total: 3,
      mappings: [{secret: 'team/app#auth', origin: {kind: 'pattern', number: 1, line: 6}}],
    })
    expect(vault.requests()).toEqual([])
  })

  it('takes two lines for each where the terminal is too narrow for one', async () => {
    const {workspace, env} = await makeShop()
    const {stdout} = await envdrift(['mappings'], {cwd: workspace.root, env: {...env, COLUMNS: '70'}})
    expect(stdout.trimEnd().split('\n')).toEqual(
      services.flatMap((name) => [
        `services/${name}/.env.production  DOTENV_PRIVATE_KEY_PRODUCTION`,
        `    team/app#${name}  default  pattern in line 6`,
      ]),
    )
  })

  it('tells patterns apart that stand in one line', async () => {
    const {workspace, env} = await makeShop()
    const inline = services.map((name) => `{env_files = "services/${name}/.env.production", secret_name = "x"}`)
    workspace.write('envdrift.toml', configText([], [`patterns = [${inline.join(', ')}]`]))
    const {stdout} = await envdrift(['mappings'], {cwd: workspace.root, env})
    expect(stdout.match(/pattern.*$/gm)).toEqual(['pattern 1', 'pattern 2', 'pattern 3'])
  })

  it('fails for a mapping whose folder is not there, and shows the others', async () => {
    const {workspace, env} = await makeShop()
    workspace.write(
      'envdrift.toml',
      `${workspace.read('envdrift.toml')}[[vault.sync.mappings]]\nsecret_name = "x"\nfolder_path = "nowhere"\n`,
    )
    const run = await envdrift(['mappings'], {cwd: workspace.root, env})
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('nowhere/')
    expect(run.stdout).toContain('Error: Folder does not exist: nowhere (folder_path)')
    expect(run.stdout).toContain('services/auth/.env.production')
    const failed = await envdrift(['mappings', '--json'], {cwd: workspace.root, env})
    validate(JSON.parse(failed.stdout))
    expect(validate.errors ?? []).toEqual([])
  })
})
