import {constants, createHash, generateKeyPairSync, randomBytes, randomUUID, verify, X509Certificate} from 'node:crypto'

import {jwtText, signedJwt} from '../jwt.ts'
import type {Answer, Clock} from './answer.ts'
import {clouds, loginHosts} from './clouds.ts'
import {jwtPart, type Tokens} from './tokens.ts'

/** Azure CLI's own application, as which its users and the SDK's browser login log in. Source: https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in */
export const azureCliId = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'

/** A token of somebody else's that an application may log in with. */
export type FederatedClaims = {
  readonly iss?: string
  readonly sub?: string
  readonly aud?: string
  /** How long it is valid, in seconds. */
  readonly lifetimeSeconds?: number
}

export type Entra = {
  readonly tenantId: string
  /** A tenant that Entra knows, and the vaults don't belong to. */
  readonly otherTenantId: string
  readonly clientId: string
  readonly principalId: string
  readonly userId: string
  readonly clientSecret: string
  /** A token of the outside issuer that the application trusts; with claims that don't fit, one that it doesn't. */
  readonly federatedToken: (claims?: FederatedClaims) => string
  readonly trustCertificate: (pem: string) => void
  readonly answer: (method: string, url: URL, form: URLSearchParams) => Answer
  /** What a person's browser sends back after the login at the address that it was sent to: where to, and the form. */
  readonly signIn: (authorizeUrl: string) => {readonly redirectUri: string; readonly form: URLSearchParams}
  readonly tokenRequests: () => number
  /** From now on every login is refused. */
  readonly reject: () => void
  readonly expireSecret: () => void
  /** From now on it answers every token request with `status`. */
  readonly fail: (status: number, retryAfterSeconds?: number) => void
  /** From now on something in between answers token requests with a page. */
  readonly page: (status: number) => void
}

/** The issuer, subject and audience of the application's federated credential. */
const trusted = {
  iss: 'https://token.actions.githubusercontent.com',
  sub: 'repo:myorg/myapp:environment:production',
  aud: 'api://AzureADTokenExchange',
}

/** How far the clocks of the two ends may be apart, in seconds. */
const toleranceSeconds = 300

/**
 * The login hosts of Microsoft Entra: discovery, the token endpoint with client secret, certificate and federated token, and
 * the end of a login in the browser.
 */
export function makeEntra(clock: Clock, tokens: Tokens): Entra {
  const tenantId: string = randomUUID()
  const otherTenantId: string = randomUUID()
  const clientId: string = randomUUID()
  const principalId: string = randomUUID()
  const userId: string = randomUUID()
  const clientSecret = `fake-${randomBytes(16).toString('hex')}`
  const issuer = generateKeyPairSync('rsa', {modulusLength: 2048})
  const certificates: X509Certificate[] = []
  const codes = new Map<string, {readonly redirectUri: string; readonly challenge: string; readonly clientId: string}>()
  let tokenRequests = 0
  let rejecting = false
  let secretExpired = false
  let failure: Answer | undefined

  const isKnownTenant = (tenant: string) => [tenantId, otherTenantId].includes(tenant)

  function refuse(status: number, error: string, code: number, text: string): Answer {
    return {
      status,
      body: {
        error,
        error_description: `AADSTS${code}: ${text} Trace ID: ${randomUUID()} Correlation ID: ${randomUUID()} Timestamp: ${new Date().toISOString()}`,
        error_codes: [code],
        timestamp: new Date().toISOString(),
        trace_id: randomUUID(),
        correlation_id: randomUUID(),
        error_uri: `https://login.microsoftonline.com/error?code=${code}`,
      },
    }
  }

  const unknownTenant = (tenant: string) =>
    refuse(
      400,
      'invalid_request',
      90002,
      `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID.`,
    )

  function answer(method: string, url: URL, form: URLSearchParams): Answer {
    const [, tenant = '', ...rest] = url.pathname.split('/')
    const at = `https://${url.hostname}/${tenant}`
    switch (`${method} ${rest.join('/')}`) {
      case 'GET discovery/instance':
        return discovery(url)
      case 'GET v2.0/.well-known/openid-configuration':
        // `common` and `organizations` stand for the tenant of whoever logs in.
        if (!isKnownTenant(tenant) && !['common', 'organizations'].includes(tenant)) return unknownTenant(tenant)
        return {
          status: 200,
          body: {
            token_endpoint: `${at}/oauth2/v2.0/token`,
            token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
            authorization_endpoint: `${at}/oauth2/v2.0/authorize`,
            end_session_endpoint: `${at}/oauth2/v2.0/logout`,
            jwks_uri: `${at}/discovery/v2.0/keys`,
            issuer: `https://${url.hostname}/${tenant}/v2.0`,
          },
        }
      case 'POST oauth2/v2.0/token':
        return token(`${at}/oauth2/v2.0/token`, url.hostname, tenant, form)
      default:
        return {status: 404, body: ''}
    }
  }

  function discovery(url: URL): Answer {
    const asked = URL.parse(url.searchParams.get('authorization_endpoint') ?? '')
    if (url.searchParams.get('api-version') === null || asked === null || !loginHosts.includes(asked.hostname)) {
      return refuse(400, 'invalid_instance', 50049, 'Unknown or invalid instance.')
    }
    const metadata = clouds.map((cloud) => ({
      preferred_network: cloud.loginHosts[0],
      preferred_cache: cloud.preferredCache,
      aliases: cloud.loginHosts,
    }))
    const endpoint = `https://${asked.hostname}/${asked.pathname.split('/')[1]}/v2.0/.well-known/openid-configuration`
    return {status: 200, body: {tenant_discovery_endpoint: endpoint, 'api-version': '1.1', metadata}}
  }

  function token(endpoint: string, host: string, tenant: string, form: URLSearchParams): Answer {
    tokenRequests++
    if (failure !== undefined) return failure
    const grant = form.get('grant_type')
    const isPerson = grant === 'authorization_code'
    if (!isKnownTenant(tenant) && !(isPerson && ['common', 'organizations'].includes(tenant))) {
      return unknownTenant(tenant)
    }
    if (grant !== 'client_credentials' && !isPerson) {
      return refuse(400, 'unsupported_grant_type', 70003, `The app requested an unsupported grant type '${grant}'.`)
    }
    const application = form.get('client_id')
    if (application !== clientId && !(isPerson && application === azureCliId)) {
      const text = `Application with identifier '${application}' was not found in the directory '${tenant}'.`
      return refuse(400, 'unauthorized_client', 700016, text)
    }
    const refusal = isPerson ? codeRefusal(form) : proofRefusal(endpoint, form)
    if (refusal !== undefined) return refusal

    const scopes = (form.get('scope') ?? '').split(' ')
    const resource = scopes.flatMap((scope) => /^(https:\/\/.+)\/\.default$/.exec(scope)?.[1] ?? [])[0]
    if (resource === undefined) {
      const text = `The provided value for scope ${form.get('scope')} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.`
      return refuse(400, 'invalid_scope', 1002012, text)
    }
    // A tenant knows the Key Vault of its own cloud only.
    const suffix = clouds.find((cloud) => (cloud.loginHosts as readonly string[]).includes(host))?.vaultSuffix
    if (resource !== `https://${suffix}`) {
      const text = `The resource principal named ${resource} was not found in the tenant named ${tenant}.`
      return refuse(400, 'invalid_resource', 500011, text)
    }
    return isPerson ? personToken(resource, tenant, application!) : applicationToken(resource, tenant)
  }

  const granted = (access: string, more: Readonly<Record<string, unknown>> = {}): Answer => ({
    status: 200,
    body: {
      token_type: 'Bearer',
      expires_in: tokens.lifetimeSeconds(),
      ext_expires_in: tokens.lifetimeSeconds(),
      access_token: access,
      ...more,
    },
    headers: {'cache-control': 'no-store, no-cache'},
  })

  const applicationToken = (resource: string, tenant: string): Answer =>
    granted(tokens.mint(resource, tenant, {appid: clientId, oid: principalId, idtyp: 'app'}))

  function personToken(resource: string, asked: string, application: string): Answer {
    const tenant = isKnownTenant(asked) ? asked : tenantId
    const now = clock()
    const id = jwtText(
      {typ: 'JWT', alg: 'none'},
      {
        aud: application,
        iss: `https://login.microsoftonline.com/${tenant}/v2.0`,
        iat: now,
        nbf: now,
        exp: now + 3600,
        name: 'Dev',
        oid: userId,
        preferred_username: 'dev@example.com',
        sub: userId,
        tid: tenant,
        ver: '2.0',
      },
    )
    const info = Buffer.from(JSON.stringify({uid: userId, utid: tenant})).toString('base64url')
    const who = {appid: application, oid: userId, idtyp: 'user', upn: 'dev@example.com'}
    const more = {
      scope: `${resource}/user_impersonation ${resource}/.default`,
      id_token: `${id}.`,
      client_info: info,
      refresh_token: randomUUID(),
    }
    return granted(tokens.mint(resource, tenant, who), more)
  }

  /** A code is good once, at the address that it was sent to, for who knows what its challenge was made of. */
  function codeRefusal(form: URLSearchParams): Answer | undefined {
    const code = form.get('code') ?? ''
    const issued = codes.get(code)
    codes.delete(code)
    if (rejecting || issued === undefined || issued.clientId !== form.get('client_id')) {
      return refuse(400, 'invalid_grant', 9002313, 'Invalid request. Request is malformed or invalid.')
    }
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    return issued.redirectUri === form.get('redirect_uri') && issued.challenge === challenge
      ? undefined
      : refuse(
          400,
          'invalid_grant',
          501481,
          'The Code_Verifier does not match the code_challenge supplied in the request.',
        )
  }

  function proofRefusal(endpoint: string, form: URLSearchParams): Answer | undefined {
    const assertion = form.get('client_assertion')
    if (assertion === null) {
      if (form.get('client_secret') === null) {
        return refuse(
          401,
          'invalid_client',
          7000218,
          "The request body must contain: 'client_assertion' or 'client_secret'.",
        )
      }
      if (secretExpired) {
        return refuse(
          401,
          'invalid_client',
          7000222,
          `The provided client secret keys for app '${clientId}' are expired.`,
        )
      }
      return !rejecting && form.get('client_secret') === clientSecret
        ? undefined
        : refuse(
            401,
            'invalid_client',
            7000215,
            'Invalid client secret provided. Ensure the secret being sent is the value.',
          )
    }
    if (form.get('client_assertion_type') !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer') {
      return refuse(400, 'invalid_request', 900144, "The request body must contain 'client_assertion_type'.")
    }
    const header = jwtPart(assertion.split('.')[0] ?? '')
    return 'x5t' in header || 'x5t#S256' in header
      ? certificateRefusal(assertion, header, endpoint)
      : federationRefusal(assertion, header)
  }

  function timeRefusal({exp, nbf}: Readonly<Record<string, unknown>>): Answer | undefined {
    const now = clock()
    return Number(exp) > now - toleranceSeconds && (nbf === undefined || Number(nbf) < now + toleranceSeconds)
      ? undefined
      : refuse(401, 'invalid_client', 700024, 'Client assertion is not within its valid time range.')
  }

  /** Source: https://learn.microsoft.com/entra/identity-platform/certificate-credentials */
  function certificateRefusal(
    assertion: string,
    header: Readonly<Record<string, unknown>>,
    endpoint: string,
  ): Answer | undefined {
    const [head = '', body = '', signature = ''] = assertion.split('.')
    const claims = jwtPart(body)
    const print = (algorithm: string, raw: Buffer) => createHash(algorithm).update(raw).digest('base64url')
    const unpadded = (value: unknown) => (typeof value === 'string' ? value.replaceAll('=', '') : undefined)
    const signer = certificates.find(
      ({raw}) =>
        print('sha256', raw) === unpadded(header['x5t#S256']) || print('sha1', raw) === unpadded(header['x5t']),
    )
    const isGood =
      !rejecting &&
      signer !== undefined &&
      ['PS256', 'RS256'].includes(String(header['alg'])) &&
      verify(
        'sha256',
        Buffer.from(`${head}.${body}`),
        header['alg'] === 'PS256'
          ? {key: signer.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32}
          : signer.publicKey,
        Buffer.from(signature, 'base64url'),
      )
    if (!isGood) {
      return refuse(
        401,
        'invalid_client',
        700027,
        'The certificate with identifier used to sign the client assertion is not registered on application.',
      )
    }
    if (claims['aud'] !== endpoint) {
      return refuse(401, 'invalid_client', 700023, 'Client assertion audience claim does not match Realm issuer.')
    }
    if (claims['iss'] !== clientId || claims['sub'] !== clientId) {
      return refuse(
        401,
        'invalid_client',
        700021,
        "Client assertion application identifier doesn't match 'client_id' parameter.",
      )
    }
    return timeRefusal(claims)
  }

  /** Source: https://learn.microsoft.com/entra/workload-id/workload-identity-federation */
  function federationRefusal(assertion: string, header: Readonly<Record<string, unknown>>): Answer | undefined {
    const [head = '', body = '', signature = ''] = assertion.split('.')
    const claims = jwtPart(body)
    if (Object.keys(claims).length === 0) {
      return refuse(401, 'invalid_client', 50027, 'JWT token is invalid or malformed.')
    }
    if (claims['iss'] !== trusted.iss) {
      return refuse(
        401,
        'invalid_client',
        700211,
        `No matching federated identity record found for presented assertion issuer '${String(claims['iss'])}'.`,
      )
    }
    if (rejecting || claims['sub'] !== trusted.sub) {
      return refuse(
        401,
        'invalid_client',
        700213,
        `No matching federated identity record found for presented assertion subject '${String(claims['sub'])}'.`,
      )
    }
    if (claims['aud'] !== trusted.aud) {
      return refuse(
        401,
        'invalid_client',
        700212,
        `No matching federated identity record found for presented assertion audience '${String(claims['aud'])}'.`,
      )
    }
    const isSigned =
      header['alg'] === 'RS256' &&
      verify('sha256', Buffer.from(`${head}.${body}`), issuer.publicKey, Buffer.from(signature, 'base64url'))
    if (!isSigned) return refuse(401, 'invalid_client', 5000224, 'The signature of the assertion could not be checked.')
    return timeRefusal(claims)
  }

  return {
    tenantId,
    otherTenantId,
    clientId,
    principalId,
    userId,
    clientSecret,
    federatedToken: ({lifetimeSeconds = 3600, ...claims} = {}) => {
      const now = Math.floor(Date.now() / 1000)
      return signedJwt(
        {typ: 'JWT', alg: 'RS256', kid: 'fake'},
        {...trusted, ...claims, iat: now, nbf: now - 5, exp: now + lifetimeSeconds, jti: randomUUID()},
        issuer.privateKey,
      )
    },
    trustCertificate: (pem) => void certificates.push(new X509Certificate(pem)),
    answer,
    signIn: (authorizeUrl) => {
      const asked = new URL(authorizeUrl).searchParams
      const parameter = (name: string) => asked.get(name) ?? ''
      if (parameter('code_challenge_method') !== 'S256' || parameter('response_type') !== 'code') {
        throw new Error('The login in the browser asks for no code with a challenge')
      }
      const code = randomUUID()
      const redirectUri = parameter('redirect_uri')
      codes.set(code, {redirectUri, challenge: parameter('code_challenge'), clientId: parameter('client_id')})
      const info = Buffer.from(JSON.stringify({uid: userId, utid: tenantId})).toString('base64url')
      return {redirectUri, form: new URLSearchParams({code, state: parameter('state'), client_info: info})}
    },
    tokenRequests: () => tokenRequests,
    reject: () => void (rejecting = true),
    expireSecret: () => void (secretExpired = true),
    page: (status) => {
      failure = {status, body: '<html>Sign in to this network</html>', headers: {'content-type': 'text/html'}}
    },
    fail: (status, retryAfterSeconds) => {
      failure = {
        status,
        body: {error: 'temporarily_unavailable', error_description: ''},
        ...(retryAfterSeconds !== undefined && {headers: {'retry-after': String(retryAfterSeconds)}}),
      }
    },
  }
}
