import {createServer, request} from 'node:http'
import type {AddressInfo} from 'node:net'

import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {provider as definition} from '../../../src/providers/hashicorp/index.ts'
import {spec} from '../../../src/providers/hashicorp/spec.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {type LoggedRequest, startFakeVault} from '../../fakes/hashicorp.ts'
import {type Bed, testHost} from '../contract.ts'
import {startRealVault, type VaultServer} from './real-vault.ts'

/** A host that knows nothing but this environment: no token of the machine's, and no home directory. */
export const hostWith = (env: Host['env'], over: Partial<Host> = {}): Host =>
  testHost({env, home: '/nonexistent', ...over})

/** A provider for a server at `url`, with the settings that a configuration would end up with. */
export async function connectTo(url: string, host: Host, settings: Settings = {}): Promise<Provider> {
  const resolved = spec.resolve({
    settings: {url, ...settings},
    origins: {},
    env: host.env,
    ci: false,
    trustedVaults: [],
  })
  if (resolved.problems.length > 0) throw new Error(resolved.problems.map(({text}) => text).join('\n'))
  return definition.connect({name: 'default', settings: resolved.settings}, host)
}

/** The fake, its KV 2 mount `secret`, and a token that may read and write there and nothing else. */
export async function startFakeBed(): Promise<Bed> {
  const vault = await startFakeVault()
  return {
    ...(await bedOn(vault, vault.log)),
    fail: (status, times, retryAfterSeconds) =>
      vault.fault(
        {
          status,
          body: {errors: ['internal error']},
          ...(retryAfterSeconds !== undefined && {headers: {'retry-after': String(retryAfterSeconds)}}),
        },
        times,
      ),
    delay: vault.delay,
    silence: vault.silence,
  }
}

/** The same on the real server, which can't be made slow, silent or faulty. */
export async function startRealBed(binary: string): Promise<Bed> {
  const vault = await startRealVault(binary)
  const front = await startFront(vault.url)
  const stop = async (): Promise<void> => {
    await front.stop()
    await vault.stop()
  }
  return bedOn({...vault, url: front.url, stop}, front.log)
}

async function bedOn(vault: VaultServer, log: readonly LoggedRequest[]): Promise<Bed> {
  const token = await vault.addToken({rules: [{path: 'secret/*', capabilities: ['create', 'read', 'update']}]})
  const put = async (name: string, value: string): Promise<void> => vault.put('secret', name, {value})
  return {
    connect: (over = {}) => connectTo(vault.url, hostWith({VAULT_TOKEN: token}, over)),
    seed: put,
    addVersion: put,
    forbid: async (name) => vault.addRule(token, {path: `secret/data/${name}`, capabilities: ['deny']}),
    remove: async (name) => {
      const response = await fetch(`${vault.url}/v1/secret/data/${name}`, {
        method: 'DELETE',
        headers: {'x-vault-token': vault.rootToken},
      })
      if (response.status !== 204) throw new Error(`The server did not delete: ${response.status}`)
    },
    reads: () =>
      log
        .filter(({method, path, token: sent}) => method === 'GET' && sent === token && path.startsWith('secret/data/'))
        .map(({path, inFlight}) => ({name: path.slice('secret/data/'.length), inFlight})),
    logins: () => log.filter(({path}) => path.startsWith('auth/')).length,
    credentials: [token, vault.rootToken],
    stop: vault.stop,
  }
}

/** Writes down what goes to a server, for one that has no log of its own. */
async function startFront(target: string) {
  const log: LoggedRequest[] = []
  let inFlight = 0
  const server = createServer((incoming, response) => {
    inFlight += 1
    response.on('close', () => {
      inFlight -= 1
    })
    const {method = '', headers, url = ''} = incoming
    const token = headers['x-vault-token']
    log.push({
      method,
      path: url.replace(/^\/v1\//, ''),
      token: typeof token === 'string' ? token : undefined,
      namespace: undefined,
      inFlight,
    })
    const outgoing = request(`${target}${url}`, {method, headers}, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    outgoing.on('error', () => response.destroy())
    incoming.pipe(outgoing)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log: log as readonly LoggedRequest[],
    stop: async (): Promise<void> => {
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
    },
  }
}
