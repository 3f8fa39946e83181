import {GetParameterHistoryCommand, type ParameterHistory} from '@aws-sdk/client-ssm'

import type {SecretRef} from '../../core/mapping.ts'
import {Secret} from '../../core/secret.ts'
import {objectsIn} from '../aws-batch.ts'
import {pagesOf} from '../aws-pages.ts'
import {withDeadline} from '../in-flight.ts'
import type {Provider} from '../provider.ts'
import {badResponse} from './errors.ts'
import type {Vault} from './vault.ts'

/** AWS keeps the last hundred (user guide, "Working with parameter versions"). */
const mostVersions = 100

/**
 * All versions of a parameter that AWS keeps, newest first.
 *
 * @param WithDecryption - with their values; needs the permission to decrypt.
 * @throws what the SDK throws, or EnvdriftError when it takes too long.
 */
export async function historyOf(
  vault: Vault,
  ref: SecretRef,
  {WithDecryption}: {readonly WithDecryption: boolean},
  signal: AbortSignal,
): Promise<readonly ParameterHistory[]> {
  const region = vault.regionOf(ref)
  const client = vault.clientIn(region)
  const versions: ParameterHistory[] = []
  const pages = pagesOf(
    (next) => {
      const command = new GetParameterHistoryCommand({Name: ref.name, WithDecryption, ...next})
      return withDeadline((abortSignal) => client.send(command, {abortSignal}), vault.limits(signal))
    },
    {most: mostVersions, endless: () => badResponse(vault.connection.placeIn(region), ref.name)},
  )
  for await (const {Parameters} of pages) versions.push(...objectsIn(Parameters))
  return versions.toSorted((a, b) => (b.Version ?? 0) - (a.Version ?? 0))
}

export const makeEarlier = (vault: Vault): Provider['earlier'] =>
  async function* earlier(ref, limit, signal) {
    try {
      const [, ...older] = await historyOf(vault, ref, {WithDecryption: true}, signal)
      for (const {Version, Value} of older.slice(0, Math.max(0, limit)))
        if (Version !== undefined && Value !== undefined) yield {version: String(Version), value: new Secret(Value)}
    } catch {
      // A hint for a message: whatever keeps it from us, the message goes without.
    }
  }
