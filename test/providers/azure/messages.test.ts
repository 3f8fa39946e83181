import {describe, expect, it} from 'vitest'

import {EnvdriftError} from '../../../src/core/errors.ts'
import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {chain} from '../../../src/providers/azure/credential-names.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {makePlace} from '../../config/place.ts'
import type {FakeAzure} from '../../fakes/azure.ts'
import {readAll} from '../contract.ts'
import {errorIn, thrownBy} from '../error-in.ts'
import {asRead, claimWhole, failureInSync, goldenTexts} from '../golden.ts'
import {
  clientSecretLogin,
  connectAt,
  enterFake,
  environmentOf,
  homeFile,
  readInChild,
  startFake,
  trustNoFake,
} from './bed.ts'

// What people read, word by word: messages.golden.txt is written by hand. What differs from run to run has a fixed word.

const texts = goldenTexts(import.meta.dirname)

/** Those of all situations so far: each has ids of its own, which get a fixed word. */
const fakes: FakeAzure[] = []

const never = () => new AbortController().signal
const ref = (name = 'myapp-key') => ({vault: 'default', name})
const vaultUrl = 'https://my-keyvault.vault.azure.net'

/** What one situation has to do with. */
type World = {
  readonly fake: FakeAzure
  readonly connect: (settings?: Settings, host?: Partial<Host>) => Promise<Provider>
  /** The failure of reading `myapp-key`. */
  readonly read: (settings?: Settings, host?: Partial<Host>) => Promise<EnvdriftError>
  /** The same as `envdrift sync` says it, which asks who was refused. */
  readonly readInRun: () => Promise<EnvdriftError>
}

const nobody = {AZURE_CLIENT_ID: '', AZURE_TENANT_ID: '', AZURE_CLIENT_SECRET: '', AZURE_TOKEN_CREDENTIALS: ''}

async function world(variables: Readonly<Record<string, string>> = {}): Promise<World> {
  const {fake} = await enterFake((given) => ({...clientSecretLogin(given), ...variables}))
  fakes.push(fake)
  const connect: World['connect'] = (settings, host) => connectAt(vaultUrl, {callTimeoutMs: 10_000, ...host}, settings)
  const read: World['read'] = async (settings, host) => {
    const [answer] = await readAll(await connect(settings, host), [ref()])
    return errorIn(answer)
  }
  const readInRun: World['readInRun'] = () => failureInSync(ref(), connect)
  return {fake, connect, read, readInRun}
}

const write = async (provider: Provider, value: string, expected = 'any'): Promise<EnvdriftError> =>
  thrownBy(provider.write(ref(), new Secret(value), expected, never()))

/** The error of a configuration with this in `[vault.azure]`. */
async function configured(
  settings: string,
  secret = 'myapp-key',
  env: Readonly<Record<string, string>> = {},
): Promise<EnvdriftError> {
  const place = await makePlace()
  const mapping = `[[vault.sync.mappings]]\nsecret_name = "${secret}"\nfolder_path = "services/myapp"\n`
  await place.write('home/repo/envdrift.toml', `[vault.azure]\n${settings}\n${mapping}`)
  const error = await place.fail({}, {env})
  return new EnvdriftError(
    error.code,
    error.message.replaceAll(place.repo, 'REPOSITORY').replaceAll(place.userFile, 'USER-FILE'),
    {
      suggestions: error.suggestions as [string, ...string[]],
    },
  )
}

/** Every situation of the golden file, and how it comes about. */
const situations: Readonly<Record<string, () => Promise<EnvdriftError>>> = {
  'NOT_LOGGED_IN: nothing is there to log in with': async () => (await world(nobody)).read(),
  'NOT_LOGGED_IN: a token file cannot be read': async () =>
    (
      await world({...nobody, AZURE_TENANT_ID: 'x', AZURE_CLIENT_ID: 'x', AZURE_FEDERATED_TOKEN_FILE: '/nonexistent'})
    ).read(),
  'NOT_LOGGED_IN: a client secret without its tenant': async () =>
    (await world({AZURE_TENANT_ID: '', AZURE_TOKEN_CREDENTIALS: ''})).read(),
  'NOT_LOGGED_IN: exclude_credentials leaves one': async () =>
    (await world(nobody)).read({exclude_credentials: chain.filter((name) => name !== 'azure-cli')}),
  'NOT_LOGGED_IN: AZURE_TOKEN_CREDENTIALS narrows it': async () =>
    (await world({...nobody, AZURE_TOKEN_CREDENTIALS: 'AzureCliCredential'})).read(),
  'NOT_LOGGED_IN: AZURE_TOKEN_CREDENTIALS is mistyped': async () =>
    (await world({...nobody, AZURE_TOKEN_CREDENTIALS: 'AzureCliCredentials'})).read(),
  'NOT_LOGGED_IN: credential = "client-secret"': async () => (await world(nobody)).read({credential: 'client-secret'}),
  'NOT_LOGGED_IN: credential = "client-certificate"': async () => {
    const {fake, read} = await world(nobody)
    return read({credential: 'client-certificate', tenant_id: fake.tenantId, client_id: fake.clientId})
  },
  'NOT_LOGGED_IN: credential = "workload-identity"': async () =>
    (await world({...nobody, AZURE_TENANT_ID: 'x', AZURE_CLIENT_ID: 'x'})).read({credential: 'workload-identity'}),
  'NOT_LOGGED_IN: credential = "github-oidc"': async () =>
    (await world({...nobody, AZURE_TENANT_ID: 'x', AZURE_CLIENT_ID: 'x'})).read({credential: 'github-oidc'}),
  'NOT_LOGGED_IN: credential = "managed-identity", and nothing answers': async () =>
    inChild({AZURE_POD_IDENTITY_AUTHORITY_HOST: 'http://127.0.0.1:1'}),
  'NOT_LOGGED_IN: credential = "managed-identity", and it is another': async () =>
    inChild({AZURE_CLIENT_ID: 'x'}, true),
  'NOT_LOGGED_IN: credential = "azure-cli"': async () => (await world(nobody)).read({credential: 'azure-cli'}),
  'NOT_LOGGED_IN: credential = "azure-powershell"': async () =>
    (await world(nobody)).read({credential: 'azure-powershell'}),
  'NOT_LOGGED_IN: credential = "azure-developer-cli"': async () =>
    (await world(nobody)).read({credential: 'azure-developer-cli'}),
  'NOT_LOGGED_IN: credential = "browser" without a person': async () =>
    (await world(nobody)).read({credential: 'browser'}),
  'NOT_LOGGED_IN: in China': async () => {
    const {fake, read} = await world(nobody)
    fake.addVault('my-keyvault', {suffix: 'vault.azure.cn'})
    return read({credential: 'azure-cli', vault_url: 'https://my-keyvault.vault.azure.cn'})
  },

  'LOGIN_REFUSED: the client secret is wrong': async () => (await world({AZURE_CLIENT_SECRET: 'wrong'})).read(),
  'LOGIN_REFUSED: the client secret has expired': async () => {
    const {fake, read} = await world()
    fake.expireLogin()
    return read()
  },
  'LOGIN_REFUSED: no such application': async () =>
    (await world({AZURE_CLIENT_ID: '00000000-0000-0000-0000-000000000000'})).read(),
  'LOGIN_REFUSED: the federated credential names another repository': async () => {
    const {fake, read} = await world({AZURE_CLIENT_SECRET: '', AZURE_TOKEN_CREDENTIALS: 'WorkloadIdentityCredential'})
    const token = fake.makeFederatedToken({sub: 'repo:myorg/another:ref:refs/heads/main'})
    process.env['AZURE_FEDERATED_TOKEN_FILE'] = homeFile('token', token)
    return read()
  },
  'LOGIN_REFUSED: the certificate is not known': async () => {
    const {fake, read} = await world({AZURE_CLIENT_SECRET: ''})
    const stranger = await startFake()
    process.env['AZURE_CLIENT_CERTIFICATE_PATH'] = homeFile('certificate.pem', await stranger.issueClientCertificate())
    expect(fake.tokenRequests()).toBe(0)
    return read()
  },
  'LOGIN_REFUSED: the clock is wrong': async () => {
    const {fake, read} = await world({AZURE_CLIENT_SECRET: ''})
    fake.skewClock(86_400_000)
    process.env['AZURE_CLIENT_CERTIFICATE_PATH'] = homeFile('certificate.pem', await fake.issueClientCertificate())
    return read()
  },
  'LOGIN_REFUSED: the login host is that of another cloud': async () =>
    (await world({AZURE_AUTHORITY_HOST: 'https://login.chinacloudapi.cn'})).read(),
  'LOGIN_REFUSED: the vault belongs to another tenant': async () => {
    const {fake, read} = await world()
    process.env['AZURE_TENANT_ID'] = fake.otherTenantId
    return read()
  },
  'LOGIN_REFUSED: the vault takes our token for one of another cloud': async () => tokenRefused('audience'),
  'LOGIN_REFUSED: the vault takes our token for one of another tenant': async () => tokenRefused('issuer'),
  'LOGIN_REFUSED: our token has expired': async () => tokenRefused('expired'),
  'LOGIN_REFUSED: the vault does not accept our token': async () => tokenRefused('rejected'),

  'FORBIDDEN: a role is missing': async () => refused('ForbiddenByRbac'),
  'FORBIDDEN: an access policy is missing': async () => refused('ForbiddenByPolicy'),
  'FORBIDDEN: the firewall of the vault': async () => refused('ForbiddenByFirewall'),
  'FORBIDDEN: no public network': async () => refused('ForbiddenByConnection'),
  'FORBIDDEN: the role to read does not allow to write': async () => {
    const {fake, connect} = await world()
    fake.allowOnly('get')
    return write(await connect(), 'another value')
  },
  'SECRET_DISABLED: it is disabled': async () => {
    const {fake, read} = await world()
    fake.disable('my-keyvault', 'myapp-key')
    return read()
  },
  'SECRET_DELETED: it is deleted': async () => {
    const {fake, read} = await world()
    fake.remove('my-keyvault', 'myapp-key')
    return read()
  },
  'SECRET_DELETED: its name is taken by a deleted one': async () => {
    const {fake, connect} = await world()
    fake.remove('my-keyvault', 'myapp-key')
    return write(await connect(), 'again')
  },
  'VERSION_CONFLICT: it exists already': async () => write(await (await world()).connect(), 'again', 'absent'),
  'VERSION_CONFLICT: it is gone': async () => {
    const {connect} = await world()
    const provider = await connect()
    return thrownBy(provider.write(ref('another-key'), new Secret('x'), '0'.repeat(32), never()))
  },
  'BAD_REQUEST: it is too large': async () => write(await (await world()).connect(), 'x'.repeat(25_601)),

  'UNREACHABLE: no such vault': async () => {
    const {read} = await world()
    delete process.env['HTTPS_PROXY']
    // A label of more than 63 letters is refused by the resolver itself: nothing leaves the machine.
    return read({vault_url: `https://${longName}.vault.azure.net`})
  },
  'UNREACHABLE: no such vault, behind a proxy': async () =>
    (await world()).read({vault_url: 'https://no-such-keyvault.vault.azure.net'}),
  'UNREACHABLE: the way is broken': async () => {
    const {fake, read} = await world()
    await fake.stop()
    return read()
  },
  'UNREACHABLE: the connection breaks in the middle of every answer': async () => {
    const {fake, read} = await world()
    fake.fail({kind: 'cut', times: Infinity})
    return read()
  },
  'UNREACHABLE: the login host': async () => {
    const {fake, read} = await world()
    fake.breakLogin()
    return read()
  },
  'TLS_REFUSED: the certificate is not trusted': async () => {
    const {read} = await world()
    trustNoFake()
    return read()
  },
  'TIMEOUT: the vault is silent': async () => {
    const {fake, read} = await world()
    fake.silence('vault')
    return read({}, {callTimeoutMs: 400})
  },
  'TIMEOUT: the login is silent, and all are tried': async () => {
    const {fake, read} = await world({AZURE_TOKEN_CREDENTIALS: ''})
    fake.silence('login')
    return read({}, {callTimeoutMs: 400})
  },
  'TIMEOUT: the login is silent, and it is the only one': async () => {
    const {fake, read} = await world()
    fake.silence('login')
    return read({credential: 'client-secret'}, {callTimeoutMs: 400})
  },
  'THROTTLED: for ever': async () => {
    const {fake, read} = await world()
    fake.fail({kind: 'status', status: 429, times: Infinity})
    return read({}, {callTimeoutMs: 1000})
  },
  'THROTTLED: for longer than a call may take': async () => {
    const {fake, read} = await world()
    fake.fail({kind: 'status', status: 429, times: 1, retryAfterSeconds: 600})
    return read()
  },
  'THROTTLED: the login host': async () => {
    const {fake, read} = await world()
    fake.failLogin(429)
    return read()
  },
  'THROTTLED: the login host, for longer than a login may take': async () => {
    const {fake, read} = await world()
    fake.failLogin(429, 600)
    return read()
  },
  'SERVICE_ERROR: the vault': async () => {
    const {fake, read} = await world()
    fake.fail({kind: 'status', status: 503, times: Infinity})
    return read()
  },
  'SERVICE_ERROR: the login host': async () => {
    const {fake, read} = await world()
    fake.failLogin(503)
    return read()
  },
  'BAD_RESPONSE: a page of something in between': async () => stranger(404, '<h1>Sign in to this network</h1>'),
  'BAD_RESPONSE: a page comes from the login host': async () => {
    const {fake, read} = await world()
    fake.pageForLogin(200)
    return read()
  },
  'BAD_RESPONSE: a page forbids the login host': async () => {
    const {fake, read} = await world()
    fake.pageForLogin(403)
    return read()
  },
  'BAD_RESPONSE: an error that no vault has': async () =>
    stranger(418, JSON.stringify({error: {code: 'Teapot', message: ''}})),
  'BAD_RESPONSE: no value in it': async () => stranger(200, JSON.stringify({id: `${vaultUrl}/secrets/myapp-key/0a1b`})),
  'BAD_RESPONSE: it asks for a login that does not belong to it': async () => {
    const {fake, read} = await world()
    fake.addVault('odd-vault', {challengeResource: 'https://vault.azure.cn'})
    return read({vault_url: 'https://odd-vault.vault.azure.net'})
  },

  'CONFIG_INVALID: a Managed HSM': () => configured('vault_url = "https://my-hsm.managedhsm.azure.net/"'),
  'CONFIG_INVALID: two clouds': () => configured('vault_url = "https://my-keyvault.vault.azure.cn/"\ncloud = "usgov"'),
  'CONFIG_INVALID: an underscore': () => configured(`vault_url = "${vaultUrl}/"`, 'myapp_key'),
  'CONFIG_INVALID: a tenant for Azure’s own identity': () =>
    configured(`vault_url = "${vaultUrl}/"\ncredential = "managed-identity"\ntenant_id = "myorg.onmicrosoft.com"`),
  'CONFIG_NOT_ALLOWED: an address of somebody else': () => configured('vault_url = "https://vault.example.com/"'),
  'CONFIG_NOT_ALLOWED: a login host of somebody else': () =>
    configured(`vault_url = "${vaultUrl}/"\nauthority_host = "https://login.example.com"`),
  'CONFIG_NOT_ALLOWED: an application for the browser': () =>
    configured(
      `vault_url = "${vaultUrl}/"\ncredential = "browser"\nclient_id = "00000000-0000-0000-0000-000000000000"`,
    ),
  'CONFIG_NOT_ALLOWED: a secret would go to another cloud': () =>
    configured('vault_url = "https://my-keyvault.vault.azure.cn/"', 'myapp-key', {
      CI: 'true',
      AZURE_CLIENT_SECRET: 'x',
    }),
}

const longName = 'a'.repeat(64)

async function tokenRefused(reason: Parameters<FakeAzure['refuseTokens']>[0]): Promise<EnvdriftError> {
  const {fake, read} = await world()
  fake.refuseTokens(reason)
  return read()
}

async function refused(refusal: Parameters<FakeAzure['forbid']>[1]): Promise<EnvdriftError> {
  const {fake, readInRun} = await world()
  fake.forbid('myapp-key', refusal)
  return readInRun()
}

async function stranger(status: number, page: string): Promise<EnvdriftError> {
  const {fake, read} = await world()
  const headers = {'content-type': page.startsWith('{') ? 'application/json' : 'text/html'}
  fake.fail({kind: 'stranger', status, page, headers, times: 1})
  return read()
}

/** With a managed identity, which the SDK keeps for the whole process. */
async function inChild(variables: Readonly<Record<string, string>>, there = false): Promise<EnvdriftError> {
  const {fake} = await world(nobody)
  fake.metadata(there)
  const address = {AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.proxyUrl}
  const {outcome, said} = await readInChild(
    {...environmentOf(fake), ...nobody, ...address, ...variables},
    {credential: 'managed-identity'},
  )
  const [message = '', first = '', ...more] = said.split('\n')
  return new EnvdriftError(outcome as EnvdriftError['code'], message, {suggestions: [first, ...more]})
}

/** As people read it, with a fixed word for what is another in each run. */
function shown(error: EnvdriftError): string {
  return [...fakes.flatMap(wordsOf), [longName, 'no-such-keyvault'] as const]
    .reduce((all, [value, word]) => all.replaceAll(value, word), asRead(error))
    .replaceAll(/\b20\d\d-\d\d-\d\d\b/g, 'DATE')
    .replaceAll(/[ \t]+$/gm, '')
}

const wordsOf = (fake: FakeAzure) =>
  [
    [fake.tenantId, 'TENANT'],
    [fake.otherTenantId, 'OTHER-TENANT'],
    [fake.clientId, 'CLIENT'],
    [fake.principalId, 'OBJECT'],
  ] as const

describe('the messages of Azure Key Vault', () => {
  it.each(Object.entries(situations))('%s', {timeout: 30_000}, async (title, provoke) => {
    const error = await provoke()
    expect(title).toContain(`${error.code}: `)
    expect(shown(error)).toBe(texts.get(title))
  })

  claimWhole(texts, Object.keys(situations), {sources: ['azure/*.ts'], moreThan: 10})
})
