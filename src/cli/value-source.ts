import {closeSync, fstatSync, openSync, readSync} from 'node:fs'
import {buffer} from 'node:stream/consumers'

import {EnvdriftError} from '../core/errors.ts'
import {printable} from '../core/text.ts'
import {askHidden} from './hidden-question.ts'

/** Enough to see that a value is too large, in bytes. */
const readAtMost = 1024 * 1024

/** Is the value to come from standard input? */
export const valueIsPiped = (file: string | undefined): boolean =>
  file === '-' || (file === undefined && !process.stdin.isTTY)

/**
 * The bytes of a new value, unchanged: of a file, of standard input, or typed at a terminal without being shown.
 *
 * @throws EnvdriftError FILE_UNREADABLE, INTERRUPTED, USAGE when nobody can be asked.
 */
export async function readValue(
  {name, file, ci}: {readonly name: string; readonly file: string | undefined; readonly ci: boolean},
  signal: AbortSignal,
): Promise<Buffer> {
  if (valueIsPiped(file)) return buffer(process.stdin)
  if (file !== undefined) return readFile(file)
  if (ci)
    throw new EnvdriftError('USAGE', 'No value was given, and with --ci nobody is asked', {
      suggestions: ['Pipe the value in, or give --value-file FILE.'],
    })
  const question = `Value of ${printable(name)} (not shown): `
  return Buffer.from((await askHidden(question, {input: process.stdin, output: process.stderr, signal})) ?? '')
}

function readFile(file: string): Buffer {
  try {
    const fd = openSync(file, 'r')
    try {
      if (fstatSync(fd).isDirectory()) throw Object.assign(new Error('EISDIR: it is a directory'), {code: 'EISDIR'})
      const bytes = Buffer.alloc(readAtMost)
      let end = 0
      for (let read = -1; read !== 0 && end < bytes.length; end += read)
        read = readSync(fd, bytes, end, bytes.length - end, null)
      return bytes.subarray(0, end)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw new EnvdriftError(
      'FILE_UNREADABLE',
      `Could not read ${printable(file)}: ${printable((error as Error).message)}`,
      {
        suggestions: ['Check the path and the permissions of the file.'],
        cause: error,
      },
    )
  }
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
