import type {STSClientConfig} from '@aws-sdk/client-sts'
import {defaultProvider} from '@aws-sdk/credential-provider-node'

import {EnvdriftError} from '../core/errors.ts'
import type {Env, Host, Settings} from '../core/provider-spec.ts'
import {printable} from '../core/text.ts'
import {quiet, watch, type AwsHttp} from './aws-http.ts'
import {loginError, type LoginDoing} from './aws-login-error.ts'
import {sourceOf, type Source} from './aws-login-source.ts'
import {withDeadline} from './in-flight.ts'

export type AwsCredentials = Awaited<ReturnType<ReturnType<typeof defaultProvider>>>

/** Who we are to AWS, worked out once and kept until it runs out. */
export type AwsLogin = {
  /** For the SDK: what is in memory, or the whole chain once for all who wait. Asks nobody. */
  readonly credentials: () => Promise<AwsCredentials>
  /**
   * The same, within the deadline of a call, and with a question where a role wants a one-time code: the person may take
   * longer than a call.
   *
   * @throws EnvdriftError NOT_LOGGED_IN, LOGIN_REFUSED, or trouble of the network on the way there.
   */
  readonly logIn: (signal: AbortSignal) => Promise<AwsCredentials>
  /** Where the login in memory comes from, in words, and how to renew it. */
  readonly source: () => Source
}

/** Of every role that we assume and that names no session of its own: what CloudTrail shows, and trust policies may ask for. */
const sessionName = 'envdrift'

/** Credentials are renewed so long before their end, in milliseconds: as the SDK does it. */
const renewBeforeMs = 5 * 60_000

/** What the SDK makes up where nobody names a session: `aws-sdk-js-1700000000000`. */
const madeUpSession = /^aws-sdk-js-(?:session-)?\d+$/

/** A role wants a one-time code of the device `serial`. Thrown through the SDK, which does not expect that people take their time. */
class CodeWanted extends Error {
  readonly serial: string
  readonly role: string
  constructor(serial: string, role: string) {
    super('a one-time code is wanted')
    this.serial = serial
    this.role = role
  }
}

/**
 * The SDK's own chain of credentials, in its order, and on top of it the role that the settings name.
 *
 * @param given.client - what each client of AWS is made with, STS and single sign-on included.
 */
export function makeLogin({
  settings,
  host,
  region,
  place,
  http,
  client,
}: {
  readonly settings: Settings
  readonly host: Pick<Host, 'env' | 'ask' | 'callTimeoutMs'>
  readonly region: string
  readonly place: string
  readonly http: AwsHttp
  readonly client: Pick<STSClientConfig, 'customUserAgent' | 'retryMode' | 'maxAttempts' | 'logger'>
}): AwsLogin {
  const [profile, roleArn, externalId] = [settings['profile'], settings['role_arn'], settings['external_id']]
  const named = typeof profile === 'string' ? profile : undefined
  const watched = watch(http)
  const clientConfig = {...client, requestHandler: watched.http}
  const stsConfig = {...clientConfig, region, ...endpoints(settings, host.env)}
  const codes = new Map<string, string>()
  /** The role that is asked for, or was last. */
  let assuming: LoginDoing['assuming']

  async function assume(source: AwsCredentials, params: AssumeRole): Promise<AwsCredentials> {
    // Not through mfaCodeProvider: what that throws leaves the SDK's login of the source profile without a listener.
    const {SerialNumber: serial, RoleArn = ''} = params
    const code = serial === undefined ? undefined : codes.get(serial)
    assuming = {role: RoleArn, kind: code === undefined ? 'plain' : 'with a code'}
    if (serial !== undefined) {
      if (code === undefined) throw new CodeWanted(serial, RoleArn)
      // It opens one door once.
      codes.delete(serial)
    }
    const {getDefaultRoleAssumer} = await import('@aws-sdk/client-sts')
    return getDefaultRoleAssumer(stsConfig)(source, {
      ...withSession(params),
      ...(code !== undefined && {TokenCode: code}),
    })
  }

  const chain = defaultProvider({
    ...(named !== undefined && {profile: named}),
    logger: quiet,
    clientConfig,
    roleAssumer: assume,
    roleAssumerWithWebIdentity: async (params) => {
      assuming = {role: params.RoleArn, kind: 'web identity'}
      const {getDefaultRoleAssumerWithWebIdentity} = await import('@aws-sdk/client-sts')
      return getDefaultRoleAssumerWithWebIdentity(stsConfig)(withSession(params))
    },
    mfaCodeProvider: () => Promise.resolve('asked for later'),
  })

  let base: AwsCredentials | undefined
  async function begin(): Promise<AwsCredentials> {
    base = await chain()
    if (typeof roleArn !== 'string') return base
    return assume(base, {
      RoleArn: roleArn,
      RoleSessionName: sessionName,
      ...(typeof externalId === 'string' && {ExternalId: externalId}),
    })
  }

  let known: AwsCredentials | undefined
  let pending: Promise<AwsCredentials> | undefined
  async function credentials(): Promise<AwsCredentials> {
    if (known !== undefined && msLeft(known) > renewBeforeMs) return known
    pending ??= begin().finally(() => (pending = undefined))
    try {
      return (known = await pending)
    } catch (error) {
      // Renewing failed, and what we have is still good for a while.
      if (known !== undefined && msLeft(known) > 0) return known
      throw error
    }
  }

  const failure = (error: unknown): Promise<EnvdriftError> =>
    loginError(error, {
      place,
      region,
      profile: named ?? (host.env['AWS_PROFILE'] || undefined),
      env: host.env,
      trouble: watched.lastTrouble(),
      assuming,
      source: sourceOf(base, named, host.env),
    })

  async function answer(wanted: CodeWanted): Promise<void> {
    const code = await host.ask?.(`One-time code of ${wanted.serial} for ${wanted.role}`)
    if (code !== undefined) return void codes.set(wanted.serial, code.reveal())
    throw withoutCode(wanted, host.ask === undefined ? 'nobody can be asked for it here' : 'nobody gave one')
  }

  function withoutCode({serial, role}: CodeWanted, why: string): EnvdriftError {
    return new EnvdriftError(
      'NOT_LOGGED_IN',
      `The role ${printable(role)} wants a one-time code of the device ${printable(serial)}, and ${why} (login for ${place})`,
      {
        suggestions: [
          'At a terminal, run the command without --ci: envdrift asks for the code.',
          'In CI, log in with a role that wants none: web identity (OIDC), or the role of the machine.',
          `Or take a session that has its code already: \`eval "$(aws configure export-credentials --format env${named === undefined ? '' : ` --profile ${named}`})"\`.`,
        ],
      },
    )
  }

  let loggingIn: Promise<AwsCredentials> | undefined
  async function logIn(signal: AbortSignal): Promise<AwsCredentials> {
    for (;;) {
      try {
        return await withDeadline(credentials, {place: 'The login to AWS', callTimeoutMs: host.callTimeoutMs, signal})
      } catch (error) {
        if (!(error instanceof CodeWanted)) throw error instanceof EnvdriftError ? error : await failure(error)
        await answer(error)
      }
    }
  }

  return {
    credentials: async () => {
      try {
        return await credentials()
      } catch (error) {
        throw error instanceof CodeWanted
          ? withoutCode(error, 'the session that it opened ended during the run')
          : await failure(error)
      }
    },
    logIn: (signal) => (loggingIn ??= logIn(signal).finally(() => (loggingIn = undefined))),
    source: () => {
      const source = sourceOf(base, named, host.env)
      return typeof roleArn === 'string' ? {...source, credential: `role_arn with ${source.credential}`} : source
    },
  }
}

type AssumeRole = {
  readonly RoleArn: string | undefined
  readonly RoleSessionName: string | undefined
  readonly SerialNumber?: string | undefined
  readonly ExternalId?: string | undefined
}

/** A profile's role_session_name and AWS_ROLE_SESSION_NAME stay: trust policies may ask for them. */
const withSession = <Params extends AssumeRole>(params: Params): Params =>
  params.RoleSessionName === undefined || madeUpSession.test(params.RoleSessionName)
    ? {...params, RoleSessionName: sessionName}
    : params

const msLeft = ({expiration}: AwsCredentials): number =>
  expiration === undefined ? Infinity : expiration.getTime() - Date.now()

/**
 * Where STS is asked: by the settings as the vault is. An endpoint on this machine is an emulator, which has STS at the
 * same address; without this its users' credentials would go to the real STS.
 */
export function endpoints(
  settings: Settings,
  env: Env,
): {readonly endpoint?: string; readonly useFipsEndpoint?: boolean; readonly useDualstackEndpoint?: boolean} {
  const {endpoint_url: endpoint, use_fips_endpoint: fips, use_dualstack_endpoint: dualstack} = settings
  const host = typeof endpoint === 'string' ? URL.parse(endpoint)?.hostname : undefined
  const isEmulator = host !== undefined && /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(host)
  const isNamed = Boolean(env['AWS_ENDPOINT_URL_STS'] || env['AWS_ENDPOINT_URL'])
  return {
    ...(isEmulator && !isNamed && {endpoint: endpoint as string}),
    ...(typeof fips === 'boolean' && {useFipsEndpoint: fips}),
    ...(typeof dualstack === 'boolean' && {useDualstackEndpoint: dualstack}),
  }
}
