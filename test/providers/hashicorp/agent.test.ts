import {spawn} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {describe, expect, it, onTestFinished, vi} from 'vitest'

import type {Env, Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {provider as definition} from '../../../src/providers/hashicorp/index.ts'
import {spec} from '../../../src/providers/hashicorp/spec.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {startFakeVault} from '../../fakes/hashicorp.ts'
import {gist, readAll} from '../contract.ts'
import {startAgent} from './agent.ts'
import {hostWith} from './bed.ts'
import {freePort, startRealVault, vaultBinary, whyNoVault} from './real-vault.ts'
import {enableAppRole, rootApi, writePolicy} from './root-api.ts'

const ref = {vault: 'default', name: 'myapp-key'}

/** A provider as a repository file with these settings would have it. */
function connect(settings: Settings, env: Env, over: Partial<Host> = {}): Promise<Provider> {
  const origins = Object.fromEntries(Object.keys(settings).map((key) => [key, 'repository' as const]))
  const resolved = spec.resolve({settings, origins, env, ci: true, trustedVaults: []})
  expect(resolved.problems).toEqual([])
  return definition.connect({name: 'default', settings: resolved.settings}, hostWith(env, over))
}

async function read(provider: Provider): Promise<string> {
  const [answer] = await readAll(provider, [ref])
  await provider.close()
  return gist(answer!)
}

async function vaultWithKey() {
  const vault = await startFakeVault()
  onTestFinished(() => vault.stop())
  vault.put('secret', ref.name, {value: 'the value'})
  return vault
}

/** Settings and variables of an AppRole that may read. */
async function appRoleOf(vault: Parameters<typeof rootApi>[0]) {
  const api = rootApi(vault)
  await writePolicy(api, 'myapp-read', [{path: 'secret/*', capabilities: ['read']}])
  const {roleId, secretId} = await enableAppRole(api, {token_policies: ['myapp-read'], token_ttl: '10m'})
  return {settings: {auth: 'approle', role_id: roleId}, env: {VAULT_SECRET_ID: await secretId()}}
}

describe('VAULT_AGENT_ADDR', () => {
  it('gets the requests, and lends its login to who has no token', async () => {
    const vault = await vaultWithKey()
    const agent = await startAgent(vault.url, {
      lent: vault.addToken({rules: [{path: 'secret/*', capabilities: ['read']}]}),
    })
    const provider = await connect({url: 'https://nobody.invalid'}, {VAULT_AGENT_ADDR: agent.url})
    expect(provider.place).toBe(`HashiCorp Vault agent ${agent.url} mount secret`)
    expect(await provider.whoami(new AbortController().signal)).toEqual({
      who: 'the agent',
      credential: 'its own login',
      until: 'unknown',
    })
    expect(await read(provider)).toBe('found the value')
    expect(agent.came).toEqual([undefined])
  })

  it('and BAO_AGENT_ADDR get the token that is there', async () => {
    const vault = await vaultWithKey()
    const agent = await startAgent(vault.url, {lent: 'nobody-asks-for-this'})
    for (const [env, over] of [
      [{VAULT_AGENT_ADDR: agent.url, VAULT_TOKEN: vault.rootToken}, {}],
      [{BAO_AGENT_ADDR: agent.url, BAO_TOKEN: vault.rootToken, VAULT_TOKEN: 'of another server'}, {}],
      [{VAULT_AGENT_ADDR: agent.url, BAO_ADDR: 'https://bao.example.com', BAO_TOKEN: vault.rootToken}, {}],
      [{VAULT_AGENT_ADDR: agent.url, VAULT_TOKEN: 'no good any more'}, {token: new Secret(vault.rootToken)}],
    ] as const)
      expect(await read(await connect({}, env, over))).toBe('found the value')
    expect(new Set(agent.came)).toEqual(new Set([vault.rootToken]))
  })

  it('says what an agent without a login lacks', async () => {
    const vault = await vaultWithKey()
    const agent = await startAgent(vault.url)
    const provider = await connect({kv_version: 2}, {VAULT_AGENT_ADDR: agent.url})
    const [answer] = await readAll(provider, [ref])
    await provider.close()
    expect(answer).toMatchObject({
      kind: 'failed',
      error: {code: 'FORBIDDEN', message: expect.stringContaining('with the login of the agent')},
    })
  })

  it('is asked as a client, too, whether the server behind it is sealed', async () => {
    const vault = await vaultWithKey()
    const agent = await startAgent(vault.url, {lent: vault.rootToken})
    vault.seal()
    expect(await read(await connect({}, {VAULT_AGENT_ADDR: agent.url, VAULT_MAX_RETRIES: '0'}))).toBe('VAULT_SEALED')
  })

  it('is asked to log in where the settings say so', async () => {
    const vault = await vaultWithKey()
    const {settings, env} = await appRoleOf(vault)
    const agent = await startAgent(vault.url)
    expect(await read(await connect(settings, {...env, VAULT_AGENT_ADDR: agent.url}))).toBe('found the value')
    // Logged in, read, given back.
    expect(agent.came).toHaveLength(3)
  })

  it.each(['VAULT_AGENT_ADDR', 'VAULT_ADDR'])(
    'as %s that keeps logins gets none back: another run has the same one',
    async (name) => {
      const vault = await vaultWithKey()
      const {settings, env} = await appRoleOf(vault)
      const agent = await startAgent(vault.url, {caches: true})
      const [one, other] = await Promise.all([1, 2].map(() => connect(settings, {...env, [name]: agent.url})))
      const readings = async (provider: Provider) => (await readAll(provider, [ref])).map(gist)
      expect([await readings(one!), await readings(other!)]).toEqual([['found the value'], ['found the value']])
      await one!.close()
      expect(await readings(other!)).toEqual(['found the value'])
      await other!.close()
      const ofLogins = vault.log.map(({path}) => path).filter((path) => /login$|revoke/.test(path))
      expect(ofLogins).toEqual(['auth/approle/login'])
    },
  )
})

const lacks = vaultBinary === undefined ? ` (skipped: ${whyNoVault})` : ''

it.skipIf(vaultBinary === undefined)(
  `a proxy of Vault's own lends its login, takes requests from clients only, and gets no login back${lacks}`,
  async () => {
    const vault = await startRealVault(vaultBinary ?? '')
    const directory = mkdtempSync(join(tmpdir(), 'envdrift-agent-'))
    await vault.put('secret', ref.name, {value: 'the value'})
    const {settings, env} = await appRoleOf(vault)
    const port = await freePort()
    const write = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text)
      return JSON.stringify(join(directory, name))
    }
    write(
      'proxy.hcl',
      `vault { address = "${vault.url}" }
auto_auth { method "approle" { config = {
  role_id_file_path   = ${write('role-id', settings.role_id)}
  secret_id_file_path = ${write('secret-id', env.VAULT_SECRET_ID)}
} } }
cache {}
api_proxy { use_auto_auth_token = true }
listener "tcp" {
  address                = "127.0.0.1:${port}"
  tls_disable            = true
  require_request_header = true
}
`,
    )
    const proxy = spawn(vaultBinary ?? '', ['proxy', `-config=${join(directory, 'proxy.hcl')}`], {
      env: {HOME: directory},
      stdio: 'ignore',
    })
    const ended = new Promise((resolve) => proxy.once('close', resolve))
    onTestFinished(async () => {
      proxy.kill('SIGKILL')
      await ended
      await vault.stop()
      rmSync(directory, {recursive: true, force: true})
    })
    const url = `http://127.0.0.1:${port}`
    const isLoggedIn = async (): Promise<boolean> => {
      const headers = {'x-vault-request': 'true'}
      const answer = await fetch(`${url}/v1/auth/token/lookup-self`, {headers}).catch(() => undefined)
      return answer?.ok === true
    }
    await vi.waitUntil(isLoggedIn, {timeout: 10_000})
    expect((await fetch(`${url}/v1/secret/data/${ref.name}`)).status).toBe(412)
    expect(await read(await connect({}, {VAULT_AGENT_ADDR: url}))).toBe('found the value')
    expect(await read(await connect({}, {VAULT_AGENT_ADDR: url, VAULT_TOKEN: 'nobodys-token'}))).toBe('FORBIDDEN')
    const [one, other] = await Promise.all([1, 2].map(() => connect(settings, {...env, VAULT_AGENT_ADDR: url})))
    for (const provider of [one!, other!])
      expect((await readAll(provider, [ref])).map(gist)).toEqual(['found the value'])
    await one!.close()
    expect(await read(other!)).toBe('found the value')
  },
)
