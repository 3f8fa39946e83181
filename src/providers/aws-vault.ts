import type {SecretRef} from '../core/mapping.ts'
import type {Host, Settings} from '../core/provider-spec.ts'
import {connectAws, type AwsConnection, type ClientConfig} from './aws-connection.ts'
import type {Doing} from './aws-errors.ts'
import {regionOfArn} from './aws-settings.ts'
import {heedThrottling, type ThrottledClient} from './aws-throttling.ts'
import {retryNote, type CallLimits} from './in-flight.ts'

/** What reading and writing share: the service's SDK, a client for each region, and the words for what is being done. */
export type AwsVault<Sdk, Client> = {
  readonly sdk: Sdk
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

type ServiceClient = ThrottledClient & {
  readonly config: {readonly region: () => Promise<string>}
  readonly destroy: () => void
}

/**
 * Makes no request yet, but may read ~/.aws/config for the region.
 *
 * @param of.service - `AWS Secrets Manager`.
 * @param of.sdk - of the service: its provider has loaded it, so that no other provider does. `Client` is the one in it.
 */
export async function openAwsVault<Sdk, Client extends ServiceClient>(
  {
    settings,
    service,
    sdk,
    Client,
  }: {
    readonly settings: Settings
    readonly service: string
    readonly sdk: Sdk
    readonly Client: new (config: ClientConfig | {readonly profile?: string}) => Client
  },
  host: Host,
): Promise<AwsVault<Sdk, Client>> {
  const connection = await connectAws({settings, service}, host, async (profile) => {
    const client = new Client(profile)
    return client.config.region().finally(() => client.destroy())
  })
  const clients = new Map<string, Client>()
  const regionOf = ({name}: SecretRef): string => regionOfArn(name) ?? connection.region
  const {callTimeoutMs} = host
  return {
    sdk,
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
      if (($metadata.attempts ?? 1) > 1) host.warn(retryNote(connection.placeIn(region)))
    },
  }
}
