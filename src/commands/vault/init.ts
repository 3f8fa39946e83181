import {string} from '@oclif/core/args'

import {done, VaultCommand} from '../../cli/vault-command.ts'
import type {Result} from '../../core/report.ts'

export default class VaultInit extends VaultCommand {
  static override summary = 'Make an embedded vault: an encrypted file in a directory of its own.'

  static override description = `The password comes from --password-fd, --password-file, --password-command, ENVDRIFT_VAULT_PASSWORD,
ENVDRIFT_VAULT_PASSWORD_FILE, ENVDRIFT_VAULT_PASSWORD_COMMAND, the configuration, or a question at the terminal, in this
order. Nobody can open the vault without it.`

  // Else oclif takes what is piped in, a password or a value, for the missing argument.
  static override args = {path: string({ignoreStdin: true, description: 'directory, to be made; default as --path'})}

  static override examples = ['<%= config.bin %> <%= command.id %> .envdrift/vault']

  protected async execute(): Promise<Result> {
    const {args, flags} = await this.parse(VaultInit)
    const {vault} = await this.vaultOf({...flags, path: args.path ?? flags.path}, {isNew: true})
    await vault.init()
    return done(`Made a vault at ${vault.path}`, {vault: vault.path})
  }
}
