import {fstatSync} from 'node:fs'
import {createInterface, type Interface} from 'node:readline'
import type {Readable, Writable} from 'node:stream'

import {printable} from '../core/text.ts'
import {sightText} from '../report/sync.ts'
import {wrapped} from '../report/wrapped.ts'
import type {Answer, Question} from '../workflows/ports.ts'

/** How often one question is asked before we stop: a pipe that says something else would never end. */
const attempts = 3

/** Somebody, or a pipe, who is asked what to do about keys that differ. */
export type Prompt = {readonly ask: (question: Question) => Promise<Answer>; readonly close: () => void}

/**
 * Asks questions on `output` and reads lines from `input`, a terminal or a pipe; opens the input at the first question.
 *
 * Lines that come before they are asked for are kept, so that piped answers go to the questions in order.
 */
export function makePrompt(
  input: Readable,
  output: {readonly stream: Writable; /** columns to wrap at */ readonly width: number},
  signal: AbortSignal,
): Prompt {
  const atEnd = isNothing(input)
  const onTerminal = 'isTTY' in input && input.isTTY === true
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
      if (atEnd) return 'unanswered'
      const say = (text: string): void => void output.stream.write(wrapped(text, output.width, 4))
      say(`Value mismatch for ${printable(secret)} (${printable(folderPath)}):\n`)
      say(`  Local:  ${sightText(local)}\n`)
      say(`  Vault:  ${sightText(vault)}\n`)
      for (let attempt = 1; attempt <= attempts; attempt += 1) {
        say('Update local file with vault value? (y/N/all/none)')
        output.stream.write(' ')
        const line = await nextLine()
        // On a terminal the person's Enter ended the line; what comes through a pipe isn't seen.
        if (line !== undefined && !onTerminal) output.stream.write('\n')
        if (line === undefined) break
        const answer = meaningOf(line)
        if (answer !== undefined) return answer
      }
      output.stream.write('\n')
      return 'unanswered'
    },
    close: () => reader?.close(),
  }
}

/** Standard input that was closed, or is /dev/null: nobody is there to read a question. */
function isNothing(input: Readable & {readonly fd?: number; readonly isTTY?: boolean}): boolean {
  if (input.isTTY === true || input.fd === undefined) return false
  try {
    return fstatSync(input.fd).isCharacterDevice()
  } catch {
    return true
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
      return 'all'
    case 'none':
      return 'none'
    default:
      return undefined
  }
}
