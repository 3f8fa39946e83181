import type {ParameterHistory} from '@aws-sdk/client-ssm'

import type {SecretRef} from '../../core/mapping.ts'
import {Secret} from '../../core/secret.ts'
import {withDeadline} from '../in-flight.ts'
import type {Provider} from '../provider.ts'
import type {Vault} from './vault.ts'

/**
 * All versions of a parameter, newest first: the last hundred (user guide, "Working with parameter versions").
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
  const client = vault.clientIn(vault.regionOf(ref))
  const versions: ParameterHistory[] = []
  let NextToken: string | undefined
  do {
    const input = {Name: ref.name, WithDecryption, ...(NextToken && {NextToken})}
    const page = await withDeadline(
      (abortSignal) => client.send(new vault.sdk.GetParameterHistoryCommand(input), {abortSignal}),
      vault.limits(signal),
    )
    versions.push(...(page.Parameters ?? []))
    NextToken = page.NextToken
  } while (NextToken)
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
