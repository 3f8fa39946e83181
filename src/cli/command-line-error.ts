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

function sentence({name, message, parse, args, flags}: OclifError, commands: readonly string[]): string {
  const unknown = parse === undefined ? unknownCommand(message, commands) : undefined
  if (unknown !== undefined) {
    const {whole, later: isLater, typed, near} = unknown
    if (whole !== undefined) return `envdrift ${whole} takes no argument, and was given one`
    if (isLater) return `envdrift ${typed} is not there yet: a later version has it`
    return near === undefined ? 'There is no such command' : `There is no command ${typed}`
  }
  if (parse !== undefined && Array.isArray(flags) && message.startsWith('Nonexistent')) {
    const names = flags.map(
      (flag) => /^(?:--[a-z][a-z\d-]*|-[a-z])(?==|$)/i.exec(flag)?.[0] ?? 'a word that begins with -',
    )
    return `Nonexistent flag${flags.length === 1 ? '' : 's'}: ${names.join(', ')}`
  }
  if (parse !== undefined && Array.isArray(args) && message.startsWith('Unexpected argument')) {
    return `${args.length === 1 ? 'One argument' : `${args.length} arguments`} too many`
  }
  if (parse !== undefined && Array.isArray(args) && message.startsWith('Missing')) {
    const wanted = (args as readonly Argument[]).map(({name, description}) => `${name.toUpperCase()} (${description})`)
    return `${wanted.join(' and ')} ${wanted.length === 1 ? 'is' : 'are'} missing`
  }
  const together = exclusive(message, parse)
  if (together.length > 0) return `${together.map((flag) => `--${flag}`).join(' and ')} can't be given together`
  return (message.split('\nSee more help')[0] ?? name)
    .replace(/^The following errors? occurred:\s*/, '')
    .replace(/^Parsing (--\S+)\s+/, '$1: ')
    .replace(/=.*/s, '=…')
    .replace(/(but received:).*/s, '$1 something else')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function remedy({parse, message, flags}: OclifError, commands: readonly string[]): string {
  const meant = (flags ?? []).flatMap((flag) => closest(flag.replace(/^-+|=.*/gs, ''), flagsOf(parse)) ?? [])
  if (meant.length > 0)
    return `Did you mean ${meant.map((name) => `--${name}`).join(' and ')}? --help shows what the command takes.`
  const unknown = parse === undefined ? unknownCommand(message, commands) : undefined
  if (unknown === undefined) return 'Run the command with --help to see what it takes.'
  const {whole, near} = unknown
  if (whole !== undefined) return `Run \`envdrift ${whole} --help\` to see what it takes.`
  return near === undefined
    ? 'Run `envdrift --help` to see the commands.'
    : `Did you mean \`envdrift ${near}\`? \`envdrift --help\` shows all commands.`
}

/** The flags that oclif says exclude each other, without their values, which it repeats. */
function exclusive(message: string, parse: unknown): readonly string[] {
  const phrase = 'cannot also be provided when using'
  if (!message.includes(phrase)) return []
  const first = /--([\w-]+)=/.exec(message)?.[1]
  return flagsOf(parse).filter((flag) => flag === first || message.includes(`${phrase} --${flag}`))
}

type Unknown = {
  /** The command that the first words are, where too many follow. */
  readonly whole?: string
  readonly later: boolean
  /** The first word, or the first two, as far as they are nearly a command: then they are no secret. */
  readonly typed: string
  readonly near?: string
}

/** What oclif says it doesn't know, in the two forms that it has for that; `undefined` for anything else. */
function unknownCommand(message: string, commands: readonly string[]): Unknown | undefined {
  const id = /^command (.*) not found\.?$/is.exec(message)?.[1]
  if (id === undefined) return undefined
  const words = id.replaceAll(':', ' ')
  const whole = commands.find((command) => words.startsWith(`${command} `))
  const [first = '', second = ''] = words.split(' ')
  if (whole !== undefined) return {whole, later: false, typed: first}
  if (later.includes(first)) return {later: true, typed: first}
  for (const typed of [`${first} ${second}`.trim(), first]) {
    const near = closest(typed, commands)
    if (near !== undefined) return {later: false, typed, near}
  }
  return {later: false, typed: first}
}

/** The flags of the command that was typed. */
function flagsOf(parse: unknown): readonly string[] {
  const {input} = (parse ?? {}) as {readonly input?: {readonly flags?: Readonly<Record<string, unknown>>}}
  return Object.keys(input?.flags ?? {})
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
