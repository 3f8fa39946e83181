import type {STSClientConfig} from '@aws-sdk/client-sts'

import {EnvdriftError} from '../core/errors.ts'
import type {Host, Settings} from '../core/provider-spec.ts'
import {callerOf} from './aws-denial.ts'
import {type Asked, commonError} from './aws-errors.ts'
import {makeAwsHttp, quiet, wholeOf, type AwsHttp} from './aws-http.ts'
import {endpoints, makeLogin, type AwsCredentials, type AwsLogin} from './aws-login.ts'
import {withDeadline} from './in-flight.ts'
import {makePace, type Pace} from './pace.ts'
import type {Identity} from './provider.ts'

/** What every service of AWS needs: one login, one set of connections and one pace for all clients of a vault. */
export type AwsConnection = {
  readonly region: string
  /** Nothing names a region: it is our default. */
  readonly isDefaultRegion: boolean
  /** The service in a region, for messages. */
  readonly placeIn: (region: string) => string
  readonly login: AwsLogin
  readonly pace: Pace
  /** For the constructor of a client of the service, in this region. */
  readonly clientConfig: (region: string) => ClientConfig
  /** For the mapping of errors. */
  readonly asked: (region: string) => Asked
  readonly whoami: (signal: AbortSignal) => Promise<Identity>
  readonly close: () => void
}

export type ClientConfig = {
  readonly region: string
  readonly credentials: () => Promise<AwsCredentials>
  readonly requestHandler: AwsHttp
  readonly endpoint?: string
  readonly useFipsEndpoint?: boolean
  readonly useDualstackEndpoint?: boolean
} & ClientManners

/** How every client of ours behaves, whatever AWS_MAX_ATTEMPTS and AWS_RETRY_MODE say. */
type ClientManners = Required<
  Pick<STSClientConfig, 'customUserAgent' | 'retryMode' | 'maxAttempts' | 'logger' | 'streamCollector'>
>

/**
 * Makes no request yet, but may read ~/.aws/config for the region.
 *
 * @param service - `AWS Secrets Manager`.
 * @param regionOf - how the service's client finds the region where neither settings nor environment name one.
 */
export async function connectAws(
  {settings, service}: {readonly settings: Settings; readonly service: string},
  host: Host,
  regionOf: (profile: {readonly profile?: string}) => Promise<string>,
): Promise<AwsConnection> {
  const profile = typeof settings['profile'] === 'string' ? {profile: settings['profile']} : {}
  const configured = settings['region'] ?? (host.env['AWS_REGION'] || host.env['AWS_DEFAULT_REGION'] || undefined)
  const named = typeof configured === 'string' ? configured : await regionOf(profile).catch(() => undefined)
  const region = named ?? 'us-east-1'
  const placeIn = (where: string): string => `${service} in ${where}`
  const place = placeIn(region)

  const http = makeAwsHttp({env: host.env, maxSockets: host.maxInFlight})
  const manners: ClientManners = {
    customUserAgent: [host.version === undefined ? ['envdrift'] : ['envdrift', host.version]],
    retryMode: 'standard',
    maxAttempts: 3,
    logger: quiet,
    streamCollector: wholeOf,
  }
  const login = makeLogin({settings, host, region, place, http, client: manners})
  const {endpoint_url: endpoint} = settings
  const {endpoint: ofSts, ...variants} = endpoints(settings, host.env)
  const asked = (where: string): Asked => ({
    place: placeIn(where),
    region: where,
    logInAgain: login.source().logInAgain,
  })

  async function callerArn(abortSignal: AbortSignal): Promise<string | undefined> {
    const {GetCallerIdentityCommand, STSClient} = await import('@aws-sdk/client-sts')
    const client = new STSClient({
      ...manners,
      ...variants,
      region,
      credentials: login.credentials,
      requestHandler: http,
      ...(ofSts !== undefined && {endpoint: ofSts}),
    })
    try {
      return (await client.send(new GetCallerIdentityCommand({}), {abortSignal})).Arn
    } catch (error) {
      // A login that is refused is worth saying; that STS is out of reach is not what anybody asked for.
      const known = commonError(error, asked(region))
      if (known?.code === 'LOGIN_REFUSED' || known?.code === 'NOT_LOGGED_IN') throw known
      return undefined
    }
  }

  return {
    region,
    isDefaultRegion: named === undefined,
    placeIn,
    login,
    pace: makePace(host.maxInFlight),
    asked,
    clientConfig: (where) => ({
      ...manners,
      ...variants,
      region: where,
      credentials: login.credentials,
      requestHandler: http,
      ...(typeof endpoint === 'string' && {endpoint}),
    }),
    async whoami(signal): Promise<Identity> {
      const limits = {callTimeoutMs: host.callTimeoutMs, signal}
      const credentials = await login.logIn(signal)
      const arn = await withDeadline(callerArn, {place: 'AWS STS', ...limits}).catch((error: unknown) => {
        if (error instanceof EnvdriftError && ['TIMEOUT', 'INTERRUPTED'].includes(error.code)) return undefined
        throw error
      })
      const identity = {credential: login.source().credential, until: credentials.expiration ?? ('unknown' as const)}
      if (arn === undefined) return {who: keyOf(credentials), ...identity}
      return {who: arn, ...identity, principal: principalOf(arn)}
    },
    close: () => http.destroy(),
  }
}

/** The end of the access key, as AWS's own tools show it. */
function keyOf({accessKeyId, accountId}: AwsCredentials): string {
  return `access key …${accessKeyId.slice(-4)}${accountId === undefined ? '' : ` of account ${accountId}`}`
}

/**
 * The ARN as a policy names it: of an assumed role, the role. AWS leaves the role's path out of the session's ARN; for one
 * of IAM Identity Center, whose paths differ, the session's own ARN is right.
 */
function principalOf(arn: string): string {
  const caller = callerOf(arn)
  return caller?.kind === 'role' ? `arn:${caller.partition}:iam::${caller.account}:role/${caller.name}` : arn
}
