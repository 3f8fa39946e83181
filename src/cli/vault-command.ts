import {realpath} from 'node:fs/promises'
import {resolve} from 'node:path'

import {string} from '@oclif/core/flags'

import {loadVault} from '../config/load.ts'
import {EnvdriftError} from '../core/errors.ts'
import type {Settings} from '../core/provider-spec.ts'
import type {Output, Result} from '../core/report.ts'
import {printable} from '../core/text.ts'
import {stateDir} from '../system/directories.ts'
import {homeDirectory} from '../system/surroundings.ts'
import {embeddedVault, type EmbeddedVault} from '../vault/embedded-vault.ts'
import type {ListedSecret} from '../workflows/vault.ts'
import {BaseCommand, shownWarnings} from './base-command.ts'
import {
  firstPassword,
  passwordFlags,
  refuseReadingTwice,
  vaultPassword,
  type NewPasswordFlags,
  type PasswordContext,
  type PasswordFlags,
} from './password.ts'
import {makeQuestions, somebodyIsThere, terminalOf} from './questions.ts'
import {abortOnSignals} from './signals.ts'
import {configPort, specs} from './wire.ts'

type VaultFlags = PasswordFlags &
  NewPasswordFlags & {readonly path?: string | undefined; readonly config?: string | undefined; readonly ci: boolean}

type OpenedVault = {
  readonly vault: EmbeddedVault
  /** For further questions of the same command. */
  readonly context: PasswordContext
  readonly signal: AbortSignal
}

/** What the commands of the embedded vault share: where it lies, its password, and how a value is printed. */
export abstract class VaultCommand extends BaseCommand {
  static override baseFlags = {
    ...BaseCommand.baseFlags,
    path: string({summary: 'Directory of the vault. Default: that of the configuration, else .envdrift/vault.'}),
    ...passwordFlags,
  }

  /**
   * The vault that the command line means; nothing is read or asked yet.
   *
   * @param options.isNew - it is about to be made, so that a person is asked for the password twice.
   * @param options.descriptorOfValue - the file descriptor that the value comes from, so that no password can.
   */
  protected async vaultOf(
    flags: VaultFlags,
    options: {readonly isNew?: boolean; readonly descriptorOfValue?: number | undefined} = {},
  ): Promise<OpenedVault> {
    const value = options.descriptorOfValue
    refuseReadingTwice(flags, value === undefined ? [] : [['the value', value]])
    const {path, settings} = await placeOf(flags, (message) => this.warning(message))
    const signal = abortOnSignals()
    const context = {
      warn: (message: string) => this.warning(message),
      signal,
      ...(somebodyIsThere(flags) && {ask: makeQuestions(terminalOf(signal))}),
    }
    const passwordOf = (options.isNew ? firstPassword : vaultPassword)(flags, context)
    const vault = embeddedVault({
      path,
      stateDir: stateDir(process.env, homeDirectory()),
      home: homeDirectory(),
      password: () => passwordOf({path, settings}),
      now: () => new Date(),
      warn: context.warn,
    })
    return {vault, context, signal}
  }
}

/** A result that says one sentence on stderr, escaped, and has nothing to print. */
export const done = (text: string, document: Readonly<Record<string, unknown>>): Result => ({
  reason: 'ok',
  document,
  outputs: ({quiet}) => (quiet ? [] : [{to: 'stderr', text: `${printable(text)}\n`}]),
})

/** One line per secret, in columns. */
export function secretLines(secrets: readonly ListedSecret[]): readonly Output[] {
  const rows = secrets.map(({name, version, updated}) => [printable(name), `version ${version}`, updated] as const)
  const widest = (column: 0 | 1): number => Math.max(0, ...rows.map((row) => row[column].length))
  return rows.map(([name, version, updated]) => ({
    to: 'stdout',
    text: `${name.padEnd(widest(0))}  ${version.padEnd(widest(1))}  ${updated}\n`,
  }))
}

/** Print a value byte for byte; at a terminal with a line end, so that the next prompt has a line of its own. */
export function printValue(value: Buffer): void {
  process.stdout.write(value)
  if (process.stdout.isTTY && value.at(-1) !== 0x0a) process.stdout.write('\n')
}

/** The vault's directory: `--path`, else what variables and the configuration say, else `.envdrift/vault` here. */
async function placeOf(
  {path, config, ci}: VaultFlags,
  warn: (message: string) => void,
): Promise<{readonly path: string; readonly settings: Settings}> {
  if (path === '')
    throw new EnvdriftError('USAGE', '--path is empty', {suggestions: ['Name the directory of the vault.']})
  const flags = {ci, ...(config !== undefined && {config})}
  const configured = await loadVault('local', flags, configPort(), specs).catch((error: unknown) => {
    // Whoever names the vault need not have a configuration that is right.
    if (path !== undefined && config === undefined && error instanceof EnvdriftError) return undefined
    throw error
  })
  if (path === undefined) {
    for (const warning of shownWarnings(configured!.warnings)) warn(warning)
    return {path: configured!.vault.settings['path'] as string, settings: configured!.vault.settings}
  }
  const wanted = resolve(path)
  // The configured password belongs to the configured vault, however it is spelt.
  const real = (directory: string): Promise<string> => realpath(directory).catch(() => directory)
  const configuredPath = configured?.vault.settings['path'] as string | undefined
  const isConfigured = configuredPath !== undefined && (await real(configuredPath)) === (await real(wanted))
  return {path: wanted, settings: isConfigured ? configured!.vault.settings : {}}
}
