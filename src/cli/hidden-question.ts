import {createInterface} from 'node:readline'
import {Writable, type Readable} from 'node:stream'

import {EnvdriftError} from '../core/errors.ts'

/**
 * Asks for one line on a terminal without showing what is typed.
 *
 * @returns the line, or `undefined` when the input ended (Ctrl-D) without one.
 * @throws EnvdriftError INTERRUPTED on Ctrl-C, or the reason of `signal`.
 */
export async function askHidden(
  question: string,
  {input, output, signal}: {readonly input: Readable; readonly output: Writable; readonly signal: AbortSignal},
): Promise<string | undefined> {
  // readline switches the echo of the terminal off and edits the line itself; what it would show goes nowhere.
  const nowhere = new Writable({write: (_chunk, _encoding, done) => done()})
  const reader = createInterface({input, output: nowhere, terminal: true, historySize: 0})
  const answer = Promise.withResolvers<string | undefined>()
  const interrupt = (): void =>
    answer.reject(
      signal.reason instanceof EnvdriftError
        ? signal.reason
        : new EnvdriftError('INTERRUPTED', 'Interrupted', {suggestions: ['Run the command again.']}),
    )
  signal.addEventListener('abort', interrupt, {once: true})
  reader.once('line', answer.resolve)
  reader.once('SIGINT', interrupt)
  reader.once('close', () => answer.resolve(undefined))
  output.write(question)
  try {
    if (signal.aborted) interrupt()
    return await answer.promise
  } finally {
    signal.removeEventListener('abort', interrupt)
    reader.close()
    output.write('\n')
  }
}
