import {isatty} from 'node:tty'

import {runsInCi} from '../config/ci.ts'
import {givenEnvironment} from './environment.ts'
import type {askHidden} from './hidden-question.ts'

/** Somebody sits at the terminal and may be asked: questions go to stderr, answers come from stdin. */
export const somebodyIsThere = ({ci}: {readonly ci: boolean}): boolean =>
  !ci && !runsInCi(givenEnvironment) && isatty(0) && isatty(2)

type Terminal = Parameters<typeof askHidden>[1] & {
  /** Takes a line of progress away. */
  readonly clear: () => void
}

/** The terminal of this process. */
export const terminalOf = (signal: AbortSignal, clear: () => void = () => {}) =>
  ({
    // Opened when somebody is asked.
    get input() {
      return process.stdin
    },
    output: process.stderr,
    signal,
    clear,
  }) satisfies Terminal

/**
 * Hidden questions on a terminal, one after the other: vaults log in and are opened side by side, and what is typed for one
 * must not be heard by the next.
 *
 * @returns what {@link askHidden} returns and throws, question by question.
 */
export function makeQuestions(terminal: Terminal): (question: string) => Promise<string | undefined> {
  let before: Promise<unknown> = Promise.resolve()
  return (question) => {
    const asked = before.then(async () => {
      const {askHidden} = await import('./hidden-question.ts')
      terminal.clear()
      return askHidden(question, terminal)
    })
    before = asked.catch(() => undefined)
    return asked
  }
}
