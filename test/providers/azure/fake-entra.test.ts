import {createHash, createPrivateKey, X509Certificate} from 'node:crypto'

import {describe, expect, it} from 'vitest'

import {makeEntra, type Entra} from '../../fakes/azure/entra.ts'
import {makeGitHub} from '../../fakes/azure/github.ts'
import {makeManagedIdentity} from '../../fakes/azure/managed-identity.ts'
import {makeTokens} from '../../fakes/azure/tokens.ts'
import {clientCertificate} from '../../fakes/certificate.ts'
import {signedJwt} from '../../fakes/jwt.ts'

// What the fake's login hosts refuse, asked without the SDK, which makes no such mistakes.

const clock = () => Math.floor(Date.now() / 1000)
const tokens = makeTokens(clock)

/** Status and number of the refusal, or 200 and the audience of the token. */
function outcomeOf({status, body}: ReturnType<Entra['answer']>): readonly unknown[] {
  const {error_codes: codes, access_token: token} = body as {error_codes?: readonly number[]; access_token?: string}
  return [status, codes?.[0] ?? tokens.read(token ?? '')?.aud]
}

const scope = 'https://vault.azure.net/.default'

function ask(
  entra: Entra,
  form: Readonly<Record<string, string>>,
  host = 'login.microsoftonline.com',
  tenant = entra.tenantId,
) {
  const all = {grant_type: 'client_credentials', client_id: entra.clientId, scope, ...form}
  return outcomeOf(
    entra.answer('POST', new URL(`https://${host}/${tenant}/oauth2/v2.0/token`), new URLSearchParams(all)),
  )
}

describe('the fake Entra', () => {
  it('gives an application a token for the vaults of its cloud', () => {
    const entra = makeEntra(clock, tokens)
    const {clientSecret: client_secret} = entra
    expect(ask(entra, {client_secret})).toEqual([200, 'https://vault.azure.net'])
    const china = {client_secret, scope: 'https://vault.azure.cn/.default'}
    expect(ask(entra, china, 'login.partner.microsoftonline.cn')).toEqual([200, 'https://vault.azure.cn'])
    expect(ask(entra, china)).toEqual([400, 500011])
    expect(ask(entra, {client_secret}, 'login.microsoftonline.us')).toEqual([400, 500011])
  })

  it.each([
    ['another grant', {grant_type: 'password'}, [400, 70003]],
    ['an unknown application', {client_id: '00000000-0000-0000-0000-000000000000'}, [400, 700016]],
    ['no proof at all', {client_secret: undefined}, [401, 7000218]],
    ['a wrong secret', {client_secret: 'wrong'}, [401, 7000215]],
    ['a scope without /.default', {scope: 'https://vault.azure.net/user_impersonation'}, [400, 1002012]],
    ['another service', {scope: 'https://management.azure.com/.default'}, [400, 500011]],
    ['an assertion without its type', {client_secret: undefined, client_assertion: 'x.y.z'}, [400, 900144]],
  ] as const)('refuses %s', (_, wrong, expected) => {
    const entra = makeEntra(clock, tokens)
    const form = Object.entries({client_secret: entra.clientSecret, ...wrong}).filter(
      ([, value]) => value !== undefined,
    )
    expect(ask(entra, Object.fromEntries(form) as Record<string, string>)).toEqual(expected)
  })

  it('knows two tenants, and discovery of every cloud', () => {
    const entra = makeEntra(clock, tokens)
    const secret = {client_secret: entra.clientSecret}
    expect(ask(entra, secret, undefined, '00000000-0000-0000-0000-000000000000')).toEqual([400, 90002])
    const discover = (host: string) => {
      const url = new URL('https://login.microsoftonline.com/common/discovery/instance?api-version=1.1')
      url.searchParams.set('authorization_endpoint', `https://${host}/common/oauth2/v2.0/authorize`)
      return entra.answer('GET', url, new URLSearchParams()).status
    }
    const hosts = [
      'login.microsoftonline.com',
      'login.chinacloudapi.cn',
      'login.microsoftonline.us',
      'login.example.com',
    ]
    expect(hosts.map(discover)).toEqual([200, 200, 200, 400])
  })

  const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  const certified = {grant_type: 'client_credentials', client_assertion_type: type}

  it('takes a certificate by its assertion: signer, audience, subject and time', async () => {
    const entra = makeEntra(clock, tokens)
    const {certificate, key} = await clientCertificate()
    entra.trustCertificate(certificate)
    const {raw} = new X509Certificate(certificate)
    const print = (algorithm: string) => createHash(algorithm).update(raw).digest('base64url')
    const endpoint = `https://login.microsoftonline.com/${entra.tenantId}/oauth2/v2.0/token`
    const good = {aud: endpoint, iss: entra.clientId, sub: entra.clientId, nbf: clock(), exp: clock() + 600, jti: 'a'}
    const by = (claims: object, header: object = {alg: 'RS256', 'x5t#S256': print('sha256')}, signer = key) => {
      const assertion = signedJwt(header, {...good, ...claims}, createPrivateKey(signer))
      return ask(entra, {...certified, client_assertion: assertion})[1]
    }
    expect(by({})).toBe('https://vault.azure.net')
    expect(by({}, {alg: 'RS256', x5t: print('sha1')})).toBe('https://vault.azure.net')
    expect(by({}, {alg: 'RS256', x5t: print('sha256')})).toBe(700027)
    expect(by({}, undefined, (await clientCertificate()).key)).toBe(700027)
    expect(by({aud: 'https://login.microsoftonline.com/common'})).toBe(700023)
    expect(by({iss: 'another'})).toBe(700021)
    expect(by({sub: 'another'})).toBe(700021)
    expect(by({exp: clock() - 3600})).toBe(700024)
    expect(by({nbf: clock() + 3600})).toBe(700024)
  })

  it('takes a federated token by issuer, subject, audience, time and signature', () => {
    const entra = makeEntra(clock, tokens)
    const by = (client_assertion: string) => ask(entra, {...certified, client_assertion})[1]
    expect(by(entra.federatedToken())).toBe('https://vault.azure.net')
    expect(by(entra.federatedToken({iss: 'https://example.com'}))).toBe(700211)
    expect(by(entra.federatedToken({sub: 'repo:myorg/another'}))).toBe(700213)
    expect(by(entra.federatedToken({aud: 'https://github.com/myorg'}))).toBe(700212)
    expect(by(entra.federatedToken({lifetimeSeconds: -3600}))).toBe(700024)
    expect(by(makeEntra(clock, tokens).federatedToken())).toBe(5000224)
    expect(by('no.token.here')).toBe(50027)
  })

  it('takes a code of the browser once, with what its challenge was made of', () => {
    const entra = makeEntra(clock, tokens)
    const challenge = createHash('sha256').update('verifier').digest('base64url')
    const asked = {
      response_type: 'code',
      code_challenge_method: 'S256',
      code_challenge: challenge,
      client_id: entra.clientId,
    }
    const begin = () =>
      entra.signIn(`https://x/authorize?${String(new URLSearchParams({...asked, redirect_uri: 'http://localhost:1'}))}`)
    const redeem = (code: string, code_verifier: string) =>
      ask(entra, {grant_type: 'authorization_code', redirect_uri: 'http://localhost:1', code, code_verifier})[0]
    const code = begin().form.get('code')!
    expect(redeem(code, 'verifier')).toBe(200)
    expect(redeem(code, 'verifier')).toBe(400)
    expect(redeem(begin().form.get('code')!, 'another')).toBe(400)
  })
})

describe('the fake metadata addresses', () => {
  const entra = makeEntra(clock, tokens)
  const {tenantId, clientId, principalId} = entra
  const managed = makeManagedIdentity({tenantId, userAssigned: clientId, principalId}, clock, tokens)
  const imds = 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01'
  const vault = '&resource=https%3A%2F%2Fvault.azure.net'

  it.each([
    [200, imds + vault, {metadata: 'true'}],
    [200, `${imds}${vault}&client_id=${clientId}`, {metadata: 'true'}],
    [400, imds + vault, {}],
    [400, imds + vault, {metadata: 'true', 'x-forwarded-for': '192.0.2.1'}],
    [400, imds, {metadata: 'true'}],
    [400, (imds + vault).replace('2018-02-01', '2001-01-01'), {metadata: 'true'}],
    [400, `${imds}&resource=https%3A%2F%2Fexample.com`, {metadata: 'true'}],
    [400, `${imds}${vault}&client_id=another`, {metadata: 'true'}],
    [200, `http://x/msi/token?api-version=2019-08-01${vault}`, {'x-identity-header': managed.identityHeader}],
    [401, `http://x/msi/token?api-version=2019-08-01${vault}`, {'x-identity-header': 'wrong'}],
  ])('answer %i to %s with %j', (status, url, headers) => {
    expect(managed.answer(new URL(url), headers)?.status).toBe(status)
  })
})

it('the fake GitHub gives the job a token for who asks, and nobody else one', () => {
  const entra = makeEntra(clock, tokens)
  const {variables, answer} = makeGitHub(entra.federatedToken)
  const url = new URL(variables.ACTIONS_ID_TOKEN_REQUEST_URL)
  expect(answer(url, undefined).status).toBe(401)
  const {status, body} = answer(url, `Bearer ${variables.ACTIONS_ID_TOKEN_REQUEST_TOKEN}`)
  expect(status).toBe(200)
  // Made for nobody in particular, Entra doesn't take it.
  const assertion = (body as {value: string}).value
  const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  expect(ask(entra, {client_assertion: assertion, client_assertion_type: type})).toEqual([401, 700212])
})
