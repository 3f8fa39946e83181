import {isatty} from 'node:tty'

import {EnvdriftError} from '../core/errors.ts'
import {printable} from '../core/text.ts'
import {descriptorOf, NotRead, readDescriptor, readPath} from './given-bytes.ts'
import type {PasswordContext} from './password.ts'

/** More than any value may have, in bytes: the vault says so of what is longer. */
const maxBytes = 64 * 1024

/** The file descriptor that the value comes from: 0 is standard input; `undefined` for a file and a terminal. */
export function valueDescriptor(file: string | undefined): number | undefined {
  if (file !== undefined) return descriptorOf(file)
  return isatty(0) ? undefined : 0
}

/**
 * The bytes of a new value, unchanged: of a file, of standard input, or typed at a terminal without being shown.
 *
 * @throws EnvdriftError FILE_UNREADABLE, INTERRUPTED, USAGE when nobody can be asked.
 */
export async function readValue(
  {name, file}: {readonly name: string; readonly file: string | undefined},
  {ask, signal}: Pick<PasswordContext, 'ask' | 'signal'>,
): Promise<Buffer> {
  if (file !== undefined)
    return readPath(file, {maxBytes, signal}).catch(refused(file === '-' ? 'standard input' : file))
  if (!isatty(0)) return readDescriptor(0, {maxBytes, signal}).catch(refused('standard input'))
  if (ask === undefined)
    throw new EnvdriftError('USAGE', 'No value was given, and nobody can be asked', {
      suggestions: [
        'Pipe the value in, or give --value-file FILE.',
        'Or run the command at a terminal without --ci, and be asked.',
      ],
    })
  return Buffer.from((await ask(`Value of ${printable(name)} (not shown): `)) ?? '')
}

const refused =
  (source: string) =>
  (error: unknown): never => {
    if (!(error instanceof NotRead)) throw error
    throw new EnvdriftError('FILE_UNREADABLE', `The value was not stored: ${printable(source)} ${error.message}`, {
      suggestions: ['Check the path and the permissions of the file, and the program that writes to a pipe.'],
      cause: error.cause,
    })
  }

/**
 * For a command line that could not be parsed: oclif repeats a flag that it doesn't know, a `--value=…` with what follows.
 *
 * @throws what it was given, or USAGE in its place.
 */
export function refuseValueInFlag(error: unknown): never {
  const {flags} = error as {readonly flags?: unknown}
  const unknown: readonly unknown[] = Array.isArray(flags) ? flags : []
  throw unknown.some((flag) => flag === '--value' || String(flag).includes('=')) ? valueInHistory() : error
}

/** Why a value on the command line is no value: it stands in the shell's history by now. */
export const valueInHistory = (): EnvdriftError =>
  new EnvdriftError('USAGE', 'A value on the command line was refused, and nothing was stored', {
    suggestions: [
      'Pipe the value in, give --value-file FILE, or run the command at a terminal and type it.',
      "What was typed is now in your shell's history, and other users could see it: take it for known, and replace it.",
    ],
  })
