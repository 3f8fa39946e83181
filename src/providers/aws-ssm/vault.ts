import type * as Ssm from '@aws-sdk/client-ssm'

import type {SecretRef} from '../../core/mapping.ts'
import type {Host} from '../../core/provider-spec.ts'
import type {AwsConnection} from '../aws-connection.ts'
import {regionOfArn} from '../aws-settings.ts'
import {heedThrottling} from '../aws-throttling.ts'
import {retryNote, type CallLimits} from '../in-flight.ts'
import type {Doing} from './errors.ts'

/** What reading and writing share: the SDK, a client for each region, and the words for what is being done. */
export type Vault = {
  readonly sdk: typeof Ssm
  readonly connection: AwsConnection
  readonly host: Host
  /** An ARN names its region; what is a plain name lies in the vault's. */
  readonly regionOf: (ref: SecretRef) => string
  readonly clientIn: (region: string) => Ssm.SSMClient
  readonly doing: (verb: Doing['verb'], ref: SecretRef) => Doing
  readonly limits: (signal: AbortSignal) => CallLimits
  /** Says once what an answer tells of retries. */
  readonly noteRetry: (output: {readonly $metadata: {readonly attempts?: number}}, region: string) => void
}

export function makeVault(sdk: typeof Ssm, connection: AwsConnection, host: Host): Vault {
  const clients = new Map<string, Ssm.SSMClient>()
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
      const client = new sdk.SSMClient(connection.clientConfig(region))
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
