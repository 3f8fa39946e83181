import {afterEach, beforeEach, describe, expect, it, onTestFinished} from 'vitest'

import type {SecretRef} from '../../../src/core/mapping.ts'
import type {Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {type FakeVault, startFakeVault} from '../../fakes/hashicorp.ts'
import {gist, readAll} from '../contract.ts'
import {connectTo, hostWith} from './bed.ts'
import {rootApi, type RootApi, writePolicy} from './root-api.ts'
import {bothServers, type TestServer} from './servers.ts'

const ref = (name: string): SecretRef => ({vault: 'default', name})
const forever = (): AbortSignal => new AbortController().signal

async function connect(url: string, token: string, settings: Settings = {}): Promise<Provider> {
  const provider = await connectTo(url, hostWith({VAULT_TOKEN: token}), settings)
  onTestFinished(() => provider.close())
  return provider
}

const readNames = async (provider: Provider, ...names: readonly string[]): Promise<readonly string[]> =>
  (
    await readAll(
      provider,
      names.map((name) => ref(name)),
    )
  ).map(gist)

for (const {name, start, lacks} of bothServers)
  describe.skipIf(lacks !== undefined)(
    `on ${name}, a version that nobody has configured${lacks === undefined ? '' : ` (skipped: ${lacks})`}`,
    () => {
      let server: TestServer
      let api: RootApi
      beforeEach(async () => {
        server = await start()
        api = rootApi(server)
        await api('POST', 'secret/data/team/myapp', {data: {value: 'of version 2'}})
        await api('POST', 'kv1/team/myapp', {value: 'of version 1'})
      })
      afterEach(() => server.stop())

      /** A token that may do what these lines say, and nothing else, not even look itself up. */
      async function tokenFor(...rules: readonly {readonly path: string; readonly capabilities: readonly string[]}[]) {
        await writePolicy(api, 'one-secret', rules)
        const wish = {policies: ['one-secret'], no_default_policy: true}
        const {auth} = (await api('POST', 'auth/token/create', wish)) as {
          readonly auth: {readonly client_token: string}
        }
        return auth.client_token
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
        expect(await readNames(await connect(server.url, ofKv2), 'team/none', 'other/x')).toEqual([
          'absent',
          'FORBIDDEN',
        ])
      })

      it('never makes a missing mount an absent secret', async () => {
        const limited = await tokenFor({path: 'secret/data/team/*', capabilities: ['read']})
        expect(await readNames(await connect(server.url, limited, {mount: 'nowhere'}), 'x')).toEqual(['FORBIDDEN'])
        expect(await readNames(await connect(server.url, server.rootToken, {mount: 'nowhere'}), 'x')).toEqual([
          'VAULT_NOT_FOUND',
        ])
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

  it('read the other version where a server does not say which one it has', async () => {
    vault.put('kv1', 'myapp', {value: 'one'})
    vault.fault({status: 404, body: {errors: []}}, Infinity, 'sys/internal/')
    expect(await readNames(await connect(vault.url, vault.rootToken, {mount: 'kv1'}), 'myapp', 'none')).toEqual([
      'found one',
      'absent',
    ])
    expect(await readNames(await connect(vault.url, vault.rootToken), 'none')).toEqual(['absent'])
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

  it('ask for no version where it is configured', async () => {
    expect(await readNames(await connect(vault.url, vault.rootToken, {kv_version: 2}), 'none')).toEqual(['absent'])
    expect(asked()).toEqual(['secret/data/none'])
  })
})
