import {expect, it, onTestFinished} from 'vitest'

import {rateLimitOf, waits} from '../../../src/providers/hashicorp/rate-limit.ts'
import {startFakeVault} from '../../fakes/hashicorp.ts'
import {readAll} from '../contract.ts'
import {connectTo, hostWith} from './bed.ts'
import {enableAppRole, rootApi, writePolicy} from './root-api.ts'

it.each([
  ['50', {perSecond: 50, burst: 50}],
  ['2.5', {perSecond: 2.5, burst: 2}],
  ['2.5:10', {perSecond: 2.5, burst: 10}],
  ['.5', {perSecond: 0.5, burst: 1}],
  ['0.1:1', {perSecond: 0.1, burst: 1}],
])('VAULT_RATE_LIMIT=%s is read as requests a second, and how many at once', (text, expected) => {
  expect(rateLimitOf(text)).toEqual(expected)
})

it.each([
  ['all at once', {perSecond: 2, burst: 1}, [0, 0, 0, 0], [0, 500, 1000, 1500]],
  ['a burst, then one by one', {perSecond: 10, burst: 3}, [0, 0, 0, 0, 0], [0, 0, 0, 100, 200]],
  ['slower than they may', {perSecond: 10, burst: 1}, [0, 100, 350, 450], [0, 0, 0, 0]],
  [
    'a burst again after a pause, and no larger one',
    {perSecond: 10, burst: 2},
    [0, 0, 5000, 5000, 5000],
    [0, 0, 0, 0, 100],
  ],
])('requests that come %s wait for their turn', (_, limit, times, expected) => {
  const waitMs = waits(limit)
  expect(times.map((ms) => Math.round(waitMs(ms)))).toEqual(expected)
})

async function vaultWith(names: readonly string[]) {
  const vault = await startFakeVault()
  onTestFinished(() => vault.stop())
  for (const name of names) vault.put('secret', name, {value: name})
  return {vault, refs: names.map((name) => ({vault: 'default', name}))}
}

it('no request to the server is sent before its turn', async () => {
  const {vault, refs} = await vaultWith(['a', 'b', 'c'])
  const from = performance.now()
  const provider = await connectTo(vault.url, hostWith({VAULT_TOKEN: vault.rootToken, VAULT_RATE_LIMIT: '5:1'}))
  const answers = await readAll(provider, refs)
  await provider.close()
  expect(answers.map(({kind}) => kind)).toEqual(['found', 'found', 'found'])
  // Two of the three waited for 200 ms each: at least so long, however slow the machine.
  expect(performance.now() - from).toBeGreaterThan(390)
})

it('no call waits away its time: fewer are under way at once', async () => {
  const {vault, refs} = await vaultWith(['a', 'b', 'c', 'd', 'e', 'f'])
  const env = {VAULT_TOKEN: vault.rootToken, VAULT_RATE_LIMIT: '2:1'}
  // The last of six waits for two and a half seconds, but not as a call.
  const provider = await connectTo(vault.url, hostWith(env, {callTimeoutMs: 2000}))
  const answers = await readAll(provider, refs)
  await provider.close()
  expect(answers.map(({kind}) => kind)).toEqual(refs.map(() => 'found'))
})

it('a login is given back without waiting for a turn', async () => {
  const {vault, refs} = await vaultWith(['a'])
  const api = rootApi(vault)
  await writePolicy(api, 'myapp-read', [{path: 'secret/*', capabilities: ['read']}])
  const {roleId, secretId} = await enableAppRole(api, {token_policies: ['myapp-read']})
  const warnings: string[] = []
  const env = {VAULT_SECRET_ID: await secretId(), VAULT_RATE_LIMIT: '0.1:2'}
  const host = hostWith(env, {warn: (text) => void warnings.push(text)})
  const provider = await connectTo(vault.url, host, {auth: 'approle', role_id: roleId})
  expect((await readAll(provider, refs)).map(({kind}) => kind)).toEqual(['found'])
  await provider.close()
  expect(vault.log.at(-1)?.path).toBe('auth/token/revoke-self')
  expect(warnings).toEqual([])
})
