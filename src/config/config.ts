import type {SecretRef, VaultName} from '../core/mapping.ts'
import type {ProviderSpec, Settings} from '../core/provider-spec.ts'

/** Every provider's spec by its id, as the registry has them. */
export type ProviderSpecs = Readonly<Record<string, ProviderSpec>>

/** One vault that a mapping uses, ready to connect. */
export type VaultConfig = {readonly name: VaultName; readonly provider: string; readonly settings: Settings}

/** One mapping as it was written, checked, with its vault resolved. */
export type MappingConfig = {
  readonly ref: SecretRef
  /** `folder_path` as written: what people see in rows. */
  readonly folderPath: string
  /** The same, absolute; not yet resolved through symlinks. */
  readonly folder: string
  readonly environment?: string
  readonly profile?: string
  /** `env_file` as written; relative to the folder. */
  readonly envFile?: string
  readonly ephemeral: boolean
  /** `ci`: without access the mapping is skipped on a developer's machine, and an error in CI (case C125). */
  readonly required: 'always' | 'ci'
  /** Where it stands: 1-based line in the configuration file. */
  readonly line?: number
  /** From 1: of the mapping among those that were written down, or of the pattern that it comes from. */
  readonly number: number
  /** It comes from a pattern; one that was written down for the same key wins over it. */
  readonly fromPattern?: true
}

/** The environment that a mapping is about: its profile stands for it where nothing else does. A pattern's file says its own. */
export const environmentOf = ({environment, profile, fromPattern}: MappingConfig): string | undefined =>
  environment ?? (fromPattern ? undefined : profile)

/** What a run needs to know, whatever shape it was written in. */
export type Config = {
  /** Absolute path of the file that the mappings come from. */
  readonly path: string
  /** Relative paths start here: the directory of that file. */
  readonly base: string
  /** The git repository around it, after symlinks: folders and files must lie inside. `undefined`: anywhere. */
  readonly repository: string | undefined
  readonly vaults: ReadonlyMap<VaultName, VaultConfig>
  /**
   * In the order of the file, those of patterns last, after `--profile`, `--filter` and `--shard` were applied. Empty only for
   * a shard that has none.
   */
  readonly mappings: readonly MappingConfig[]
  /** How many there were before `--filter` and `--shard`. */
  readonly total: number
  /** Those that `--filter` and `--shard` leave to other runs. */
  readonly left: readonly MappingConfig[]
  /** Those of profiles that weren't asked for: their env files are covered, but not this run's business. */
  readonly unselected: readonly MappingConfig[]
  /** As written, relative to each folder: `.env.keys`. */
  readonly envKeysFilename: string
  readonly maxWorkers: number
  /** How many backups are kept per keys file. */
  readonly backups: number
  readonly coverage: 'report' | 'required'
  /** How long one call to a vault may take, in milliseconds. */
  readonly callTimeoutMs: number
  /** How long reading all vaults may take together, in milliseconds. */
  readonly runTimeoutMs: number
  /** Unknown keys with a suggestion, settings that deserve a word. For stderr. */
  readonly warnings: readonly string[]
}

/** What flags say, in the field's words; `undefined` where a flag wasn't given. `ENVDRIFT_*` variables stand below them. */
export type ConfigFlags = {
  readonly config?: string
  readonly provider?: string
  readonly vaultUrl?: string
  readonly region?: string
  readonly projectId?: string
  readonly token?: boolean
  readonly profile?: string
  readonly requireCoverage?: boolean
  /** A glob for `folder_path`. */
  readonly filter?: string
  /** `2/8`: the second of eight parts. */
  readonly shard?: string
  readonly ci?: boolean
}
