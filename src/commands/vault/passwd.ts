import {newPasswordFlags, newVaultPassword} from '../../cli/password.ts'
import {done, VaultCommand} from '../../cli/vault-command.ts'
import type {Result} from '../../core/report.ts'

export default class VaultPasswd extends VaultCommand {
  static override summary = 'Change the password: everything is encrypted anew under a new key.'

  static override description = `The old password opens nothing that is written from now on. It still opens the copies in backups/, and those in git or
elsewhere: when it leaked, delete them and replace the secrets.

The new password comes from --new-password-fd, --new-password-file, ENVDRIFT_VAULT_NEW_PASSWORD, or a question.`

  static override flags = newPasswordFlags

  static override examples = ['<%= config.bin %> <%= command.id %>']

  protected async execute(): Promise<Result> {
    const {flags} = await this.parse(VaultPasswd)
    const {vault, context, signal} = await this.vaultOf(flags)
    await vault.changePassword(() => newVaultPassword(flags, context), signal)
    const text = `Changed the password of ${vault.path}; the copies in backups/ still open with the old one`
    return done(text, {vault: vault.path})
  }
}
