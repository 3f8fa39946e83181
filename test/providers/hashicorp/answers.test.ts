import {spawn} from 'node:child_process'
import {join} from 'node:path'

import nodeVault, {type client as Client} from 'node-vault'
import {afterEach, beforeEach, describe, expect, it, onTestFinished} from 'vitest'

import {type FakeVault, startFakeVault} from '../../fakes/hashicorp.ts'
import type {VaultServer} from './real-vault.ts'
import {enableAppRole, makeToken, type RootApi, writePolicy} from './root-api.ts'
import {describeBoth, type TestServer} from './servers.ts'
import {audience, issuer, makeTokenIssuer} from './token-issuer.ts'

/** What an unchanged node-vault makes of an answer: its result, or the status and body of its error. */
async function outcomeOf(call: Promise<unknown>): Promise<{readonly status: number; readonly body: unknown}> {
  try {
    const body = await call
    return {status: body === '' ? 204 : 200, body}
  } catch (error) {
    const {statusCode, body} = (error as {readonly response: {readonly statusCode: number; readonly body: unknown}})
      .response
    return {status: statusCode, body}
  }
}

const denied = {errors: ['1 error occurred:\n\t* permission denied\n\n']}
const badToken = {errors: ['2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n']}
const nothing = {status: 404, body: {errors: []}}

function clientOf(vault: VaultServer, token: string, namespace = ''): Client {
  const client: Client & {namespace?: string} = nodeVault({endpoint: vault.url, token})
  client.namespace = namespace
  return client
}

describeBoth(
  (name) => `${name} answers node-vault`,
  (start) => {
    let vault: VaultServer
    const as = (token: string): Client => clientOf(vault, token)

    beforeEach(async () => {
      vault = (await start()).server
    })

    it('KV 2: the fields in an envelope with their metadata', async () => {
      await vault.put('secret', 'myapp-production', {value: 'one'})
      expect(await outcomeOf(as(vault.rootToken).read('secret/data/myapp-production'))).toMatchObject({
        status: 200,
        body: {data: {data: {value: 'one'}, metadata: {version: 1, deletion_time: '', destroyed: false}}},
      })
    })

    it('KV 1: the fields themselves', async () => {
      await vault.put('kv1', 'team/myapp', {value: 'one'})
      expect(await outcomeOf(as(vault.rootToken).read('kv1/team/myapp'))).toMatchObject({
        status: 200,
        body: {data: {value: 'one'}},
      })
    })

    it.each([
      ['a missing KV 2 secret', 'secret/data/myapp-staging'],
      ['a version that was never written', 'secret/data/myapp-production?version=9'],
      ['a missing KV 1 secret', 'kv1/myapp-staging'],
      ['a KV 2 path on a KV 1 mount', 'kv1/data/myapp-production'],
    ])('%s: 404 and no error at all', async (_, path) => {
      await vault.put('secret', 'myapp-production', {value: 'one'})
      await vault.put('kv1', 'myapp-production', {value: 'one'})
      expect(await outcomeOf(as(vault.rootToken).read(path))).toEqual(nothing)
    })

    it('a deleted version: 404 with its metadata', async () => {
      await vault.put('secret', 'myapp-production', {value: 'one'})
      const client = as(vault.rootToken)
      await client.delete('secret/data/myapp-production')
      expect(await outcomeOf(client.read('secret/data/myapp-production'))).toMatchObject({
        status: 404,
        body: {
          data: {
            data: null,
            metadata: {version: 1, deletion_time: expect.stringMatching(/^\d{4}-/), destroyed: false},
          },
        },
      })
    })

    it('a destroyed version: 404 with its metadata', async () => {
      await vault.put('secret', 'myapp-production', {value: 'one'})
      const client = as(vault.rootToken)
      await client.write('secret/destroy/myapp-production', {versions: [1]})
      expect(await outcomeOf(client.read('secret/data/myapp-production'))).toMatchObject({
        status: 404,
        body: {data: {data: null, metadata: {version: 1, destroyed: true}}},
      })
    })

    it('a KV 2 path without data/: 404 with a warning instead of errors', async () => {
      const {status, body} = await outcomeOf(as(vault.rootToken).read('secret/myapp-production'))
      expect(status).toBe(404)
      expect(body).toMatchObject({
        data: null,
        warnings: [expect.stringContaining('Invalid path for a versioned K/V')],
      })
      expect(body).not.toHaveProperty('errors')
    })

    it('a wrong mount: 404 for a token that may do all, 403 for one that may not', async () => {
      const limited = await vault.addToken({rules: [{path: 'secret/data/*', capabilities: ['read']}]})
      expect(await outcomeOf(as(vault.rootToken).read('nowhere/data/x'))).toMatchObject({
        status: 404,
        body: {errors: [expect.stringContaining('no handler for route')]},
      })
      expect(await outcomeOf(as(limited).read('nowhere/data/x'))).toEqual({status: 403, body: denied})
    })

    it('no policy: 403', async () => {
      const limited = await vault.addToken({rules: [{path: 'secret/data/other', capabilities: ['read']}]})
      await vault.put('secret', 'myapp-production', {value: 'one'})
      expect(await outcomeOf(as(limited).read('secret/data/myapp-production'))).toEqual({status: 403, body: denied})
      expect(await outcomeOf(as(limited).write('secret/data/other', {data: {}}))).toEqual({status: 403, body: denied})
    })

    it('a bad, an expired, a revoked and a used-up token: 403, never 401', async () => {
      const expired = await vault.addToken({expires: new Date(Date.now() - 1000)})
      const revoked = await vault.addToken()
      await vault.revoke(revoked)
      const single = await vault.addToken({uses: 1})
      expect(await outcomeOf(as(single).read('secret/data/x'))).toEqual(nothing)
      for (const token of ['hvs.never-made', expired, revoked, single])
        expect(await outcomeOf(as(token).read('secret/data/x'))).toEqual({status: 403, body: badToken})
    })

    it('no token: 403', async () => {
      const response = await fetch(`${vault.url}/v1/secret/data/x`)
      expect([response.status, await response.json()]).toEqual([403, {errors: ['permission denied']}])
    })

    it('sealed: 503, and seal-status answers all the same', async () => {
      await vault.seal()
      const client = as(vault.rootToken)
      expect(await outcomeOf(client.read('secret/data/x'))).toEqual({
        status: 503,
        body: {errors: ['Vault is sealed']},
      })
      expect(await outcomeOf(client.read('sys/seal-status'))).toMatchObject({status: 200, body: {sealed: true}})
    })

    it('a rate quota: 429 without Retry-After', async () => {
      await vault.throttle(1)
      const response = await fetch(`${vault.url}/v1/secret/data/x`)
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, null])
    })

    it('check and set: 400 for any version but the current one, where 0 means none', async () => {
      const client = as(vault.rootToken)
      const write = (cas: number) => outcomeOf(client.write('secret/data/myapp', {data: {value: 'x'}, options: {cas}}))
      const mismatch = {
        status: 400,
        body: {errors: ['check-and-set parameter did not match the current version']},
      }
      expect(await write(1)).toEqual(mismatch)
      expect(await write(0)).toMatchObject({status: 200, body: {data: {version: 1}}})
      expect(await write(0)).toEqual(mismatch)
      expect(await write(1)).toMatchObject({status: 200, body: {data: {version: 2}}})
    })

    it('check and set: 400 for 0 where the current version is deleted', async () => {
      await vault.put('secret', 'myapp', {value: 'one'})
      const client = as(vault.rootToken)
      await client.delete('secret/data/myapp')
      const writing = client.write('secret/data/myapp', {data: {value: 'x'}, options: {cas: 0}})
      expect(await outcomeOf(writing)).toMatchObject({status: 400})
    })

    it('KV 2 sent to a KV 1 mount: 204, and it lies there as another secret', async () => {
      const client = as(vault.rootToken)
      expect(await outcomeOf(client.write('kv1/data/myapp', {data: {value: 'x'}}))).toEqual({status: 204, body: ''})
      expect(await client.read('kv1/data/myapp')).toMatchObject({data: {data: {value: 'x'}}})
    })

    it('KV 1 sent to a KV 2 mount: 404 with a warning instead of errors', async () => {
      const {status, body} = await outcomeOf(as(vault.rootToken).write('secret/myapp', {value: 'x'}))
      expect(status).toBe(404)
      expect(body).not.toHaveProperty('errors')
    })

    it('a write to KV 1: 204', async () => {
      expect(await outcomeOf(as(vault.rootToken).write('kv1/myapp', {value: 'one'}))).toEqual({status: 204, body: ''})
    })

    it('an eleventh version drives the first one out', async () => {
      for (let n = 1; n <= 11; n += 1) await vault.put('secret', 'myapp', {value: `v${n}`})
      const client = as(vault.rootToken)
      expect(await outcomeOf(client.read('secret/data/myapp?version=1'))).toEqual(nothing)
      expect(await outcomeOf(client.read('secret/data/myapp?version=2'))).toMatchObject({status: 200})
    })

    it('the version of a mount', async () => {
      const client = as(vault.rootToken)
      expect(await client.read('sys/internal/ui/mounts/kv1')).toMatchObject({data: {options: {version: '1'}}})
      expect(await client.read('sys/internal/ui/mounts/secret')).toMatchObject({data: {options: {version: '2'}}})
    })

    it('whose token it is, which costs a use', async () => {
      const token = await vault.addToken({uses: 2, rules: []})
      expect(await as(token).tokenLookupSelf()).toMatchObject({
        data: {id: token, num_uses: 1, expire_time: expect.stringMatching(/^\d{4}-/) as unknown},
      })
      expect(await as(vault.rootToken).tokenLookupSelf()).toMatchObject({data: {expire_time: null}})
    })
  },
)

describeBoth(
  (name) => `${name} answers a login`,
  (start) => {
    let vault: TestServer
    let api: RootApi
    beforeEach(async () => {
      ;({server: vault, api} = await start())
    })

    async function post(path: string, body: unknown, token?: string): Promise<readonly [number, unknown]> {
      const response = await fetch(`${vault.url}/v1/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        ...(token !== undefined && {headers: {'x-vault-token': token}}),
      })
      const text = await response.text()
      return [response.status, text === '' ? undefined : JSON.parse(text)]
    }
    const errors = (...texts: readonly string[]) => ({errors: texts})
    const authOf = (answer: readonly [number, unknown]) => (answer[1] as {readonly auth: Record<string, unknown>}).auth

    it('where no method is enabled: 403', async () => {
      expect(await post('auth/nowhere/login', {})).toEqual([403, errors('permission denied')])
    })

    it('as an AppRole: with a token, or 400 for what does not fit', async () => {
      const {roleId, secretId} = await enableAppRole(api, {
        token_policies: ['one'],
        token_ttl: '5s',
        token_max_ttl: '8s',
      })
      const login = (body: unknown) => post('auth/approle/login', body)
      const secret_id = await secretId()
      const auth = authOf(await login({role_id: roleId, secret_id}))
      expect(auth).toMatchObject({
        client_token: expect.stringMatching(/^hvs\./) as unknown,
        policies: ['default', 'one'],
        token_policies: ['default', 'one'],
        metadata: {role_name: 'myapp-ci'},
        lease_duration: 5,
        renewable: true,
        token_type: 'service',
        num_uses: 0,
        mfa_requirement: null,
      })
      expect(await login({role_id: 'none', secret_id})).toEqual([400, errors('invalid role or secret ID')])
      expect(await login({role_id: roleId, secret_id: 'none'})).toEqual([400, errors('invalid role or secret ID')])
      expect(await login({role_id: roleId})).toEqual([400, errors('missing secret_id')])
      expect(await login({})).toEqual([500, errors('failed to determine alias name from login request')])
      expect(await post('sys/auth/approle', {type: 'approle'}, vault.rootToken)).toEqual([
        400,
        errors('path is already in use at approle/'),
      ])
    })

    it('for batch tokens, which are neither renewed nor revoked', async () => {
      const {roleId, secretId} = await enableAppRole(api, {token_type: 'batch', token_ttl: '60s'})
      const auth = authOf(await post('auth/approle/login', {role_id: roleId, secret_id: await secretId()}))
      expect(auth).toMatchObject({token_type: 'batch', renewable: false, accessor: '', lease_duration: 60})
      const token = String(auth['client_token'])
      expect(await post('auth/token/renew-self', {}, token)).toEqual([400, errors('batch tokens cannot be renewed')])
      expect(await post('auth/token/revoke-self', {}, token)).toEqual([400, errors('batch tokens cannot be revoked')])
    })

    it('whose token is renewed with what is left, and revoked once', async () => {
      const {roleId, secretId} = await enableAppRole(api, {token_ttl: '30s', token_max_ttl: '60s'})
      const auth = authOf(await post('auth/approle/login', {role_id: roleId, secret_id: await secretId()}))
      const token = String(auth['client_token'])
      expect(authOf(await post('auth/token/renew-self', {}, token))).toMatchObject({lease_duration: 30})
      expect(await post('auth/token/revoke-self', {}, token)).toEqual([204, undefined])
      expect(await post('auth/token/revoke-self', {}, token)).toEqual([403, badToken])
    })

    it('with a wrapped SecretID: shown once, and by which path it was made', async () => {
      const {secretId} = await enableAppRole(api, {})
      const token = await secretId('60s')
      const looked = await post('sys/wrapping/lookup', {token})
      expect(looked).toMatchObject([
        200,
        {data: {creation_path: 'auth/approle/role/myapp-ci/secret-id', creation_ttl: 60}},
      ])
      expect(await post('sys/wrapping/unwrap', {}, token)).toMatchObject([
        200,
        {data: {secret_id: expect.any(String) as unknown}},
      ])
      const gone = [400, errors('wrapping token is not valid or does not exist')]
      expect(await post('sys/wrapping/unwrap', {}, token)).toEqual(gone)
      expect(await post('sys/wrapping/lookup', {token})).toEqual(gone)
      const wasted = await secretId('60s')
      expect(await post('secret/data/x', {data: {}}, wasted)).toEqual([403, denied])
      expect(await post('sys/wrapping/unwrap', {}, wasted)).toEqual(gone)
    })

    it('with a JWT: 400 with the reason', async () => {
      const tokens = makeTokenIssuer()
      await api('POST', 'sys/auth/jwt', {type: 'jwt'})
      await api('POST', 'auth/jwt/config', {jwt_validation_pubkeys: [tokens.publicKey], bound_issuer: issuer})
      const bound = {bound_audiences: [audience], bound_claims: {repository: 'acme/shop'}, bound_subject: 'job-1'}
      await api('POST', 'auth/jwt/role/ci', {role_type: 'jwt', user_claim: 'sub', ...bound})
      await api('POST', 'auth/jwt/role/free', {role_type: 'jwt', user_claim: 'sub', bound_subject: 'job-1'})
      const redirects = {allowed_redirect_uris: ['http://localhost:8250/oidc/callback']}
      await api('POST', 'auth/jwt/role/browser', {role_type: 'oidc', user_claim: 'sub', ...redirects})
      const reason = async (claims: Readonly<Record<string, unknown>>, role = 'ci'): Promise<unknown> => {
        const [status, body] = await post('auth/jwt/login', {role, jwt: tokens.sign({sub: 'job-1', ...claims})})
        return status === 200 ? status : [status, ...(body as {readonly errors: readonly string[]}).errors]
      }
      const invalid = (text: string) => [400, `error validating token: ${text}`]
      const past = Math.floor(Date.now() / 1000) - 1000
      expect(await reason({})).toBe(200)
      expect(await reason({aud: ['other', audience]})).toBe(200)
      const wrongAudience = invalid('invalid audience (aud) claim: audience claim does not match any expected audience')
      expect(await reason({aud: 'other'})).toEqual(wrongAudience)
      expect(await reason({aud: undefined})).toEqual(wrongAudience)
      expect(await reason({sub: 'other'})).toEqual(invalid('invalid subject (sub) claim'))
      expect(await reason({iss: 'https://other'})).toEqual(invalid('invalid issuer (iss) claim'))
      expect(await reason({exp: past})).toEqual(invalid('invalid expiration time (exp) claim: token is expired'))
      expect(await reason({nbf: past + 3000, exp: past + 4000})).toEqual(
        invalid('invalid not before (nbf) claim: token not yet valid'),
      )
      expect(await reason({repository: 'other'})).toEqual([
        400,
        'error validating claims: claim "repository" does not match any associated bound claim values',
      ])
      expect(await reason({repository: undefined})).toEqual([
        400,
        'error validating claims: claim "repository" is missing',
      ])
      expect(await reason({}, 'free')).toEqual([400, 'audience claim found in JWT but no audiences bound to the role'])
      expect(await reason({}, 'browser')).toEqual([400, 'role with oidc role_type is not allowed'])
      expect(await reason({}, 'none')).toEqual([400, 'role "none" could not be found'])
      expect(await post('auth/jwt/login', {role: 'ci'})).toEqual([400, errors('missing token')])
      expect(await post('auth/jwt/login', {jwt: 'x'})).toEqual([400, errors('missing role')])
      expect(await post('auth/jwt/login', {role: 'ci', jwt: 'x'})).toEqual([
        400,
        errors(
          'error validating token: error verifying token signature: go-jose/go-jose: compact JWS format must have three parts',
        ),
      ])
    })

    it('with a password, whatever the case of the name: 400 for a wrong one', async () => {
      await api('POST', 'sys/auth/userpass', {type: 'userpass'})
      await api('POST', 'auth/userpass/users/alice', {password: 'correct horse'})
      const login = (who: string, body: unknown) => post(`auth/userpass/login/${who}`, body)
      expect((await login('Alice', {password: 'correct horse'}))[0]).toBe(200)
      const wrong = [400, errors('invalid username or password')]
      expect(await login('alice', {password: 'x'})).toEqual(wrong)
      expect(await login('bob', {password: 'x'})).toEqual(wrong)
      expect(await login('alice', {})).toEqual([400, errors('invalid credentials')])
      expect(await post('auth/userpass/login', {role_id: 'x'})).toEqual([403, errors('permission denied')])
    })

    it('with a certificate: 400 without TLS, and without one', async () => {
      await api('POST', 'sys/auth/cert', {type: 'cert'})
      expect(await post('auth/cert/login', {})).toEqual([400, errors('tls connection required')])
    })

    it('which policies show a mount to: any that allows something in it', async () => {
      const see = async (rules: readonly {path: string; capabilities: readonly string[]}[], mount: string) => {
        await writePolicy(api, 'one', rules)
        const headers = {'x-vault-token': await makeToken(api, {policies: ['one'], no_default_policy: true})}
        const response = await fetch(`${vault.url}/v1/sys/internal/ui/mounts/${mount}`, {headers})
        return response.status
      }
      const rule = (path: string, ...capabilities: readonly string[]) => [{path, capabilities}]
      expect(await see(rule('kv1/one/secret', 'read'), 'kv1')).toBe(200)
      expect(await see(rule('kv1/one/secret', 'read'), 'kv1/one/secret')).toBe(200)
      expect(await see(rule('kv1/*', 'create'), 'kv1')).toBe(200)
      expect(await see(rule('k*', 'read'), 'kv1')).toBe(200)
      expect(await see(rule('kv1/*', 'deny'), 'kv1')).toBe(200)
      expect(await see(rule('kv1/one/*', 'deny'), 'kv1')).toBe(403)
      expect(await see(rule('kv1/one', 'deny'), 'kv1')).toBe(403)
      expect(await see(rule('secret/data/x', 'read'), 'kv1')).toBe(403)
      expect(await see(rule('secret/data/x', 'read'), 'nowhere')).toBe(403)
    })
  },
)

describe('the fake answers node-vault as Vault Enterprise and OpenBao do', () => {
  let vault: FakeVault
  const as = (token: string, namespace = ''): Client => clientOf(vault, token, namespace)

  beforeEach(async () => {
    vault = await startFakeVault({namespaces: ['team1']})
  })
  afterEach(() => vault.stop())

  it('an unknown namespace: 404; a token of another one: 403; header and path mean the same', async () => {
    vault.mount('team1/secret', 2)
    vault.put('team1/secret', 'myapp', {value: 'team'})
    const token = vault.addToken({namespace: 'team1'})
    expect(await outcomeOf(as(token, 'team9').read('secret/data/myapp'))).toMatchObject({
      status: 404,
      body: {errors: ['namespace not found']},
    })
    expect(await outcomeOf(as(token).read('secret/data/myapp'))).toEqual({status: 403, body: badToken})
    for (const [namespace, path] of [
      ['team1', 'secret/data/myapp'],
      ['team1/', 'secret/data/myapp'],
      ['', 'team1/secret/data/myapp'],
    ] as const)
      expect(await outcomeOf(as(token, namespace).read(path))).toMatchObject({body: {data: {data: {value: 'team'}}}})
  })
})

it('starts the fake as a program that prints what to export', async () => {
  const program = spawn(process.execPath, [join(import.meta.dirname, '../../fakes/hashicorp.ts')])
  onTestFinished(() => void program.kill())
  let printed = ''
  for await (const chunk of program.stdout as AsyncIterable<Buffer>) {
    printed += chunk.toString()
    if (printed.includes('curl')) break
  }
  const [, url = ''] = /^export VAULT_ADDR=(\S+)$/m.exec(printed) ?? []
  const [, token = ''] = /^export VAULT_TOKEN=(\S+)$/m.exec(printed) ?? []
  const client: Client = nodeVault({endpoint: url, token})
  await client.write('secret/data/myapp-production', {data: {value: 'one'}})
  expect(await client.read('secret/data/myapp-production')).toMatchObject({data: {data: {value: 'one'}}})
})
