import {join} from 'node:path'

import {expect, it, onTestFinished} from 'vitest'

import {startSsmFake} from '../../fakes/aws-ssm.ts'
import {exampleCredentials, startAwsFake} from '../../fakes/aws.ts'
import {certificateFile, environmentFor, startFakeAzure} from '../../fakes/azure.ts'
import {project as gcpProject, startGcp} from '../../fakes/gcp.ts'
import {startFakeVault} from '../../fakes/hashicorp.ts'
import {plantKey, type PlantedKey} from '../../support/planted-keys.ts'
import {production} from '../../support/project.ts'
import {envdrift, type Run} from '../../support/run-envdrift.ts'
import {encryptEnvFile, makeWorkspace, type Workspace} from '../../support/workspace.ts'
import {password, writeCheapVault} from '../../vault/cheap-vault.ts'

const vaults = ['aws', 'params', 'vault', 'azure', 'gcp', 'own'] as const
type Vault = (typeof vaults)[number]

/** One service: the folder of its name, and where its key lies. */
type Service = {readonly name: string; readonly vault: Vault; readonly secret: string}

/** Two services for each of the six vaults. */
const services = vaults.flatMap((vault) =>
  ['pay', 'auth'].map((service): Service => ({name: `${vault}-${service}`, vault, secret: `${vault}-${service}`})),
)

type Shop = {
  readonly workspace: Workspace
  readonly keys: Readonly<Record<string, PlantedKey>>
  readonly sync: (...args: readonly string[]) => Promise<Run>
  /** Store a text as it is in one of the vaults; on HashiCorp Vault as the field `value`. */
  readonly store: (vault: Vault, secret: string, text: string) => Promise<void>
  readonly aws: Awaited<ReturnType<typeof startAwsFake>>
  readonly ssm: Awaited<ReturnType<typeof startSsmFake>>
  readonly vault: Awaited<ReturnType<typeof startFakeVault>>
  readonly azure: Awaited<ReturnType<typeof startFakeAzure>>
  readonly gcp: Awaited<ReturnType<typeof startGcp>>
}

/** Services whose keys belong into six vaults of six kinds, which hold nothing yet. */
async function makeShop(of: readonly Service[]): Promise<Shop> {
  const fakes = [startAwsFake(), startSsmFake(), startFakeVault(), startFakeAzure(), startGcp()] as const
  const [aws, ssm, vault, azure, gcp] = await Promise.all(fakes)
  onTestFinished(async () => void (await Promise.all([aws, ssm, vault, azure, gcp].map((fake) => fake.stop()))))
  const keys = Object.fromEntries(of.map(({name}) => [name, plantKey()]))
  const token = vault.addToken({rules: [{path: 'secret/*', capabilities: ['read']}]})
  const workspace = makeWorkspace({
    '.gitignore': '.env.keys*\n',
    'envdrift.toml': [
      '[vaults.aws]\nprovider = "aws"\nregion = "eu-west-1"',
      '[vaults.params]\nprovider = "aws-ssm"\nregion = "eu-west-1"',
      `[vaults.vault]\nprovider = "hashicorp"\nurl = "${vault.url}"`,
      `[vaults.azure]\nprovider = "azure"\nvault_url = "${azure.addVault('my-keyvault')}/"`,
      `[vaults.gcp]\nprovider = "gcp"\nproject_id = "${gcpProject.id}"`,
      '[vault]\nprovider = "local"',
      ...of.map(({name, vault: at, secret}) => {
        const route = at === 'own' ? '' : `vault_name = "${at}"\n`
        return `[[vault.sync.mappings]]\nsecret_name = "${secret}"\nfolder_path = "${name}"\n${route}`
      }),
    ].join('\n'),
    ...Object.fromEntries(
      of.map(({name}) => [
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
    ...environmentFor(azure, certificateFile(workspace.home, azure.certificate, undefined)),
    // The others are reached directly.
    NO_PROXY: '127.0.0.1',
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.url,
    AWS_ENDPOINT_URL_SSM: ssm.url,
    AWS_ACCESS_KEY_ID: exampleCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: exampleCredentials.secretAccessKey,
    VAULT_ADDR: vault.url,
    VAULT_TOKEN: token,
    GOOGLE_APPLICATION_CREDENTIALS: login,
    ENVDRIFT_VAULT_PASSWORD: password.reveal(),
  }
  const run = (args: readonly string[], stdin?: string): Promise<Run> =>
    envdrift(args, {cwd: workspace.root, env, ...(stdin !== undefined && {stdin})})
  const stores: Readonly<Record<Vault, (secret: string, text: string) => unknown>> = {
    aws: (secret, text) => aws.put(secret, text, 'eu-west-1'),
    params: (secret, text) => ssm.put(secret, text, {region: 'eu-west-1'}),
    vault: (secret, text) => vault.put('secret', secret, {value: text}),
    azure: (secret, text) => azure.set('my-keyvault', secret, text),
    gcp: (secret, text) => gcp.seed(secret, text),
    own: async (secret, text) => {
      if ((await run(['vault', 'set', secret], text)).code !== 0) throw new Error(`${secret} was not stored`)
    },
  }
  return {
    workspace,
    keys,
    store: async (at, secret, text) => void (await stores[at](secret, text)),
    sync: (...args) => run(['sync', ...args]),
    aws,
    ssm,
    vault,
    azure,
    gcp,
  }
}

/** Each key as a secret of its own. */
async function stockedShop(): Promise<Shop> {
  const shop = await makeShop(services)
  for (const {name, vault, secret} of services) await shop.store(vault, secret, shop.keys[name]!.privateKey)
  return shop
}

const rowsOf = ({stdout}: Run): readonly string[] => stdout.split('\n').filter((line) => line.includes(' - '))

const created = ({name, vault}: Service): string =>
  `  + ${name} (vault ${vault === 'own' ? 'default' : vault}) - created`

it('reads six kinds of vaults in one run, each after one login, and each row says which', async () => {
  const {workspace, keys, sync, aws, ssm, vault, azure, gcp} = await stockedShop()
  const run = await sync('--check-decryption')
  expect(run).toMatchObject({code: 0, stderr: ''})
  expect(rowsOf(run)).toEqual(services.map(created))
  for (const {name} of services) expect(workspace.read(`${name}/.env.keys`)).toContain(production(keys[name]!))
  expect([gcp.logins(), azure.tokenRequests()]).toEqual([1, 1])
  // Nothing is asked beside the secrets themselves: two keys in one call of AWS's, elsewhere two calls.
  expect(aws.requests().map(({operation}) => operation)).toEqual(['BatchGetSecretValue'])
  expect(ssm.requests().map(({operation}) => operation)).toEqual(['GetParameters'])
  expect(vault.log.map(({path}) => path).toSorted()).toEqual(['secret/data/vault-auth', 'secret/data/vault-pay'])
  expect(
    azure
      .requests()
      .map(({operation, name}) => `${operation} ${name}`)
      .toSorted(),
  ).toEqual(['get azure-auth', 'get azure-pay'])
  expect(gcp.reads()).toHaveLength(2)
})

it('reads a field of each kind of secret, once for all of its fields', async () => {
  const ofFields = [...vaults.map((vault) => [vault, 'keys'] as const), ['vault', 'kv'] as const].flatMap(
    ([vault, of]) =>
      ['pay', 'auth'].map((service): Service => ({
        name: `${vault}-${of}-${service}`,
        vault,
        secret: `${vault}-${of}#${service}`,
      })),
  )
  const {workspace, keys, store, sync, aws, ssm, vault, azure, gcp} = await makeShop(ofFields)
  const keyOf = (name: string): string => keys[name]!.privateKey
  const fieldsOf = (secret: string) => ({auth: keyOf(`${secret}-auth`), pay: keyOf(`${secret}-pay`)})
  // On HashiCorp Vault this is JSON inside of its field `value`, and `vault-kv` has fields of its own.
  for (const at of vaults) await store(at, `${at}-keys`, JSON.stringify(fieldsOf(`${at}-keys`)))
  vault.put('secret', 'vault-kv', fieldsOf('vault-kv'))
  const run = await sync('--check-decryption')
  expect(run).toMatchObject({code: 0, stderr: ''})
  expect(rowsOf(run)).toEqual(ofFields.map(created))
  for (const {name} of ofFields) expect(workspace.read(`${name}/.env.keys`)).toContain(production(keys[name]!))
  expect([aws, ssm, azure].map((fake) => fake.requests().length)).toEqual([1, 1, 1])
  expect(vault.log.map(({path}) => path).toSorted()).toEqual(['secret/data/vault-keys', 'secret/data/vault-kv'])
  expect(gcp.reads()).toHaveLength(1)
})

it('takes no other field for one that is not there, in any of the vaults', async () => {
  const ofFields = vaults.map((vault): Service => ({name: `${vault}-pay`, vault, secret: `${vault}-keys#pay`}))
  const {workspace, keys, store, sync} = await makeShop(ofFields)
  for (const at of vaults) await store(at, `${at}-keys`, JSON.stringify({Pay: keys[`${at}-pay`]!.privateKey}))
  const run = await sync('--json')
  expect(run.code).toBe(1)
  expect(codesOf(run)).toEqual(ofFields.map(({name}) => [name, 'KEY_NOT_FOUND_IN_SECRET']))
  for (const {name} of ofFields) expect(workspace.exists(`${name}/.env.keys`)).toBe(false)
})

/** Folder, and the code of its error, or what became of it. */
function codesOf({stdout}: Run): readonly (readonly [string, string])[] {
  const {rows} = JSON.parse(stdout) as {
    readonly rows: readonly {
      readonly folder: string
      readonly status: string
      readonly error?: {readonly code: string}
    }[]
  }
  return rows.map(({folder, status, error}) => [folder, error?.code ?? status])
}

it('leaves the rows of the other vaults as they are when one of them is down', async () => {
  const {sync, vault} = await stockedShop()
  await vault.stop()
  const run = await sync('--json')
  expect(run.code).toBe(1)
  expect(codesOf(run)).toEqual(services.map(({name, vault: at}) => [name, at === 'vault' ? 'UNREACHABLE' : 'created']))
})

it('asks nobody who we are before a read, and one vault after it has refused', async () => {
  const {sync, aws, ssm, gcp} = await stockedShop()
  gcp.forbid('gcp-pay')
  const run = await sync()
  expect(run.code).toBe(1)
  expect(run.stdout).toContain('(logged in as')
  expect([aws, ssm].flatMap((fake) => fake.requests()).filter(({operation}) => operation.includes('Identity'))).toEqual(
    [],
  )
  expect(run.stdout).toContain('  + gcp-auth (vault gcp) - created')
})
