import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {beforeEach, describe, expect, it, onTestFinished} from 'vitest'

import type {EnvdriftError} from '../../../src/core/errors.ts'
import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {clientCertificate} from '../../fakes/certificate.ts'
import {everythingOf, gist, readAll} from '../contract.ts'
import {errorIn} from '../error-in.ts'
import {connectAt, hostWith} from './bed.ts'
import {enableAppRole, type RootApi, writePolicy} from './root-api.ts'
import {describeBoth, type TestServer} from './servers.ts'
import {audience, issuer, makeTokenIssuer, startJobTokens} from './token-issuer.ts'

const ref = (name: string) => ({vault: 'default', name})
const forever = (): AbortSignal => new AbortController().signal

async function read(provider: Provider): Promise<string> {
  const [answer] = await readAll(provider, [ref('myapp-production')])
  return gist(answer!)
}

async function errorOf(provider: Provider): Promise<EnvdriftError> {
  const [answer] = await readAll(provider, [ref('myapp-production')])
  return errorIn(answer)
}

function fileWith(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-login-'))
  onTestFinished(() => rmSync(directory, {recursive: true, force: true}))
  writeFileSync(join(directory, 'file'), text)
  return join(directory, 'file')
}

describeBoth(
  (name) => name,
  (start) => {
    let vault: TestServer
    let api: RootApi

    beforeEach(async () => {
      ;({server: vault, api} = await start())
      await writePolicy(api, 'myapp-read', [{path: 'secret/data/myapp-production', capabilities: ['read']}])
      await api('POST', 'secret/data/myapp-production', {data: {value: 'from the vault'}})
    })

    const connect = (settings: Settings, env: Host['env'] = {}, over?: Partial<Host>): Promise<Provider> =>
      connectAt(vault.url, hostWith(env, over), settings)

    const role = {token_policies: ['myapp-read'], token_ttl: '10m'}

    describe('AppRole', () => {
      it('logs in with the SecretID of the variable, and says who it is without asking', async () => {
        const {roleId, secretId} = await enableAppRole(api, role)
        const provider = await connect({auth: 'approle', role_id: roleId}, {VAULT_SECRET_ID: await secretId()})
        expect(await read(provider)).toBe('found from the vault')
        const {who, credential, until} = await provider.whoami(forever())
        expect(who).toBe('myapp-ci (auth/approle) with the policies default, myapp-read')
        expect(credential).toBe(`the AppRole with role_id ${roleId}`)
        expect((until as Date).getTime() - Date.now()).toBeGreaterThan(590_000)
      })

      it('takes RoleID and SecretID from variables of ours, and a file, and a mount with slashes', async () => {
        const {roleId, secretId} = await enableAppRole(api, role, {at: 'team/ci'})
        const settings = {auth: 'approle', auth_mount: '/team/ci/'}
        const file = fileWith(`${await secretId()}\n`)
        expect(await read(await connect({...settings, secret_id_file: file}, {VAULT_ROLE_ID: roleId}))).toBe(
          'found from the vault',
        )
      })

      it('says LOGIN_REFUSED with the reason and how to make a new SecretID, and quotes no SecretID', async () => {
        const {roleId, secretId} = await enableAppRole(api, {...role, secret_id_num_uses: 1})
        const secret = await secretId()
        const settings = {auth: 'approle', role_id: roleId}
        expect(await read(await connect(settings, {VAULT_SECRET_ID: secret}))).toBe('found from the vault')
        const error = await errorOf(await connect(settings, {VAULT_SECRET_ID: secret}))
        expect(error.code).toBe('LOGIN_REFUSED')
        expect(error.message).toContain('invalid role or secret ID')
        expect(error.suggestions[0]).toContain('vault write -f -field=secret_id auth/approle/role/ROLE/secret-id')
        expect(everythingOf(error)).not.toContain(secret)
      })

      it('says LOGIN_REFUSED where no such method is enabled', async () => {
        const error = await errorOf(await connect({auth: 'approle', role_id: 'x'}, {VAULT_SECRET_ID: 'y'}))
        expect(error.code).toBe('LOGIN_REFUSED')
        expect(error.suggestions.join('\n')).toContain('auth_mount')
      })

      it('unwraps a wrapped SecretID once', async () => {
        const {roleId, secretId} = await enableAppRole(api, role)
        const settings = {auth: 'approle', role_id: roleId, secret_id_wrapped: true}
        const wrapped = await secretId('60s')
        expect(await read(await connect(settings, {VAULT_SECRET_ID: wrapped}))).toBe('found from the vault')
        const error = await errorOf(await connect(settings, {VAULT_SECRET_ID: wrapped}))
        expect(error.code).toBe('LOGIN_REFUSED')
        expect(error.message).toContain('used up')
        expect(everythingOf(error)).not.toContain(wrapped)
      })

      it('refuses a SecretID that somebody has unwrapped and wrapped anew', async () => {
        const {roleId, secretId} = await enableAppRole(api, role)
        const stolen = (await api(
          'POST',
          'sys/wrapping/wrap',
          {secret_id: await secretId()},
          {'x-vault-wrap-ttl': '60s'},
        )) as {
          readonly wrap_info: {readonly token: string}
        }
        const settings = {auth: 'approle', role_id: roleId, secret_id_wrapped: true}
        const error = await errorOf(await connect(settings, {VAULT_SECRET_ID: stolen.wrap_info.token}))
        expect(error.code).toBe('LOGIN_REFUSED')
        expect(error.message).toContain('sys/wrapping/wrap')
        expect(error.message).toContain('stolen')
      })
    })

    describe.each(['jwt', 'oidc'])('%s', (method) => {
      const tokens = makeTokenIssuer()

      beforeEach(async () => {
        await api('POST', `sys/auth/${method}`, {type: method})
        await api('POST', `auth/${method}/config`, {jwt_validation_pubkeys: [tokens.publicKey], bound_issuer: issuer})
        const bound = {bound_audiences: [audience], bound_claims: {repository: 'acme/shop'}}
        await api('POST', `auth/${method}/role/myapp-ci`, {role_type: 'jwt', user_claim: 'sub', ...bound, ...role})
      })
      const settings = {auth: method, role: 'myapp-ci'}

      it("fetches GitHub's token for the job by itself, for the audience that is wanted", async () => {
        const jobs = await startJobTokens(tokens)
        onTestFinished(jobs.stop)
        expect(await read(await connect({...settings, jwt_audience: audience}, jobs.env))).toBe('found from the vault')
        expect(jobs.asked).toEqual([`/token?api-version=2.0&audience=${encodeURIComponent(audience)}`])
      })

      it("takes GitLab's token from VAULT_ID_TOKEN, and any from a file", async () => {
        expect(await read(await connect(settings, {VAULT_ID_TOKEN: tokens.sign()}))).toBe('found from the vault')
        expect(await read(await connect({...settings, jwt_file: fileWith(tokens.sign())}))).toBe('found from the vault')
      })

      it.each([
        ['another audience', {aud: 'https://other.example.com'}, /audience/],
        ['another repository', {repository: 'evil/shop'}, /repository/],
        ['another issuer', {iss: 'https://evil.example.com'}, /issuer/],
        ['its end behind it', {exp: Math.floor(Date.now() / 1000) - 100}, /expired/],
        ['its start before it', {nbf: Math.floor(Date.now() / 1000) + 86_400}, /not yet valid/],
      ])('says LOGIN_REFUSED with the reason for a token with %s', async (_, claims, reason) => {
        const token = tokens.sign(claims)
        const error = await errorOf(await connect(settings, {VAULT_ID_TOKEN: token}))
        expect(error.code).toBe('LOGIN_REFUSED')
        expect(error.message).toMatch(reason)
        expect(error.suggestions.join('\n')).toMatch(/bound_audiences[^]*clock/)
        expect(everythingOf(error)).not.toContain(token)
      })

      it('takes a clock that is off by half a minute', async () => {
        const exp = Math.floor(Date.now() / 1000) - 30
        expect(await read(await connect(settings, {VAULT_ID_TOKEN: tokens.sign({exp})}))).toBe('found from the vault')
      })

      it("says LOGIN_REFUSED for a token that somebody else has signed, and for a role that isn't there", async () => {
        const forged = makeTokenIssuer().sign()
        expect((await errorOf(await connect(settings, {VAULT_ID_TOKEN: forged}))).message).toContain('signature')
        const other = await errorOf(await connect({...settings, role: 'none'}, {VAULT_ID_TOKEN: tokens.sign()}))
        expect([other.code, other.message]).toEqual(['LOGIN_REFUSED', expect.stringContaining('could not be found')])
      })
    })

    it('logs in with a client certificate, by its name or without', async () => {
      const [good, other] = [await clientCertificate(), await clientCertificate()]
      await api('POST', 'sys/auth/cert', {type: 'cert'})
      await api('POST', 'auth/cert/certs/myapp-ci', {certificate: good.certificate, ...role})
      const over = (shown: typeof good, more: Settings = {}): Promise<Provider> => {
        const files = {client_cert: fileWith(shown.certificate), client_key: fileWith(shown.key)}
        const settings = {auth: 'cert', ca_file: fileWith(vault.authority), ...files, ...more}
        return connectAt(vault.secureUrl, hostWith({}), settings)
      }
      expect(await read(await over(good))).toBe('found from the vault')
      expect(await read(await over(good, {role: 'myapp-ci'}))).toBe('found from the vault')
      expect((await (await over(good)).whoami(forever())).who).toContain('myapp-ci (auth/cert)')
      const error = await errorOf(await over(other))
      expect([error.code, error.message]).toEqual(['LOGIN_REFUSED', expect.stringContaining('constraints')])
    })

    describe('userpass', () => {
      beforeEach(async () => {
        await api('POST', 'sys/auth/userpass', {type: 'userpass'})
        await api('POST', 'auth/userpass/users/alice', {password: 'correct horse', ...role})
      })
      const settings = {auth: 'userpass', username: 'alice'}

      it('takes the password from a variable, or asks once for it on a terminal, however long that takes', async () => {
        expect(await read(await connect({...settings, password: 'correct horse'}))).toBe('found from the vault')
        const questions: string[] = []
        const ask = async (question: string): Promise<Secret> => {
          questions.push(question)
          await new Promise((resolve) => setTimeout(resolve, 600))
          return new Secret('correct horse')
        }
        const provider = await connect(settings, {}, {ask, callTimeoutMs: 500, interactive: true})
        expect(await read(provider)).toBe('found from the vault')
        expect(await read(provider)).toBe('found from the vault')
        // Whoever asks puts the colon behind it.
        expect(questions).toEqual([`Password of alice for HashiCorp Vault ${vault.url} mount secret`])
      })

      it('says NOT_LOGGED_IN where nobody can be asked, and LOGIN_REFUSED for a wrong password', async () => {
        const none = await errorOf(await connect(settings))
        expect([none.code, none.suggestions.join('\n')]).toEqual([
          'NOT_LOGGED_IN',
          expect.stringContaining('ENVDRIFT_HASHICORP_PASSWORD'),
        ])
        const error = await errorOf(await connect({...settings, password: 'wrong password'}))
        expect(error.code).toBe('LOGIN_REFUSED')
        expect(everythingOf(error)).not.toContain('wrong password')
      })
    })

    it('lets --token win over any other login', async () => {
      const provider = await connect({auth: 'approle', role_id: 'none'}, {}, {token: new Secret(vault.rootToken)})
      expect(await read(provider)).toBe('found from the vault')
    })
  },
)
