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
  /** `path`: a string that arrives absolute; relative to the file that names it, from a flag or a variable to the working directory. */
  readonly type: 'string' | 'path' | 'boolean' | 'integer' | 'strings' | 'table'
  /** `machine`: a repository file may not set it, only the user file, an `ENVDRIFT_*` variable or a flag. */
  readonly trust: 'repository' | 'machine'
  /** One of these, where only some are allowed. */
  readonly oneOf?: readonly (string | number)[]
  /** Of a table: its keys, of which exactly one is set. */
  readonly keys?: Readonly<Record<string, SettingSpec>>
  /** Words (of a table: keys) that a later version accepts: refused as NOT_THERE_YET, never ignored. */
  readonly later?: readonly string[]
  /** Of a path: what it is when nobody sets it, relative to the configuration file. */
  readonly default?: string
  /** Of a path: named by a file of a repository, it must lie in that repository, symlinks followed. */
  readonly reach?: 'repository'
  /** The variable that sets it for the default vault. Left out: `ENVDRIFT_`, the provider, `_` and the key, in capitals. A table has none. */
  readonly variable?: string
  /** For documentation: what it sets, its default, and where that comes from. */
  /** An address that receives a token which we hold: once the machine names one, a repository file may name no other. */
  readonly receivesToken?: true
  /**
   * How far the server at the vault's address is believed: what a user file says of it doesn't hold for an address that a
   * repository file names, unless it is the same, or the machine names it.
   */
  readonly believes?: true
  readonly summary: string
}

/** What makes a vault unusable. */
export type Problem = {
  /** A whole sentence that names the setting and the remedy, safe to print. */
  readonly text: string
  /** The setting that it is about, for its line and column. */
  readonly setting?: string
  /** Left out: CONFIG_INVALID. */
  readonly code?: 'CONFIG_NOT_ALLOWED' | 'VAULT_ADDRESS_CONFLICT'
}

type Resolved = {
  /** What `connect` gets: trimmed, defaults filled in. */
  readonly settings: Settings
  readonly problems: readonly Problem[]
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
  readonly flags: {
    readonly 'vault-url'?: string
    readonly region?: string
    readonly 'project-id'?: string
    readonly token?: true
  }
  /** Variables in which the service's own client looks for the address. */
  readonly addressVariables?: readonly string[]
  /** Does this machine name somebody who is asked in place of the address in `settings`, so that this one receives nothing? */
  readonly isAskedThroughAgent?: (given: {
    readonly settings: Settings
    readonly origins: Readonly<Record<string, Origin>>
    readonly env: Env
  }) => boolean
  /** Is this the address of a vault of this provider, and of no other's: by its host, where that tells? */
  readonly isOwnAddress?: (address: string) => boolean
  /** May a secret's name hold a slash? Decides what `a/b=folder` means in pair.txt. */
  readonly slashInNames: boolean
  /** Settings that a later version has: refused as NOT_THERE_YET, never ignored. */
  readonly later?: readonly string[]
  /** @returns what is wrong with the name (or `secret_version`), as the end of the sentence "secret_name … ", or `undefined`. */
  readonly checkSecretName: (name: string, version?: string) => string | undefined
  /**
   * On Azure: the settings that an undeclared vault name stands for, `undefined` for what can't be a vault's name.
   * Elsewhere an undeclared name is an error.
   */
  readonly settingsOfName?: (name: string, ofTable: Settings) => Settings | undefined
  /**
   * The last step of reading a configuration: fill in what the environment says, and check the whole. Pure.
   *
   * @param given.origins - where each of `settings` came from.
   * @param given.trustedVaults - addresses pinned in the user file or in `ENVDRIFT_TRUSTED_VAULTS`.
   * @param given.namedByMachine - addresses that a flag or a variable names for a vault of this provider:
   *   the token here was made for one of them, so a repository file may name no other.
   */
  readonly resolve: (given: {
    readonly settings: Settings
    readonly origins: Readonly<Record<string, Origin>>
    readonly env: Env
    readonly ci: boolean
    readonly trustedVaults: readonly string[]
    readonly namedByMachine?: readonly string[]
    /** Those that the user file names; they count as much where the client's own variables name none. */
    readonly namedByUser?: readonly string[]
    /**
     * The addresses of all vaults of this provider that the run has to do with, itself included, as files name them;
     * `undefined` for one without. Those that a flag or a variable names are left out.
     */
    readonly siblings?: readonly (string | undefined)[]
  }) => Resolved
}

/** What an adapter writes into a suggestion where the one who was refused belongs: `--assignee PRINCIPAL`. */
export const principalPlaceholder = 'PRINCIPAL'

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
  /** Asks that person for something that isn't shown (a one-time code); left out where nobody is there. `undefined`: no answer. */
  readonly ask?: (question: string) => Promise<Secret | undefined>
  /** Prints a warning on stderr, once per text. */
  readonly warn: (message: string) => void
  /** The same for what only `--verbose` shows; left out where nobody wants to know. */
  readonly verbose?: (message: string) => void
  /** Ours, for user agents: services log who called. */
  readonly version?: string
  /** The password of an embedded vault, from the sources that the command allows, in their order. */
  readonly vaultPassword: (vault: {readonly path: string; readonly settings: Settings}) => Promise<Secret>
}
