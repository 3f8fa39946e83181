import {EnvdriftError} from '../core/errors.ts'
import {printable} from '../core/text.ts'

type OclifError = Error & {
  readonly oclif?: {readonly exit?: number | false}
  readonly parse?: unknown
  readonly args?: readonly unknown[]
}

/**
 * oclif's words about a command line, as our error; `undefined` when `error` is something else.
 *
 * Extra arguments are not repeated: somebody may have typed a key or a password there.
 */
export function commandLineError(error: unknown): EnvdriftError | undefined {
  if (!(error instanceof Error)) return undefined
  const {oclif, parse, args, message, name} = error as OclifError
  if (parse === undefined && oclif?.exit !== 2 && oclif?.exit !== 127) return undefined
  const text =
    parse !== undefined && Array.isArray(args) && message.startsWith('Unexpected argument')
      ? `${args.length === 1 ? 'One argument' : `${args.length} arguments`} too many`
      : (message.split('\nSee more help')[0] ?? name)
  return new EnvdriftError('USAGE', printable(text.trim()).replaceAll(String.raw`\n`, ' '), {
    suggestions: ['Run the command with --help to see what it takes.'],
    cause: error,
  })
}

/**
 * An error that we didn't expect, which is our bug: its name and where it was thrown, never its text, which may quote a
 * secret.
 */
export function unexpected(error: unknown): EnvdriftError {
  const {name, stack} = error instanceof Error ? error : {name: typeof error, stack: ''}
  const frames = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const at = frames.slice(0, 8).join('\n')
  return new EnvdriftError('UNEXPECTED', `A bug in envdrift: ${name}${at === '' ? '' : `\n${at}`}`, {
    suggestions: ['Please report it with the lines above and the command that you ran; nothing secret is in them.'],
    cause: error,
  })
}
