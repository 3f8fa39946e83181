import {EnvdriftError} from '../core/errors.ts'
import type {SecretRef} from '../core/mapping.ts'
import type {ProviderSpec} from '../core/provider-spec.ts'
import {printable} from '../core/text.ts'
import type {AwsVault} from './aws-vault.ts'
import {asEnvdriftError, readTogether} from './in-flight.ts'
import type {Provider} from './provider.ts'

/** How a service reads: which references go into one call, and what the calls are. */
type Calls = {
  readonly chunksOf: (refs: readonly SecretRef[]) => Parameters<typeof readTogether>[0]
  readonly readChunk: Parameters<typeof readTogether>[1]
  readonly readOne: Parameters<typeof readTogether>[2]
}

/** Reads what may be a name, once there is a login. */
export function makeAwsRead(
  {connection, regionOf, limits, host}: AwsVault<unknown>,
  {checkSecretName}: Pick<ProviderSpec, 'checkSecretName'>,
  {chunksOf, readChunk, readOne}: Calls,
): Provider['read'] {
  return async function* read(refs, signal) {
    const good: SecretRef[] = []
    for (const ref of refs) {
      const why = checkSecretName(ref.name, ref.version)
      // A server that doesn't check names says that such a secret is not there.
      if (why === undefined) good.push(ref)
      else yield {ref, kind: 'failed', error: invalidName(ref, why)}
    }
    if (good.length === 0) return
    try {
      // Before the calls and their deadlines: a person may have to type a code.
      await connection.login.logIn(signal)
    } catch (cause) {
      const error = asEnvdriftError(cause, 'log in to AWS')
      for (const ref of good) yield {ref, kind: 'failed', error}
      return
    }
    yield* readTogether(chunksOf(good), readChunk, readOne, {
      ...limits(signal),
      placeOf: (ref) => connection.placeIn(regionOf(ref)),
      maxInFlight: host.maxInFlight,
      pace: connection.pace,
    })
  }
}

const invalidName = ({name}: SecretRef, why: string): EnvdriftError =>
  new EnvdriftError('CONFIG_INVALID', `The secret name ${printable(name)} ${why}`, {
    suggestions: ['Correct secret_name of the mapping.'],
  })
