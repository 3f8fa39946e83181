import {string} from '@oclif/core/args'

import {done, VaultCommand} from '../../cli/vault-command.ts'
import type {Result} from '../../core/report.ts'
import {removeSecret} from '../../workflows/vault.ts'

export default class VaultRm extends VaultCommand {
  static override summary =
    'Delete a secret. Earlier versions stay readable with "vault get NAME --version N", unless the vault is full.'

  static override args = {name: string({ignoreStdin: true, required: true, description: 'name of the secret'})}

  static override examples = ['<%= config.bin %> <%= command.id %> myapp-retired']

  protected async execute(): Promise<Result> {
    const {args, flags} = await this.parse(VaultRm)
    const {vault, signal} = await this.vaultOf(flags)
    const earlier = await removeSecret(vault, args.name, signal)
    const text = `Deleted ${args.name}${earlier === 'gone' ? ' and its earlier versions: the vault is full' : ''}`
    return done(text, {vault: vault.path, name: args.name, earlierVersions: earlier})
  }
}
