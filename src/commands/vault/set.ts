import {string as argument} from '@oclif/core/args'
import {string} from '@oclif/core/flags'

import {readValue, valueIsPiped} from '../../cli/value-source.ts'
import {done, VaultCommand} from '../../cli/vault-command.ts'
import {EnvdriftError} from '../../core/errors.ts'
import type {Result} from '../../core/report.ts'
import {printable} from '../../core/text.ts'
import {setSecret} from '../../workflows/vault.ts'

export default class VaultSet extends VaultCommand {
  static override summary =
    'Store a secret: the value comes from standard input or a file, never from the command line.'

  static override description = `Every byte is kept, a line end included. Earlier versions stay readable with "vault get NAME --version N".`

  // Else oclif takes what is piped in, a password or a value, for the missing argument.
  static override args = {name: argument({ignoreStdin: true, required: true, description: 'name of the secret'})}

  // Else oclif would speak of an unexpected argument; what matters is where the value is now.
  static override strict = false

  static override flags = {'value-file': string({summary: 'Read the value from a file; - is standard input.'})}

  static override examples = [
    'grep -h DOTENV_PRIVATE_KEY_PRODUCTION .env.keys | <%= config.bin %> <%= command.id %> myapp-production',
    '<%= config.bin %> <%= command.id %> myapp-production --value-file key.txt',
  ]

  protected async execute(): Promise<Result> {
    const {args, argv, flags} = await this.parse(VaultSet).catch(refuseValueInFlag)
    if (argv.length > 1 || args.name.includes('=')) throw valueInHistory()
    const file = flags['value-file']
    const {vault, signal} = await this.vaultOf(flags, {stdinHoldsValue: valueIsPiped(file)})
    const value = () => readValue({name: args.name, file, ci: flags.ci}, signal)
    const version = await setSecret(vault, args.name, value, signal)
    const text = `Stored ${printable(args.name)} (version ${version})`
    return done(text, {vault: vault.path, name: args.name, version})
  }
}

/** oclif repeats a flag that it doesn't know, and a `--value=…` with what follows. */
function refuseValueInFlag(error: unknown): never {
  const {flags} = error as {readonly flags?: unknown}
  const unknown: readonly unknown[] = Array.isArray(flags) ? flags : []
  throw unknown.some((flag) => flag === '--value' || String(flag).includes('=')) ? valueInHistory() : error
}

const valueInHistory = (): EnvdriftError =>
  new EnvdriftError('USAGE', 'A value on the command line was refused, and nothing was stored', {
    suggestions: [
      'Pipe the value in, give --value-file FILE, or run the command at a terminal and type it.',
      "What was typed is now in your shell's history, and other users could see it: take it for known, and replace it.",
    ],
  })
