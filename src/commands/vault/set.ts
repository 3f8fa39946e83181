import {string as argument} from '@oclif/core/args'
import {string} from '@oclif/core/flags'

import {readValue, refuseValueInFlag, valueDescriptor, valueInHistory} from '../../cli/value-source.ts'
import {done, VaultCommand} from '../../cli/vault-command.ts'
import type {Result} from '../../core/report.ts'
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
    const {vault, context, signal} = await this.vaultOf(flags, {descriptorOfValue: valueDescriptor(file)})
    const value = () => readValue({name: args.name, file}, context)
    const version = await setSecret(vault, args.name, value, signal)
    const text = `Stored ${args.name} (version ${version})`
    return done(text, {vault: vault.path, name: args.name, version})
  }
}
