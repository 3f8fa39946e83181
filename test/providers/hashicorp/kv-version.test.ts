import {afterEach, beforeEach, describe, expect, it} from 'vitest'

import type {SecretRef} from '../../../src/core/mapping.ts'
import type {Origin, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {type FakeVault, startFakeVault} from '../../fakes/hashicorp.ts'
import {gist, readAll} from '../contract.ts'
import {connectAt, hostWith} from './bed.ts'
import {makeToken, rootApi, type RootApi, writePolicy} from './root-api.ts'
import {describeBoth, type TestServer} from './servers.ts'

const ref = (name: string): SecretRef => ({vault: 'default', name})
const forever = (): AbortSignal => new AbortController().signal

const connect = (
  url: string,
  token: string,
  settings?: Settings,
  origins?: Readonly<Record<string, Origin>>,
): Promise<Provider> => connectAt(url, hostWith({VAULT_TOKEN: token}), settings, origins)

const readNames = async (provider: Provider, ...names: readonly string[]): Promise<readonly string[]> =>
  (
    await readAll(
      provider,
      names.map((name) => ref(name)),
    )
  ).map(gist)

describeBoth(
  (name) => `on ${name}, a version that nobody has configured`,
  (start) => {
    let server: TestServer
    let api: RootApi
    beforeEach(async () => {
      ;({server, api} = await start())
      await api('POST', 'secret/data/team/myapp', {data: {value: 'of version 2'}})
      await api('POST', 'kv1/team/myapp', {value: 'of version 1'})
    })

    /** A token that may do what these lines say, and nothing else, not even look itself up. */
    async function tokenFor(...rules: readonly {readonly path: string; readonly capabilities: readonly string[]}[]) {
      await writePolicy(api, 'one-secret', rules)
      return makeToken(api, {policies: ['one-secret'], no_default_policy: true})
    }

    it('is found out by a token that may read one secret and nothing else', async () => {
      const ofKv1 = await tokenFor({path: 'kv1/team/myapp', capabilities: ['read']})
      expect(await readNames(await connect(server.url, ofKv1, {mount: 'kv1'}), 'team/myapp')).toEqual([
        'found of version 1',
      ])
      const ofKv2 = await tokenFor({path: 'secret/data/team/myapp', capabilities: ['read']})
      expect(await readNames(await connect(server.url, ofKv2), 'team/myapp')).toEqual(['found of version 2'])
    })

    it('tells absent from forbidden on either', async () => {
      const ofKv1 = await tokenFor({path: 'kv1/team/*', capabilities: ['read']})
      expect(await readNames(await connect(server.url, ofKv1, {mount: 'kv1'}), 'team/none', 'other/x')).toEqual([
        'absent',
        'FORBIDDEN',
      ])
      const ofKv2 = await tokenFor({path: 'secret/data/team/*', capabilities: ['read']})
      expect(await readNames(await connect(server.url, ofKv2), 'team/none', 'other/x')).toEqual(['absent', 'FORBIDDEN'])
    })

    it('never makes a missing mount an absent secret', async () => {
      const limited = await tokenFor({path: 'secret/data/team/*', capabilities: ['read']})
      expect(await readNames(await connect(server.url, limited, {mount: 'nowhere'}), 'x')).toEqual(['FORBIDDEN'])
      expect(await readNames(await connect(server.url, server.rootToken, {mount: 'nowhere'}), 'x')).toEqual([
        'VAULT_NOT_FOUND',
      ])
    })

    it('and a mount that is part of another one, or goes further, is never an absent secret', async () => {
      await api('POST', 'sys/mounts/team/kv', {type: 'kv', options: {version: '2'}})
      for (const [mount, real] of [
        ['secret/data', 'secret'],
        ['secret/team', 'secret'],
        ['team/kv/data', 'team/kv'],
        ['kv1/team', 'kv1'],
      ] as const) {
        for (const settings of [{}, {kv_version: 2}, {kv_version: 1}]) {
          const provider = await connect(server.url, server.rootToken, {mount, ...settings})
          const [answer] = await readAll(provider, [ref('none')])
          expect([mount, settings, gist(answer!)]).toEqual([mount, settings, 'VAULT_NOT_FOUND'])
          const {error} = answer as {readonly error: {readonly message: string}}
          expect(error.message).toContain(`that path belongs to the mount ${real}`)
        }
      }
    })

    it('is held against the one that is configured before anything is called absent', async () => {
      for (const [settings, expected] of [
        [{mount: 'kv1', kv_version: 2}, 'VAULT_NOT_FOUND'],
        [{mount: 'secret', kv_version: 1}, 'VAULT_NOT_FOUND'],
        [{mount: 'kv1', kv_version: 1}, 'absent'],
        [{mount: 'secret', kv_version: 2}, 'absent'],
      ] as const)
        expect([settings, ...(await readNames(await connect(server.url, server.rootToken, settings), 'none'))]).toEqual(
          [settings, expected],
        )
    })

    it('1, as a repository file says it, makes no request to an engine of another type', async () => {
      await api('POST', 'sys/mounts/dynamic', {type: 'transit'})
      expect(await readNames(await connect(server.url, server.rootToken, {mount: 'dynamic'}), 'x')).toEqual([
        'VAULT_NOT_FOUND',
      ])
      const provider = await connect(server.url, server.rootToken, {mount: 'dynamic', kv_version: 1})
      const [answer] = await readAll(provider, [ref('creds/admin')])
      expect(gist(answer!)).toBe('VAULT_NOT_FOUND')
      expect(answer).toMatchObject({error: {message: expect.stringContaining('of type transit') as unknown}})
      await expect(provider.write(ref('config/x'), new Secret('key'), 'any', forever())).rejects.toMatchObject({
        code: 'VAULT_NOT_FOUND',
      })
    })

    it('is known before anything is written, so that nothing lands under another name', async () => {
      const provider = await connect(server.url, server.rootToken, {mount: 'kv1'})
      await provider.write(ref('fresh'), new Secret('key'), 'absent', forever())
      expect(await readNames(provider, 'fresh', 'data/fresh')).toEqual(['found key', 'absent'])
    })
  },
)

describe('the requests', () => {
  let vault: FakeVault
  beforeEach(async () => {
    vault = await startFakeVault()
  })
  afterEach(() => vault.stop())
  const asked = (): readonly string[] => vault.log.map(({path}) => path)

  it('are one for a secret on KV 2 that is there: a token with one use left is enough', async () => {
    vault.put('secret', 'myapp', {value: 'one'})
    const token = vault.addToken({rules: [{path: 'secret/data/myapp', capabilities: ['read']}], uses: 1})
    expect(await readNames(await connect(vault.url, token), 'myapp')).toEqual(['found one'])
    expect(asked()).toEqual(['secret/data/myapp'])
  })

  it('are one more for all, where secrets are absent on KV 2', async () => {
    expect(await readNames(await connect(vault.url, vault.rootToken), 'a', 'b', 'c')).toEqual([
      'absent',
      'absent',
      'absent',
    ])
    expect(asked().toSorted()).toEqual([
      'secret/data/a',
      'secret/data/b',
      'secret/data/c',
      'sys/internal/ui/mounts/secret',
    ])
  })

  it('go to KV 1 directly once that is known', async () => {
    for (const name of ['a', 'b']) vault.put('kv1', name, {value: name})
    const provider = await connect(vault.url, vault.rootToken, {mount: 'kv1'})
    expect(await readNames(provider, 'a')).toEqual(['found a'])
    expect(await readNames(provider, 'b')).toEqual(['found b'])
    expect(asked()).toEqual(['kv1/data/a', 'sys/internal/ui/mounts/kv1', 'kv1/a', 'kv1/b'])
  })

  it('of a token that is used up by the first make a failure, not an absence', async () => {
    const token = vault.addToken({rules: [{path: 'kv1/*', capabilities: ['read']}], uses: 1})
    vault.put('kv1', 'myapp', {value: 'one'})
    const [answer] = await readAll(await connect(vault.url, token, {mount: 'kv1'}), [ref('myapp')])
    expect(gist(answer!)).toBe('FORBIDDEN')
    expect(answer).toMatchObject({
      error: {suggestions: expect.arrayContaining([expect.stringContaining('kv_version')]) as unknown},
    })
  })

  it('go to KV 1 of which a repository file speaks only after Vault has called it that', async () => {
    vault.put('kv1', 'myapp', {value: 'one'})
    const token = vault.addToken({rules: [{path: 'kv1/*', capabilities: ['read']}], uses: 1})
    expect(await readNames(await connect(vault.url, token, {mount: 'kv1', kv_version: 1}), 'myapp')).toEqual([
      'found one',
    ])
    expect(asked()).toEqual(['sys/internal/ui/mounts/kv1', 'kv1/myapp'])
  })

  it('go there directly where the machine says so', async () => {
    vault.put('kv1', 'myapp', {value: 'one'})
    const provider = await connect(
      vault.url,
      vault.rootToken,
      {mount: 'kv1', kv_version: 1},
      {kv_version: 'environment'},
    )
    expect(await readNames(provider, 'myapp')).toEqual(['found one'])
    expect(asked()).toEqual(['kv1/myapp'])
    expect(await readNames(provider, 'none')).toEqual(['absent'])
  })

  it.each([{}, {kv_version: 1}])('do not create credentials in an engine that makes some: %j', async (settings) => {
    await rootApi(vault)('POST', 'sys/mounts/database', {type: 'database'})
    const before = vault.log.length
    for (const mount of ['database', 'database/creds']) {
      const provider = await connect(vault.url, vault.rootToken, {mount, ...settings})
      expect(await readNames(provider, 'creds/admin', 'admin')).toEqual(['VAULT_NOT_FOUND', 'VAULT_NOT_FOUND'])
    }
    const all = asked().slice(before)
    expect(all.filter((path) => path.startsWith('database/') && !path.includes('/data/'))).toEqual([])
  })

  it.each([
    ['a page', {status: 200, body: '<html>Log in</html>'}],
    ['another shape', {status: 200, body: {data: {value: 'x'}}}],
    ['a refusal', {status: 403, body: {errors: ['permission denied']}}],
  ])('say nothing of the version with %s, which is never taken for KV 1', async (_, answer) => {
    vault.put('kv1', 'myapp', {value: 'one'})
    vault.fault(answer, Infinity, 'sys/internal/')
    expect(await readNames(await connect(vault.url, vault.rootToken, {mount: 'kv1'}), 'myapp')).toEqual(['FORBIDDEN'])
    const [outcome] = await readNames(await connect(vault.url, vault.rootToken, {mount: 'kv1', kv_version: 1}), 'myapp')
    expect(outcome).toMatch(/^(?:FORBIDDEN|BAD_RESPONSE)$/)
    expect(asked()).not.toContain('kv1/myapp')
    // what is configured stays believed where Vault refuses to say
    expect(await readNames(await connect(vault.url, vault.rootToken, {kv_version: 2}), 'none')).toEqual(['absent'])
  })

  it('read nothing as KV 1 behind a namespace in the address, where Vault does not say what it is', async () => {
    vault.mount('team1/kv1', 1)
    vault.put('team1/kv1', 'myapp', {value: 'one'})
    const provider = await connect(`${vault.url}/v1/team1`, vault.rootToken, {mount: 'kv1', kv_version: 1})
    expect(await readNames(provider, 'myapp')).toEqual(['VAULT_NOT_FOUND'])
    expect(asked()).toEqual(['team1/sys/internal/ui/mounts/kv1'])
  })

  it('read the other version where a server does not say which one it has', async () => {
    vault.put('kv1', 'myapp', {value: 'one'})
    vault.fault({status: 404, body: {errors: []}}, Infinity, 'sys/internal/')
    expect(await readNames(await connect(vault.url, vault.rootToken, {mount: 'kv1'}), 'myapp', 'none')).toEqual([
      'found one',
      'absent',
    ])
    expect(await readNames(await connect(vault.url, vault.rootToken), 'none')).toEqual(['absent'])
    const provider = await connect(vault.url, vault.rootToken, {mount: 'kv1', kv_version: 1})
    expect(await readNames(provider, 'myapp')).toEqual(['found one'])
  })

  it('are two where a token has no right in the mount, and the message has the line for version 2', async () => {
    const token = vault.addToken({rules: []})
    const [answer] = await readAll(await connect(vault.url, token), [ref('myapp')])
    expect(asked()).toEqual(['secret/data/myapp', 'sys/internal/ui/mounts/secret'])
    const line = 'path "secret/data/myapp" { capabilities = ["read"] }'
    expect(answer).toMatchObject({
      error: {code: 'FORBIDDEN', suggestions: expect.arrayContaining([expect.stringContaining(line)]) as unknown},
    })
  })

  it('ask for the mount only before something is called absent, where a version is configured', async () => {
    vault.put('secret', 'myapp', {value: 'one'})
    const provider = await connect(vault.url, vault.rootToken, {kv_version: 2})
    expect(await readNames(provider, 'myapp')).toEqual(['found one'])
    expect(asked()).toEqual(['secret/data/myapp'])
    expect(await readNames(provider, 'none', 'nor this')).toEqual(['absent', 'absent'])
    expect(asked().filter((path) => path.startsWith('sys/'))).toEqual(['sys/internal/ui/mounts/secret'])
  })
})
