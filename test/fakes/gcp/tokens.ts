/* Where Google's libraries get tokens from: the OAuth token endpoint, the Security Token Service, the IAM Credentials API, the
   metadata server, and the endpoint of a CI system that hands out its own tokens. */
import {generateKeyPairSync, randomBytes} from 'node:crypto'
import type {IncomingMessage, ServerResponse} from 'node:http'

import {grpc} from 'google-gax'

import {type CredentialFiles, credentialFiles} from './credential-files.ts'
import {isInTime, readToken, signedToken} from './jwt.ts'
import type {Policy} from './policy.ts'
import {denied, jsonOf, Refusal} from './refusal.ts'

const cloudPlatform = 'https://www.googleapis.com/auth/cloud-platform'
/** What a self-signed token may be made for instead of a scope. Source: https://google.aip.dev/auth/4111 */
const serviceAudience = 'https://secretmanager.googleapis.com/'
const tokenSeconds = 3599

/** One answer of the OAuth kind that stands for a refusal. Source: https://www.rfc-editor.org/rfc/rfc6749#section-5.2 */
type OAuthError = {
  readonly error: string
  readonly error_description?: string
  /** Google's own: `invalid_rapt` when a person must prove again who they are. */
  readonly error_subtype?: string
}

type Interception = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

type Issued = {readonly principal: string; readonly scopes: readonly string[]; readonly expiresMs: number}

/** Who bears a token, or the reason why nobody does. */
type Bearer = {readonly principal: string} | {readonly reason: string} | {readonly scopes: readonly string[]}

export type Tokens = {
  readonly listener: (request: IncomingMessage, response: ServerResponse) => Promise<boolean>
  /** Who a token belongs to, now; `reason` is that of the ErrorInfo. */
  readonly bearerOf: (token: string | undefined) => Bearer
  readonly identities: typeof identities
  /** The credential files of its logins; `base` is where it listens. */
  readonly files: (base: string) => CredentialFiles
  /** Texts that no message may hold. */
  readonly credentials: () => readonly string[]
  /** Token requests, and distinct self-signed tokens. */
  readonly logins: () => number
  /** From now on every login is refused with this, and every token that was given out is void. */
  readonly rejectLogins: (with_?: OAuthError) => void
  /** Tokens that were given out, and keys that sign their own, have run out. */
  readonly expireTokens: () => void
  /** The next `times` requests for tokens answer this HTTP status. */
  readonly fail: (status: number, times: number) => void
  readonly silence: () => void
  /** From now on something in between answers requests for these paths. */
  readonly intercept: (paths: RegExp, answer: Interception) => void
  /** The scopes that tokens of the metadata server have. */
  readonly limitMachineTo: (scopes: readonly string[]) => void
}

const home = 'myapp-project.iam.gserviceaccount.com'
export const identities = {
  serviceAccount: `serviceAccount:ci@${home}`,
  /** Whom the others act for, where they may. */
  deployer: `serviceAccount:deploy@${home}`,
  machine: `serviceAccount:vm@${home}`,
  user: 'user:dev@example.com',
  workload:
    'principal://iam.googleapis.com/projects/424242424242/locations/global/workloadIdentityPools/ci/subject/repo:example/myapp:ref:refs/heads/main',
} as const

const pool = '//iam.googleapis.com/projects/424242424242/locations/global/workloadIdentityPools/ci/providers/ci'
const issuer = 'https://ci.example.com'
const subject = 'repo:example/myapp:ref:refs/heads/main'
const user = {clientId: 'fake.apps.googleusercontent.com', clientSecret: 'not-so-secret'}

export type TokenOptions = {
  readonly policy: Policy
  readonly nowMs: () => number
  /** Where the token in a file lies, and how to write it there. */
  readonly subjectTokenFile: string
  readonly writeSubjectToken: (token: string) => void
}

export function makeTokens({policy, nowMs, subjectTokenFile, writeSubjectToken}: TokenOptions): Tokens {
  const issued = new Map<string, Issued>()
  const selfSigned = new Set<string>()
  const account = {email: identities.serviceAccount.slice(15), keyId: randomBytes(20).toString('hex')}
  const accountKeys = generateKeyPairSync('rsa', {modulusLength: 2048})
  const issuerKeys = generateKeyPairSync('rsa', {modulusLength: 2048})
  const privatePem = accountKeys.privateKey.export({type: 'pkcs8', format: 'pem'}) as string
  const refreshToken = `1//fake-${randomBytes(24).toString('hex')}`
  const requestToken = `request-${randomBytes(16).toString('hex')}`
  const subjectToken = signedToken(
    {iss: issuer, sub: subject, aud: `https:${pool}`, iat: seconds(nowMs()), exp: seconds(nowMs()) + 600},
    issuerKeys.privateKey,
    'ci',
  )
  writeSubjectToken(subjectToken)
  let requests = 0
  let [isSilent, isExpired] = [false, false]
  let rejection: OAuthError | undefined
  let fault: {readonly status: number; times: number} | undefined
  let intercepted: {readonly paths: RegExp; readonly answer: Interception} | undefined
  let machineScopes: readonly string[] = [cloudPlatform]

  function issue(principal: string, scopes: readonly string[], prefix = 'ya29.fake-'): string {
    const token = `${prefix}${randomBytes(24).toString('hex')}`
    issued.set(token, {principal, scopes, expiresMs: nowMs() + tokenSeconds * 1000})
    return token
  }

  const granted = (token: string, more: object = {}): object => ({
    access_token: token,
    expires_in: tokenSeconds,
    token_type: 'Bearer',
    ...more,
  })

  function bearerOf(token: string | undefined): Bearer {
    if (token === undefined) return {reason: 'CREDENTIALS_MISSING'}
    const known = issued.get(token)
    if (known) {
      if (rejection !== undefined) return {reason: 'ACCOUNT_STATE_INVALID'}
      if (isExpired || nowMs() > known.expiresMs) return {reason: 'ACCESS_TOKEN_EXPIRED'}
      return known.scopes.includes(cloudPlatform) ? {principal: known.principal} : {scopes: known.scopes}
    }
    const read = readToken(token, accountKeys.publicKey)
    const isOurs =
      read?.header.kid === account.keyId &&
      read.claims['iss'] === account.email &&
      read.claims['sub'] === account.email &&
      (read.claims['scope'] === cloudPlatform || read.claims['aud'] === serviceAudience)
    if (!isOurs) return {reason: 'ACCESS_TOKEN_TYPE_UNSUPPORTED'}
    selfSigned.add(token)
    if (rejection !== undefined) return {reason: 'ACCOUNT_STATE_INVALID'}
    return isExpired || !isInTime(read, nowMs())
      ? {reason: 'ACCESS_TOKEN_EXPIRED'}
      : {principal: identities.serviceAccount}
  }

  /** oauth2.googleapis.com/token. Source: https://developers.google.com/identity/protocols/oauth2 */
  function oauthToken(form: URLSearchParams): object {
    switch (form.get('grant_type')) {
      case 'refresh_token': {
        if (form.get('client_id') !== user.clientId || form.get('client_secret') !== user.clientSecret) {
          throw refused({error: 'invalid_client', error_description: 'The OAuth client was not found.'}, 401)
        }
        if (form.get('refresh_token') !== refreshToken) {
          throw refused({error: 'invalid_grant', error_description: 'Bad Request'})
        }
        const now = seconds(nowMs())
        const claims = {iss: 'https://accounts.google.com', email: 'dev@example.com', email_verified: true, sub: '1'}
        return granted(issue(identities.user, [cloudPlatform]), {
          scope: `openid https://www.googleapis.com/auth/userinfo.email ${cloudPlatform}`,
          id_token: signedToken({...claims, aud: user.clientId, iat: now, exp: now + 3600}, issuerKeys.privateKey, 'g'),
        })
      }
      case 'urn:ietf:params:oauth:grant-type:jwt-bearer': {
        const read = readToken(form.get('assertion') ?? '', accountKeys.publicKey)
        if (read?.claims['iss'] !== account.email || read.claims['aud'] !== 'https://oauth2.googleapis.com/token') {
          throw refused({error: 'invalid_grant', error_description: 'Invalid JWT Signature.'})
        }
        if (!isInTime(read, nowMs())) {
          throw refused({
            error: 'invalid_grant',
            error_description:
              'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.',
          })
        }
        return granted(issue(identities.serviceAccount, scopesIn(read.claims['scope'])))
      }
      case null:
      default:
        throw refused({
          error: 'unsupported_grant_type',
          error_description: `Invalid grant_type: ${form.get('grant_type')}`,
        })
    }
  }

  /** sts.googleapis.com/v1/token. Source: https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token */
  function exchange(form: URLSearchParams): object {
    const needed: Readonly<Record<string, string>> = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    }
    for (const [name, value] of Object.entries(needed)) {
      if (form.get(name) !== value) {
        throw refused({error: 'invalid_request', error_description: `Invalid value for "${name}".`})
      }
    }
    if (form.get('audience') !== pool) {
      throw refused({
        error: 'invalid_target',
        error_description:
          'The target service indicated by the "audience" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn\'t exist.',
      })
    }
    const scopes = form.get('scope')?.split(' ') ?? []
    if (scopes.length === 0) throw refused({error: 'invalid_scope', error_description: 'Some scopes are missing.'})
    const read = readToken(form.get('subject_token') ?? '', issuerKeys.publicKey)
    if (!read)
      throw refused({error: 'invalid_grant', error_description: 'Error connecting to the given credential’s issuer.'})
    if (read.claims['aud'] !== `https:${pool}`) {
      throw refused({
        error: 'invalid_grant',
        error_description: `The audience in ID Token [${String(read.claims['aud'])}] does not match the expected audience.`,
      })
    }
    if (nowMs() / 1000 > Number(read.claims['exp'])) {
      throw refused({
        error: 'invalid_grant',
        error_description: `ID Token issued at ${String(read.claims['iat'])} is stale to sign-in.`,
      })
    }
    const token = issue(identities.workload, scopes, 'ya29.d.fake-')
    return granted(token, {issued_token_type: needed['requested_token_type']})
  }

  /** Source: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken */
  function generateAccessToken(email: string, token: string | undefined, body: string): object {
    const bearer = bearerOf(token)
    if (!('principal' in bearer))
      throw new Refusal(grpc.status.UNAUTHENTICATED, 'Request had invalid authentication credentials.')
    const {scope, lifetime} = JSON.parse(body) as {scope?: readonly string[]; lifetime?: string}
    if (!Array.isArray(scope) || scope.length === 0) {
      throw new Refusal(grpc.status.INVALID_ARGUMENT, 'Scope is required.')
    }
    if (lifetime !== undefined && !(Number(/^(\d+)s$/.exec(lifetime)?.[1]) <= 3600)) {
      throw new Refusal(grpc.status.INVALID_ARGUMENT, 'The lifetime must be at most 3600s.')
    }
    const name = `projects/-/serviceAccounts/${email}`
    if (!policy.allows(bearer.principal, 'iam.serviceAccounts.getAccessToken', name)) {
      throw denied('iam.serviceAccounts.getAccessToken', name)
    }
    return {
      accessToken: issue(`serviceAccount:${email}`, scope, 'ya29.c.fake-'),
      expireTime: new Date(nowMs() + 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z'),
    }
  }

  async function listener(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const {pathname, searchParams} = new URL(request.url ?? '/', 'http://fake')
    const answer = (status: number, body: object | string, headers: object = {}): true => {
      const isText = typeof body === 'string'
      response
        .writeHead(status, {
          'content-type': isText ? 'application/text' : 'application/json; charset=UTF-8',
          date: new Date(nowMs()).toUTCString(),
          ...headers,
        })
        .end(isText ? body : JSON.stringify(body))
      return true
    }
    const impersonated = /^\/v1\/projects\/-\/serviceAccounts\/([^/:]+):generateAccessToken$/.exec(pathname)?.[1]
    const isTokenPath = ['/token', '/v1/token'].includes(pathname) || impersonated !== undefined
    const metadata = /^\/computeMetadata\/v1\/?(.*)$/.exec(pathname)?.[1]
    const isOidc = pathname === '/oidc'
    if (!isTokenPath && metadata === undefined && !isOidc) return false

    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (isSilent) return true
    const body = Buffer.concat(chunks).toString()
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (isTokenPath || metadata?.endsWith('/token') === true) requests++
    if (intercepted?.paths.test(pathname)) {
      return answer(intercepted.answer.status, intercepted.answer.body, intercepted.answer.headers)
    }
    if (fault && fault.times > 0) {
      fault.times--
      return answer(fault.status, 'A fault of this fake.')
    }
    try {
      if (isOidc) {
        return token === requestToken ? answer(200, {value: subjectToken}) : answer(401, {message: 'Unauthorized'})
      }
      if (isTokenPath) {
        if (request.method !== 'POST') return answer(405, {})
        if (rejection !== undefined) throw refused(rejection)
        if (impersonated !== undefined) return answer(200, generateAccessToken(impersonated, token, body))
        const form = new URLSearchParams(body)
        return answer(200, pathname === '/token' ? oauthToken(form) : exchange(form))
      }
      return machine(metadata ?? '', request, searchParams, answer)
    } catch (error) {
      if (error instanceof Refusal) {
        const {status, body: json} = jsonOf(error)
        return answer(status, json)
      }
      if (error instanceof OAuthRefusal) return answer(error.status, error.body)
      throw error
    }
  }

  /** Source: https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys */
  function machine(
    path: string,
    request: IncomingMessage,
    query: URLSearchParams,
    answer: (status: number, body: object | string, headers?: object) => true,
  ): true {
    const flavor = {'metadata-flavor': 'Google', server: 'Metadata Server for VM'}
    if (request.headers['metadata-flavor'] !== 'Google')
      return answer(403, 'Missing required header: Metadata-Flavor', flavor)
    switch (path) {
      case 'instance/service-accounts/default/token': {
        if (rejection !== undefined) return answer(404, 'The service account was not found.', flavor)
        const asked = query.get('scopes')?.split(',') ?? machineScopes
        return answer(
          200,
          granted(
            issue(
              identities.machine,
              asked.filter((one) => machineScopes.includes(one)),
              'ya29.c.fake-',
            ),
          ),
          flavor,
        )
      }
      case 'instance/service-accounts/default/email':
        return answer(200, identities.machine.slice(15), flavor)
      case 'universe/universe-domain':
      case 'universe/universe_domain':
        return answer(200, 'googleapis.com', flavor)
      case 'instance':
      case 'instance/':
        return answer(200, {id: 1}, flavor)
      default:
        return answer(404, 'Not found', flavor)
    }
  }

  return {
    listener,
    bearerOf,
    identities,
    files: (base) =>
      credentialFiles(base, {
        audience: pool,
        subjectTokenFile,
        deployer: identities.deployer.slice(15),
        requestToken,
        user: {...user, refreshToken},
        account: {...account, privatePem},
      }),
    credentials: () => [
      privatePem,
      privatePem.split('\n')[1]!,
      subjectToken,
      refreshToken,
      requestToken,
      ...issued.keys(),
      ...selfSigned,
    ],
    logins: () => requests + selfSigned.size,
    rejectLogins: (oauthError = {error: 'invalid_grant', error_description: 'Token has been expired or revoked.'}) =>
      void (rejection = oauthError),
    expireTokens: () => void (isExpired = true),
    fail: (status, times) => void (fault = {status, times}),
    silence: () => void (isSilent = true),
    intercept: (paths, answer) => void (intercepted = {paths, answer}),
    limitMachineTo: (scopes) => void (machineScopes = scopes),
  }
}

class OAuthRefusal extends Error {
  readonly body: OAuthError
  readonly status: number

  constructor(body: OAuthError, status: number) {
    super(body.error)
    this.body = body
    this.status = status
  }
}

const refused = (body: OAuthError, status = 400): OAuthRefusal => new OAuthRefusal(body, status)

const scopesIn = (claim: unknown): readonly string[] => (typeof claim === 'string' ? claim.split(' ') : [])

const seconds = (ms: number): number => Math.floor(ms / 1000)
