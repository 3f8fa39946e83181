import type {HttpClient} from '@azure/core-rest-pipeline'
import type {AccessToken, DefaultAzureCredential, GetTokenOptions, TokenCredential} from '@azure/identity'

import {EnvdriftError} from '../../core/errors.ts'
import type {Env} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'
import {withDeadline} from '../in-flight.ts'
import type {Identity} from '../provider.ts'
import {causeOf, connectionError, troubleOf} from './errors.ts'

export type Login = {
  /** For the SDK's client, which asks it once for all calls. A login that failed is not tried again. */
  readonly credential: TokenCredential
  /** Who we are, by the last token; `undefined` before the first. */
  readonly identity: () => Identity | undefined
  /** The `oid` of the last token: what a role is assigned to. */
  readonly objectId: () => string | undefined
  /** Ends a login that is under way, also one that nobody waits for any more: the SDK would hold the process for minutes. */
  readonly close: () => void
}

type CredentialOptions = NonNullable<ConstructorParameters<typeof DefaultAzureCredential>[0]>

/** The last thing that Entra said, or what kept us from asking it. */
type Exchange = {readonly status: number; readonly codes: readonly number[]} | {readonly brokenBy: string}

/** Application ids of Microsoft's own tools. Source: https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in */
const tools: Readonly<Record<string, string>> = {
  '04b07795-8ddb-461a-bbee-02f9e1bf7b46': 'Azure CLI',
  '1950a258-227b-4e31-a9cf-717495945fc2': 'Azure PowerShell',
}

/**
 * A login with `DefaultAzureCredential`: environment variables, workload identity, managed identity, then the developer
 * tools (Azure CLI, PowerShell, azd); `AZURE_TOKEN_CREDENTIALS` narrows it. Nothing in it opens a browser.
 *
 * The SDK has no deadline here (a silent metadata address holds it for minutes) and says in prose what went wrong; so every
 * request of it passes through an HTTP client of ours, which can be ended and which remembers the codes.
 */
export function makeLogin(
  sdk: {
    readonly newCredential: (options: CredentialOptions) => TokenCredential
    readonly http: HttpClient
    /** Where to log in; `undefined`: where the SDK does by itself. */
    readonly authorityHost: string | undefined
  },
  {
    place,
    env,
    timeoutMs,
  }: {
    /** `provider.place` */
    readonly place: string
    readonly env: Env
    /** How long one login may take. */
    readonly timeoutMs: number
  },
): Login {
  const closed = new AbortController()
  let credential: TokenCredential | undefined
  let failure: EnvdriftError | undefined
  let claims: Claims | undefined
  let lastExchange: Exchange | undefined

  const http: HttpClient = {
    sendRequest: async (request) => {
      const signals = request.abortSignal === undefined ? [] : [request.abortSignal as AbortSignal]
      request.abortSignal = AbortSignal.any([...signals, closed.signal])
      // A metadata address is asked by http, and that none answers is the normal case.
      const isEntra = request.url.startsWith('https:')
      try {
        const response = await sdk.http.sendRequest(request)
        if (isEntra) lastExchange = {status: response.status, codes: entraCodes(response.bodyAsText)}
        return response
      } catch (error) {
        if (isEntra) lastExchange = {brokenBy: troubleOf(error).code ?? 'no answer'}
        throw error
      }
    },
  }

  async function logIn(scopes: string | string[], options: GetTokenOptions | undefined): Promise<AccessToken> {
    lastExchange = undefined
    try {
      credential ??= sdk.newCredential({
        httpClient: http,
        retryOptions: {maxRetries: 3, retryDelayInMs: 300, maxRetryDelayInMs: 2000},
        // An `az` that hangs would outlive us.
        processTimeoutInMs: timeoutMs,
        ...(sdk.authorityHost !== undefined && {authorityHost: sdk.authorityHost}),
      })
      const known = credential
      const token = await withDeadline(() => known.getToken(scopes, options ?? {}), {
        place,
        callTimeoutMs: timeoutMs,
        signal: closed.signal,
      })
      if (token === null) throw notLoggedIn(place, env, undefined)
      claims = claimsOf(token)
      return token
    } catch (error) {
      failure = loginError(error, lastExchange, {place, env, timeoutMs, vaultTenant: options?.tenantId})
      throw failure
    }
  }

  return {
    credential: {
      getToken: async (scopes, options) => {
        if (failure !== undefined) throw failure
        return logIn(scopes, options)
      },
    },
    identity: () => claims && identityOf(claims, env),
    objectId: () => claims?.oid,
    close: () => closed.abort(),
  }
}

/** Of an access token of Entra's, what we use; all of it is what the token says of itself, and unverified. */
type Claims = {
  readonly oid: string | undefined
  readonly appid: string | undefined
  readonly user: string | undefined
  readonly managedIdentity: string | undefined
  readonly until: Date
}

/** Tokens are for the vault to read, so one that is no JWT is no error: then nothing is known but when it ends. */
function claimsOf({token, expiresOnTimestamp}: AccessToken): Claims {
  let said: Readonly<Record<string, unknown>> = {}
  try {
    const body: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    if (typeof body === 'object' && body !== null) said = body as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  const text = (name: string) => (typeof said[name] === 'string' ? printable(said[name]) : undefined)
  const id = (name: string) => (/^[\w-]+$/.test(text(name) ?? '') ? text(name) : undefined)
  return {
    oid: id('oid'),
    appid: id('appid') ?? id('azp'),
    user: text('upn') ?? text('unique_name') ?? text('preferred_username'),
    managedIdentity: text('xms_mirid'),
    until: new Date(expiresOnTimestamp),
  }
}

/** Source of the claims: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference */
function identityOf({oid, appid, user, managedIdentity, until}: Claims, env: Env): Identity {
  const who = user ?? managedIdentity ?? (appid === undefined ? 'somebody' : `application ${appid}`)
  return {who: oid === undefined ? who : `${who} (object id ${oid})`, credential: credentialOf(), until}

  function credentialOf(): string {
    if (managedIdentity !== undefined) return 'managed identity'
    if (user !== undefined) return tools[appid ?? ''] ?? 'a developer tool'
    if (set(env['AZURE_CLIENT_SECRET'])) return 'environment variables (client secret)'
    if (set(env['AZURE_CLIENT_CERTIFICATE_PATH'])) return 'environment variables (certificate)'
    if (set(env['AZURE_FEDERATED_TOKEN_FILE'])) return 'workload identity'
    return tools[appid ?? ''] ?? 'managed identity or a developer tool'
  }
}

const set = (value: string | undefined): boolean => value !== undefined && value !== ''

/** By what Entra answered, then by the name of the SDK's error. Its texts are long, and they change. */
function loginError(
  error: unknown,
  exchange: Exchange | undefined,
  login: {
    readonly place: string
    readonly env: Env
    readonly timeoutMs: number
    readonly vaultTenant: string | undefined
  },
): EnvdriftError {
  const {place, env, timeoutMs, vaultTenant} = login
  const cause = causeOf(troubleOf(error))
  if (error instanceof EnvdriftError) {
    if (error.code !== 'TIMEOUT') return error
    return new EnvdriftError('TIMEOUT', `The login for ${place} took longer than ${timeoutMs / 1000} s`, {
      suggestions: [
        'Name the one credential to use in AZURE_TOKEN_CREDENTIALS (AzureCliCredential, EnvironmentCredential, …): a metadata address that does not answer holds up the others.',
        'Check the network, HTTPS_PROXY and NO_PROXY.',
      ],
    })
  }
  if (exchange !== undefined && 'brokenBy' in exchange) {
    return connectionError(exchange.brokenBy, `Microsoft Entra, which logs us in for ${place},`, cause)
  }
  const status = exchange?.status ?? 0
  if (status === 429) {
    return new EnvdriftError('THROTTLED', `Microsoft Entra refuses more logins for ${place} just now (status 429)`, {
      suggestions: ['Run the command again in a minute.'],
      cause,
    })
  }
  if (status >= 500) {
    return new EnvdriftError('SERVICE_ERROR', `Microsoft Entra failed to log us in for ${place} (status ${status})`, {
      suggestions: [
        'Run the command again in a minute; https://azure.status.microsoft shows known outages.',
        'Check HTTPS_PROXY and NO_PROXY: a proxy that does not reach the login host looks the same.',
      ],
      cause,
    })
  }
  const tenant = env['AZURE_TENANT_ID']
  if (status < 400 && set(tenant) && vaultTenant !== undefined && tenant?.toLowerCase() !== vaultTenant.toLowerCase()) {
    return new EnvdriftError(
      'LOGIN_REFUSED',
      `${place} belongs to the tenant ${printable(vaultTenant)}, and AZURE_TENANT_ID names ${printable(tenant ?? '')}`,
      {
        suggestions: [
          'Check vault_url and AZURE_TENANT_ID.',
          'If the application may log in to both, add the tenant of the vault to AZURE_ADDITIONALLY_ALLOWED_TENANTS.',
        ],
        cause,
      },
    )
  }
  if (status < 400) return notLoggedIn(place, env, cause)
  const codes = exchange?.codes.map((code) => `AADSTS${code}`).join(', ') ?? ''
  return new EnvdriftError(
    'LOGIN_REFUSED',
    `Microsoft Entra refused the login for ${place} (${codes === '' ? `status ${status}` : codes})`,
    {
      suggestions: [
        ...(set(env['AZURE_CLIENT_ID'])
          ? ([
              'Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or the certificate, or the federated token): the secret may have expired.',
            ] as const)
          : (['Log in again: `az login`.'] as const)),
        ...(codes === '' ? [] : ['https://login.microsoftonline.com/error explains the code.']),
      ],
      cause,
    },
  )
}

function notLoggedIn(place: string, env: Env, cause: Error | undefined): EnvdriftError {
  const narrowed = env['AZURE_TOKEN_CREDENTIALS']
  const files = ['AZURE_CLIENT_CERTIFICATE_PATH', 'AZURE_FEDERATED_TOKEN_FILE'].filter((name) => set(env[name]))
  return new EnvdriftError('NOT_LOGGED_IN', `No usable login to Azure was found for ${place}`, {
    suggestions: [
      'Log in: `az login`.',
      'In CI, set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE), or use a managed identity.',
      ...files.map((name) => `Check that ${name} names a file that can be read and holds what it should.`),
      ...(set(narrowed) ? [`AZURE_TOKEN_CREDENTIALS is ${printable(narrowed ?? '')}: nothing else was tried.`] : []),
    ],
    cause,
  })
}

/** `error_codes` of a refusal: numbers that Microsoft documents as AADSTS…; https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
function entraCodes(body: string | null | undefined): readonly number[] {
  try {
    const codes = (JSON.parse(body ?? '') as {error_codes?: unknown} | null)?.error_codes
    return Array.isArray(codes) ? codes.filter((code) => typeof code === 'number') : []
  } catch {
    return []
  }
}
