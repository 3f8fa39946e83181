import {randomUUID} from 'node:crypto'
import {readFileSync} from 'node:fs'

import {placeOf} from '../../scripts/servers/place.ts'
import {runningServers} from '../../scripts/servers/state.ts'
import type {Host, Settings} from '../../src/core/provider-spec.ts'
import type {Provider} from '../../src/providers/provider.ts'
import type {Bed, LoggedRead} from '../providers/contract.ts'
import {connectTo, hostWith} from '../providers/hashicorp/bed.ts'
import {type ConnectProxy, startConnectProxy} from '../providers/hashicorp/connect-proxy.ts'
import {makeToken, rootApi, writePolicy} from '../providers/hashicorp/root-api.ts'
import {type Front, startFront} from '../support/front.ts'
import {openToxicWay} from './toxiproxy.ts'

/**
 * A KV 2 mount of its own on the running Vault, with a policy and a token for it; reached through toxiproxy.
 *
 * On `http` a front of ours counts what goes by. Under TLS nobody can: what was read stands in Vault's own audit log.
 */
export async function startVaultBed(protocol: 'http' | 'https'): Promise<Bed> {
  const {vault, toxiproxy} = runningServers(placeOf())
  const mount = `test-${randomUUID()}`
  const api = rootApi(vault)
  const rules: {readonly path: string; readonly capabilities: readonly string[]}[] = []

  async function allow(path: string, capabilities: readonly string[]): Promise<void> {
    rules.push({path, capabilities})
    await writePolicy(api, mount, rules)
  }
  const put = async (name: string, value: string): Promise<void> =>
    void (await api('POST', `${mount}/data/${name}`, {data: {value}}))

  await api('POST', `sys/mounts/${mount}`, {type: 'kv', options: {version: '2'}})
  // A new mount upgrades itself for some milliseconds, and refuses everything with 400.
  await until(() => put('ready', 'ready'))
  await api('DELETE', `${mount}/metadata/ready`)
  await allow(`${mount}/*`, ['create', 'read', 'update'])
  const token = await makeToken(api, {policies: [mount]})

  const front = protocol === 'http' ? await startFront(vault.url) : undefined
  const way = await openToxicWay(toxiproxy.url, front?.port ?? Number(new URL(vault.httpsUrl).port))
  const proxies: ConnectProxy[] = []
  const trusting = {VAULT_TOKEN: token, VAULT_CACERT: vault.caFile}
  const connect = (over: Partial<Host>, settings: Settings = {}): Promise<Provider> =>
    connectTo(`${protocol}://127.0.0.1:${way.port}`, hostWith(trusting, over), {mount, ...settings})

  return {
    connect: (over = {}) => connect(over),
    elsewhere: (over = {}) => connect(over, {mount: `${mount}-of-nobody`}),
    seed: put,
    addVersion: put,
    forbid: (name) => allow(`${mount}/data/${name}`, ['deny']),
    remove: async (name) => void (await api('DELETE', `${mount}/data/${name}`)),
    destroy: async (name) => void (await api('POST', `${mount}/destroy/${name}`, {versions: [1]})),
    // An entry of the storage holds 1 MiB, and the text is stored as JSON. Source: limits in the docs of Vault.
    largest: 1_000_000,
    badName: 'myapp//production',
    network: way,
    silence: way.silence,
    ...(front && {delay: front.delay}),
    connectUntrusted: (over = {}) => connectTo(vault.httpsUrl, hostWith({VAULT_TOKEN: token}, over), {mount}),
    connectThroughProxy: async (over = {}) => {
      const proxy = await startConnectProxy()
      proxies.push(proxy)
      const host = hostWith({...trusting, HTTPS_PROXY: proxy.url}, over)
      return {provider: await connectTo(vault.httpsUrl, host, {mount}), tunnels: () => proxy.asked.length}
    },
    reads: () => (front === undefined ? auditedReads(vault.auditLog, mount) : passedReads(front, mount)),
    logins: () => 0,
    credentials: [token, vault.rootToken],
    stop: once(async () => {
      await Promise.all([way.stop(), front?.stop(), ...proxies.map((proxy) => proxy.stop())])
      await api('DELETE', `sys/mounts/${mount}`)
      await api('DELETE', `sys/policies/acl/${mount}`)
      await api('POST', 'auth/token/revoke', {token})
    }),
  }
}

function passedReads({log}: Front, mount: string): readonly LoggedRead[] {
  const prefix = `/v1/${mount}/data/`
  return log
    .filter(({method, path}) => method === 'GET' && path.startsWith(prefix))
    .map(({path, inFlight}) => ({name: nameIn(path, prefix), inFlight}))
}

/** What Vault says that it was asked for. It answers within a millisecond, so how many were there at once says nothing. */
function auditedReads(auditLog: string, mount: string): readonly LoggedRead[] {
  const prefix = `${mount}/data/`
  type Entry = {readonly type: string; readonly request?: {readonly operation?: string; readonly path?: string}}
  return readFileSync(auditLog, 'utf8')
    .split('\n')
    .filter((line) => line.includes(prefix))
    .map((line) => JSON.parse(line) as Entry)
    .filter(({type, request}) => type === 'request' && request?.operation === 'read')
    .flatMap(({request: {path = ''} = {}}) =>
      path.startsWith(prefix) ? [{name: nameIn(path, prefix), inFlight: 1}] : [],
    )
}

const nameIn = (path: string, prefix: string): string => path.slice(prefix.length).split('?')[0] ?? ''

async function until(attempt: () => Promise<void>): Promise<void> {
  for (const deadline = performance.now() + 10_000; ;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
  }
}

/** The suite may end a bed twice. */
function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => (running ??= run())
}
