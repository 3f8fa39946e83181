import type {Secret} from './secret.ts'

/** The environment that a command runs in; a map and not `process.env`, so that tests can give their own. */
export type Env = Readonly<Record<string, string | undefined>>

/** Where a setting came from, most powerful first. Decides what it may do (SECURITY.md, "Who may set what"). */
export type Origin = 'flag' | 'environment' | 'repository' | 'user'

export type SettingValue = string | number | boolean | readonly string[] | {readonly [key: string]: SettingValue}

/** The settings of one vault after flags, environment, repository file and user file were merged. */
export type Settings = Readonly<Record<string, SettingValue>>

/** One key of a provider's table in envdrift.toml. */
export type SettingSpec = {
  readonly type: 'string' | 'boolean' | 'integer' | 'strings' | 'table'
  /** `machine`: a repository file may not set it, only the user file, an `ENVDRIFT_*` variable or a flag. */
  readonly trust: 'repository' | 'machine'
  /** One of these words, where only some are allowed. */
  readonly oneOf?: readonly string[]
  /** For documentation: what it sets, its default, and where that comes from. */
  readonly summary: string
}

export type Resolved = {
  /** What `connect` gets: trimmed, defaults filled in. */
  readonly settings: Settings
  /** What makes the vault unusable: whole sentences that name the setting and the remedy. */
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * What must be known of a provider without loading it: enough to check a configuration.
 * It lies in `providers/NAME/spec.ts`, and imports nothing heavy.
 */
export type ProviderSpec = {
  /** As people call it: `AWS Secrets Manager`. */
  readonly title: string
  readonly settings: Readonly<Record<string, SettingSpec>>
  /** The setting that each of these flags stands for; a flag that isn't here is a usage error with this provider. */
  readonly flags: {readonly 'vault-url'?: string; readonly region?: string; readonly 'project-id'?: string; readonly token?: true}
  /** May a secret's name hold a slash? Decides what `a/b=folder` means in pair.txt. */
  readonly slashInNames: boolean
  /** @returns what is wrong with the name, as the end of the sentence "secret_name … ", or `undefined`. */
  readonly checkSecretName: (name: string) => string | undefined
  /** On Azure: the settings that an undeclared vault name stands for. Elsewhere an undeclared name is an error. */
  readonly settingsOfName?: (name: string, ofTable: Settings) => Settings
  /**
   * The last step of reading a configuration: fill in what the environment says, and check the whole. Pure.
   *
   * @param given.origins - where each of `settings` came from.
   * @param given.trustedVaults - addresses pinned in the user file or in `ENVDRIFT_TRUSTED_VAULTS`.
   */
  readonly resolve: (given: {
    readonly settings: Settings
    readonly origins: Readonly<Record<string, Origin>>
    readonly env: Env
    readonly ci: boolean
    readonly trustedVaults: readonly string[]
  }) => Resolved
}

/** What an adapter may use of the machine. `cli/wire.ts` makes it. */
export type Host = {
  readonly env: Env
  /** Home directory of the user, for token files and the like. */
  readonly home: string
  /** At most so many requests at once to this vault (`max_workers`). */
  readonly maxInFlight: number
  /** How long one call may take, in milliseconds, the SDK's retries included. */
  readonly callTimeoutMs: number
  /** From `--token`; the HashiCorp adapter prefers it over every other login. */
  readonly token?: Secret
  /** A person sits at a terminal, so a browser login or a question is possible. */
  readonly interactive: boolean
  /** Prints a warning on stderr, once per text. */
  readonly warn: (message: string) => void
  /** The password of an embedded vault, from the sources that the command allows, in their order. */
  readonly vaultPassword: (vault: {readonly path: string; readonly settings: Settings}) => Promise<Secret>
}
