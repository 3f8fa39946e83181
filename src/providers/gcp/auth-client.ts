import type Gax from 'google-gax'

import {EnvdriftError} from '../../core/errors.ts'
import type {Env} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'
import type {CredentialJson} from './credential-file.ts'
import {subjectTokenByProgram} from './executable-source.ts'
import {machineLogin} from './machine-login.ts'
import type {Transport} from './transport.ts'

type Library = typeof Gax.googleAuthLibrary
type AuthClient = InstanceType<Library['AuthClient']>

/** All that Secret Manager takes. Source: https://cloud.google.com/secret-manager/docs/accessing-the-api#oauth-scopes */
export const scope = 'https://www.googleapis.com/auth/cloud-platform'

/** How we log in, as people call it. */
type LoginKind =
  | 'service account key'
  | 'user login'
  | 'workload identity federation'
  | 'workforce login'
  | 'impersonation'
  | 'metadata server'

/** Who somebody is to Google. */
type Holder = {
  readonly who: string
  /** As IAM names it; absent where nothing tells. */
  readonly principal?: string
}

/** One of Google's clients, made from a credential, and what can be said of it. */
export type Session = {
  readonly client: AuthClient
  readonly kind: LoginKind
  /** Without a request; `undefined` before the login, and where only the service knows. */
  readonly holder: () => Holder | undefined
  /** May ask the metadata server. */
  readonly askHolder?: () => Promise<Holder | undefined>
  /** Of an impersonation: who acts for another. */
  readonly source?: Actor
}

/** Whom a message is about. */
export type Actor = Pick<Session, 'kind' | 'holder'>

export type SessionOptions = {
  readonly library: Library
  readonly env: Env
  readonly universe: string
  readonly transport: Transport
  /** Ends what is still under way. */
  readonly signal: AbortSignal
}

/** What happened while the credential of another system was fetched, and not at Google. */
export class SubjectTokenTrouble extends Error {}

/** @throws EnvdriftError NOT_LOGGED_IN for a type that we don't know; errors of the library for a file that lacks something. */
export function sessionOf(content: CredentialJson, options: SessionOptions): Session {
  const {library} = options
  const common = {transporterOptions: options.transport}
  switch (content.type) {
    case 'service_account': {
      const client = new library.JWT({...common, scopes: [scope]})
      client.fromJSON(content as object)
      // It signs its own token: no request to a token endpoint.
      client.useJWTAccessWithScope = true
      client.defaultServicePath = `secretmanager.${options.universe}`
      return {client, kind: 'service account key', holder: () => accountHolder(client.email)}
    }
    case 'authorized_user': {
      const client = new library.UserRefreshClient(common)
      client.fromJSON(content as object)
      return {client, kind: 'user login', holder: () => userHolder(client.credentials.id_token, content['account'])}
    }
    case 'external_account':
      return federated(content, common, options)
    case 'external_account_authorized_user': {
      type Options = ConstructorParameters<Library['ExternalAccountAuthorizedUserClient']>[0]
      const client = new library.ExternalAccountAuthorizedUserClient({...content, ...common} as unknown as Options)
      return {client, kind: 'workforce login', holder: () => workforceHolder(content)}
    }
    case 'impersonated_service_account': {
      const {service_account_impersonation_url: url, source_credentials: source, delegates} = content
      if (typeof url !== 'string' || typeof source !== 'object' || source === null) throw new TypeError('incomplete')
      return impersonating(sessionOf(source as CredentialJson, options), url, delegates)(options)
    }
    default:
      throw new EnvdriftError(
        'NOT_LOGGED_IN',
        `The credential file is of a type that envdrift does not know: ${printable(String(content.type))}`,
        {suggestions: ['Run `gcloud auth application-default login`, or download the key of a service account.']},
      )
  }
}

/** The service account of this machine. */
export function machineSession(options: SessionOptions): Session {
  const {client, email} = machineLogin(options.library, {...options, scope})
  let holder: Holder | undefined
  return {
    client,
    kind: 'metadata server',
    holder: () => holder,
    askHolder: async () => {
      const found = await email()
      // On GKE it may be a pool instead of an account; then nothing tells how IAM names us.
      return (holder = found?.includes('.svc.id.goog') === false ? accountHolder(found) : undefined)
    },
  }
}

/** `source` acting as a service account. */
export function impersonate(source: Session, email: string, options: SessionOptions): Session {
  const host = `iamcredentials.${options.universe}`
  const url = `https://${host}/v1/projects/-/serviceAccounts/${email}:generateAccessToken`
  return impersonating(source, url, [])(options)
}

/**
 * The library's own `Impersonated` prints a warning whenever it is made. Source of the call:
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
 */
const impersonating =
  (source: Session, url: string, delegates: unknown) =>
  ({library}: SessionOptions): Session => {
    const email = /serviceAccounts\/([^/:]+):generateAccessToken$/.exec(url)?.[1]
    if (email === undefined) throw new TypeError('an impersonation of nobody')
    const client = new library.OAuth2Client()
    client.universeDomain = source.client.universeDomain
    client.refreshHandler = async () => {
      const lifetimeSeconds = 3600
      const {data} = await source.client.request<{readonly accessToken?: unknown}>({
        url,
        method: 'POST',
        data: {delegates: Array.isArray(delegates) ? delegates : [], scope: [scope], lifetime: `${lifetimeSeconds}s`},
        responseType: 'json',
        retry: true,
        retryConfig: {httpMethodsToRetry: ['POST']},
      })
      if (typeof data.accessToken !== 'string') throw new TypeError('an answer without a token')
      // By our own clock, since it is our own clock that will be asked whether the time is up.
      return {access_token: data.accessToken, expiry_date: Date.now() + lifetimeSeconds * 1000}
    }
    return {client, kind: 'impersonation', holder: () => accountHolder(email), source}
  }

/** A token of another system (GitHub, GitLab, AWS, …), exchanged for one of Google's. */
function federated(content: CredentialJson, common: object, {library, env, signal}: SessionOptions): Session {
  const source = content['credential_source']
  if (typeof source !== 'object' || source === null) throw new TypeError('no credential_source')
  const {executable, environment_id: cloud} = source as {executable?: unknown; environment_id?: unknown}
  const {credential_source: _, ...rest} = content
  const audience = String(content['audience'])
  const email = /serviceAccounts\/([^/:]+):generateAccessToken$/.exec(
    String(content['service_account_impersonation_url']),
  )?.[1]
  const supplied =
    typeof executable === 'object' && executable !== null
      ? {
          ...rest,
          subject_token_supplier: {
            getSubjectToken: () =>
              subjectTokenByProgram({
                executable,
                audience,
                subjectTokenType: String(content['subject_token_type']),
                serviceAccountEmail: email,
                env,
                signal,
              }),
          },
        }
      : content
  type Options = ConstructorParameters<Library['IdentityPoolClient']>[0]
  type AwsOptions = ConstructorParameters<Library['AwsClient']>[0]
  const client =
    cloud === undefined
      ? new library.IdentityPoolClient({...supplied, ...common, scopes: [scope]} as unknown as Options)
      : new library.AwsClient({...content, ...common, scopes: [scope]} as unknown as AwsOptions)
  // It exchanges tokens by a transport of its own otherwise, which nothing ends, and which follows redirects.
  const useOurs = (): void => {
    const {stsCredential} = client as unknown as {readonly stsCredential: {transporter: unknown}}
    stsCredential.transporter = client.transporter
  }
  useOurs()
  let subject: string | undefined
  const retrieve = client.retrieveSubjectToken.bind(client)
  client.retrieveSubjectToken = async () => {
    try {
      const token = await retrieve()
      // With a certificate as the source, it has made new ones by now.
      useOurs()
      subject = claimOf(token, 'sub')
      return token
    } catch (cause) {
      if (cause instanceof EnvdriftError) throw cause
      throw new SubjectTokenTrouble('the token of the other system', {cause})
    }
  }
  const own = {kind: 'workload identity federation', holder: () => federatedHolder(audience, subject)} as const
  return email === undefined
    ? {client, ...own}
    : {client, kind: 'impersonation', holder: () => accountHolder(email), source: own}
}

const accountHolder = (email: string | undefined): Holder | undefined =>
  email === undefined ? undefined : {who: email, principal: `serviceAccount:${email}`}

function userHolder(idToken: unknown, account: unknown): Holder | undefined {
  const email = claimOf(idToken, 'email') ?? (typeof account === 'string' && account !== '' ? account : undefined)
  return email === undefined ? undefined : {who: email, principal: `user:${email}`}
}

/**
 * `google.subject` is the token's `sub` in every mapping that Google's own pages show; another mapping makes another name.
 * Source: https://cloud.google.com/iam/docs/principal-identifiers
 */
function federatedHolder(audience: string, subject: string | undefined): Holder {
  const pool = /^\/\/(iam\.googleapis\.com\/.+)\/providers\/[^/]+$/.exec(audience)?.[1]
  if (pool === undefined || subject === undefined) return {who: audience}
  const principal = `principal://${pool}/subject/${subject}`
  return {who: principal, principal}
}

const workforceHolder = (content: CredentialJson): Holder | undefined =>
  typeof content['audience'] === 'string' ? {who: content['audience']} : undefined

/** A claim of a JWT that others check; for messages only. @returns `undefined` for what isn't a JWT. */
function claimOf(token: unknown, name: string): string | undefined {
  if (typeof token !== 'string') return undefined
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
    return typeof claims[name] === 'string' ? claims[name] : undefined
  } catch {
    return undefined
  }
}
