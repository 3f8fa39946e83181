import type Gax from 'google-gax'

import {EnvdriftError, type ErrorCode} from '../../core/errors.ts'
import type {Identity} from '../provider.ts'

/** All that Secret Manager takes. Source: https://cloud.google.com/secret-manager/docs/accessing-the-api#oauth-scopes */
const scope = 'https://www.googleapis.com/auth/cloud-platform'

/** Application default credentials, asked for once. */
export type Login = {
  /** For the SDK's clients, which share the login through it. */
  readonly auth: Gax.GoogleAuth
  /**
   * Logs in if nobody has yet; a login that failed is tried anew by the next caller.
   *
   * @returns the `authorization` header. Google's library renews the token when it is about to expire.
   * @throws EnvdriftError NOT_LOGGED_IN, LOGIN_REFUSED, UNREACHABLE, THROTTLED, SERVICE_ERROR, TLS_REFUSED.
   */
  readonly authorization: () => Promise<string>
  /** As an IAM binding wants it: `serviceAccount:NAME@…`, or `PRINCIPAL` where only the service knows. */
  readonly member: () => string
  readonly identity: () => Promise<Identity>
}

/**
 * Google's own chain: the file of GOOGLE_APPLICATION_CREDENTIALS (a service account's key, workload identity federation,
 * an impersonation), then the file of `gcloud auth application-default login`, then the metadata server.
 *
 * The library reads the process's environment, not `host.env`. It asks the metadata server (169.254.169.254) only when
 * there is no file, and not at all under METADATA_SERVER_DETECTION=none.
 *
 * @param universe - `googleapis.com`, but for clouds that others run with Google's software.
 */
export function loginWith({GoogleAuth}: typeof Gax, project: string, universe: string): Login {
  // With a projectId the library neither runs `gcloud` nor asks the metadata server for one.
  const auth = new GoogleAuth({projectId: project, scopes: [scope]})
  // A service account's key signs its own token: no request to a token endpoint. The SDK's clients set the same, but only
  // when they are made, and every change of it would be another token.
  auth.useJWTAccessWithScope = true
  auth.defaultServicePath = `secretmanager.${universe}`

  let first: Promise<unknown> | undefined
  async function authorization(): Promise<string> {
    try {
      first ??= auth.getClient().then((client) => client.getRequestHeaders())
      await first
      const header = (await (await auth.getClient()).getRequestHeaders()).get('authorization')
      if (header === null) throw new Error('a login without a token')
      return header
    } catch (cause) {
      first = undefined
      throw loginError(cause, auth.jsonContent !== null)
    }
  }

  function email(): string | undefined {
    const content: unknown = auth.jsonContent
    if (typeof content !== 'object' || content === null) return undefined
    if ('client_email' in content && typeof content.client_email === 'string') return content.client_email
    const url = 'service_account_impersonation_url' in content && content.service_account_impersonation_url
    return typeof url === 'string' ? /serviceAccounts\/([^/:]+):/.exec(url)?.[1] : undefined
  }

  return {
    auth,
    authorization,
    member() {
      const known = email()
      return known === undefined ? 'PRINCIPAL' : `serviceAccount:${known}`
    },
    async identity() {
      await authorization()
      const client = await auth.getClient()
      const content: {readonly type?: unknown; readonly account?: unknown; readonly audience?: unknown} | null =
        auth.jsonContent
      const expiry = client.credentials.expiry_date
      return {
        who:
          email() ??
          text(content?.account) ??
          text(content?.audience) ??
          (content === null ? await metadataEmail(auth) : 'the user of `gcloud auth application-default login`'),
        credential: content === null ? 'metadata server' : `${kindOf(content.type)} in ${fileOf(process.env)}`,
        // A service account's key has none of its own: the library keeps the placeholder 1 there.
        until: typeof expiry === 'number' && expiry > 1 ? new Date(expiry) : 'unknown',
      }
    },
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

async function metadataEmail(auth: Gax.GoogleAuth): Promise<string> {
  try {
    return (await auth.getCredentials()).client_email ?? 'the service account of this machine'
  } catch {
    // The token came from there a moment ago, so this is not about the login; the name is for a message only.
    return 'the service account of this machine'
  }
}

function kindOf(type: unknown): string {
  switch (type) {
    case 'service_account':
      return 'service account key'
    case 'authorized_user':
      return 'user login'
    case 'external_account':
      return 'workload identity federation'
    case 'impersonated_service_account':
      return 'impersonation'
    default:
      return 'credential'
  }
}

const fileOf = (env: NodeJS.ProcessEnv): string =>
  env['GOOGLE_APPLICATION_CREDENTIALS']
    ? 'the file that GOOGLE_APPLICATION_CREDENTIALS names'
    : 'the file of `gcloud auth application-default login`'

/**
 * Our error for a login that failed. What happened is told by where it happened and by codes; the library's own messages
 * are left out of the cause too, since they may quote a credential file or a token request.
 *
 * @param fileRead - a credential file was found and is JSON.
 */
function loginError(error: unknown, fileRead: boolean): EnvdriftError {
  const {code, httpStatus, oauthError} = symptomsOf(error)
  const cause = new Error(
    `Google login: ${oauthError ?? code ?? 'no code'}${httpStatus === undefined ? '' : `, HTTP ${httpStatus}`}`,
  )
  const raise = (word: ErrorCode, message: string, ...suggestions: [string, ...string[]]): EnvdriftError =>
    new EnvdriftError(word, message, {suggestions, cause})
  const loginAgain =
    'Run `gcloud auth application-default login`, or renew the file that GOOGLE_APPLICATION_CREDENTIALS names.'

  if (httpStatus === 429) {
    return raise('THROTTLED', "Google's token endpoint is throttling us", 'Run the command again in a minute.')
  }
  if (httpStatus !== undefined && httpStatus >= 500) {
    return raise(
      'SERVICE_ERROR',
      `Google's token endpoint failed (HTTP ${httpStatus})`,
      'Run the command again in a minute.',
    )
  }
  if (httpStatus !== undefined) {
    return raise('LOGIN_REFUSED', `Google refused our login (${oauthError ?? `HTTP ${httpStatus}`})`, loginAgain)
  }
  if (code !== undefined && /^(DEPTH_|CERT_|UNABLE_TO_|SELF_SIGNED_|ERR_TLS_)/.test(code)) {
    return raise(
      'TLS_REFUSED',
      `The certificate of Google's token endpoint is not trusted here (${code})`,
      'Behind a proxy that inspects TLS, name its certificate in NODE_EXTRA_CA_CERTS and GRPC_DEFAULT_SSL_ROOTS_FILE_PATH.',
    )
  }
  if (code !== undefined && /^(ECONN|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT|EPIPE)/.test(code)) {
    return raise(
      'UNREACHABLE',
      `Google's token endpoint could not be reached (${code})`,
      'Check the network and the proxy of this machine.',
    )
  }
  if (fileRead || process.env['GOOGLE_APPLICATION_CREDENTIALS']) {
    return raise(
      'NOT_LOGGED_IN',
      `The credentials in ${fileOf(process.env)} can't be used${code === undefined ? '' : ` (${code})`}`,
      'Check that the file is there, readable, and as `gcloud` or the Google Cloud console wrote it.',
      'Or log in anew: unset GOOGLE_APPLICATION_CREDENTIALS and run `gcloud auth application-default login`.',
    )
  }
  return raise(
    'NOT_LOGGED_IN',
    'There are no usable Google credentials on this machine',
    'Run `gcloud auth application-default login`.',
    'In CI, log in with a credential file and set GOOGLE_APPLICATION_CREDENTIALS (google-github-actions/auth does both).',
  )
}

function symptomsOf(error: unknown): {code?: string; httpStatus?: number; oauthError?: string} {
  if (typeof error !== 'object' || error === null) return {}
  const {code, response, cause} = error as {code?: unknown; response?: unknown; cause?: unknown}
  const {status, data} = (response ?? {}) as {status?: unknown; data?: unknown}
  const word = (data as {error?: unknown} | undefined)?.error
  return {
    // The library wraps a network error: its code is one level down.
    ...(cause !== undefined && symptomsOf(cause)),
    ...(typeof code === 'string' && {code}),
    ...(typeof status === 'number' && {httpStatus: status}),
    // `invalid_grant` and the like: RFC 6749 5.2 allows only such words.
    ...(typeof word === 'string' && /^[a-z_]{1,40}$/.test(word) && {oauthError: word}),
  }
}
