import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {onTestFinished} from 'vitest'

import type {Host, Origin, Settings} from '../../../src/core/provider-spec.ts'
import {provider as definition} from '../../../src/providers/hashicorp/index.ts'
import {spec} from '../../../src/providers/hashicorp/spec.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {type LoggedRequest, type Rule, startFakeVault} from '../../fakes/hashicorp.ts'
import {startFront} from '../../support/front.ts'
import {startGate} from '../../support/gate.ts'
import {type Bed, testHost} from '../contract.ts'
import {type ConnectProxy, startConnectProxy} from './connect-proxy.ts'
import {startRealVault, type VaultServer} from './real-vault.ts'
import {enableAppRole, makeToken, rootApi, type RootApi, writePolicy} from './root-api.ts'

/** A host that knows nothing but this environment: no token of the machine's, and no home directory. */
export const hostWith = (env: Host['env'], over: Partial<Host> = {}): Host =>
  testHost({env, home: '/nonexistent', ...over})

/** A provider for a server at `url`, with the settings that a configuration would end up with. */
export async function connectTo(
  url: string,
  host: Host,
  settings: Settings = {},
  origins: Readonly<Record<string, Origin>> = {},
): Promise<Provider> {
  const resolved = spec.resolve({
    settings: {url, ...settings},
    origins,
    env: host.env,
    ci: false,
    trustedVaults: [],
  })
  if (resolved.problems.length > 0) throw new Error(resolved.problems.map(({text}) => text).join('\n'))
  return definition.connect({name: 'default', settings: resolved.settings}, host)
}

/** The same, closed when the test has finished. */
export async function connectAt(...wanted: Parameters<typeof connectTo>): Promise<Provider> {
  const provider = await connectTo(...wanted)
  onTestFinished(provider.close)
  return provider
}

/** How the bed's provider logs in: with a token that it was given, or as an AppRole of its own. */
export type BedLogin = 'token' | 'approle'

/** The fake, its KV 2 mount `secret`, and a login that may read and write there and nothing else. */
export async function startFakeBed(login: BedLogin = 'token'): Promise<Bed> {
  const vault = await startFakeVault()
  const certificate = await serverCertificate(['localhost'])
  const secureUrl = await vault.listenSecurely(certificate)
  return {
    ...(await bedOn({...vault, secureUrl, authority: certificate.certificate}, () => vault.log, login)),
    fail: (status, times, retryAfterSeconds) =>
      vault.fault(
        {
          status,
          body: {errors: ['internal error']},
          ...(retryAfterSeconds !== undefined && {headers: {'retry-after': String(retryAfterSeconds)}}),
        },
        times,
        'secret/',
      ),
    delay: vault.delay,
    silence: vault.silence,
    skewClock: vault.skewClock,
  }
}

/** The same on the real server; what stands in front of it writes down what goes by, and holds answers back. */
export async function startRealBed(binary: string, login: BedLogin = 'token'): Promise<Bed> {
  const vault = await startRealVault(binary)
  const front = await startFront(vault.url)
  const stop = async (): Promise<void> => {
    await front.stop()
    await vault.stop()
  }
  const log = (): readonly Asked[] =>
    front.log.map(({method, path, headers, inFlight}) => {
      const token = headers['x-vault-token']
      return {method, path: path.replace(/^\/v1\//, ''), token: typeof token === 'string' ? token : undefined, inFlight}
    })
  const url = `http://127.0.0.1:${front.port}`
  return {...(await bedOn({...vault, url, stop}, log, login)), delay: front.delay}
}

type TestVault = Pick<VaultServer, 'url' | 'rootToken' | 'stop'> & {
  /** The same vault by https, with a certificate that `authority` (PEM) vouches for. */
  readonly secureUrl: string
  readonly authority: string
}

/** A request as it came in to a server. */
type Asked = Pick<LoggedRequest, 'method' | 'path' | 'token' | 'inFlight'>

/** A bed on any server that is set up as Vault is; `log` is what came in to it. */
async function bedOn(vault: TestVault, log: () => readonly Asked[], login: BedLogin): Promise<Bed> {
  const api = rootApi(vault)
  const rules: Rule[] = [{path: 'secret/*', capabilities: ['create', 'read', 'update']}]
  await writePolicy(api, 'myapp-ci', rules)
  const {env, settings, credentials, members} = await loginOf(api, login)
  const gate = await startGate(Number(new URL(vault.url).port))
  const proxies: ConnectProxy[] = []
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-vault-bed-'))
  const put = async (name: string, value: string): Promise<void> => {
    await api('POST', `secret/data/${name}`, {data: {value}})
  }
  const connect = (over: Partial<Host>, more: Settings = {}): Promise<Provider> =>
    connectTo(`http://127.0.0.1:${gate.port}`, hostWith(env, over), {...settings, ...more})
  let stopped: Promise<void> | undefined

  return {
    connect: (over = {}) => connect(over),
    elsewhere: (over = {}) => connect(over, {mount: 'nowhere'}),
    seed: put,
    addVersion: put,
    forbid: async (name) => {
      rules.push({path: `secret/data/${name}`, capabilities: ['deny']})
      await writePolicy(api, 'myapp-ci', rules)
    },
    remove: async (name) => void (await api('DELETE', `secret/data/${name}`)),
    destroy: async (name) => void (await api('POST', `secret/destroy/${name}`, {versions: [1]})),
    ...members,
    // An entry of the integrated storage holds 1 MiB, and the text is stored as JSON. Source: limits in the docs of Vault.
    largest: 1_000_000,
    badName: 'myapp//production',
    network: gate,
    silence: () => void gate.silence(),
    connectUntrusted: (over = {}) => connectTo(vault.secureUrl, hostWith(env, over), settings),
    connectThroughProxy: async (over = {}) => {
      const proxy = await startConnectProxy()
      proxies.push(proxy)
      const caFile = join(directory, 'ca.pem')
      writeFileSync(caFile, vault.authority)
      const host = hostWith({...env, HTTPS_PROXY: proxy.url, VAULT_CACERT: caFile}, over)
      return {provider: await connectTo(vault.secureUrl, host, settings), tunnels: () => proxy.asked.length}
    },
    reads: () =>
      log()
        .filter(
          ({method, path, token}) => method === 'GET' && token !== vault.rootToken && path.startsWith('secret/data/'),
        )
        .map(({path, inFlight}) => ({name: path.slice('secret/data/'.length), inFlight})),
    logins: () => log().filter(({path}) => path.endsWith('/login')).length,
    credentials: [...credentials, vault.rootToken],
    stop: () =>
      (stopped ??= (async () => {
        await Promise.all([gate.stop(), ...proxies.map((proxy) => proxy.stop())])
        await vault.stop()
        rmSync(directory, {recursive: true, force: true})
      })()),
  }
}

type BedCredentials = {
  readonly env: Host['env']
  readonly settings: Settings
  readonly credentials: readonly string[]
  /** What only this login can do. */
  readonly members: Pick<Bed, 'rejectLogin' | 'expireLogin'>
}

async function loginOf(api: RootApi, login: BedLogin): Promise<BedCredentials> {
  if (login === 'token') {
    const token = await makeToken(api, {policies: ['myapp-ci']})
    return {env: {VAULT_TOKEN: token}, settings: {}, credentials: [token], members: {}}
  }
  const {roleId, secretId} = await enableAppRole(api, {token_policies: ['myapp-ci']})
  const secret = await secretId()
  return {
    env: {VAULT_SECRET_ID: secret},
    settings: {auth: 'approle', role_id: roleId},
    credentials: [secret],
    members: {
      rejectLogin: async () => void (await api('DELETE', 'auth/approle/role/myapp-ci')),
      expireLogin: async () =>
        void (await api('POST', 'auth/approle/role/myapp-ci/secret-id/destroy', {secret_id: secret})),
    },
  }
}
