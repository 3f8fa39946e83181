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
  /** The field of a JSON secret that holds the key, as in `team/app#auth`. A provider never sees it: it reads whole secrets. */
  readonly field?: string
}

/** One key of a map of references: two with the same text mean the same secret, and the same field of it. */
export const refId = ({vault, name, version = '', field}: SecretRef): string =>
  JSON.stringify([vault, name, version, ...(field === undefined ? [] : [field])])

/** The secret that holds the field, whole. */
export function wholeSecret(ref: SecretRef): SecretRef {
  const {field: _, ...whole} = ref
  return ref.field === undefined ? ref : whole
}

/** The name as a configuration writes it: `team/app#auth`. */
export const writtenName = ({name, field}: SecretRef): string => (field === undefined ? name : `${name}#${field}`)
