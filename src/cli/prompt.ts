import {createInterface, type Interface} from 'node:readline'
import type {Readable, Writable} from 'node:stream'

import {printable} from '../core/text.ts'
import type {Answer, Question} from '../workflows/ports.ts'

/** How often one question is asked before we stop: a pipe that says something else would never end. */
const attempts = 3

/**
 * Asks questions on `output` and reads lines from `input`, a terminal or a pipe; opens the input at the first question.
 *
 * Lines that come before they are asked for are kept, so that piped answers go to the questions in order.
 */
export function makePrompt(
  input: Readable,
  output: Writable,
  signal: AbortSignal,
): {readonly ask: (question: Question) => Promise<Answer>; readonly close: () => void} {
  let lines: AsyncIterator<string> | undefined
  let reader: Interface | undefined
  const nextLine = async (): Promise<string | undefined> => {
    if (lines === undefined) {
      reader = createInterface({input, crlfDelay: Infinity, terminal: false})
      lines = reader[Symbol.asyncIterator]()
    }
    const aborted = Promise.withResolvers<undefined>()
    const stop = (): void => aborted.resolve(undefined)
    signal.addEventListener('abort', stop, {once: true})
    try {
      const line = await Promise.race([lines.next(), aborted.promise])
      return line === undefined || line.done === true ? undefined : line.value
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  return {
    async ask({secret, folderPath, local, vault}) {
      const version = (of: string | undefined): string => (of === undefined ? '' : ` (version ${printable(of)})`)
      output.write(
        `Value mismatch for ${printable(secret)} (${printable(folderPath)}):\n` +
          `  Local:  ${local.fingerprint}${version(local.version)}\n` +
          `  Vault:  ${vault.fingerprint}${version(vault.version)}\n`,
      )
      for (let attempt = 1; attempt <= attempts; attempt += 1) {
        output.write('Update local file with vault value? (y/N/all/none) ')
        const line = await nextLine()
        if (line === undefined) break
        const answer = meaningOf(line)
        if (answer !== undefined) return answer
      }
      output.write('\n')
      return 'unanswered'
    },
    close: () => reader?.close(),
  }
}

function meaningOf(line: string): Answer | undefined {
  switch (line.trim().toLowerCase()) {
    case 'y':
    case 'yes':
      return 'yes'
    case '':
    case 'n':
    case 'no':
      return 'no'
    case 'all':
    case 'a':
      return 'all'
    case 'none':
      return 'none'
    default:
      return undefined
  }
}
