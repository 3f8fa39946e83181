import {constants, createHash, createHmac, randomBytes, randomUUID, verify, X509Certificate} from 'node:crypto'
import {once} from 'node:events'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import {connect, type AddressInfo, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Duplex} from 'node:stream'
import {setTimeout as sleep} from 'node:timers/promises'

import {clientCertificate, serverCertificate} from './certificate.ts'

/** One request that reached a vault with a good token, in the order of arrival. */
type VaultRequest = {
  readonly vault: string
  readonly method: string
  /** `get`, `set`, `list` as the permissions are called. */
  readonly operation: Operation
  readonly name: string
  readonly version: string | undefined
  /** How many of these were being worked on, this one among them. */
  readonly inFlight: number
}

type Operation = 'get' | 'set' | 'list' | 'delete'

/** Answer of the next requests for a secret, in place of the vault's own. */
type Fault =
  | {readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds?: number; readonly times: number}
  | {readonly kind: 'reset'; readonly times: number}
  /** As something in between would answer, not the vault. */
  | {
      readonly kind: 'stranger'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly page: string
      readonly times: number
    }

/** Why the vault refuses: `error.innererror.code` of a 403. */
type Refusal = 'ForbiddenByRbac' | 'ForbiddenByPolicy' | 'ForbiddenByFirewall'

export type FakeAzure = {
  /** Stands in for `HTTPS_PROXY`: the one way to all the hosts that this fake plays. */
  readonly proxyUrl: string
  /** The certificate of all its hosts, PEM: to be trusted. */
  readonly certificate: string
  readonly tenantId: string
  /** A tenant that Entra knows, and the vaults don't belong to. */
  readonly otherTenantId: string
  readonly clientId: string
  readonly clientSecret: string
  /** What a workload's token file has to hold. */
  readonly federatedToken: string
  readonly identityHeader: string
  /** Make a certificate that may log in; PEM text with its key, as `AZURE_CLIENT_CERTIFICATE_PATH` wants it. */
  readonly issueClientCertificate: () => Promise<string>
  /** A token as Azure CLI would hand it out for a person. */
  readonly userToken: (audience?: string, tenant?: string) => string
  readonly addVault: (name: string, options?: {readonly suffix?: string; readonly challengeResource?: string}) => string
  /** @returns the new version. Versions of one secret are at least a second apart, since that is how exact Azure's dates are. */
  readonly set: (vault: string, name: string, value: string) => string
  /** Disable the newest version, as `az keyvault secret set-attributes --enabled false` does. */
  readonly disable: (vault: string, name: string, version?: string) => void
  /** Soft-delete. */
  readonly remove: (vault: string, name: string) => void
  readonly forbid: (name: string, refusal: Refusal) => void
  /** From now on only these operations are allowed. */
  readonly allowOnly: (...operations: Operation[]) => void
  /** From now on Entra refuses every login, and the vaults every token. */
  readonly rejectLogin: () => void
  /** From now on our client secret has expired, and so have all tokens that were made with it. */
  readonly expireLogin: () => void
  /** The clocks of Entra and of the vaults differ from ours by so many milliseconds from now on. */
  readonly skewClock: (ms: number) => void
  /** From now on Entra answers `status` to token requests. */
  readonly failLogin: (status: number) => void
  /** From now on tokens are valid for so long, in seconds. */
  readonly tokenLifetime: (seconds: number) => void
  readonly fail: (fault: Fault) => void
  readonly delay: (ms: number) => void
  /** From now on these take connections and never answer. */
  readonly silence: (...hosts: ('vault' | 'login' | 'metadata')[]) => void
  /** Is there a metadata address (managed identity)? Without it, connections to it are closed. */
  readonly metadata: (there: boolean) => void
  /** From now on connections to the login hosts break. */
  readonly breakLogin: () => void
  readonly requests: () => readonly VaultRequest[]
  /** Requests that reached a vault without a token, and got a challenge. */
  readonly challenges: () => number
  readonly tokenRequests: () => number
  /** Names of all hosts that anyone asked the proxy for. */
  readonly hosts: () => readonly string[]
  readonly stop: () => Promise<void>
}

type Version = {
  readonly id: string
  readonly value: string
  readonly contentType: string | undefined
  readonly tags: Record<string, string> | undefined
  readonly created: number
  enabled: boolean
}
type StoredSecret = {readonly versions: Version[]; deleted: boolean}
type Vault = {
  readonly name: string
  readonly host: string
  readonly audience: string
  /** What its challenge names; the same, unless it lies. */
  readonly resource: string
  /** Where its cloud logs in. */
  readonly authority: string
  readonly secrets: Map<string, StoredSecret>
}
type Answer = {
  readonly status: number
  /** JSON, or a page as it is. */
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}
type Claims = {
  readonly aud: string
  readonly tid: string
  readonly exp: number
  readonly appid: string
  readonly oid: string
}

/** Where the vaults of each cloud are, and where one logs in to them. */
const clouds: Readonly<Record<string, string>> = {
  'vault.azure.net': 'login.microsoftonline.com',
  'vault.usgovcloudapi.net': 'login.microsoftonline.us',
  'vault.azure.cn': 'login.chinacloudapi.cn',
}
/** The SDK calls China's by its other name. */
const loginHosts = [...Object.values(clouds), 'login.partner.microsoftonline.cn']
const vaultSuffixes = Object.keys(clouds)

/** Source: `KnownVersions` of @azure/keyvault-secrets. */
const apiVersions = new Set(['7.0', '7.1', '7.2', '7.3', '7.4', '7.5', '7.6', '2025-07-01', '2026-04-01'])

/** Source: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets ("maximum size of 25 KB"). */
const maxValueBytes = 25 * 1024

/**
 * Azure Key Vault, Entra's token endpoint and the two managed identity endpoints in one process, reached through a CONNECT
 * proxy, so that the official SDK talks to `https://NAME.vault.azure.net` with nothing of it replaced.
 *
 * Holds everything in memory and never connects to anything but itself.
 */
export async function startFakeAzure(options: {readonly port?: number} = {}): Promise<FakeAzure> {
  const signingKey = randomBytes(32)
  const {certificate, key} = await serverCertificate([...loginHosts, ...vaultSuffixes.map((suffix) => `*.${suffix}`)])
  const tenantId: string = randomUUID()
  const otherTenantId: string = randomUUID()
  const clientId = randomUUID()
  const principalId = randomUUID()
  const clientSecret = `fake-${randomBytes(16).toString('hex')}`
  const federatedToken = `fake.${randomBytes(24).toString('base64url')}`
  const identityHeader = randomBytes(8).toString('hex')

  const vaults = new Map<string, Vault>()
  const refusals = new Map<string, Refusal>()
  const clientCertificates: X509Certificate[] = []
  const requests: VaultRequest[] = []
  const hosts: string[] = []
  const sockets = new Set<Duplex>()
  const faults: {fault: Fault; left: number}[] = []
  const silent = new Set<string>()
  let allowed: ReadonlySet<Operation> = new Set(['get', 'set', 'list', 'delete'])
  const stopping = new AbortController()
  let inFlight = 0
  let challenges = 0
  let tokenRequests = 0
  let rejecting = false
  let expired = false
  let skewMs = 0
  let loginStatus: number | undefined
  let lifetimeSeconds = 3600
  let delayMs = 0
  let metadataThere = false
  let loginBroken = false

  // --- tokens

  const seconds = () => Math.floor((Date.now() + skewMs) / 1000)
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const partOf = (text: string): unknown => parseJson(Buffer.from(text, 'base64url').toString())
  const sign = (text: string) => createHmac('sha256', signingKey).update(text).digest('base64url')

  function mintToken(audience: string, tenant: string, extra: Record<string, string>): string {
    const now = seconds()
    const claims = {
      aud: audience,
      iss: `https://sts.windows.net/${tenant}/`,
      iat: now,
      nbf: now,
      exp: now + lifetimeSeconds,
      appid: clientId,
      oid: principalId,
      tid: tenant,
      ver: '1.0',
      ...extra,
    }
    const text = `${part({typ: 'JWT', alg: 'HS256'})}.${part(claims)}`
    return `${text}.${sign(text)}`
  }

  function claimsOf(token: string): Claims | undefined {
    const [head = '', body = '', signature] = token.split('.')
    if (rejecting || signature !== sign(`${head}.${body}`)) return undefined
    return partOf(body) as Claims
  }

  // --- Entra

  function oauthError(status: number, error: string, code: number, text: string): Answer {
    const body = {
      error,
      error_description: `AADSTS${code}: ${text} Trace ID: ${randomUUID()} Correlation ID: ${randomUUID()}`,
      error_codes: [code],
      timestamp: new Date().toISOString(),
      trace_id: randomUUID(),
      correlation_id: randomUUID(),
    }
    return {status, body}
  }

  function entra(url: URL, form: URLSearchParams): Answer {
    const [, tenant = '', ...rest] = url.pathname.split('/')
    const at = `https://${url.hostname}/${tenant}`
    switch (rest.join('/')) {
      case 'discovery/instance': {
        const hostsOfClouds = loginHosts.map((host) => ({
          preferred_network: host,
          preferred_cache: host,
          aliases: [host],
        }))
        const endpoint = `https://${url.hostname}/${tenantId}/v2.0/.well-known/openid-configuration`
        return {status: 200, body: {tenant_discovery_endpoint: endpoint, 'api-version': '1.1', metadata: hostsOfClouds}}
      }
      case 'v2.0/.well-known/openid-configuration':
        if (![tenantId, otherTenantId].includes(tenant)) return unknownTenant(tenant)
        return {
          status: 200,
          body: {
            token_endpoint: `${at}/oauth2/v2.0/token`,
            authorization_endpoint: `${at}/oauth2/v2.0/authorize`,
            end_session_endpoint: `${at}/oauth2/v2.0/logout`,
            jwks_uri: `${at}/discovery/v2.0/keys`,
            issuer: `https://${url.hostname}/${tenant}/v2.0`,
          },
        }
      case 'oauth2/v2.0/token':
        return tokenAnswer(`${at}/oauth2/v2.0/token`, tenant, form)
      default:
        return {status: 404, body: ''}
    }
  }

  const unknownTenant = (tenant: string) =>
    oauthError(
      400,
      'invalid_request',
      90002,
      `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID.`,
    )

  function tokenAnswer(endpoint: string, tenant: string, form: URLSearchParams): Answer {
    tokenRequests++
    if (loginStatus !== undefined)
      return {status: loginStatus, body: {error: 'temporarily_unavailable', error_description: ''}}
    if (![tenantId, otherTenantId].includes(tenant)) return unknownTenant(tenant)
    if (form.get('grant_type') !== 'client_credentials') {
      return oauthError(400, 'unsupported_grant_type', 70003, 'The app requested an unsupported grant type.')
    }
    if (form.get('client_id') !== clientId) {
      return oauthError(400, 'unauthorized_client', 700016, 'Application was not found in the directory.')
    }
    if (expired && form.has('client_secret'))
      return oauthError(401, 'invalid_client', 7000222, 'The provided client secret keys are expired.')
    if (!mayLogIn(endpoint, form)) {
      return form.has('client_assertion')
        ? oauthError(
            401,
            'invalid_client',
            700213,
            'No matching federated identity record found for presented assertion.',
          )
        : oauthError(401, 'invalid_client', 7000215, 'Invalid client secret provided.')
    }
    const resource = /^(https:\/\/.+)\/\.default$/.exec((form.get('scope') ?? '').split(' ')[0] ?? '')?.[1]
    if (resource === undefined)
      return oauthError(400, 'invalid_scope', 70011, 'The provided value for scope is not valid.')
    if (!vaultSuffixes.includes(new URL(resource).hostname)) {
      return oauthError(
        400,
        'invalid_resource',
        500011,
        `The resource principal named ${resource} was not found in the tenant.`,
      )
    }
    const token = mintToken(resource, tenant, {idtyp: 'app'})
    return {
      status: 200,
      body: {token_type: 'Bearer', expires_in: lifetimeSeconds, ext_expires_in: lifetimeSeconds, access_token: token},
    }
  }

  function mayLogIn(endpoint: string, form: URLSearchParams): boolean {
    if (rejecting) return false
    const assertion = form.get('client_assertion')
    if (assertion === null) return form.get('client_secret') === clientSecret
    if (form.get('client_assertion_type') !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer') return false
    if (assertion === federatedToken) return true

    const [head = '', body = '', signature = ''] = assertion.split('.')
    const header = (partOf(head) ?? {}) as Record<string, string>
    const claims = (partOf(body) ?? {}) as Record<string, string | number>
    const signer = clientCertificates.find(
      (one) => createHash('sha256').update(one.raw).digest('base64url') === header['x5t#S256']?.replaceAll('=', ''),
    )
    return (
      signer !== undefined &&
      header['alg'] === 'PS256' &&
      claims['aud'] === endpoint &&
      claims['iss'] === clientId &&
      claims['sub'] === clientId &&
      Number(claims['exp']) > Date.now() / 1000 &&
      verify(
        'sha256',
        Buffer.from(`${head}.${body}`),
        {key: signer.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32},
        Buffer.from(signature, 'base64url'),
      )
    )
  }

  // --- managed identity

  function metadata(url: URL, headers: IncomingMessage['headers']): Answer {
    const appService = url.pathname === '/msi/token'
    const resource = url.searchParams.get('resource')
    if (appService ? headers['x-identity-header'] !== identityHeader : headers['metadata'] !== 'true') {
      return {
        status: 400,
        body: {error: 'invalid_request', error_description: 'Required metadata header not specified'},
      }
    }
    const version = appService ? '2019-08-01' : '2018-02-01'
    if (url.searchParams.get('api-version') !== version || resource === null) {
      return {status: 400, body: {error: 'invalid_request', error_description: 'Bad or missing parameter'}}
    }
    const identity = url.searchParams.get('client_id')
    if (identity !== null && identity !== clientId) {
      return {status: 400, body: {error: 'invalid_request', error_description: 'Identity not found'}}
    }
    tokenRequests++
    const token = mintToken(resource.replace(/\/$/, ''), tenantId, {
      idtyp: 'app',
      xms_mirid: `/subscriptions/${randomUUID()}/resourcegroups/myapp/providers/Microsoft.Compute/virtualMachines/myapp-runner`,
    })
    const expires = Math.floor(Date.now() / 1000) + lifetimeSeconds
    return {
      status: 200,
      body: {
        access_token: token,
        client_id: clientId,
        expires_in: String(lifetimeSeconds),
        expires_on: String(expires),
        resource,
        token_type: 'Bearer',
      },
    }
  }

  // --- the vaults

  const vaultError = (
    status: number,
    code: string,
    message: string,
    inner?: string,
    headers?: Record<string, string>,
  ): Answer => ({
    status,
    body: {error: {code, message, ...(inner === undefined ? {} : {innererror: {code: inner}})}},
    ...(headers === undefined ? {} : {headers}),
  })

  function unauthorized(vault: Vault, message: string, error = ''): Answer {
    const challenge = `Bearer authorization="https://${vault.authority}/${tenantId}", resource="${vault.resource}"${error}`
    return vaultError(401, 'Unauthorized', message, undefined, {'WWW-Authenticate': challenge})
  }

  const attributes = (version: Version) => ({
    enabled: version.enabled,
    created: version.created,
    updated: version.created,
    recoveryLevel: 'Recoverable+Purgeable',
    recoverableDays: 90,
  })

  const item = (vault: Vault, name: string, version: Version) => ({
    id: `https://${vault.host}/secrets/${name}/${version.id}`,
    attributes: attributes(version),
    ...(version.contentType === undefined ? {} : {contentType: version.contentType}),
    tags: version.tags ?? {},
  })

  function addVersion(
    vault: Vault,
    name: string,
    value: string,
    contentType?: string,
    tags?: Record<string, string>,
  ): Version {
    const secret = vault.secrets.get(name) ?? {versions: [], deleted: false}
    vault.secrets.set(name, secret)
    const version = {
      id: randomBytes(16).toString('hex'),
      value,
      contentType,
      tags,
      created: Math.max(Math.floor(Date.now() / 1000), (secret.versions.at(-1)?.created ?? 0) + 1),
      enabled: true,
    }
    secret.versions.push(version)
    return version
  }

  const notFound = (name: string) =>
    vaultError(404, 'SecretNotFound', `A secret with (name/id) ${name} was not found in this key vault.`)

  function refused(vault: Vault, name: string, operation: Operation, refusal: Refusal): Answer {
    const caller = `appid=${clientId};oid=${principalId};iss=https://sts.windows.net/${tenantId}/`
    const texts = {
      ForbiddenByRbac: `Caller is not authorized to perform action on resource.\r\nCaller: ${caller}\r\nAction: 'Microsoft.KeyVault/vaults/secrets/${operation}'\r\nResource: '${name}'\r\nAssignment: (not found)`,
      ForbiddenByPolicy: `The user, group or application '${caller}' does not have secrets ${operation} permission on key vault '${vault.name};location=westeurope'.`,
      ForbiddenByFirewall: 'Client address is not authorized and caller is not a trusted service.',
    }
    return vaultError(403, 'Forbidden', texts[refusal], refusal)
  }

  type Call = {readonly operation: Operation; readonly name: string; readonly version: string | undefined}

  function callOf(method: string, path: string): Call | undefined {
    const [, collection, name = '', version, ...rest] = path.split('/').map(decodeURIComponent)
    if (collection !== 'secrets' || rest.length > 0) return undefined
    if (method === 'GET' && version === 'versions') return {operation: 'list', name, version: undefined}
    if (method === 'GET') return {operation: 'get', name, version: version === '' ? undefined : version}
    if (method === 'PUT' && version === undefined) return {operation: 'set', name, version}
    if (method === 'DELETE' && version === undefined) return {operation: 'delete', name, version}
    return undefined
  }

  function perform(vault: Vault, {operation, name, version}: Call, url: URL, body: string): Answer {
    const apiVersion = url.searchParams.get('api-version')
    if (apiVersion === null) return vaultError(400, 'BadParameter', 'API version cannot be null or empty.')
    if (!apiVersions.has(apiVersion)) {
      return vaultError(400, 'BadParameter', `The specified version (${apiVersion}) is not recognized.`)
    }
    // Source: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates, "Object identifiers"
    if (!/^[0-9a-zA-Z-]{1,127}$/.test(name)) {
      return vaultError(400, 'BadParameter', `The request URI contains an invalid name: ${name}`)
    }
    const refusal = refusals.get(name)
    if (refusal !== undefined) return refused(vault, name, operation, refusal)
    if (!allowed.has(operation)) return refused(vault, name, operation, 'ForbiddenByRbac')

    const secret = vault.secrets.get(name)
    const there = secret !== undefined && !secret.deleted ? secret : undefined
    switch (operation) {
      case 'get': {
        const found = version === undefined ? there?.versions.at(-1) : there?.versions.find(({id}) => id === version)
        if (found === undefined) return notFound(name)
        if (!found.enabled) {
          return vaultError(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', 'SecretDisabled')
        }
        return {status: 200, body: {value: found.value, ...item(vault, name, found)}}
      }
      case 'list': {
        // By version id, as Azure does it, so not in the order of time. An unknown name has an empty list.
        const all = (there?.versions ?? []).toSorted((a, b) => (a.id < b.id ? -1 : 1))
        const from = Number(url.searchParams.get('$skiptoken') ?? 0)
        const size = Math.min(Number(url.searchParams.get('maxresults') ?? 25), 25)
        const next = new URL(url)
        next.searchParams.set('$skiptoken', String(from + size))
        const value = all.slice(from, from + size).map((one) => item(vault, name, one))
        return {status: 200, body: {value, nextLink: from + size < all.length ? next.href : null}}
      }
      case 'set': {
        const sent = parseJson(body) as
          | {value?: unknown; contentType?: string; tags?: Record<string, string>}
          | undefined
        if (typeof sent?.value !== 'string')
          return vaultError(400, 'BadParameter', 'Property value is missing or has an invalid value.')
        if (Buffer.byteLength(sent.value) > maxValueBytes) {
          return vaultError(400, 'BadParameter', 'The secret value is too long: its limit is 25k.')
        }
        if (secret?.deleted) {
          const text = `Secret ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.`
          return vaultError(409, 'Conflict', text, 'ObjectIsDeletedButRecoverable')
        }
        const made = addVersion(vault, name, sent.value, sent.contentType, sent.tags)
        return {status: 200, body: {value: made.value, ...item(vault, name, made)}}
      }
      case 'delete': {
        if (there === undefined) return notFound(name)
        there.deleted = true
        return {
          status: 200,
          body: {...item(vault, name, there.versions.at(-1)!), deletedDate: Math.floor(Date.now() / 1000)},
        }
      }
    }
  }

  async function askVault(vault: Vault, request: IncomingMessage, url: URL, body: string): Promise<Answer | 'reset'> {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined) {
      challenges++
      return unauthorized(vault, 'AKV10000: Request is missing a Bearer or PoP token.')
    }
    const claims = claimsOf(token)
    if (claims === undefined)
      return unauthorized(vault, 'AKV10001: Token signature is not valid.', ', error="invalid_token"')
    if (expired || claims.exp <= seconds()) {
      return unauthorized(vault, "[TokenExpired] Error validating token: 'S2S12086'.", ', error="invalid_token"')
    }
    if (claims.aud !== vault.audience) {
      return unauthorized(vault, 'AKV10022: Invalid audience.', ', error="invalid_token"')
    }
    if (claims.tid !== tenantId) return unauthorized(vault, 'AKV10032: Invalid issuer.', ', error="invalid_token"')

    const method = request.method ?? ''
    const call = callOf(method, url.pathname)
    if (call === undefined) return vaultError(405, 'MethodNotAllowed', 'The method is not allowed on this path.')

    inFlight++
    try {
      requests.push({vault: vault.name, method, ...call, inFlight})
      const fault = faults[0]
      if (fault !== undefined && --fault.left === 0) faults.shift()
      if (delayMs > 0) await sleep(delayMs, undefined, {signal: stopping.signal})
      switch (fault?.fault.kind) {
        case 'reset':
          return 'reset'
        case 'status':
          return faultAnswer(fault.fault)
        case 'stranger': {
          const {status, page, headers} = fault.fault
          return {status, body: page, headers: {'content-type': 'text/html', ...headers}}
        }
        case undefined:
          return perform(vault, call, url, body)
      }
    } finally {
      inFlight--
    }
  }

  function faultAnswer({status, retryAfterSeconds}: Extract<Fault, {kind: 'status'}>): Answer {
    const headers: Record<string, string> =
      retryAfterSeconds === undefined ? {} : {'Retry-After': String(retryAfterSeconds)}
    return status === 429
      ? vaultError(
          429,
          'Throttled',
          'Request was not processed because too many requests were received.',
          undefined,
          headers,
        )
      : vaultError(status, 'InternalServerError', 'The service answered with a planted fault.', undefined, headers)
  }

  // --- the servers

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `https://${request.headers.host ?? ''}`)
    const vault = vaults.get(url.hostname)
    if (silent.has(vault === undefined ? 'login' : 'vault')) return
    const body = await textOf(request)
    send(
      request,
      response,
      vault === undefined ? entra(url, new URLSearchParams(body)) : await askVault(vault, request, url, body),
    )
  }

  const track = (socket: Duplex) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }

  const secure = createTlsServer({key, cert: certificate}, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      // A client that has gone away, or a delay that `stop` cut short. Anything else is a bug here, and must be seen.
      if (!request.socket.destroyed && !stopping.signal.aborted) throw error
    })
  })
  secure.on('connection', track)
  secure.listen(0, '127.0.0.1')
  await once(secure, 'listening')
  const securePort = (secure.address() as AddressInfo).port

  const proxy = createServer((request, response) => {
    // A client behind a proxy sends the whole address for http; one that is told of this port sends the path.
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    hosts.push(url.hostname)
    const known = url.pathname.replace(/\/$/, '')
    if (!metadataThere || !['/msi/token', '/metadata/identity/oauth2/token'].includes(known)) {
      request.socket.destroy()
    } else if (!silent.has('metadata')) {
      url.pathname = known
      send(request, response, metadata(url, request.headers))
    }
  })
  proxy.on('connection', track)
  proxy.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
    const [host = '', port] = (request.url ?? '').split(':')
    hosts.push(host)
    client.on('error', () => client.destroy())
    if (loginBroken && loginHosts.includes(host)) {
      client.destroy()
      return
    }
    if (port !== '443' || !(vaults.has(host) || loginHosts.includes(host))) {
      client.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n')
      return
    }
    const upstream = connect(securePort, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client)
      client.pipe(upstream)
    })
    // A reset is passed on as one.
    upstream.on('error', () => client.resetAndDestroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  proxy.listen(options.port ?? 0, '127.0.0.1')
  await once(proxy, 'listening')

  const vaultNamed = (name: string): Vault => {
    const found = vaults.values().find((vault) => vault.name === name)
    if (found === undefined) throw new Error(`The fake has no vault ${name}`)
    return found
  }
  const secretNamed = (vault: string, name: string): StoredSecret => {
    const found = vaultNamed(vault).secrets.get(name)
    if (found === undefined) throw new Error(`The fake vault ${vault} has no secret ${name}`)
    return found
  }

  return {
    proxyUrl: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    certificate,
    tenantId,
    otherTenantId,
    clientId,
    clientSecret,
    federatedToken,
    identityHeader,
    issueClientCertificate: async () => {
      const made = await clientCertificate()
      clientCertificates.push(new X509Certificate(made.certificate))
      return `${made.key}\n${made.certificate}\n`
    },
    userToken: (audience = 'https://vault.azure.net', tenant = tenantId) =>
      // Azure CLI's own application id; source: https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in
      mintToken(audience, tenant, {
        appid: '04b07795-8ddb-461a-bbee-02f9e1bf7b46',
        idtyp: 'user',
        upn: 'dev@example.com',
      }),
    addVault: (name, {suffix = 'vault.azure.net', challengeResource = `https://${suffix}`} = {}) => {
      const host = `${name}.${suffix}`
      vaults.set(host, {
        name,
        host,
        audience: `https://${suffix}`,
        resource: challengeResource,
        authority: clouds[suffix] ?? 'login.microsoftonline.com',
        secrets: new Map(),
      })
      return `https://${host}`
    },
    set: (vault, name, value) => addVersion(vaultNamed(vault), name, value).id,
    disable: (vault, name, version) => {
      const {versions} = secretNamed(vault, name)
      const found = version === undefined ? versions.at(-1) : versions.find(({id}) => id === version)
      if (found !== undefined) found.enabled = false
    },
    remove: (vault, name) => {
      secretNamed(vault, name).deleted = true
    },
    forbid: (name, refusal) => void refusals.set(name, refusal),
    allowOnly: (...operations) => void (allowed = new Set(operations)),
    rejectLogin: () => void (rejecting = true),
    expireLogin: () => void (expired = true),
    skewClock: (ms) => void (skewMs = ms),
    failLogin: (status) => void (loginStatus = status),
    tokenLifetime: (seconds) => void (lifetimeSeconds = seconds),
    fail: (fault) => void faults.push({fault, left: fault.times}),
    delay: (ms) => void (delayMs = ms),
    silence: (...which) => which.forEach((one) => silent.add(one)),
    metadata: (there) => void (metadataThere = there),
    breakLogin: () => void (loginBroken = true),
    requests: () => [...requests],
    challenges: () => challenges,
    tokenRequests: () => tokenRequests,
    hosts: () => [...hosts],
    stop: async () => {
      stopping.abort()
      for (const socket of sockets) socket.destroy()
      await Promise.all([proxy, secure].map((server) => new Promise((done) => server.close(done))))
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer | 'reset'): void {
  if (answer === 'reset') {
    request.socket.destroy()
    return
  }
  response.writeHead(answer.status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-cache',
    'x-ms-keyvault-region': 'westeurope',
    ...answer.headers,
  })
  response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
}

/** Node takes one file of extra certificates, so one that is set already is joined with ours. */
export function certificateFile(directory: string, certificate: string, already: string | undefined): string {
  const path = join(directory, 'fake-azure-ca.pem')
  writeFileSync(
    path,
    `${already === undefined || already === '' ? '' : `${readFileSync(already, 'utf8')}\n`}${certificate}\n`,
  )
  return path
}

/** What the environment of a process has to say so that it takes this fake for Azure, logged in with a client secret. */
export function environmentFor(fake: FakeAzure, certificatesPath: string): Record<string, string> {
  return {
    HTTPS_PROXY: fake.proxyUrl,
    NO_PROXY: '',
    NODE_EXTRA_CA_CERTS: certificatesPath,
    AZURE_TENANT_ID: fake.tenantId,
    AZURE_CLIENT_ID: fake.clientId,
    AZURE_CLIENT_SECRET: fake.clientSecret,
    AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential',
  }
}

// As a program: `node test/fakes/azure.ts [PORT] [VAULT…]`, until it is interrupted.
if (process.argv[1] === import.meta.filename) {
  const [port = '0', ...names] = process.argv.slice(2)
  const fake = await startFakeAzure({port: Number(port)})
  const urls = (names.length === 0 ? ['my-keyvault'] : names).map((name) => fake.addVault(name))
  const directory = mkdtempSync(join(tmpdir(), 'fake-azure-'))
  const environment = environmentFor(
    fake,
    certificateFile(directory, fake.certificate, process.env['NODE_EXTRA_CA_CERTS']),
  )
  const token = fake.userToken()
  process.stdout.write(
    [
      `# A fake Azure for ${urls.join(' ')}, reached through ${fake.proxyUrl}; it keeps nothing when it ends. To use it:`,
      ...Object.entries(environment).map(([name, value]) => `export ${name}=${value}`),
      `export FAKE_AZURE_TOKEN=${token}`,
      '# To store a secret:',
      `#   curl -X PUT --cacert $NODE_EXTRA_CA_CERTS -H "Authorization: Bearer $FAKE_AZURE_TOKEN" -H 'Content-Type: application/json' -d '{"value": "…"}' '${urls[0]}/secrets/myapp-key?api-version=7.6'`,
      '',
    ].join('\n'),
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(directory, {recursive: true, force: true})
      process.exit(0)
    })
  }
}
