import {join} from 'node:path'

import {expect, it, onTestFinished} from 'vitest'

import {exampleCredentials, startAwsFake} from '../../fakes/aws.ts'
import {project as gcpProject, startGcp} from '../../fakes/gcp.ts'
import {startFakeVault} from '../../fakes/hashicorp.ts'
import {plantKey, type PlantedKey} from '../../support/planted-keys.ts'
import {production} from '../../support/project.ts'
import {envdrift, type Run} from '../../support/run-envdrift.ts'
import {encryptEnvFile, makeWorkspace, type Workspace} from '../../support/workspace.ts'
import {password, writeCheapVault} from '../../vault/cheap-vault.ts'

const vaults = ['aws', 'vault', 'gcp', 'own'] as const
/** Two services for each of the four vaults. */
const services = vaults.flatMap((vault) => [`${vault}-pay`, `${vault}-auth`])

type Shop = {
  readonly workspace: Workspace
  readonly keys: Readonly<Record<string, PlantedKey>>
  readonly sync: (...args: readonly string[]) => Promise<Run>
  readonly aws: Awaited<ReturnType<typeof startAwsFake>>
  readonly vault: Awaited<ReturnType<typeof startFakeVault>>
  readonly gcp: Awaited<ReturnType<typeof startGcp>>
}

/** Eight services whose keys lie in four vaults of four kinds. */
async function makeShop(): Promise<Shop> {
  const [aws, vault, gcp] = await Promise.all([startAwsFake(), startFakeVault(), startGcp()])
  onTestFinished(async () => void (await Promise.all([aws.stop(), vault.stop(), gcp.stop()])))
  const keys = Object.fromEntries(services.map((name) => [name, plantKey()]))
  const token = vault.addToken({rules: [{path: 'secret/*', capabilities: ['read']}]})
  const workspace = makeWorkspace({
    '.gitignore': '.env.keys*\n',
    'envdrift.toml': [
      '[vaults.aws]\nprovider = "aws"\nregion = "eu-west-1"',
      `[vaults.vault]\nprovider = "hashicorp"\nurl = "${vault.url}"`,
      `[vaults.gcp]\nprovider = "gcp"\nproject_id = "${gcpProject.id}"`,
      '[vault]\nprovider = "local"',
      ...services.map((name) => {
        const route = name.startsWith('own') ? '' : `vault_name = "${name.split('-')[0]}"\n`
        return `[[vault.sync.mappings]]\nsecret_name = "${name}"\nfolder_path = "${name}"\n${route}`
      }),
    ].join('\n'),
    ...Object.fromEntries(
      services.map((name) => [
        `${name}/.env.production`,
        encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', keys[name]!.publicKey, {A: '1'}),
      ]),
    ),
  })
  const configured = join('..', 'home', '.config', 'envdrift', 'config.toml')
  workspace.write(configured, `[vaults.gcp]\nprovider = "gcp"\napi_endpoint = "${gcp.endpoint}"\n`)
  const login = workspace.write(join('..', 'home', 'gcp.json'), JSON.stringify(gcp.serviceAccount))
  await writeCheapVault(workspace.path('.envdrift/vault'))
  const env = {
    AWS_ENDPOINT_URL: aws.url,
    AWS_ACCESS_KEY_ID: exampleCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: exampleCredentials.secretAccessKey,
    VAULT_ADDR: vault.url,
    VAULT_TOKEN: token,
    GOOGLE_APPLICATION_CREDENTIALS: login,
    ENVDRIFT_VAULT_PASSWORD: password.reveal(),
  }
  const run = (args: readonly string[], stdin?: string): Promise<Run> =>
    envdrift(args, {cwd: workspace.root, env, ...(stdin !== undefined && {stdin})})
  for (const name of services) {
    const key = keys[name]!.privateKey
    if (name.startsWith('aws')) aws.put(name, key, 'eu-west-1')
    else if (name.startsWith('vault')) vault.put('secret', name, {value: key})
    else if (name.startsWith('gcp')) gcp.seed(name, key)
    else if ((await run(['vault', 'set', name], key)).code !== 0) throw new Error(`${name} was not stored`)
  }
  return {workspace, keys, aws, vault, gcp, sync: (...args) => run(['sync', ...args])}
}

it('reads four kinds of vaults in one run, each after one login, and each row says which', async () => {
  const {workspace, keys, sync, aws, vault, gcp} = await makeShop()
  const run = await sync('--check-decryption')
  expect(run).toMatchObject({code: 0, stderr: ''})
  expect(run.stdout.split('\n').filter((line) => line.includes(' - '))).toEqual(
    services.map((name) => {
      const of = name.split('-')[0]!
      return `  + ${name} (vault ${of === 'own' ? 'default' : of}) - created`
    }),
  )
  for (const name of services) expect(workspace.read(`${name}/.env.keys`)).toContain(production(keys[name]!))
  expect(gcp.logins()).toBe(1)
  // Nothing is asked beside the secrets themselves: two keys in one call, two calls, two calls.
  expect(aws.requests().map(({operation}) => operation)).toEqual(['BatchGetSecretValue'])
  expect(vault.log.map(({path}) => path).toSorted()).toEqual(['secret/data/vault-auth', 'secret/data/vault-pay'])
  expect(gcp.reads()).toHaveLength(2)
})

it('leaves the rows of the other vaults as they are when one of them is down', async () => {
  const {sync, vault} = await makeShop()
  await vault.stop()
  const run = await sync('--json')
  expect(run.code).toBe(1)
  const {rows} = JSON.parse(run.stdout) as {
    readonly rows: readonly {
      readonly folder: string
      readonly status: string
      readonly error?: {readonly code: string}
    }[]
  }
  expect(rows.map(({folder, status, error}) => [folder, error?.code ?? status])).toEqual(
    services.map((name) => [name, name.startsWith('vault') ? 'UNREACHABLE' : 'created']),
  )
})

it('asks nobody who we are before a read, and one vault after it has refused', async () => {
  const {sync, aws, gcp} = await makeShop()
  gcp.forbid('gcp-pay')
  const run = await sync()
  expect(run.code).toBe(1)
  expect(run.stdout).toContain('(logged in as')
  expect(aws.requests().filter(({operation}) => operation.includes('Identity'))).toEqual([])
  expect(run.stdout).toContain('  + gcp-auth (vault gcp) - created')
})
