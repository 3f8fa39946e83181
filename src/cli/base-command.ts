import {Command} from '@oclif/core/command'
import type {Config} from '@oclif/core/config'
import {boolean, string} from '@oclif/core/flags'

import {EnvdriftError} from '../core/errors.ts'
import {errorDocument, exitCodeOf, type Result, type Style} from '../core/report.ts'
import {firstFew} from '../core/text.ts'
import {documentOutput} from '../report/document.ts'
import {errorOutputs, warningOutput} from '../report/errors.ts'
import {shownDirectory} from '../system/surroundings.ts'
import {commandLineError, unexpected} from './command-line-error.ts'
import {write} from './emit.ts'
import {wantsColor, widthOf} from './terminal.ts'

/** More warnings than this help nobody; a pull request can cause as many as it likes. */
const maxWarnings = 100

/** Of these, the reading of a configuration may take so many: what the run itself warns of comes later. */
const maxConfigWarnings = 50

const andMore = (left: number): string => `and ${left} more ${left === 1 ? 'warning' : 'warnings'}`

/** What a configuration is warned of, or the first of it. */
export const shownWarnings = (warnings: readonly string[]): readonly string[] =>
  firstFew(warnings, maxConfigWarnings, (left) => `${andMore(left)} about the configuration`)

/** A command that can be made. */
export type CommandClass = (new (argv: string[], config: Config) => BaseCommand) &
  Pick<typeof BaseCommand, 'args' | 'baseFlags' | 'flags' | 'id' | 'ready'>

/** What every command shares: flags, the `--json` envelope, errors, exit codes. A command adds `execute`. */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true

  // No type annotation: oclif infers the flag types from it, and a misspelt flag becomes a compile error.
  static override baseFlags = {
    config: string({
      char: 'c',
      helpValue: 'FILE',
      summary: 'Configuration file. Default: the nearest envdrift.toml or pyproject.toml with [tool.envdrift].',
      helpGroup: 'GLOBAL',
    }),
    ci: boolean({summary: 'Never ask; no progress lines.', helpGroup: 'GLOBAL'}),
    quiet: boolean({summary: 'Print errors only.', exclusive: ['verbose'], helpGroup: 'GLOBAL'}),
    verbose: boolean({summary: 'Say more about each row.', helpGroup: 'GLOBAL'}),
    'no-color': boolean({summary: 'No colours; NO_COLOR=1 does the same.', helpGroup: 'GLOBAL'}),
    'detailed-exitcode': boolean({
      summary: 'Exit codes that tell drift (3), config (4), access (5) and so on apart.',
      helpGroup: 'GLOBAL',
    }),
  }

  /**
   * The command, ready to run without oclif's `Config`, which knows all commands and takes longer to load than most of them
   * to run; parsing needs next to nothing of it.
   *
   * @param id - as oclif has it: `vault:get`.
   * @param argv - the words behind the command's own.
   */
  static ready(
    this: CommandClass,
    {id, argv, bin}: {readonly id: string; readonly argv: readonly string[]; readonly bin: string},
  ): {readonly run: () => Promise<void>} {
    this.id = id
    const config: Partial<Config> = {bin, runHook: () => Promise.resolve({successes: [], failures: []})}
    const command = new this([...argv], config as Config)
    return {run: () => command.run().catch((error: unknown) => command.catch(error))}
  }

  readonly #warnings = new Set<string>()

  /** The flag alone: oclif heeds a variable of its own as well, where it has loaded its configuration. */
  override jsonEnabled(): boolean {
    return this.#has('--json')
  }

  /** Parse, call one workflow, hand back what it says. */
  protected abstract execute(): Promise<Result>

  async run(): Promise<void> {
    const result = await this.execute()
    process.exitCode = exitCodeOf(result.reason, this.#has('--detailed-exitcode'))
    if (this.jsonEnabled()) return this.#writeDocument({exitReason: result.reason, ...result.document})
    for (const output of result.outputs(this.style())) write(output)
    this.#sayHowManyMore()
  }

  /** One warning, once: on stderr, or in the `--json` document. */
  protected warning(message: string): void {
    if (this.#warnings.has(message)) return
    this.#warnings.add(message)
    if (!this.jsonEnabled() && this.#warnings.size <= maxWarnings) write(warningOutput(message, this.#stderrStyle()))
  }

  protected style(): Style {
    return {
      color: wantsColor(process.stdout, process.env, this.#has('--no-color')),
      width: widthOf(process.stdout, process.env),
      quiet: this.#has('--quiet'),
      verbose: this.#has('--verbose'),
      cwd: shownDirectory(),
    }
  }

  /** Every way in which a command fails ends here: one message, one exit code, and with `--json` one document. */
  protected override async catch(error: unknown): Promise<void> {
    const known = error instanceof EnvdriftError ? error : (commandLineError(error) ?? unexpected(error))
    process.exitCode = exitCodeOf(known.reason, this.#has('--detailed-exitcode'))
    if (this.jsonEnabled()) return this.#writeDocument({exitReason: known.reason, error: errorDocument(known)})
    for (const output of errorOutputs(known, this.#stderrStyle())) write(output)
    this.#sayHowManyMore()
  }

  #sayHowManyMore(): void {
    const left = this.#warnings.size - maxWarnings
    if (left > 0) write(warningOutput(andMore(left), this.#stderrStyle()))
  }

  #writeDocument(document: Readonly<Record<string, unknown>>): void {
    write(
      documentOutput(
        this.id?.replaceAll(':', ' ') ?? null,
        document,
        firstFew([...this.#warnings], maxWarnings, andMore),
      ),
    )
  }

  #stderrStyle(): Pick<Style, 'color' | 'width' | 'cwd'> {
    return {
      color: wantsColor(process.stderr, process.env, this.#has('--no-color')),
      width: widthOf(process.stderr, process.env),
      cwd: shownDirectory(),
    }
  }

  /** Asked of the raw words, since an error may come before they were parsed. */
  #has(flag: string): boolean {
    const end = this.argv.indexOf('--')
    return this.argv.slice(0, end === -1 ? undefined : end).includes(flag)
  }
}
