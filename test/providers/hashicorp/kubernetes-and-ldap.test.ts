import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'

import {afterEach, beforeEach, expect, it, onTestFinished} from 'vitest'

import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {type FakeVault, startFakeVault} from '../../fakes/hashicorp.ts'
import {everythingOf, gist, readAll} from '../contract.ts'
import {connectTo, hostWith} from './bed.ts'
import {rootApi, type RootApi, writePolicy} from './root-api.ts'

// The fake alone: the real server that these tests can have is built without the two methods.

let vault: FakeVault
let api: RootApi
beforeEach(async () => {
  vault = await startFakeVault()
  api = rootApi(vault)
  vault.put('secret', 'myapp-production', {value: 'one'})
  await writePolicy(api, 'myapp-read', [{path: 'secret/data/*', capabilities: ['read']}])
})
afterEach(() => vault.stop())

async function read(
  settings: Settings,
  over: Partial<Host> = {},
): Promise<{outcome: string; who?: string; said: string}> {
  const provider = await connectTo(vault.url, hostWith({}, over), settings)
  const [answer] = await readAll(provider, [{vault: 'default', name: 'myapp-production'}])
  const who = answer?.kind === 'found' ? (await provider.whoami(new AbortController().signal)).who : undefined
  await provider.close()
  return {
    outcome: gist(answer!),
    said: answer?.kind === 'failed' ? everythingOf(answer.error) : '',
    ...(who !== undefined && {who}),
  }
}

/** The part of a cluster that Vault asks whose token it was shown. */
async function startCluster(accounts: ReadonlyMap<string, string>): Promise<string> {
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const {spec} = JSON.parse(body) as {readonly spec: {readonly token: string}}
      const username = accounts.get(spec.token)
      const status = username === undefined ? {authenticated: false} : {authenticated: true, user: {username}}
      response.writeHead(201, {'content-type': 'application/json'}).end(JSON.stringify({kind: 'TokenReview', status}))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function fileWith(content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-pod-'))
  onTestFinished(() => rmSync(directory, {recursive: true, force: true}))
  writeFileSync(join(directory, 'token'), content)
  return join(directory, 'token')
}

it('logs in with the token of a service account, which the cluster vouches for', async () => {
  const accounts = new Map([
    ['token-of-myapp', 'system:serviceaccount:apps:myapp'],
    ['token-of-other', 'system:serviceaccount:apps:other'],
  ])
  await api('POST', 'sys/auth/kubernetes', {type: 'kubernetes'})
  await api('POST', 'auth/kubernetes/config', {kubernetes_host: await startCluster(accounts)})
  await api('POST', 'auth/kubernetes/role/myapp', {
    bound_service_account_names: ['myapp'],
    bound_service_account_namespaces: ['apps'],
    token_policies: ['myapp-read'],
  })
  const settings = {auth: 'kubernetes', role: 'myapp'}
  const good = await read({...settings, jwt_file: fileWith('token-of-myapp\n')})
  expect(good).toMatchObject({outcome: 'found one', who: expect.stringContaining('myapp (auth/kubernetes)') as unknown})
  for (const token of ['token-of-other', 'token-of-nobody']) {
    const {outcome, said} = await read({...settings, jwt_file: fileWith(token)})
    expect(outcome).toBe('LOGIN_REFUSED')
    expect(said).not.toContain(token)
  }
  expect((await read({...settings, role: 'none', jwt_file: fileWith('token-of-myapp')})).outcome).toBe('LOGIN_REFUSED')
})

it('logs in with the password of a directory, from a variable or a terminal', async () => {
  await api('POST', 'sys/auth/ldap', {type: 'ldap'})
  await api('POST', 'auth/ldap/users/alice', {policies: ['myapp-read']})
  vault.addPerson('alice', 'open sesame')
  const settings = {auth: 'ldap', username: 'alice'}
  expect((await read({...settings, password: 'open sesame'})).outcome).toBe('found one')
  const ask = (): Promise<Secret> => Promise.resolve(new Secret('open sesame'))
  expect((await read(settings, {ask, interactive: true})).outcome).toBe('found one')
  const wrong = await read({...settings, password: 'close sesame'})
  expect(wrong.outcome).toBe('LOGIN_REFUSED')
  expect(wrong.said).not.toContain('close sesame')
})

it('asks nobody for a password where the question was answered with nothing', async () => {
  await api('POST', 'sys/auth/ldap', {type: 'ldap'})
  const asked: string[] = []
  const ask = (question: string): Promise<undefined> => {
    asked.push(question)
    return Promise.resolve(undefined)
  }
  expect((await read({auth: 'ldap', username: 'alice'}, {ask, interactive: true})).outcome).toBe('NOT_LOGGED_IN')
  expect(asked).toHaveLength(1)
  expect(vault.log.filter(({path}) => path.includes('login'))).toEqual([])
})
