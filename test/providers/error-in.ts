import {EnvdriftError} from '../../src/core/errors.ts'
import type {Fetched} from '../../src/providers/provider.ts'
import {gist} from './contract.ts'

/** The error of an answer that has to be a failure. */
export function errorIn(answer: Fetched | undefined): EnvdriftError {
  if (answer?.kind === 'failed') return answer.error
  throw new Error(`not a failure: ${answer === undefined ? 'no answer' : gist(answer)}`)
}

/** The error of ours that a call has to end with. */
export async function thrownBy(call: Promise<unknown>): Promise<EnvdriftError> {
  const error: unknown = await call.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  )
  if (error instanceof EnvdriftError) return error
  throw error
}
