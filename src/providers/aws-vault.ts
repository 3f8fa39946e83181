import type {SecretRef} from '../core/mapping.ts'
import type {Host, Settings} from '../core/provider-spec.ts'
import {connectAws, type AwsConnection, type ClientConfig} from './aws-connection.ts'
import type {Doing} from './aws-errors.ts'
import {regionOfArn} from './aws-settings.ts'
import {heedThrottling, type ThrottledClient} from './aws-throttling.ts'
import {retryNote, type CallLimits} from './in-flight.ts'

/** What reading and writing share: a client for each region, and the words for what is being done. */
export type AwsVault<Client> = {
  readonly connection: AwsConnection
  readonly host: Host
  /** An ARN names its region; what is a plain name lies in the vault's. */
  readonly regionOf: (ref: SecretRef) => string
  readonly clientIn: (region: string) => Client
  readonly doing: (verb: Doing['verb'], ref: SecretRef) => Doing
  readonly limits: (signal: AbortSignal) => CallLimits
  /** Says once what an answer tells of retries. */
  readonly noteRetry: (output: {readonly $metadata: {readonly attempts?: number}}, region: string) => void
}

/** By so much may our clock differ from AWS's: less than the 5 minutes after which it refuses, as the SDK counts it. */
const tolerableMs = 4 * 60_000

/** In whole minutes, and so the same for all calls of a run. */
const clockNote = (place: string, offsetMs: number): string =>
  `The clock of this machine is ${Math.round(Math.abs(offsetMs) / 60_000)} minutes ${offsetMs > 0 ? 'behind' : 'ahead of'} that of ${place}: set it right. Calls that were refused for it were made again`

type ServiceClient = ThrottledClient & {
  readonly config: {readonly region: () => Promise<string>; readonly systemClockOffset?: number}
  readonly destroy: () => void
}

/**
 * Makes no request yet, but may read ~/.aws/config for the region.
 *
 * @param of.service - `AWS Secrets Manager`.
 * @param of.Client - of the service: named by its provider, so that no other provider loads it.
 */
export async function openAwsVault<Client extends ServiceClient>(
  {
    settings,
    service,
    Client,
  }: {
    readonly settings: Settings
    readonly service: string
    readonly Client: new (config: ClientConfig | {readonly profile?: string}) => Client
  },
  host: Host,
): Promise<AwsVault<Client>> {
  const connection = await connectAws({settings, service}, host, async (profile) => {
    const client = new Client(profile)
    return client.config.region().finally(() => client.destroy())
  })
  const clients = new Map<string, Client>()
  const regionOf = ({name}: SecretRef): string => regionOfArn(name) ?? connection.region
  const {callTimeoutMs} = host
  return {
    connection,
    host,
    regionOf,
    clientIn(region) {
      const known = clients.get(region)
      if (known !== undefined) return known
      const client = new Client(connection.clientConfig(region))
      heedThrottling(client, {pace: connection.pace, place: connection.placeIn(region), callTimeoutMs})
      clients.set(region, client)
      return client
    },
    doing: (verb, ref) => ({...connection.asked(regionOf(ref)), verb, secret: ref.name}),
    limits: (signal) => ({place: connection.placeIn(connection.region), callTimeoutMs, signal}),
    noteRetry({$metadata}, region) {
      if (($metadata.attempts ?? 1) === 1) return
      const place = connection.placeIn(region)
      // Every client has to learn it by a refusal, after which the SDK dates its requests by the service's clock.
      const offsetMs = clients.get(region)?.config.systemClockOffset ?? 0
      host.warn(Math.abs(offsetMs) < tolerableMs ? retryNote(place) : clockNote(place, offsetMs))
    },
  }
}
