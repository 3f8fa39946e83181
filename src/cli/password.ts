import {resolve} from 'node:path'

import {integer, string} from '@oclif/core/flags'

import {EnvdriftError} from '../core/errors.ts'
import type {Env, Host, Settings} from '../core/provider-spec.ts'
import {Secret} from '../core/secret.ts'
import {printable} from '../core/text.ts'
import {runProgram} from '../system/child-process.ts'
import {statKind} from '../system/files.ts'
import {givenEnvironment} from './environment.ts'
import {descriptorOf, NotRead, readDescriptor, readPath, type Limits} from './given-bytes.ts'

/** Variables whose values no child process gets to see; the name that a configuration gives is added. */
const secretVariables = ['ENVDRIFT_VAULT_PASSWORD', 'ENVDRIFT_VAULT_NEW_PASSWORD']

/** How long a command or a pipe may take to give the password, in milliseconds; somebody may have to touch a hardware key. */
const sourceTimeoutMs = 30_000

/** More than this isn't a password, but a wrong file or a program that talks. */
const maxBytes = 64 * 1024

/** Shorter passwords are warned of when they are set, and never refused. */
const shortPassword = 12

const helpGroup = 'PASSWORD'

/** Where the password of an embedded vault comes from; for every command that opens one. */
export const passwordFlags = {
  'password-fd': integer({
    helpValue: 'N',
    summary: 'Read the password of the embedded vault from this file descriptor.',
    min: 0,
    exclusive: ['password-file', 'password-command'],
    helpGroup,
  }),
  'password-file': string({
    helpValue: 'FILE',
    summary: 'Read it from a file; - is standard input.',
    exclusive: ['password-fd', 'password-command'],
    helpGroup,
  }),
  'password-command': string({
    helpValue: 'WORDS',
    summary:
      'Run this program, without a shell, and take what it prints: words between blanks, or a JSON array of them.',
    exclusive: ['password-fd', 'password-file'],
    helpGroup,
  }),
}

/** Where the next password comes from, for `envdrift vault passwd`. */
export const newPasswordFlags = {
  'new-password-fd': integer({
    helpValue: 'N',
    summary: 'Read the new password from this file descriptor.',
    min: 0,
    exclusive: ['new-password-file'],
    helpGroup,
  }),
  'new-password-file': string({
    helpValue: 'FILE',
    summary: 'Read it from a file; - is standard input.',
    exclusive: ['new-password-fd'],
    helpGroup,
  }),
}

export type PasswordFlags = {
  readonly 'password-fd'?: number | undefined
  readonly 'password-file'?: string | undefined
  readonly 'password-command'?: string | undefined
}

export type NewPasswordFlags = {
  readonly 'new-password-fd'?: number | undefined
  readonly 'new-password-file'?: string | undefined
}

type Ask = (question: string) => Promise<string | undefined>

/** What finding a password may use of the machine. */
export type PasswordContext = {
  readonly warn: (message: string) => void
  readonly signal: AbortSignal
  /** This process's environment unless given. */
  readonly env?: Env
  /** Asks a person without showing the answer; left out where nobody can be asked. */
  readonly ask?: Ask
  /** Limit of a password command or pipe, in milliseconds; 30 s unless given. */
  readonly timeoutMs?: number
}

/**
 * The password of an embedded vault, from the first of: `--password-fd`, `--password-file`, `--password-command`;
 * ENVDRIFT_VAULT_PASSWORD, ENVDRIFT_VAULT_PASSWORD_FILE, ENVDRIFT_VAULT_PASSWORD_COMMAND; `password` in the
 * configuration; a question at the terminal.
 *
 * One trailing newline is taken off, and a byte order mark at the start. What a flag names is read once, however many vaults ask.
 *
 * @returns a function that rejects with VAULT_PASSWORD_MISSING (no source, or one that gives nothing usable, which is
 *   named), USAGE for a command with quotes, INTERRUPTED.
 */
export function vaultPassword(flags: PasswordFlags, context: PasswordContext): Host['vaultPassword'] {
  const {env = givenEnvironment} = context
  let common: Promise<Secret | undefined> | undefined
  return async ({path, settings}) => {
    common ??= fromFlags(flags, settings, context).then((found) => found ?? fromVariables(env, settings, context))
    const found = (await common) ?? (await fromSettings(settings, env, context))
    if (found !== undefined) return found
    if (context.ask === undefined) throw missing(path, settings)
    return answered(await context.ask(`Password of the vault ${printable(path)}: `))
  }
}

/**
 * As {@link vaultPassword}, for a vault that is about to be made: asked twice at a terminal, and warned of when short.
 */
export function firstPassword(flags: PasswordFlags, context: PasswordContext): Host['vaultPassword'] {
  const {ask, ...unasked} = context
  const quiet = vaultPassword(flags, unasked)
  return async (vault) => {
    const secret = await quiet(vault).catch((error: unknown) => {
      if (ask !== undefined && error instanceof NoSource) return askTwice(`Password for the new vault`, ask)
      throw error
    })
    return warnedOf(secret, context)
  }
}

/**
 * The next password: `--new-password-fd`, `--new-password-file`, ENVDRIFT_VAULT_NEW_PASSWORD, or a question asked twice.
 *
 * @throws EnvdriftError VAULT_PASSWORD_MISSING, INTERRUPTED.
 */
export async function newVaultPassword(flags: NewPasswordFlags, context: PasswordContext): Promise<Secret> {
  const {env = givenEnvironment, ask} = context
  const [fd, file, variable] = [
    flags['new-password-fd'],
    flags['new-password-file'],
    env['ENVDRIFT_VAULT_NEW_PASSWORD'],
  ]
  if (fd !== undefined) return warnedOf(await fromDescriptor(fd, `--new-password-fd ${fd}`, context), context)
  if (file !== undefined) return warnedOf(await fromFile(file, '--new-password-file', context), context)
  if (variable !== undefined) return warnedOf(checked(Buffer.from(variable), 'ENVDRIFT_VAULT_NEW_PASSWORD'), context)
  if (ask !== undefined) return warnedOf(await askTwice('New password', ask), context)
  throw new NoSource('No new password was given, and nobody can be asked', [
    'Set ENVDRIFT_VAULT_NEW_PASSWORD, or give --new-password-file FILE or --new-password-fd N.',
    'Or run the command at a terminal without --ci.',
  ])
}

/** What reads an open file descriptor, as people know it, and its number; 0 is standard input. */
export type DescriptorReader = readonly [reader: string, fd: number]

/**
 * Refuse a command line whose flags read one file descriptor twice: the first of them takes all that is there.
 *
 * @param others - what the command reads beside passwords.
 * @throws EnvdriftError USAGE.
 */
export function refuseReadingTwice(flags: PasswordFlags & NewPasswordFlags, others: readonly DescriptorReader[]): void {
  const readers = [...descriptorsRead(flags), ...others]
  for (const [index, [reader, fd]] of readers.entries()) {
    const [other] = readers.slice(0, index).find(([, earlier]) => earlier === fd) ?? []
    if (other === undefined) continue
    const source = fd === 0 ? 'Standard input' : `File descriptor ${fd}`
    throw new EnvdriftError('USAGE', `${source} can't be read for ${other} and for ${reader}`, {
      suggestions: ['Give one of them in another way, such as a file: --password-file FILE.'],
    })
  }
}

function descriptorsRead(flags: PasswordFlags & NewPasswordFlags): readonly DescriptorReader[] {
  const named = [
    ['--password-fd', flags['password-fd']],
    ['--password-file', flags['password-file']],
    ['--new-password-fd', flags['new-password-fd']],
    ['--new-password-file', flags['new-password-file']],
  ] as const
  return named.flatMap(([flag, given]) => {
    const fd = typeof given === 'string' ? descriptorOf(given) : given
    return fd === undefined ? [] : [[`${flag} ${printable(String(given))}`, fd] as const]
  })
}

async function fromFlags(
  flags: PasswordFlags,
  settings: Settings,
  context: PasswordContext,
): Promise<Secret | undefined> {
  const [fd, file, command] = [flags['password-fd'], flags['password-file'], flags['password-command']]
  if (fd !== undefined) return fromDescriptor(fd, `--password-fd ${fd}`, context)
  if (file !== undefined) return fromFile(file, '--password-file', context)
  if (command !== undefined)
    return fromCommand(wordsOf(command, '--password-command'), '--password-command', settings, context)
  return undefined
}

async function fromVariables(env: Env, settings: Settings, context: PasswordContext): Promise<Secret | undefined> {
  const value = env['ENVDRIFT_VAULT_PASSWORD']
  if (value !== undefined) return checked(Buffer.from(value), 'ENVDRIFT_VAULT_PASSWORD')
  const file = env['ENVDRIFT_VAULT_PASSWORD_FILE']
  if (file !== undefined && file !== '') return fromFile(file, 'ENVDRIFT_VAULT_PASSWORD_FILE', context)
  const command = env['ENVDRIFT_VAULT_PASSWORD_COMMAND']
  const source = 'ENVDRIFT_VAULT_PASSWORD_COMMAND'
  if (command !== undefined && command !== '') return fromCommand(wordsOf(command, source), source, settings, context)
  return undefined
}

/** `password` of the vault's table; a variable that it names and nobody has set is no source. */
async function fromSettings(settings: Settings, env: Env, context: PasswordContext): Promise<Secret | undefined> {
  const {env: variable, file, command} = passwordTable(settings)
  if (variable !== undefined) {
    const value = env[variable]
    return value === undefined ? undefined : checked(Buffer.from(value), `the variable ${printable(variable)}`)
  }
  if (file !== undefined) {
    const source = 'password.file in the configuration'
    // A repository may name it: nothing that could be waited for.
    if (['directory', 'other'].includes(await statKind(file))) throw unusable(source, undefined, 'is no regular file')
    return fromFile(file, source, context)
  }
  if (command !== undefined) return fromCommand(command, 'password.command in the configuration', settings, context)
  return undefined
}

type PasswordTable = {
  readonly env?: string
  readonly file?: string
  readonly command?: readonly [string, ...string[]]
}

const passwordTable = (settings: Settings): PasswordTable => (settings['password'] ?? {}) as PasswordTable

async function fromDescriptor(fd: number, source: string, context: PasswordContext): Promise<Secret> {
  return checked(await readDescriptor(fd, limitsOf(context)).catch(refused(source)), source)
}

async function fromFile(file: string, source: string, context: PasswordContext): Promise<Secret> {
  const named = file === '-' ? `${source} - (standard input)` : `${source} (${printable(file)})`
  const bytes = await readPath(file === '-' ? file : resolve(file), limitsOf(context), ({mode}) => {
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      context.warn(`The password file ${printable(file)} can be read by other users; chmod 600 it`)
  }).catch(refused(named))
  return checked(bytes, named)
}

const limitsOf = ({signal, timeoutMs = sourceTimeoutMs}: PasswordContext): Limits => ({maxBytes, timeoutMs, signal})

const refused =
  (source: string) =>
  (error: unknown): never => {
    throw error instanceof NotRead ? unusable(source, error.cause, error.message) : error
  }

async function fromCommand(
  argv: readonly [string, ...string[]],
  source: string,
  settings: Settings,
  {env = givenEnvironment, signal, timeoutMs = sourceTimeoutMs}: PasswordContext,
): Promise<Secret> {
  const hidden = new Set([...secretVariables, passwordTable(settings).env])
  const childEnv = Object.fromEntries(
    Object.entries(env).filter(([name]) => !hidden.has(name) && !name.startsWith('DOTENV_PRIVATE_KEY')),
  )
  const result = await runProgram(argv, {env: childEnv, timeoutMs, maxOutputBytes: maxBytes, signal})
  const program = printable(argv[0])
  const failed = (what: string): EnvdriftError => unusable(source, undefined, `gave no password: ${program} ${what}`)
  switch (result.kind) {
    case 'exited':
      if (result.code !== 0) throw failed(`ended with exit code ${result.code}`)
      if (result.stdout.length === 0) throw failed('printed nothing')
      return checked(result.stdout, source)
    case 'killed':
      throw failed(`was ended by ${result.signal}`)
    case 'not-started':
      throw failed(result.code === 'ENOENT' ? 'was not found' : `could not be started (${result.code})`)
    case 'timed-out':
      throw failed(`did not end within ${timeoutMs / 1000} s`)
    case 'too-much-output':
      throw failed('printed more than a password')
    case 'aborted':
      throw signal.reason instanceof EnvdriftError ? signal.reason : failed('was interrupted')
  }
}

/** No shell reads these words, so quotes would silently become part of them. */
function wordsOf(text: string, source: string): readonly [string, ...string[]] {
  const refused = (): EnvdriftError =>
    new EnvdriftError('USAGE', `${source} is not a program and its arguments`, {
      suggestions: [
        'Write the words with blanks between them: pass show myapp/vault',
        'Where a word holds blanks or quotes, write a JSON array: ["pass", "show", "my vault"]. No shell is involved.',
      ],
    })
  const words: unknown = text.trimStart().startsWith('[')
    ? parseJson(text)
    : text.split(/\s+/).filter((word) => word !== '')
  const areWords = Array.isArray(words) && words.every((word) => typeof word === 'string' && !word.includes('\0'))
  if (!areWords || words.length === 0 || words[0] === '') throw refused()
  if (!text.trimStart().startsWith('[') && /["'`]/.test(text)) throw refused()
  return words as unknown as readonly [string, ...string[]]
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Takes exactly one newline off the end and a byte order mark off the start, and refuses what can't be a password. */
function checked(bytes: Buffer, source: string): Secret {
  if (bytes.length > maxBytes) throw unusable(source, undefined, 'holds more than a password')
  let text: string
  try {
    // Takes the byte order mark off that editors on Windows write, and that nobody types.
    text = new TextDecoder('utf-8', {fatal: true}).decode(bytes)
  } catch {
    throw unusable(source, undefined, 'is not UTF-8 text')
  }
  const password = text.replace(/\r?\n$/, '')
  if (password === '') throw unusable(source, undefined, 'is empty')
  if (password.includes('\0')) throw unusable(source, undefined, 'holds a NUL character')
  return new Secret(password)
}

async function askTwice(what: string, ask: Ask): Promise<Secret> {
  const first = answered(await ask(`${what}: `))
  const second = await ask(`${what}, again: `)
  if (second !== undefined && first.equals(new Secret(second))) return first
  throw new EnvdriftError('VAULT_PASSWORD_MISSING', 'The two passwords differ', {
    suggestions: ['Run the command again.'],
  })
}

const answered = (line: string | undefined): Secret => checked(Buffer.from(line ?? ''), 'the answer')

function warnedOf(secret: Secret, {warn}: PasswordContext): Secret {
  if (Array.from(secret.reveal()).length < shortPassword)
    warn(`The password has fewer than ${shortPassword} characters; who gets the file can try many of those`)
  return secret
}

/** There was nowhere to look, as opposed to a source that failed. */
class NoSource extends EnvdriftError {
  constructor(message: string, suggestions: readonly [string, ...string[]]) {
    super('VAULT_PASSWORD_MISSING', message, {suggestions})
  }
}

function missing(path: string, settings: Settings): NoSource {
  const {env: variable} = passwordTable(settings)
  return new NoSource(`The vault ${printable(path)} needs a password, and none was given`, [
    ...(variable === undefined ? [] : ([`Set ${printable(variable)}, as the configuration says.`] as const)),
    'Set ENVDRIFT_VAULT_PASSWORD, or give --password-file FILE, --password-fd N or --password-command PROGRAM.',
    'Or run the command at a terminal without --ci, and be asked.',
  ] as [string, ...string[]])
}

function unusable(source: string, cause: unknown, what: string): EnvdriftError {
  return new EnvdriftError('VAULT_PASSWORD_MISSING', `${source} ${what}`, {
    suggestions: ['Correct this source of the password, or use another one.'],
    cause,
  })
}
