import type {EnvdriftError, ExitReason} from './errors.ts'
import {errorCodes} from './errors.ts'
import {printable, shortened} from './text.ts'

/** Text and the stream that it belongs to. Only `cli/emit.ts` turns these into bytes. */
export type Output = {readonly to: 'stdout' | 'stderr'; readonly text: string}

/** How to draw: passed in, never looked up, so that a reporter is a function from values to text. */
export type Style = {
  readonly color: boolean
  /** Columns to wrap at; `Infinity` where nothing has a width (a pipe, a file). */
  readonly width: number
  readonly quiet: boolean
  readonly verbose: boolean
  /** Absolute; paths below it are shown relative to it, so that they can be copied. */
  readonly cwd: string
}

/** What a command hands back to the shell around it. */
export type Result = {
  readonly reason: ExitReason
  /** The command's own part of the `--json` document. */
  readonly document: Readonly<Record<string, unknown>>
  readonly outputs: (style: Style) => readonly Output[]
}

/** The order in which reasons win when several apply. Source: docs/exit-codes.md. */
const precedence: readonly ExitReason[] = [
  'interrupted',
  'terminated',
  'usage',
  'config',
  'auth',
  'unreachable',
  'not-found',
  'file',
  'corrupt',
  'unknown-format',
  'newer-format',
  'decryption',
  'drift',
  'error',
]

/** The reason for a run in which these errors happened; `ok` for none. */
export function worstReason(reasons: Iterable<ExitReason>): ExitReason {
  const seen = new Set(reasons)
  return precedence.find((reason) => seen.has(reason)) ?? 'ok'
}

export const reasonOf = (error: EnvdriftError): ExitReason => errorCodes[error.code]

const detailed: Readonly<Record<ExitReason, number>> = {
  ok: 0,
  error: 1,
  usage: 2,
  drift: 3,
  config: 4,
  auth: 5,
  'not-found': 6,
  unreachable: 7,
  decryption: 8,
  file: 9,
  corrupt: 9,
  'unknown-format': 9,
  'newer-format': 9,
  interrupted: 130,
  terminated: 143,
}

/** The process's exit code. Without `--detailed-exitcode` every trouble but a wrong command line and a signal is 1. */
export function exitCodeOf(reason: ExitReason, isDetailed: boolean): number {
  const code = detailed[reason]
  return isDetailed || code < 3 || code >= 128 ? code : 1
}

/**
 * An error's message, safe to print. Messages quote paths and names of files; only the lines of a stack trace, which are
 * ours, stay lines.
 */
export const shownMessage = (error: EnvdriftError): string => withoutKeys(shownLines(error))

/** A service may quote in its own sentence what it was sent; nothing of ours is as long as a private key. */
const withoutKeys = (text: string): string => text.replaceAll(/(?<![\da-f])[\da-f]{64}(?![\da-f])/gi, '(64 hex digits)')

/** Only a list of mistakes in a configuration, each escaped already, and our own stack traces have lines. */
const shownLines = ({code, message, reason}: EnvdriftError): string =>
  code === 'UNEXPECTED' || reason === 'config'
    ? message
        .split('\n')
        .map((line) => shortened(printable(line)))
        .join('\n')
    : shortened(printable(message))

/** An error as the `--json` document carries it. */
export const errorDocument = (error: EnvdriftError): Readonly<Record<string, unknown>> => ({
  code: error.code,
  message: shownMessage(error),
  suggestions: error.suggestions.map((text) => shortened(printable(text))),
})
