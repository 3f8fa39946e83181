import {setTimeout as sleep} from 'node:timers/promises'

import {afterEach, beforeEach, expect, it, onTestFinished} from 'vitest'

import type {Host} from '../../../src/core/provider-spec.ts'
import {provider as definition} from '../../../src/providers/hashicorp/index.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {type FakeVault, startFakeVault} from '../../fakes/hashicorp.ts'
import {gist, readAll} from '../contract.ts'
import {connectAt, connectTo, hostWith} from './bed.ts'
import {enableAppRole, rootApi, type RootApi, writePolicy} from './root-api.ts'
import {describeBoth} from './servers.ts'

const ref = (name: string) => ({vault: 'default', name})

async function read(provider: Provider, name = 'myapp-production'): Promise<string> {
  const [answer] = await readAll(provider, [ref(name)])
  return gist(answer!)
}

let vault: FakeVault
let api: RootApi
beforeEach(async () => {
  vault = await startFakeVault()
  api = rootApi(vault)
  await writePolicy(api, 'myapp-read', [{path: 'secret/data/*', capabilities: ['read']}])
  vault.put('secret', 'myapp-production', {value: 'one'})
})
afterEach(() => vault.stop())

/** A provider that logs in as an AppRole with these fields. */
async function connect(role: Readonly<Record<string, unknown>> = {}, over: Partial<Host> = {}): Promise<Provider> {
  const {roleId, secretId} = await enableAppRole(api, {token_policies: ['myapp-read'], ...role})
  const settings = {auth: 'approle', role_id: roleId}
  return connectAt(vault.url, hostWith({VAULT_SECRET_ID: await secretId()}, over), settings)
}

/** What the provider has asked for, in order: whatever root did not. */
const asked = (): readonly string[] => vault.log.filter(({token}) => token !== vault.rootToken).map(({path}) => path)

it('logs in once for all that is read at once, and gives the login back at the end', async () => {
  const names = Array.from({length: 12}, (_, n) => `service-${n}`)
  for (const name of names) vault.put('secret', name, {value: name})
  const provider = await connect()
  const answers = await readAll(
    provider,
    names.map((name) => ref(name)),
  )
  expect(answers.map(gist)).toEqual(names.map((name) => `found ${name}`))
  await provider.close()
  expect(asked().filter((path) => path.startsWith('auth/'))).toEqual(['auth/approle/login', 'auth/token/revoke-self'])
  expect(asked()).toHaveLength(14)
  const [{token = ''} = {}] = vault.log.filter(({path}) => path === 'secret/data/service-0')
  expect(token).toMatch(/^hvs\./)
  const late = await fetch(`${vault.url}/v1/secret/data/service-0`, {headers: {'x-vault-token': token}})
  expect(late.status).toBe(403)
})

it('renews a login that would end during the run, and only then', async () => {
  const provider = await connect({token_ttl: '2s', token_max_ttl: '1h'})
  for (let n = 0; n < 6; n += 1) {
    expect(await read(provider)).toBe('found one')
    await sleep(500)
  }
  expect(asked().filter((path) => path === 'auth/approle/login')).toHaveLength(1)
  const renewals = asked().filter((path) => path === 'auth/token/renew-self').length
  expect(renewals).toBeGreaterThanOrEqual(1)
  expect(renewals).toBeLessThan(6)
})

it('logs in anew when the longest time of a login has come, after few tries to renew it', async () => {
  const provider = await connect({token_ttl: '1s', token_max_ttl: '1s'})
  for (let n = 0; n < 8; n += 1) {
    expect(await read(provider)).toBe('found one')
    await sleep(300)
  }
  expect(asked().filter((path) => path === 'auth/approle/login').length).toBeGreaterThan(1)
  expect(asked().filter((path) => path === 'auth/token/renew-self').length).toBeLessThanOrEqual(4)
})

it('says LOGIN_REFUSED when a login has ended that can neither be renewed nor made again', async () => {
  const provider = await connect({token_ttl: '1s', token_max_ttl: '1s', secret_id_num_uses: 1})
  expect(await read(provider)).toBe('found one')
  await sleep(1200)
  expect(await read(provider)).toBe('LOGIN_REFUSED')
})

it('leaves alone at the end what can not be given back: batch tokens, and tokens with few uses', async () => {
  const warnings: string[] = []
  const warn = (text: string): void => void warnings.push(text)
  const batch = await connect({token_type: 'batch'}, {warn})
  expect(await read(batch)).toBe('found one')
  await batch.close()
  const {roleId, secretId} = await enableAppRole(
    api,
    {token_policies: ['myapp-read'], token_num_uses: 1},
    {enable: false, name: 'few'},
  )
  const few = await connectTo(vault.url, hostWith({VAULT_SECRET_ID: await secretId()}, {warn}), {
    auth: 'approle',
    role_id: roleId,
  })
  expect(await read(few)).toBe('found one')
  await few.close()
  expect(asked()).not.toContain('auth/token/revoke-self')
  expect(warnings).toEqual([])
})

it('warns of a login that could not be given back, and ends all the same', async () => {
  const warnings: string[] = []
  const provider = await connect({token_no_default_policy: true}, {warn: (text) => void warnings.push(text)})
  expect(await read(provider)).toBe('found one')
  await provider.close()
  expect(warnings).toEqual([expect.stringMatching(/could not be revoked; it ends by itself in \d+ s$/)])
})

it('ends soon although Vault is silent, with a login under way and with one to give back', async () => {
  const warnings: string[] = []
  const provider = await connect({}, {warn: (text) => void warnings.push(text)})
  expect(await read(provider)).toBe('found one')
  vault.silence()
  // It ends only by limits of its own: the calls it may make last for 20 s.
  await provider.close()
  expect(warnings).toHaveLength(1)
})

it('gives a login back that was under way when the run was cancelled', async () => {
  const provider = await connect()
  const run = new AbortController()
  vault.delay(300)
  const reading = readAll(provider, [ref('myapp-production')], run.signal)
  await expect.poll(asked).toContain('auth/approle/login')
  run.abort()
  expect((await reading).map(gist)).toEqual(['INTERRUPTED'])
  await provider.close()
  expect(asked().at(-1)).toBe('auth/token/revoke-self')
})

it('gives a login back whose answer came after the deadline of its call', async () => {
  const provider = await connect({}, {callTimeoutMs: 300})
  vault.delay(700)
  expect(await read(provider)).toBe('TIMEOUT')
  expect(asked()).toEqual(['auth/approle/login'])
  vault.delay(0)
  await provider.close()
  expect(asked()).toEqual(['auth/approle/login', 'auth/token/revoke-self'])
  const {token = ''} = vault.log.at(-1) ?? {}
  const late = await fetch(`${vault.url}/v1/secret/data/myapp-production`, {headers: {'x-vault-token': token}})
  expect(late.status).toBe(403)
})

it('warns of a login that may have been made where its answer never comes, and ends all the same', async () => {
  const warnings: string[] = []
  const provider = await connect({}, {callTimeoutMs: 300, warn: (text) => void warnings.push(text)})
  vault.silence()
  expect(await read(provider)).toBe('TIMEOUT')
  await provider.close()
  expect(warnings).toEqual([
    expect.stringMatching(/was still on its way at the end; if Vault has made it, it ends by itself$/),
  ])
})

it('warns of no login that was refused or never sent', async () => {
  const warnings: string[] = []
  const warn = (text: string): void => void warnings.push(text)
  const refused = await connect({}, {warn})
  await api('DELETE', 'auth/approle/role/myapp-ci')
  expect(await read(refused)).toBe('LOGIN_REFUSED')
  await refused.close()
  const without = await connectTo(vault.url, hostWith({}, {warn}), {auth: 'approle', role_id: 'x'})
  expect(await read(without)).toBe('NOT_LOGGED_IN')
  await without.close()
  expect(warnings).toEqual([])
})

it.each([412, 429, 500, 502, 503])('logs in although Vault answered %i once', async (status) => {
  const provider = await connect()
  vault.fault({status, body: {errors: []}}, 1, 'auth/approle/login')
  expect(await read(provider)).toBe('found one')
  expect(asked().filter((path) => path === 'auth/approle/login')).toHaveLength(2)
})

it('makes no login any more once it is closed', async () => {
  const provider = await connect()
  const reading = readAll(provider, [ref('myapp-production')])
  await provider.close()
  expect((await reading).map(gist)).toEqual(['INTERRUPTED'])
  expect(asked()).toEqual([])
})

it('sends a username as one part of the path, even one that the configuration should have refused', async () => {
  const settings = {url: vault.url, auth: 'userpass', username: 'alice/../../../evil', password: 'x'}
  const provider = await definition.connect({name: 'default', settings}, hostWith({}))
  onTestFinished(() => provider.close())
  expect(await read(provider)).toBe('LOGIN_REFUSED')
  expect(asked()).toEqual(['auth/userpass/login/alice%2F..%2F..%2F..%2Fevil'])
})

it('asks once and no more where a login is refused', async () => {
  const provider = await connect()
  await api('DELETE', 'auth/approle/role/myapp-ci')
  const answers = await readAll(
    provider,
    ['a', 'b', 'c'].map((name) => ref(name)),
  )
  expect(answers.map(gist)).toEqual(['LOGIN_REFUSED', 'LOGIN_REFUSED', 'LOGIN_REFUSED'])
  expect(asked()).toEqual(['auth/approle/login'])
})

it.each([
  ['a page', 200, '<html>Log in</html>', 'BAD_RESPONSE'],
  ['no token', 200, {data: null, auth: null}, 'BAD_RESPONSE'],
  ['a token that is none', 200, {data: null, auth: {client_token: 'two words'}}, 'BAD_RESPONSE'],
  ['nothing', 204, undefined, 'BAD_RESPONSE'],
  ['a page', 403, '<html>Blocked</html>', 'LOGIN_REFUSED'],
  ['too many requests', 429, {errors: ['quota']}, 'THROTTLED'],
  ['no such namespace', 404, {errors: ['namespace not found']}, 'VAULT_NOT_FOUND'],
  ['no such place', 404, '<html>Not Found</html>', 'VAULT_NOT_FOUND'],
  ['another method', 405, {errors: ['unsupported operation']}, 'BAD_REQUEST'],
])('takes %s with status %i for no login', async (_, status, body, code) => {
  const provider = await connect()
  vault.fault({status, ...(body !== undefined && {body})}, Infinity, 'auth/approle/login')
  expect(await read(provider)).toBe(code)
  expect(asked().filter((path) => path.startsWith('secret/'))).toEqual([])
})

it('says VAULT_SEALED when it is sealed at the login', async () => {
  const provider = await connect()
  vault.seal()
  expect(await read(provider)).toBe('VAULT_SEALED')
})

it('says LOGIN_REFUSED where Vault wants a second factor', async () => {
  const provider = await connect()
  const auth = {client_token: '', mfa_requirement: {mfa_request_id: 'x', mfa_constraints: {}}}
  vault.fault({status: 200, body: {data: null, auth}}, 1, 'auth/approle/login')
  const [answer] = await readAll(provider, [ref('myapp-production')])
  expect(answer).toMatchObject({
    kind: 'failed',
    error: {code: 'LOGIN_REFUSED', message: expect.stringContaining('second factor') as unknown},
  })
})

it('sends nothing but the login to the address, and the namespace with all of it', async () => {
  const enterprise = await startFakeVault({namespaces: ['team1']})
  onTestFinished(() => enterprise.stop())
  const rootOf = rootApi({url: enterprise.url, rootToken: enterprise.rootToken})
  const inTeam: RootApi = (method, path, body, headers) => rootOf(method, `team1/${path}`, body, headers)
  await inTeam('POST', 'sys/mounts/secret', {type: 'kv-v2'})
  await inTeam('POST', 'secret/data/myapp-production', {data: {value: 'of team1'}})
  await writePolicy(inTeam, 'myapp-read', [{path: 'secret/data/*', capabilities: ['read']}])
  const {roleId, secretId} = await enableAppRole(inTeam, {token_policies: ['myapp-read']})
  for (const [settings, url] of [
    [{namespace: 'team1'}, enterprise.url],
    [{}, `${enterprise.url}/v1/team1/`],
  ] as const) {
    const before = enterprise.log.length
    const host = hostWith({VAULT_SECRET_ID: await secretId()})
    const provider = await connectTo(url, host, {auth: 'approle', role_id: roleId, ...settings})
    expect(await read(provider)).toBe('found of team1')
    expect(provider.place).toContain('namespace team1')
    expect(provider.remedies(ref('x'))[0]).toContain('-namespace=team1')
    await provider.close()
    const seen = enterprise.log.slice(before + 1).map(({path, namespace}) => `${namespace ?? ''} ${path}`)
    const [header, prefix] = 'namespace' in settings ? ['team1', ''] : ['', 'team1/']
    expect(seen).toEqual(
      ['auth/approle/login', 'secret/data/myapp-production', 'auth/token/revoke-self'].map(
        (path) => `${header} ${prefix}${path}`,
      ),
    )
  }
  const outside = await connectTo(enterprise.url, hostWith({VAULT_SECRET_ID: await secretId()}), {
    auth: 'approle',
    role_id: roleId,
  })
  expect(await read(outside)).toBe('LOGIN_REFUSED')
})

describeBoth(
  (name) => `on ${name}, a provider`,
  (start) => {
    it('says that a login is used up, and no policy line', async () => {
      const {server, api: root} = await start()
      await writePolicy(root, 'myapp-read', [{path: 'secret/data/*', capabilities: ['read']}])
      for (const key of ['a', 'b']) await root('POST', `secret/data/${key}`, {data: {value: key}})
      const {roleId, secretId} = await enableAppRole(root, {token_policies: ['myapp-read'], token_num_uses: 1})
      const settings = {auth: 'approle', role_id: roleId}
      const provider = await connectAt(server.url, hostWith({VAULT_SECRET_ID: await secretId()}), settings)
      expect(await read(provider, 'a')).toBe('found a')
      const [answer] = await readAll(provider, [ref('b')])
      expect(gist(answer!)).toBe('LOGIN_REFUSED')
      const {error} = answer as {readonly error: {readonly suggestions: readonly string[]}}
      expect(error.suggestions.join('\n')).toMatch(/token_num_uses=0/)
      expect(error.suggestions.join('\n')).not.toMatch(/capabilities/)
      // the command of the message, through the API
      await root('POST', 'auth/approle/role/myapp-ci', {token_num_uses: 0})
      const {data} = (await root('GET', 'auth/approle/role/myapp-ci')) as {readonly data: Record<string, unknown>}
      expect([data['token_num_uses'], data['token_policies']]).toEqual([0, ['myapp-read']])
    })

    it('keeps a short login alive, and gives it back', async () => {
      const {server, api: root} = await start()
      await writePolicy(root, 'myapp-read', [{path: 'secret/data/*', capabilities: ['read']}])
      await root('POST', 'secret/data/myapp-production', {data: {value: 'one'}})
      const {roleId, secretId} = await enableAppRole(root, {
        token_policies: ['myapp-read'],
        token_ttl: '2s',
        token_max_ttl: '1h',
        secret_id_num_uses: 1,
      })
      const host = hostWith({VAULT_SECRET_ID: await secretId()})
      const provider = await connectTo(server.url, host, {auth: 'approle', role_id: roleId})
      for (let n = 0; n < 4; n += 1) {
        expect(await read(provider)).toBe('found one')
        await sleep(900)
      }
      await provider.close()
      const {data} = (await root('GET', 'auth/token/lookup-self')) as {readonly data: {readonly policies: unknown}}
      expect(data.policies).toEqual(['root'])
    })
  },
)
