import {setTimeout as pause} from 'node:timers/promises'

import type {SecretManagerServiceClient} from '@google-cloud/secret-manager'
import type Gax from 'google-gax'

import {EnvdriftError} from '../../core/errors.ts'
import type {Host, Settings} from '../../core/provider-spec.ts'
import {retryNote, tooLongToWait} from '../in-flight.ts'
import type {Identity} from '../provider.ts'
import {answerObserver, watchedTls} from './channel.ts'
import type {Endpoint} from './endpoint.ts'
import {callError, type Doing, isOfStranger} from './errors.ts'
import {loginWith} from './login.ts'
import {shareProxy} from './proxy.ts'
import {type Refusal, refusalOf, status} from './refusal.ts'
import type {ResourceName} from './resource-name.ts'

type Client = SecretManagerServiceClient

/** Attempts of one read. */
const attempts = 5

/** What another attempt may mend: quota, a failure inside the service, no connection. */
const passing: readonly number[] = [status.resourceExhausted, status.internal, status.unavailable]

/**
 * One call, with our error for a refusal; `refused` may answer for some statuses itself.
 *
 * @throws EnvdriftError
 */
type Call = <T>(
  name: ResourceName,
  doing: Doing,
  signal: AbortSignal,
  make: (client: Client, options: Gax.CallOptions) => Promise<T>,
  refused?: (refusal: Refusal) => T | undefined,
) => Promise<T>

export type Connection = {
  readonly call: Call
  readonly identity: () => Promise<Identity>
  /** Ends what is still under way. Never throws. */
  readonly end: () => Promise<void>
}

type ConnectionOptions = {
  readonly gax: typeof Gax
  readonly ClientClass: typeof SecretManagerServiceClient
  readonly settings: Settings
  readonly host: Host
  /** `undefined`: the service itself. */
  readonly endpoint: Endpoint | undefined
  readonly place: string
}

/** The way to the service: a login, and a client for each location that is asked for. */
export function connectionTo({gax, ClientClass, settings, host, endpoint, place}: ConnectionOptions): Connection {
  const universe = host.env['GOOGLE_CLOUD_UNIVERSE_DOMAIN'] || 'googleapis.com'
  const login = loginWith(gax, settings, host, universe)
  const clients = new Map<string | undefined, {readonly client: Client; tlsRefused: string | undefined}>()
  const mayUseProxy = shareProxy(host.env)
  // Then the SDK brings a certificate of its own to the connection, and the login with it.
  const isMutual = host.env['GOOGLE_API_USE_CLIENT_CERTIFICATE'] === 'true'

  /** A regional secret is served by its location only. Source: https://cloud.google.com/secret-manager/regional-secrets */
  function clientFor(
    location: string | undefined,
    auth: Gax.GoogleAuth,
  ): {readonly client: Client; readonly tlsRefused: string | undefined} {
    const known = clients.get(location)
    if (known) return known
    const credentials = endpoint?.plain
      ? gax.grpc.credentials.createInsecure()
      : watchedTls(gax.grpc, (refused) => {
          made.tlsRefused = refused
        })
    const client = new ClientClass(
      {
        auth,
        projectId: settings['project_id'] as string,
        universeDomain: universe,
        ...(endpoint
          ? {apiEndpoint: endpoint.host, port: endpoint.port}
          : location !== undefined && {apiEndpoint: `secretmanager.${location}.rep.${universe}`}),
        ...((endpoint?.plain === true || !isMutual) && {sslCreds: credentials}),
        // Else it logs requests and answers where GOOGLE_SDK_NODE_LOGGING is set.
        enableTelemetryLogging: false,
        // In milliseconds. gRPC's own would grow to minutes, and a retry must find a connection within its call's time.
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 1000,
        // Else a TXT record of the service's name, which nobody signs, says how it is called.
        'grpc.service_config_disable_resolution': 1,
        // What goes in plain text ends on this machine, and not at a proxy.
        ...((endpoint?.plain === true || !mayUseProxy) && {'grpc.enable_http_proxy': 0}),
      },
      gax,
    )
    const made: {readonly client: Client; tlsRefused: string | undefined} = {client, tlsRefused: undefined}
    clients.set(location, made)
    return made
  }

  const call: Call = async (name, doing, signal, make, refused = () => undefined) => {
    const startedMs = Date.now()
    const headers = await login.headers()
    const connected = clientFor(name.location, await login.auth())
    await initialize(connected.client)
    for (let attempt = 1; ; attempt++) {
      const observation = {answered: false, foreign: false}
      const options: Gax.CallOptions = {
        signal,
        // The SDK's own retries ask again after a pause of their own, whatever the service says, and hide its last word.
        retry: null,
        timeout: host.callTimeoutMs,
        otherArgs: {
          headers: isMutual && endpoint?.plain !== true ? {} : headers,
          options: {interceptors: [answerObserver(gax.grpc, observation)]},
        },
      }
      try {
        const answer = await make(connected.client, options)
        if (attempt > 1) host.warn(retryNote(place))
        return answer
      } catch (error) {
        const told = refusalOf(error)
        if (!told) throw error
        const refusal = {
          ...told,
          answered: told.answered || observation.answered,
          foreign: told.foreign || observation.foreign,
        }
        const answer = refused(refusal)
        if (answer !== undefined) return answer
        const waitMs = refusal.retryAfterMs ?? backoffMs(attempt, host.callTimeoutMs)
        if (waitMs > host.callTimeoutMs) throw tooLongToWait(place, waitMs, host.callTimeoutMs)
        const isLast =
          doing !== 'read' ||
          attempt === attempts ||
          !passing.includes(refusal.status) ||
          isOfStranger(refusal) ||
          connected.tlsRefused !== undefined ||
          Date.now() - startedMs + waitMs >= host.callTimeoutMs
        if (isLast) {
          const {tlsRefused} = connected
          throw callError(refusal, {
            name,
            doing,
            principal: login.principal(),
            who: login.who(),
            renewal: login.renewal(),
            tlsRefused,
          })
        }
        await pause(waitMs, undefined, {signal})
      }
    }
  }

  return {
    call,
    identity: login.identity,
    async end() {
      login.end()
      await Promise.allSettled([...clients.values()].map(({client}) => client.close()))
    },
  }
}

/** From 1/60 of a call's time, twice as long each time up to a tenth; up to half of it left to chance, so that many don't come at once. */
const backoffMs = (attempt: number, callTimeoutMs: number): number =>
  Math.min((callTimeoutMs / 60) * 2 ** (attempt - 1), callTimeoutMs / 10) * (1 - Math.random() / 2)

/** The SDK's methods do this too, but then a failure would be an unhandled rejection, and end the process. */
async function initialize(client: Client): Promise<void> {
  try {
    await client.initialize()
  } catch (cause) {
    // The login has succeeded before, so what is left is the client certificate that the environment asks for.
    throw new EnvdriftError(
      'CONFIG_INVALID',
      "GOOGLE_API_USE_CLIENT_CERTIFICATE asks for a client certificate, and Google's library can't use one here",
      {
        suggestions: [
          'Unset GOOGLE_API_USE_CLIENT_CERTIFICATE; only organizations with access policies for devices need it.',
        ],
        cause,
      },
    )
  }
}
