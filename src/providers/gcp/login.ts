import type Gax from 'google-gax'

import {EnvdriftError} from '../../core/errors.ts'
import type {Host, Settings} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'
import type {Identity} from '../provider.ts'
import {impersonate, machineSession, scope, type Session, sessionOf} from './auth-client.ts'
import {type CredentialFile, findCredentialFile} from './credential-file.ts'
import {loginError, nobodyLoggedIn, renewal} from './login-errors.ts'
import {mayHaveMetadataServer} from './machine-login.ts'
import {abortSoon, transportOf} from './transport.ts'

/** A login of one vault, asked for once. */
export type Login = {
  /**
   * Logs in if nobody has yet; a login that failed is tried anew by the next caller, unless something else than Google answered.
   *
   * @returns `authorization`, and `x-goog-user-project` where a project pays. Google's library renews the token when it is
   *   about to expire.
   * @throws EnvdriftError NOT_LOGGED_IN, LOGIN_REFUSED, UNREACHABLE, TIMEOUT, THROTTLED, SERVICE_ERROR, BAD_RESPONSE,
   *   TLS_REFUSED, CONFIG_INVALID, CONFIG_NOT_ALLOWED.
   */
  readonly headers: () => Promise<Readonly<Record<string, string>>>
  /** For the SDK's clients, once `headers` has answered. */
  readonly auth: () => Promise<Gax.GoogleAuth>
  /** As an IAM binding names us, as far as that is known without a request. */
  readonly principal: () => string | undefined
  /** Who that is, for messages. */
  readonly who: () => string | undefined
  /** What a person does about a login that is not taken any more. */
  readonly renewal: () => string
  readonly identity: () => Promise<Identity>
  /** Ends what is still under way. */
  readonly end: () => void
}

/**
 * Google's application default credentials: a credential file (see {@link findCredentialFile}), else the metadata server
 * where there may be one. Then, if wanted, on behalf of a service account.
 *
 * @param universe - `googleapis.com`, but for clouds that others run with Google's software.
 */
export function loginWith(
  {GoogleAuth, googleAuthLibrary: library}: typeof Gax,
  settings: Settings,
  host: Host,
  universe: string,
): Login {
  const ended = new AbortController()
  const target = settings['impersonate_service_account'] as string | undefined
  const payer =
    (settings['quota_project'] as string | undefined) ?? (host.env['GOOGLE_CLOUD_QUOTA_PROJECT'] || undefined)

  type Opened = {readonly file: CredentialFile | undefined; readonly session: Session; readonly auth: Gax.GoogleAuth}
  let opening: Promise<Opened> | undefined
  let opened: Opened | undefined
  let first: Promise<unknown> | undefined

  async function open(): Promise<Opened> {
    const file = await findCredentialFile(settings, host)
    if (file === undefined && !mayHaveMetadataServer(host.env)) throw nobodyLoggedIn()
    try {
      // Less than a call may take, so that its message can say that it was the login which got no answer.
      const transport = transportOf(library.gaxios, ended.signal, host.callTimeoutMs * 0.75)
      const options = {library, env: host.env, universe, transport, signal: ended.signal}
      const own = file === undefined ? machineSession(options) : sessionOf(file.content, options)
      const session = target === undefined ? own : impersonate(own, target, options)
      const {client} = session
      if (client.universeDomain !== universe) throw otherUniverse(client.universeDomain, universe)
      const inFile = file?.content['quota_project_id']
      if (payer !== undefined) client.quotaProjectId = payer
      else if (typeof inFile === 'string') client.quotaProjectId = inFile
      const auth = new GoogleAuth({authClient: client, projectId: settings['project_id'] as string, scopes: [scope]})
      return (opened = {file, session, auth})
    } catch (cause) {
      throw loginError(cause, {session: undefined, named: file?.named})
    }
  }

  const ready = (): Promise<Opened> => (opening ??= open())

  async function headers(): Promise<Readonly<Record<string, string>>> {
    try {
      const {client} = (await ready()).session
      await (first ??= client.getRequestHeaders())
      const found = Object.fromEntries(await client.getRequestHeaders())
      if (found['authorization'] === undefined) throw new TypeError('a login without a token')
      return found
    } catch (cause) {
      const error = loginError(cause, {session: opened?.session, named: opened?.file?.named})
      // What isn't Google is sent our secrets no second time.
      if (error.code !== 'BAD_RESPONSE') opening = first = undefined
      throw error
    }
  }

  return {
    headers,
    auth: async () => (await ready()).auth,
    principal: () => opened?.session.holder()?.principal,
    who: () => opened?.session.holder()?.who,
    renewal: () => (opened === undefined ? 'Log in: `gcloud auth application-default login`' : renewal(opened.session)),
    async identity() {
      await headers()
      const {file, session} = await ready()
      const holder = (await session.askHolder?.()) ?? session.holder()
      const expiry = session.client.credentials.expiry_date
      return {
        who: holder?.who ?? (session.kind === 'user login' ? 'a user' : 'the service account of this machine'),
        credential: `${credentialOf(session)}${file === undefined ? '' : ` in ${file.named}`}`,
        // A service account's key has none of its own: the library keeps the placeholder 1 there.
        until: typeof expiry === 'number' && expiry > 1 ? new Date(expiry) : 'unknown',
        ...(holder?.principal !== undefined && {principal: holder.principal}),
      }
    },
    end: () => abortSoon(ended),
  }
}

const otherUniverse = (found: string, universe: string): EnvdriftError =>
  new EnvdriftError(
    'CONFIG_INVALID',
    `The credentials are of the universe ${printable(found)}, and the service is that of ${printable(universe)}`,
    {
      suggestions: [
        'Set GOOGLE_CLOUD_UNIVERSE_DOMAIN to the universe_domain of the credential file.',
        'Or use credentials of this universe; almost everybody is in googleapis.com.',
      ],
    },
  )

/** Completes "logged in as … by …". */
function credentialOf({kind, source}: Session): string {
  if (source === undefined) return `the ${kind}`
  const who = source.holder()?.who
  return `impersonation by the ${source.kind}${who === undefined ? '' : ` of ${who}`}`
}
