import {string} from '@oclif/core/args'
import {integer} from '@oclif/core/flags'

import {printValue, VaultCommand} from '../../cli/vault-command.ts'
import type {Result} from '../../core/report.ts'
import {documentValue, getSecret} from '../../workflows/vault.ts'

export default class VaultGet extends VaultCommand {
  static override summary = 'Print the value of a secret, byte for byte, and nothing else.'

  static override args = {name: string({ignoreStdin: true, required: true, description: 'name of the secret'})}

  static override flags = {version: integer({summary: 'An earlier version, by its number.', min: 1})}

  static override examples = ['<%= config.bin %> <%= command.id %> myapp-production > key.txt']

  protected async execute(): Promise<Result> {
    const {args, flags} = await this.parse(VaultGet)
    const {vault, signal} = await this.vaultOf(flags)
    const {value, version, updated} = await getSecret(vault, {name: args.name, version: flags.version}, signal)
    return {
      reason: 'ok',
      document: {vault: vault.path, name: args.name, version, updated, ...documentValue(value)},
      outputs: () => {
        printValue(value)
        return []
      },
    }
  }
}
