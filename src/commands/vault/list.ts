import {VaultCommand} from '../../cli/vault-command.ts'
import type {Result} from '../../core/report.ts'
import {printable} from '../../core/text.ts'
import {listSecrets} from '../../workflows/vault.ts'

export default class VaultList extends VaultCommand {
  static override summary = 'List the names of the secrets, with their versions; never a value.'

  static override examples = ['<%= config.bin %> <%= command.id %> --json']

  protected async execute(): Promise<Result> {
    const {flags} = await this.parse(VaultList)
    const {vault, signal} = await this.vaultOf(flags)
    const secrets = await listSecrets(vault, signal)
    const rows = secrets.map(({name, version, updated}) => [printable(name), `version ${version}`, updated] as const)
    const widest = (column: 0 | 1): number => Math.max(0, ...rows.map((row) => row[column].length))
    return {
      reason: 'ok',
      document: {vault: vault.path, secrets},
      outputs: () =>
        rows.map(([name, version, updated]) => ({
          to: 'stdout',
          text: `${name.padEnd(widest(0))}  ${version.padEnd(widest(1))}  ${updated}\n`,
        })),
    }
  }
}
