/** Name of a vault in the configuration: a key of `[vaults.NAME]`, a name that routes by itself (Azure), or `default`. */
export type VaultName = string

/** `DOTENV_PRIVATE_KEY`, or `DOTENV_PRIVATE_KEY_` and dotenvx's suffix for the env file (`[\w.-]+`, upper case). */
export type KeyName = `DOTENV_PRIVATE_KEY${'' | `_${string}`}`

/** One secret in one vault. `name` is already in the service's own spelling. */
export type SecretRef = {
  readonly vault: VaultName
  readonly name: string
  /** Pins one version (on AWS a version id or a stage). Left out: the current one. */
  readonly version?: string
}

/** One key of a map of secrets: two references with the same text are the same secret. */
export const refId = ({vault, name, version = ''}: SecretRef): string => JSON.stringify([vault, name, version])
