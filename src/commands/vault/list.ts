import {secretLines, VaultCommand} from '../../cli/vault-command.ts'
import type {Result} from '../../core/report.ts'
import {listSecrets} from '../../workflows/vault.ts'

export default class VaultList extends VaultCommand {
  static override summary = 'List the names of the secrets, with their versions; never a value.'

  static override examples = ['<%= config.bin %> <%= command.id %> --json']

  protected async execute(): Promise<Result> {
    const {flags} = await this.parse(VaultList)
    const {vault, signal} = await this.vaultOf(flags)
    const secrets = await listSecrets(vault, signal)
    return {reason: 'ok', document: {vault: vault.path, secrets}, outputs: () => secretLines(secrets)}
  }
}
