import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {provider as definition} from '../../../src/providers/hashicorp/index.ts'
import {spec} from '../../../src/providers/hashicorp/spec.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {type FakeVault, startFakeVault} from '../../fakes/hashicorp.ts'
import {type Bed, testHost} from '../contract.ts'

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
  const token = vault.addToken({rules: [{path: 'secret/*', capabilities: ['create', 'read', 'update']}]})
  return {
    connect: (over = {}) => connectTo(vault.url, hostWith({VAULT_TOKEN: token}, over)),
    ...actsOn(vault, token),
  }
}

function actsOn(vault: FakeVault, token: string): Omit<Bed, 'connect'> {
  const put = (name: string, value: string): Promise<void> => {
    vault.put('secret', name, {value})
    return Promise.resolve()
  }
  return {
    seed: put,
    addVersion: put,
    forbid: (name) => Promise.resolve(vault.addRule(token, {path: `secret/data/${name}`, capabilities: ['deny']})),
    remove: async (name) => {
      const response = await fetch(`${vault.url}/v1/secret/data/${name}`, {
        method: 'DELETE',
        headers: {'x-vault-token': vault.rootToken},
      })
      if (response.status !== 204) throw new Error(`The fake did not delete: ${response.status}`)
    },
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
    reads: () =>
      vault.log
        .filter(({method, path, token: sent}) => method === 'GET' && sent === token && path.startsWith('secret/data/'))
        .map(({path, inFlight}) => ({name: path.slice('secret/data/'.length), inFlight})),
    logins: () => vault.log.filter(({path}) => path.startsWith('auth/')).length,
    credentials: [token, vault.rootToken],
    stop: vault.stop,
  }
}
