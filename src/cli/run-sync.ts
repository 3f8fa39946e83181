import {EnvdriftError} from '../core/errors.ts'
import type {Result} from '../core/report.ts'
import {Secret} from '../core/secret.ts'
import {printable} from '../core/text.ts'
import {syncResult} from '../report/sync.ts'
import {rememberRealPaths} from '../system/real-path.ts'
import {workingDirectory} from '../system/surroundings.ts'
import {sync, type SyncOptions} from '../workflows/sync.ts'
import {configured, type ConfigFlags} from './configured.ts'
import {NotRead, readDescriptor} from './given-bytes.ts'
import {loadSchema} from './load-schema.ts'
import {refuseReadingTwice, vaultPassword, type PasswordFlags} from './password.ts'
import {makeProgress} from './progress.ts'
import type {Prompt} from './prompt.ts'
import {makeQuestions, somebodyIsThere, terminalOf} from './questions.ts'
import {abortOnSignals} from './signals.ts'
import {wantsProgress, widthOf} from './terminal.ts'
import {connectWith, makeFiles, makeGit} from './wire.ts'

/** The flags of `envdrift sync`, as oclif parsed them. */
export type SyncFlags = ConfigFlags &
  PasswordFlags & {
    readonly schema?: string | undefined
    readonly 'service-dir'?: string | undefined
    readonly verify: boolean
    readonly force: boolean
    readonly quiet: boolean
    readonly verbose: boolean
    readonly 'check-decryption': boolean
    readonly 'validate-schema': boolean
    readonly 'allow-schema-code': boolean
    readonly 'skip-key-match': boolean
  }

/** `envdrift sync`: the composition root that joins configuration, ports and workflow. */
export async function runSync(flags: SyncFlags, {warn}: {readonly warn: (message: string) => void}): Promise<Result> {
  refuseSenseless(flags)
  const signal = abortOnSignals()
  const realFolder = rememberRealPaths()
  const config = await configured(flags, realFolder, warn)
  const validate = await loadSchema(flags, {cwd: workingDirectory(), signal})

  const progress = makeProgress(process.stderr, !flags.ci && !flags.quiet && wantsProgress(process.stderr, process.env))
  const say = (message: string): void => {
    progress.clear()
    warn(message)
  }
  const interactive = somebodyIsThere(flags)
  const terminal = terminalOf(signal, progress.clear)
  let prompt: Prompt | undefined
  const askHidden = makeQuestions(terminal)
  const options: SyncOptions = {
    verify: flags.verify,
    force: flags.force,
    ci: flags.ci,
    checkDecryption: flags['check-decryption'],
    skipKeyMatch: flags['skip-key-match'],
    validate,
  }
  try {
    const report = await sync(config, options, {
      connect: connectWith({
        config,
        interactive,
        ...(interactive && {
          ask: async (question) => secretOf(await askHidden(printable(question).replace(/:? *$/, ': '))),
        }),
        token: await tokenOf(flags, say, signal),
        warn: say,
        ...(flags.verbose && {verbose: say}),
        vaultPassword: vaultPassword(flags, {warn: say, signal, ...(interactive && {ask: askHidden})}),
      }),
      files: makeFiles(config, signal, () => new Date(), realFolder),
      git: makeGit(signal, realFolder),
      ask: async (question) => {
        const {makePrompt} = await import('./prompt.ts')
        const output = {stream: terminal.output, width: widthOf(terminal.output, process.env)}
        prompt ??= makePrompt(terminal.input, output, signal)
        progress.clear()
        return prompt.ask(question)
      },
      progress: progress.show,
      warn: say,
      signal,
    })
    return syncResult(report)
  } finally {
    progress.clear()
    prompt?.close()
  }
}

function refuseSenseless(flags: SyncFlags): void {
  const refuse = (message: string, suggestion: string): never => {
    throw new EnvdriftError('USAGE', message, {suggestions: [suggestion]})
  }
  if (flags.schema !== undefined && !flags['validate-schema']) {
    refuse('--schema does nothing without --validate-schema', 'Add --validate-schema, or leave --schema out.')
  }
  if (flags['validate-schema'] && flags.schema === undefined) {
    refuse('--validate-schema needs a schema', 'Name one: --schema schema.json')
  }
  if (flags['service-dir'] !== undefined && flags.schema === undefined) {
    refuse('--service-dir does nothing without --schema', 'Add --validate-schema --schema FILE, or leave it out.')
  }
  if (flags['skip-key-match'] && flags.verify) {
    refuse('--skip-key-match makes no sense with --verify, which installs nothing', 'Leave one of them out.')
  }
  refuseReadingTwice(flags, flags.token === '-' ? [['--token -', 0]] : [])
}

/** An answer that is a secret, unless nothing was answered. */
const secretOf = (answer: string | undefined): Secret | undefined =>
  answer === undefined || answer.trim() === '' ? undefined : new Secret(answer.trim())

/** `--token -` reads stdin; anything else on a command line is open to every process of the machine. */
async function tokenOf(
  {token}: SyncFlags,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<Secret | undefined> {
  if (token === undefined) return undefined
  if (token !== '-') {
    warn('--token on a command line is visible to every process; use VAULT_TOKEN, ~/.vault-token or --token - (stdin)')
    return new Secret(token)
  }
  const refuse = (what: string): EnvdriftError =>
    new EnvdriftError('NOT_LOGGED_IN', `--token - ${what}`, {suggestions: ['Pipe the token in, or set VAULT_TOKEN.']})
  const bytes = await readDescriptor(0, {maxBytes: maxTokenBytes, signal}).catch((error: unknown) => {
    throw error instanceof NotRead ? refuse(`could not read standard input: it ${error.message}`) : error
  })
  if (bytes.length > maxTokenBytes) throw refuse('found more than a token on standard input')
  const read = bytes.toString('utf8').trim()
  if (read !== '') return new Secret(read)
  throw refuse('found no token on standard input')
}

/** Longer than any token, in bytes: a JWT with many claims has some kilobytes. */
const maxTokenBytes = 64 * 1024
