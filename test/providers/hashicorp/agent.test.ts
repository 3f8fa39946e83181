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

describe('VAULT_AGENT_ADDR', () => {
  it('gets the requests, and lends its login to who has no token', async () => {
    const vault = await vaultWithKey()
    const agent = await startAgent(vault.url, vault.addToken({rules: [{path: 'secret/*', capabilities: ['read']}]}))
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
    const agent = await startAgent(vault.url, 'nobody-asks-for-this')
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
    const agent = await startAgent(vault.url, vault.rootToken)
    vault.seal()
    expect(await read(await connect({}, {VAULT_AGENT_ADDR: agent.url, VAULT_MAX_RETRIES: '0'}))).toBe('VAULT_SEALED')
  })

  it('is asked to log in where the settings say so', async () => {
    const vault = await vaultWithKey()
    const api = rootApi(vault)
    await writePolicy(api, 'myapp-read', [{path: 'secret/*', capabilities: ['read']}])
    const {roleId, secretId} = await enableAppRole(api, {token_policies: ['myapp-read']})
    const agent = await startAgent(vault.url)
    const env = {VAULT_AGENT_ADDR: agent.url, VAULT_SECRET_ID: await secretId()}
    expect(await read(await connect({auth: 'approle', role_id: roleId}, env))).toBe('found the value')
    // Logged in, read, given back.
    expect(agent.came).toHaveLength(3)
  })
})

const lacks = vaultBinary === undefined ? ` (skipped: ${whyNoVault})` : ''

it.skipIf(vaultBinary === undefined)(
  `a proxy of Vault's own lends its login, and takes requests from nobody but clients${lacks}`,
  async () => {
    const vault = await startRealVault(vaultBinary ?? '')
    const directory = mkdtempSync(join(tmpdir(), 'envdrift-agent-'))
    const api = rootApi(vault)
    await vault.put('secret', ref.name, {value: 'the value'})
    await writePolicy(api, 'myapp-read', [{path: 'secret/*', capabilities: ['read']}])
    const {roleId, secretId} = await enableAppRole(api, {token_policies: ['myapp-read']})
    const port = await freePort()
    const write = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text)
      return JSON.stringify(join(directory, name))
    }
    write(
      'proxy.hcl',
      `vault { address = "${vault.url}" }
auto_auth { method "approle" { config = {
  role_id_file_path   = ${write('role-id', roleId)}
  secret_id_file_path = ${write('secret-id', await secretId())}
} } }
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
  },
)
