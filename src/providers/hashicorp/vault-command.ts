import {shellWord} from '../../core/shell-word.ts'

/**
 * A line of Vault's own command that a person can copy: `vault kv put -mount=secret myapp value=@FILE`.
 *
 * Mount and name may come from a file that a pull request can change, so they are quoted for the shell.
 *
 * @param action - with its flags: `put`, `undelete -versions=2`.
 */
export function vaultKv(
  action: string,
  vault: {readonly mount: string; readonly namespace?: string | undefined},
  name: string,
  ...rest: readonly string[]
): string {
  const namespace = vault.namespace === undefined ? [] : [`-namespace=${shellWord(vault.namespace)}`]
  return ['vault kv', action, `-mount=${shellWord(vault.mount)}`, ...namespace, shellWord(name), ...rest].join(' ')
}
