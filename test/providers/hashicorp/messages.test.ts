import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {expect, it, onTestFinished, vi} from 'vitest'

import {EnvdriftError} from '../../../src/core/errors.ts'
import type {Env, Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {spec} from '../../../src/providers/hashicorp/spec.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {type FakeVault, startFakeVault} from '../../fakes/hashicorp.ts'
import {readAll} from '../contract.ts'
import {errorIn, thrownBy} from '../error-in.ts'
import {asRead, claimWhole, failureInSync, goldenTexts} from '../golden.ts'
import {startAgent} from './agent.ts'
import {connectAt, hostWith} from './bed.ts'
import {startConnectProxy} from './connect-proxy.ts'
import {enableAppRole, rootApi, type RootApi, writePolicy} from './root-api.ts'
import {issuer, makeTokenIssuer, startJobTokens} from './token-issuer.ts'

// What people read, word by word: messages.golden.txt is written by hand. What differs from run to run has a fixed word.

const texts = goldenTexts(import.meta.dirname)

const never = () => new AbortController().signal
const ref = (name = 'myapp-key', version?: string) => ({
  vault: 'default',
  name,
  ...(version !== undefined && {version}),
})

/** What one situation has to do with. */
type World = {
  readonly vault: FakeVault
  readonly api: RootApi
  readonly directory: string
  readonly connect: (
    settings?: Settings,
    env?: Env,
    over?: Partial<Host> & {readonly url?: string},
  ) => Promise<Provider>
  /** The failure of reading `myapp-key`. */
  readonly read: (
    settings?: Settings,
    env?: Env,
    over?: Partial<Host> & {readonly url?: string},
  ) => Promise<EnvdriftError>
  /** The same as `envdrift sync` says it, which asks who was refused. */
  readonly readInRun: (settings?: Settings, env?: Env) => Promise<EnvdriftError>
  /** Settings and variables of an AppRole that is set up with the policy myapp-read. */
  readonly appRole: (
    role?: Readonly<Record<string, unknown>>,
  ) => Promise<{readonly settings: Settings; readonly env: Env}>
  /** Texts that get a fixed word. */
  readonly words: Map<string, string>
}

async function world(options: Parameters<typeof startFakeVault>[0] = {}): Promise<World> {
  const vault = await startFakeVault(options)
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-messages-'))
  onTestFinished(async () => {
    await vault.stop()
    rmSync(directory, {recursive: true, force: true})
  })
  const api = rootApi(vault)
  const words = new Map([
    [vault.url, 'http://VAULT'],
    [directory, 'DIR'],
  ])
  vault.put('secret', 'myapp-key', {value: 'the value'})
  const connect: World['connect'] = (settings, env = {VAULT_TOKEN: vault.rootToken}, {url, ...over} = {}) =>
    connectAt(url ?? vault.url, hostWith(env, {callTimeoutMs: 10_000, ...over}), settings)
  return {
    vault,
    api,
    directory,
    words,
    connect,
    read: async (...given) => readFailure(await connect(...given)),
    readInRun: (settings, env) => failureInSync(ref(), () => connect(settings, env)),
    appRole: async (role = {}) => {
      await writePolicy(api, 'myapp-read', [{path: 'secret/data/other', capabilities: ['read']}])
      const {roleId, secretId} = await enableAppRole(api, {token_policies: ['myapp-read'], ...role})
      words.set(roleId, 'ROLE-ID')
      return {settings: {auth: 'approle', role_id: roleId}, env: {VAULT_SECRET_ID: await secretId()}}
    },
  }
}

async function readFailure(provider: Provider, of = ref()): Promise<EnvdriftError> {
  const [answer] = await readAll(provider, [of])
  return errorIn(answer)
}

/** What is wrong with a configuration, as an error would be. */
function problemOf(settings: Settings, env: Env = {}, trustedVaults: readonly string[] = []): EnvdriftError {
  const origins = Object.fromEntries(Object.keys(settings).map((key) => [key, 'repository' as const]))
  const [problem] = spec.resolve({settings, origins, env, ci: false, trustedVaults}).problems
  return new EnvdriftError(problem?.code ?? 'CONFIG_INVALID', problem?.text ?? '', {suggestions: ['-']})
}

const jwtSetUp = async (api: RootApi) => {
  const tokens = makeTokenIssuer()
  await api('POST', 'sys/auth/jwt', {type: 'jwt'})
  await api('POST', 'auth/jwt/config', {jwt_validation_pubkeys: [tokens.publicKey], bound_issuer: issuer})
  await api('POST', 'auth/jwt/role/myapp-ci', {user_claim: 'sub', bound_audiences: ['https://vault.example.com']})
  return tokens
}

/** One secret, several versions: what became of the second of them. */
async function withVersionTwo(api: RootApi, fate: 'delete' | 'destroy'): Promise<void> {
  await api('POST', 'secret/data/myapp-key', {data: {value: 'two'}})
  await api('POST', `secret/${fate}/myapp-key`, {versions: [2]})
}

const situations: Readonly<Record<string, () => Promise<{readonly error: EnvdriftError; readonly in: World}>>> = {}
const when = (title: string, provoke: (world: World) => Promise<EnvdriftError> | EnvdriftError, options = {}): void => {
  ;(situations as Record<string, unknown>)[title] = async () => {
    const made = await world(options)
    return {error: await provoke(made), in: made}
  }
}

when('NOT_LOGGED_IN: no token', ({read}) => read({}, {}))
when('NOT_LOGGED_IN: the token file is not there', ({read}) => read({}, {VAULT_TOKEN_FILE: '/run/vault/token'}))
when('NOT_LOGGED_IN: the token file is no file', ({words, read}) => {
  words.set('/dev/null', 'DEVICE')
  return read({}, {VAULT_TOKEN_FILE: '/dev/null'})
})
when('NOT_LOGGED_IN: the token is no token', ({read}) => read({}, {VAULT_TOKEN: 'two words'}))
when('NOT_LOGGED_IN: no SecretID', ({read}) => read({auth: 'approle', role_id: 'ci'}, {}))
when('NOT_LOGGED_IN: the file of the SecretID is not there', ({read}) =>
  read({auth: 'approle', role_id: 'ci', secret_id_file: '/run/secrets/secret-id'}, {}),
)
when('NOT_LOGGED_IN: the file of the SecretID is a folder', ({directory, read}) =>
  read({auth: 'approle', role_id: 'ci', secret_id_file: directory}, {}),
)
when('NOT_LOGGED_IN: no JWT', ({read}) => read({auth: 'jwt', role: 'ci'}, {}))
when('NOT_LOGGED_IN: a job of GitHub without its permission', ({read}) =>
  read({auth: 'jwt', role: 'ci'}, {GITHUB_ACTIONS: 'true'}),
)
when('NOT_LOGGED_IN: outside a pod', ({read}) => read({auth: 'kubernetes', role: 'myapp'}, {}))
when('NOT_LOGGED_IN: no password', ({read}) => read({auth: 'ldap', username: 'alice'}, {}))

when('LOGIN_REFUSED: AppRole', async ({api, appRole, read}) => {
  const {settings, env} = await appRole()
  await api('DELETE', 'auth/approle/role/myapp-ci')
  return read(settings, env)
})
when('LOGIN_REFUSED: a wrapped SecretID that is used up', async ({appRole, read}) => {
  const {settings} = await appRole()
  return read({...settings, secret_id_wrapped: true}, {VAULT_SECRET_ID: 'hvs.used'})
})
when('LOGIN_REFUSED: a wrapped SecretID that somebody has wrapped anew', async ({api, appRole, read}) => {
  const {settings} = await appRole()
  const made = (await api('POST', 'sys/wrapping/wrap', {secret_id: 'x'}, {'x-vault-wrap-ttl': '60'})) as {
    readonly wrap_info: {readonly token: string}
  }
  return read({...settings, secret_id_wrapped: true}, {VAULT_SECRET_ID: made.wrap_info.token})
})
when('LOGIN_REFUSED: JWT with another audience', async ({api, read}) => {
  const tokens = await jwtSetUp(api)
  return read({auth: 'jwt', role: 'myapp-ci'}, {VAULT_ID_TOKEN: tokens.sign({aud: 'https://other.example.com'})})
})
when('LOGIN_REFUSED: GitHub gives no token', async ({read}) => {
  const jobs = await startJobTokens(makeTokenIssuer())
  onTestFinished(jobs.stop)
  return read({auth: 'jwt', role: 'ci'}, {...jobs.env, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'run-out'})
})
when('LOGIN_REFUSED: Kubernetes', async ({api, directory, read}) => {
  await api('POST', 'sys/auth/kubernetes', {type: 'kubernetes'})
  writeFileSync(join(directory, 'token'), 'a.b.c')
  return read({auth: 'kubernetes', role: 'none', jwt_file: join(directory, 'token')}, {})
})
when('LOGIN_REFUSED: password', async ({api, read}) => {
  await api('POST', 'sys/auth/userpass', {type: 'userpass'})
  return read({auth: 'userpass', username: 'alice', password: 'wrong'}, {})
})
when('LOGIN_REFUSED: certificate', async ({vault, api, directory, words, read}) => {
  await api('POST', 'sys/auth/cert', {type: 'cert'})
  const tls = await serverCertificate(['localhost'])
  for (const [name, text] of [
    ['ca.pem', tls.certificate],
    ['key.pem', tls.key],
  ] as const)
    writeFileSync(join(directory, name), text)
  const url = await vault.listenSecurely(tls)
  words.set(url, 'https://VAULT')
  const [ca_file, client_key] = [join(directory, 'ca.pem'), join(directory, 'key.pem')]
  return read({auth: 'cert', ca_file, client_cert: ca_file, client_key}, {}, {url})
})
when('LOGIN_REFUSED: no such method', ({read}) =>
  read({auth: 'approle', role_id: 'ci', auth_mount: 'team/approle'}, {VAULT_SECRET_ID: 'x'}),
)
when('LOGIN_REFUSED: a second factor', async ({vault, appRole, read}) => {
  const {settings, env} = await appRole()
  const auth = {client_token: '', mfa_requirement: {mfa_request_id: 'x'}}
  vault.fault({status: 200, body: {data: null, auth}}, 1, 'auth/approle/login')
  return read(settings, env)
})
when('LOGIN_REFUSED: the login has run out', async ({vault, appRole, connect}) => {
  const {settings, env} = await appRole({token_ttl: '1s', token_max_ttl: '1s'})
  const provider = await connect(settings, env)
  await readAll(provider, [ref('other')])
  vault.delay(1100)
  return readFailure(provider)
})
when('LOGIN_REFUSED: the login is used up', async ({appRole, connect}) => {
  const {settings, env} = await appRole({token_num_uses: 1})
  const provider = await connect({...settings, kv_version: 2}, env)
  await readAll(provider, [ref('other')])
  return readFailure(provider)
})
when('LOGIN_REFUSED: something in front of Vault', ({vault, read}) => {
  vault.fault({status: 401, body: 'Unauthorized'})
  return read()
})
when('LOGIN_REFUSED: the proxy wants a login', async ({words, read}) => {
  const proxy = await startConnectProxy({login: 'a:b'})
  onTestFinished(() => proxy.stop())
  words.set('https://vault.example.com', 'https://VAULT')
  return read({}, {VAULT_TOKEN: 'x', HTTPS_PROXY: proxy.url}, {url: 'https://vault.example.com'})
})

when('FORBIDDEN: a token that somebody gave us', ({vault, readInRun}) =>
  readInRun({}, {VAULT_TOKEN: vault.addToken({rules: []})}),
)
when('FORBIDDEN: a login of our own', async ({appRole, readInRun}) => {
  const {settings, env} = await appRole()
  return readInRun(settings, env)
})
when('FORBIDDEN: a login of our own with few uses', async ({appRole, readInRun}) => {
  const {settings, env} = await appRole({token_num_uses: 5})
  return readInRun(settings, env)
})
when('FORBIDDEN: in a namespace', ({vault, readInRun}) =>
  readInRun({namespace: 'team1'}, {VAULT_TOKEN: vault.addToken({rules: []})}),
)
when('FORBIDDEN: the login of an agent', async ({vault, words}) => {
  const agent = await startAgent(vault.url, {lent: vault.addToken({rules: []})})
  words.set(agent.url, 'http://AGENT')
  const host = hostWith({VAULT_AGENT_ADDR: agent.url})
  return failureInSync(ref(), () => connectAt(vault.url, host, {}, {url: 'user'}))
})
when('FORBIDDEN: writing', async ({vault, connect}) =>
  thrownBy(
    (await connect({}, {VAULT_TOKEN: vault.addToken({rules: []})})).write(ref(), new Secret('x'), 'any', never()),
  ),
)
when('FORBIDDEN: the version of the engine stays unknown', ({vault, readInRun}) =>
  readInRun({mount: 'kv1'}, {VAULT_TOKEN: vault.addToken({rules: [{path: 'kv1/*', capabilities: ['read']}], uses: 1})}),
)

when('VAULT_NOT_FOUND: no such mount', ({read}) => read({mount: 'nowhere'}))
when('VAULT_NOT_FOUND: no such namespace', ({read}) => read({namespace: 'team9'}), {namespaces: ['team1']})
when('VAULT_NOT_FOUND: another version of the engine', ({read}) => read({kv_version: 1}))
when('VAULT_NOT_FOUND: part of the path of a mount', ({read}) => read({mount: 'secret/data'}))
when('VAULT_NOT_FOUND: an engine of another type', async ({api, read}) => {
  await api('POST', 'sys/mounts/database', {type: 'database'})
  return read({mount: 'database', kv_version: 1})
})
when('VAULT_NOT_FOUND: not Vault', ({vault, read}) => {
  vault.fault({status: 404, body: '<html>Not Found</html>'})
  return read()
})
when(
  'VAULT_NOT_FOUND: no such namespace to log in to',
  ({read}) => read({auth: 'approle', role_id: 'ci', namespace: 'team9'}, {VAULT_SECRET_ID: 'x'}),
  {namespaces: ['team1']},
)
when('SECRET_DELETED: a version that can come back', async ({api, read}) => {
  await api('POST', 'secret/data/myapp-key', {data: {value: 'two'}})
  await api('DELETE', 'secret/data/myapp-key')
  return read()
})
when('SECRET_DELETED: a version that is destroyed', async ({api, read}) => {
  await withVersionTwo(api, 'destroy')
  return read()
})
when('VERSION_CONFLICT: somebody else wrote it', async ({connect}) =>
  thrownBy((await connect()).write(ref(), new Secret('x'), 'absent', never())),
)

when('UNREACHABLE: nobody listens', async ({vault, connect}) => {
  const provider = await connect()
  await vault.stop()
  return readFailure(provider)
})
when('UNREACHABLE: the name is not known', ({words, read}) => {
  // Longer than a name may be, so that no server on the network is asked for it.
  const url = `http://${'vault'.repeat(13)}.invalid:8200`
  words.set(url, 'http://vault.invalid:8200')
  return read({}, {VAULT_TOKEN: 'x'}, {url})
})
when('UNREACHABLE: the proxy refuses', async ({words, read}) => {
  const proxy = await startConnectProxy({status: 403})
  onTestFinished(() => proxy.stop())
  words.set('https://vault.example.com', 'https://VAULT')
  return read({}, {VAULT_TOKEN: 'x', HTTPS_PROXY: proxy.url}, {url: 'https://vault.example.com'})
})
when('TIMEOUT: no answer', async ({vault, read}) => {
  vault.silence()
  return read({}, undefined, {callTimeoutMs: 300})
})
when('INTERRUPTED: the run ends during the login', async ({vault, appRole, connect}) => {
  const {settings, env} = await appRole()
  const provider = await connect(settings, env)
  vault.silence()
  const reading = readFailure(provider)
  await vi.waitUntil(() => vault.log.at(-1)?.path === 'auth/approle/login')
  await provider.close()
  return reading
})
when('TLS_REFUSED: nobody vouches for the certificate', async ({vault, words, read}) => {
  const url = await vault.listenSecurely(await serverCertificate(['localhost']))
  words.set(url, 'https://VAULT')
  return read({}, undefined, {url})
})
when('TLS_REFUSED: a certificate of another host', async ({vault, words, directory, read}) => {
  const certificate = await serverCertificate(['vault.example.com'])
  const url = (await vault.listenSecurely(certificate)).replace('127.0.0.1', 'localhost')
  words.set(url, 'https://VAULT')
  writeFileSync(join(directory, 'ca.pem'), certificate.certificate)
  return read({ca_file: join(directory, 'ca.pem')}, undefined, {url})
})
when('THROTTLED: again and again', ({vault, read}) => {
  vault.throttle(Infinity)
  return read()
})
when('THROTTLED: for longer than a call may take', ({vault, read}) => {
  vault.fault({status: 429, body: {errors: []}, headers: {'retry-after': '600'}}, Infinity)
  return read()
})
when('SERVICE_ERROR: again and again', ({vault, read}) => {
  vault.fault({status: 500, body: {errors: []}}, Infinity)
  return read()
})
when('SERVICE_ERROR: for longer than a call may take', ({vault, read}) => {
  vault.fault({status: 503, body: '<html>', headers: {'retry-after': '120'}}, Infinity, 'secret/')
  return read()
})
when('SERVICE_ERROR: a mount that is being upgraded', ({vault, read}) => {
  const reason = 'Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period'
  vault.fault({status: 400, body: {errors: [reason]}}, Infinity)
  return read()
})
when('VAULT_SEALED: nobody has unsealed it', ({vault, read}) => {
  vault.seal()
  return read()
})
when('BAD_REQUEST: reading', ({vault, read}) => {
  vault.fault({status: 400, body: {errors: ['some reason\u001b[2J']}})
  return read()
})
when('BAD_REQUEST: a mount that wants a condition', async ({vault, connect}) => {
  const provider = await connect({kv_version: 2})
  vault.fault({status: 400, body: {errors: ['check-and-set parameter required for this call']}})
  return thrownBy(provider.write(ref(), new Secret('x'), 'any', never()))
})
when('BAD_RESPONSE: a login page', ({vault, read}) => {
  vault.fault({status: 200, body: '<html>Log in</html>'})
  return read()
})
when('BAD_RESPONSE: a firewall that refuses', ({vault, read}) => {
  vault.fault({status: 403, body: '<html>Request blocked</html>', headers: {'content-type': 'text/html'}}, Infinity)
  return read()
})
when('BAD_RESPONSE: a redirect', ({vault, read}) => {
  vault.fault({status: 307, headers: {location: 'https://leader.example.com:8200/v1/x'}})
  return read()
})
when('BAD_RESPONSE: a write of version 2 to version 1', async ({connect}) =>
  thrownBy((await connect({mount: 'kv1', kv_version: 2})).write(ref(), new Secret('x'), 'any', never())),
)
when('FILE_UNREADABLE: authorities', ({read}) => read({ca_file: '/etc/vault/ca.pem'}))
when('FILE_UNREADABLE: authorities that are none', ({directory, read}) => {
  writeFileSync(join(directory, 'ca.pem'), 'ssh-ed25519 AAAA vault.example.com\n')
  return read({ca_file: join(directory, 'ca.pem')})
})
when('FILE_UNREADABLE: a client certificate that is a folder', ({directory, read}) =>
  read({client_cert: directory, client_key: directory}),
)
when('FILE_UNREADABLE: a directory without authorities', ({directory, read}) => read({ca_path: directory}))
when('CONFIG_INVALID: a name', async ({connect}) => readFailure(await connect(), ref('team//myapp')))
when('CONFIG_INVALID: a version of an engine without versions', async ({connect}) =>
  readFailure(await connect({mount: 'kv1', kv_version: 1}), ref('myapp-key', '2')),
)
when('CONFIG_INVALID: a proxy of another kind', async ({words, read}) => {
  words.set('https://vault.example.com', 'https://VAULT')
  return read({}, {VAULT_TOKEN: 'x', HTTPS_PROXY: 'socks5://127.0.0.1:1'}, {url: 'https://vault.example.com'})
})
when('CONFIG_INVALID: a setting of another login', () => problemOf({role: 'ci'}, {VAULT_ADDR: 'https://VAULT'}))
when('CONFIG_INVALID: a login without its setting', () => problemOf({auth: 'approle'}, {VAULT_ADDR: 'https://VAULT'}))
when('CONFIG_INVALID: an agent on a Unix socket', () =>
  problemOf({}, {VAULT_AGENT_ADDR: 'unix:///run/vault/agent.sock'}),
)
when('CONFIG_INVALID: an agent that leads to one server of several', () => {
  const given = {settings: {}, origins: {}, env: {VAULT_AGENT_ADDR: 'http://127.0.0.1:8100'}, ci: false}
  const siblings = ['https://vault.example.com', 'https://other.example.com']
  const [problem] = spec.resolve({...given, trustedVaults: [], siblings}).problems
  return new EnvdriftError('CONFIG_INVALID', problem?.text ?? '', {suggestions: ['-']})
})
when('CONFIG_INVALID: a rate limit that is none', () =>
  problemOf({}, {VAULT_ADDR: 'https://VAULT', VAULT_RATE_LIMIT: 'slow'}),
)
when('CONFIG_NOT_ALLOWED: an address that this machine does not trust', () =>
  problemOf({url: 'https://vault.example.com'}, {}, ['https://vault.corp.example']),
)
when('VAULT_ADDRESS_CONFLICT: two addresses', () =>
  problemOf({url: 'https://vault.example.com'}, {VAULT_ADDR: 'https://other.example.com'}),
)

/** As a person reads it; of a mistake in the configuration the sentence itself is the remedy. */
function shown({message, suggestions}: EnvdriftError, words: ReadonlyMap<string, string>): string {
  const text = asRead({message, suggestions: suggestions.filter((one) => one !== '-')})
  return [...words].reduce((result, [from, to]) => result.replaceAll(from, to), text)
}

it.each(Object.keys(situations))('%s', async (title) => {
  const {error, in: made} = await situations[title]!()
  expect(`${error.code}: ${title.split(': ').slice(1).join(': ')}`).toBe(title)
  expect(shown(error, made.words)).toBe(texts.get(title))
})

claimWhole(texts, Object.keys(situations), {sources: ['hashicorp/**/*.ts'], moreThan: 10})
