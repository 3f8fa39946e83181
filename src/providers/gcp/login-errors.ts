import {EnvdriftError, type ErrorCode} from '../../core/errors.ts'
import {principalPlaceholder} from '../../core/provider-spec.ts'
import {shellWord} from '../../core/shell-word.ts'
import {printable} from '../../core/text.ts'
import {networkTrouble} from '../network-trouble.ts'
import {type Actor, type Session, SubjectTokenTrouble} from './auth-client.ts'
import {clockNote} from './clock.ts'

/** What is known of a login that failed. */
export type LoginContext = {
  /** `undefined` when not even a client could be made. */
  readonly session: Session | undefined
  /** `the file that GOOGLE_APPLICATION_CREDENTIALS names`; `undefined` without a file. */
  readonly named: string | undefined
}

/** What a person does about a login that Google doesn't take any more. */
export function renewal({kind, holder}: Actor): string {
  switch (kind) {
    case 'user login':
    case 'workforce login':
      return 'Log in again: `gcloud auth application-default login`'
    case 'service account key':
      return `See whether the key is still there: \`gcloud iam service-accounts keys list --iam-account=${shellWord(holder()?.who ?? 'EMAIL')}\``
    case 'workload identity federation':
      return 'Let the job fetch a new token: in GitHub Actions google-github-actions/auth does it, with `permissions: id-token: write`.'
    case 'impersonation':
      return 'Log in again as the one who acts for it: `gcloud auth application-default login`'
    case 'metadata server':
      return 'See whether the service account of this machine is enabled: `gcloud iam service-accounts list`'
  }
}

/**
 * Our error for a login that failed. What happened is told by where it happened and by codes; the library's own messages
 * are left out of the cause too, since they may quote a credential file or a token request.
 */
export function loginError(error: unknown, context: LoginContext): EnvdriftError {
  if (error instanceof EnvdriftError) return error
  const {code, httpStatus, oauth, iam, date, ...answered} = symptomsOf(error)
  const {named} = context
  // Of an impersonation, only the IAM Credentials API's own answer is about the one we act for.
  const session: (Actor & {readonly source?: Actor}) | undefined =
    iam === undefined ? (context.session?.source ?? context.session) : context.session
  const detail = oauth?.error ?? iam?.status ?? code ?? 'no code'
  const cause = new Error(`Google login: ${detail}${httpStatus === undefined ? '' : `, HTTP ${httpStatus}`}`)
  const raise = (word: ErrorCode, message: string, ...suggestions: [string, ...string[]]): EnvdriftError =>
    new EnvdriftError(word, message, {suggestions, cause})
  const clock = clockNote(date)
  const endpoint =
    error instanceof SubjectTokenTrouble
      ? 'the place that hands out the token of this job'
      : session?.kind === 'metadata server'
        ? 'the metadata server of this machine'
        : "Google's token endpoint"

  if (httpStatus !== undefined && httpStatus < 400) {
    const {from, redirect} = answered
    const what =
      httpStatus < 300
        ? 'answered with a web page'
        : `redirects${redirect === undefined ? '' : ` to ${redirect}`}; nothing was sent there`
    return raise(
      'BAD_RESPONSE',
      `${capital(endpoint)}${from === undefined ? '' : ` (${from})`} ${what}`,
      'It should not: a proxy may stand in between. Check HTTPS_PROXY and NO_PROXY.',
      error instanceof SubjectTokenTrouble
        ? 'If this host has moved, write its new address into credential_source in the credential file.'
        : 'Let who runs the proxy let this host through.',
    )
  }
  if (httpStatus === 429)
    return raise('THROTTLED', `${capital(endpoint)} is throttling us`, 'Run the command again in a minute.')
  if (httpStatus !== undefined && httpStatus >= 500) {
    return raise(
      'SERVICE_ERROR',
      `${capital(endpoint)} failed (HTTP ${httpStatus})`,
      'Run the command again in a minute.',
    )
  }
  if (httpStatus !== undefined && session !== undefined) {
    if (error instanceof SubjectTokenTrouble) {
      return raise(
        'NOT_LOGGED_IN',
        `The token of this job could not be fetched (HTTP ${httpStatus})`,
        'Check credential_source in the credential file; a token request of a CI job ends with its job.',
        renewal(session),
      )
    }
    if (session.kind === 'metadata server') {
      return raise(
        'NOT_LOGGED_IN',
        `The metadata server of this machine gives us no token (HTTP ${httpStatus})`,
        'Give the machine a service account: `gcloud compute instances set-service-account NAME --service-account=EMAIL --scopes=cloud-platform`',
        'Or log in with `gcloud auth application-default login`.',
      )
    }
    if (iam !== undefined) return impersonationError(iam, session, raise)
    return refusedBy(oauth, httpStatus, session, clock, raise)
  }
  const trouble = networkTrouble(error)
  if (trouble?.code === 'TLS_REFUSED') {
    return raise(
      'TLS_REFUSED',
      `The certificate of ${endpoint} is not trusted here (${trouble.detail})`,
      'Behind a proxy that inspects TLS, name its certificate in NODE_EXTRA_CA_CERTS.',
    )
  }
  if (session?.kind === 'metadata server') return noMetadata(trouble?.detail ?? code, raise)
  if (trouble !== undefined) {
    return raise(
      'UNREACHABLE',
      `${capital(endpoint)} could not be reached (${trouble.detail})`,
      'Check the network, and HTTPS_PROXY and NO_PROXY.',
    )
  }
  if (code === 'TimeoutError') {
    return raise(
      'TIMEOUT',
      `${capital(endpoint)} did not answer in time`,
      'Check the network, and HTTPS_PROXY and NO_PROXY.',
    )
  }
  if (error instanceof SubjectTokenTrouble) {
    return raise(
      'NOT_LOGGED_IN',
      `The token of this job can't be read${code === undefined ? '' : ` (${code})`}`,
      'Check credential_source in the credential file: the file must hold the token in the format that is named there.',
      renewal(session!),
    )
  }
  return raise(
    'NOT_LOGGED_IN',
    `The credentials in ${named ?? 'use'} can't be used${code === undefined ? '' : ` (${code})`}`,
    'Check that the file is there, readable, and as `gcloud` or the Google Cloud console wrote it.',
    'Or log in as yourself: without that file, run `gcloud auth application-default login`.',
  )
}

/** No credentials anywhere, and no sign of a metadata server. */
export const nobodyLoggedIn = (): EnvdriftError =>
  new EnvdriftError('NOT_LOGGED_IN', 'There are no Google credentials on this machine', {
    suggestions: [
      'Log in: `gcloud auth application-default login` (`gcloud auth login` alone is not enough)',
      'In CI, set GOOGLE_APPLICATION_CREDENTIALS to a credential file (google-github-actions/auth does).',
    ],
  })

type Raise = (word: ErrorCode, message: string, ...suggestions: [string, ...string[]]) => EnvdriftError

function noMetadata(code: string | undefined, raise: Raise): EnvdriftError {
  const message = 'There is no credential file, and the metadata server of this machine'
  return code === 'TimeoutError'
    ? raise('TIMEOUT', `${message} does not answer`, 'Log in: `gcloud auth application-default login`')
    : raise(
        'NOT_LOGGED_IN',
        `${message} gives us no token${code === undefined ? '' : ` (${code})`}`,
        'Log in: `gcloud auth application-default login`',
        'Or let this machine reach its metadata server (169.254.169.254, or GCE_METADATA_HOST).',
      )
}

function refusedBy(
  oauth: OAuthAnswer | undefined,
  httpStatus: number,
  session: Actor,
  clock: string | undefined,
  raise: Raise,
): EnvdriftError {
  const {kind} = session
  const who = session.holder()?.who
  const login = `our ${kind}${who === undefined ? '' : ` as ${printable(who)}`}`
  if (oauth?.subtype === 'invalid_rapt' || oauth?.subtype === 'rapt_required') {
    return raise(
      'LOGIN_REFUSED',
      `Google wants proof again that it is you (${oauth.subtype}): your organization lets a login live for some hours only`,
      'Log in again: `gcloud auth application-default login`',
    )
  }
  const why = oauth?.error ?? `HTTP ${httpStatus}`
  if (clock !== undefined) return raise('LOGIN_REFUSED', `Google refused ${login} (${why})`, clock, renewal(session))
  switch (oauth?.error) {
    case 'invalid_target':
      return raise(
        'LOGIN_REFUSED',
        `Google knows no workload identity provider as the credential file names it, or it is disabled (${why})`,
        'Check `audience` in the credential file: //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER',
        'See what is there: `gcloud iam workload-identity-pools providers list --location=global --workload-identity-pool=POOL`',
      )
    case 'unauthorized_client':
      return raise(
        'LOGIN_REFUSED',
        `Google refused ${login}: the attribute condition of the workload identity provider does not take this job (${why})`,
        'See the condition: `gcloud iam workload-identity-pools providers describe PROVIDER --location=global --workload-identity-pool=POOL`',
      )
    case undefined:
    default:
      return raise(
        'LOGIN_REFUSED',
        `Google refused ${login} (${why})${kind === 'user login' ? ': it was revoked, or has expired' : ''}`,
        renewal(session),
        kind === 'workload identity federation'
          ? 'Its token is over, or made for another audience or by another issuer than the provider takes; a wrong clock looks the same.'
          : 'A wrong clock on this machine looks the same.',
      )
  }
}

/** The IAM Credentials API did not let us act as somebody else. */
function impersonationError(
  {status, reason}: IamAnswer,
  session: Actor & {readonly source?: Actor},
  raise: Raise,
): EnvdriftError {
  const target = session.holder()?.who ?? 'the service account'
  if (reason === 'SERVICE_DISABLED') {
    return raise(
      'LOGIN_REFUSED',
      `We can't act as ${printable(target)}: the IAM Credentials API is not enabled`,
      `Run \`gcloud services enable iamcredentials.googleapis.com --project=${shellWord(projectOf(target))}\``,
    )
  }
  const source = session.source?.holder()
  const member = source?.principal === undefined ? principalPlaceholder : shellWord(source.principal)
  const role =
    session.source?.kind === 'workload identity federation'
      ? 'roles/iam.workloadIdentityUser'
      : 'roles/iam.serviceAccountTokenCreator'
  const who = source === undefined ? 'This login' : printable(source.who)
  return raise(
    'LOGIN_REFUSED',
    `${who} may not act as ${printable(target)}, or there is no such account (${status})`,
    `Grant it: \`gcloud iam service-accounts add-iam-policy-binding ${shellWord(target)} --member=${member} --role=${role}\``,
    'What is missing is the permission iam.serviceAccounts.getAccessToken. A new grant takes a minute or two.',
  )
}

/** `NAME@PROJECT.iam.gserviceaccount.com` names its project. */
const projectOf = (email: string): string => /@([^.]+)\.iam\./.exec(email)?.[1] ?? 'PROJECT'

const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1)

type OAuthAnswer = {readonly error: string; readonly subtype: string | undefined}
type IamAnswer = {readonly status: string; readonly reason: string | undefined}

type Symptoms = {
  readonly code?: string
  readonly httpStatus?: number
  readonly oauth?: OAuthAnswer
  readonly iam?: IamAnswer
  readonly date?: string
  /** Host of the answer. */
  readonly from?: string
  /** Where it wants to send us. */
  readonly redirect?: string
}

function symptomsOf(error: unknown): Symptoms {
  if (typeof error !== 'object' || error === null) return {}
  const {code, response, cause} = error as {code?: unknown; response?: unknown; cause?: unknown}
  const {status, data, headers, url} = (response ?? {}) as Readonly<Record<string, unknown>>
  // Those of node-fetch, which are no global Headers.
  const header = (name: string): unknown => (headers as {get?: (name: string) => unknown} | undefined)?.get?.(name)
  const [date, from, to] = [header('date'), URL.parse(String(url)), URL.parse(String(header('location')))]
  return {
    // The library wraps a network error: its code is one level down.
    ...(cause !== undefined && symptomsOf(cause)),
    ...(typeof code === 'string' && {code}),
    ...(typeof status === 'number' && {httpStatus: status}),
    ...(typeof date === 'string' && {date}),
    ...(from !== null && {from: from.host}),
    ...(to !== null && {redirect: printable(to.host === '' ? to.protocol : to.origin)}),
    ...answerOf(data),
  }
}

/** `error` is a word of OAuth's, or the status of a Google API. */
function answerOf(data: unknown): Pick<Symptoms, 'oauth' | 'iam'> {
  const {error, error_subtype: subtype} = (typeof data === 'object' && data !== null ? data : {}) as {
    error?: unknown
    error_subtype?: unknown
  }
  if (isWord(error)) return {oauth: {error, subtype: isWord(subtype) ? subtype : undefined}}
  if (typeof error !== 'object' || error === null) return {}
  const {status, details} = error as {status?: unknown; details?: unknown}
  const reasons = Array.isArray(details) ? details.map((one) => (one as {reason?: unknown} | null)?.reason) : []
  return {iam: {status: isWord(status) ? status : 'no status', reason: reasons.find(isWord)}}
}

/** `invalid_grant` and the like: RFC 6749 5.2 allows only such words. */
const isWord = (text: unknown): text is string => typeof text === 'string' && /^[A-Za-z_]{1,60}$/.test(text)
