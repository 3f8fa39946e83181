import {closest} from '../config/closest.ts'
import {EnvdriftError} from '../core/errors.ts'
import {printable} from '../core/text.ts'

type OclifError = Error & {
  readonly oclif?: {readonly exit?: number | false}
  readonly parse?: unknown
  readonly args?: readonly unknown[]
  /** Of flags that the command doesn't have: as typed. */
  readonly flags?: readonly string[]
}

/** Commands of a later version. */
const later = ['pull', 'push', 'init', 'doctor', 'exec', 'hook']

/** An argument that a command declares: ours say what it is. */
type Argument = {readonly name: string; readonly description: string}

/**
 * oclif's words about a command line, as our error; `undefined` when `error` is something else.
 *
 * What was typed where nothing belongs isn't repeated, be it an argument or the value of a flag that we don't have:
 * somebody may have typed a key or a password there.
 *
 * @param commands - what can be run, words separated by spaces; for "did you mean".
 */
export function commandLineError(error: unknown, commands: readonly string[] = []): EnvdriftError | undefined {
  if (!(error instanceof Error)) return undefined
  const {oclif, parse} = error as OclifError
  if (parse === undefined && oclif?.exit !== 2 && oclif?.exit !== 127) return undefined
  return new EnvdriftError('USAGE', printable(sentence(error, commands)), {
    suggestions: [remedy(error, commands)],
    cause: error,
  })
}

function sentence({name, message, parse, args}: OclifError, commands: readonly string[]): string {
  if (parse === undefined && isUnknownCommand(message)) {
    const typed = message.split(' ')[1]?.replaceAll(':', ' ') ?? ''
    const command = commands.find((one) => typed.startsWith(`${one} `))
    if (command !== undefined) return `envdrift ${command} takes no argument, and was given one`
    const first = typed.split(' ')[0]!
    if (later.includes(first)) return `envdrift ${first} is not there yet: a later version has it`
    // A word that is nearly one of ours is no secret.
    return closest(typed, commands) === undefined ? 'There is no such command' : `There is no command ${typed}`
  }
  if (parse !== undefined && Array.isArray(args) && message.startsWith('Unexpected argument')) {
    return `${args.length === 1 ? 'One argument' : `${args.length} arguments`} too many`
  }
  if (parse !== undefined && Array.isArray(args) && message.startsWith('Missing')) {
    const wanted = (args as readonly Argument[]).map(({name, description}) => `${name.toUpperCase()} (${description})`)
    return `${wanted.join(' and ')} ${wanted.length === 1 ? 'is' : 'are'} missing`
  }
  return (message.split('\nSee more help')[0] ?? name)
    .replace(/^The following errors? occurred:\s*/, '')
    .replaceAll(/(--?[\w-]+)=\S*/g, '$1=…')
    .replace(/(but received:).*/s, '$1 something else')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function remedy({parse, message, flags}: OclifError, commands: readonly string[]): string {
  const near = (flags ?? []).flatMap((flag) => closest(flag.replace(/^-+|=.*/g, ''), flagsOf(parse)) ?? [])
  if (near.length > 0)
    return `Did you mean ${near.map((name) => `--${name}`).join(' and ')}? --help shows what the command takes.`
  const [, id] = /^command (\S+) not found$/.exec(message) ?? []
  if (parse !== undefined || id === undefined) return 'Run the command with --help to see what it takes.'
  const typed = id.replaceAll(':', ' ')
  const whole = commands.find((command) => typed.startsWith(`${command} `))
  if (whole !== undefined) return `Run \`envdrift ${whole} --help\` to see what it takes.`
  const command = closest(typed, commands)
  return command === undefined || later.includes(typed.split(' ')[0]!)
    ? 'Run `envdrift --help` to see the commands.'
    : `Did you mean \`envdrift ${command}\`? \`envdrift --help\` shows all commands.`
}

/** The flags of the command that was typed. */
function flagsOf(parse: unknown): readonly string[] {
  const {input} = (parse ?? {}) as {readonly input?: {readonly flags?: Readonly<Record<string, unknown>>}}
  return Object.keys(input?.flags ?? {})
}

const isUnknownCommand = (message: string): boolean => /^command \S+ not found$/.test(message)

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
