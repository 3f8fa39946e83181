import {choose} from './choose.ts'
import type {ConfigPort} from './config-port.ts'
import type {Config, ConfigFlags, ProviderSpecs, VaultConfig} from './config.ts'
import type {Written} from './contents.ts'
import {gather} from './gather.ts'
import {checkFlagsUsed, routeMapping, selectByProfile} from './mappings.ts'
import {describe, throwMistakes} from './mistakes.ts'
import {expandPatterns} from './patterns.ts'
import {checkTargets} from './targets.ts'
import {resolveVault, resolveVaults} from './vaults.ts'

/**
 * Everything that a run needs to know: from flags, `ENVDRIFT_*` variables, the repository's file and the user's, in this
 * order, each within what it may set. No vault is asked.
 *
 * @throws EnvdriftError
 *   - USAGE: a flag that means nothing here, or is empty
 *   - CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_SYNTAX
 *   - CONFIG_INVALID, CONFIG_NOT_ALLOWED, VAULT_ADDRESS_CONFLICT, NOT_THERE_YET: all mistakes at once, each with file, line and
 *     column; the code is that of the gravest
 *   - NOTHING_TO_DO: not one mapping, or none for this profile
 */
export async function loadConfig(flags: ConfigFlags, port: ConfigPort, specs: ProviderSpecs): Promise<Config> {
  const gathered = await gather(flags, port, specs, undefined)
  const {remarks, base, repository, sync} = gathered
  const main = gathered.main!

  // C97: an empty name is no name.
  const envKeysFilename = sync.env_keys_filename || '.env.keys'
  const fromPatterns = await expandPatterns(main.patterns, {base, keysFile: envKeysFilename, port, remarks})
  const {selected, unselected} = selectByProfile(main, [...(main.mappings ?? []), ...fromPatterns], gathered)
  const route = (written: Written) => routeMapping(written, sync, envKeysFilename, gathered) ?? []
  const routed = selected.flatMap(route)
  const others = unselected.flatMap(route)
  checkFlagsUsed(routed, gathered)
  const draftsOf = (some: typeof routed) => new Set(some.map(({draft}) => draft))
  const byName = await resolveVaults(draftsOf(routed), gathered, draftsOf([...routed, ...others]))
  const inVaults = routed.flatMap((one) => {
    const vault = byName.get(one.draft.name)
    if (vault === undefined) return []
    // As nearly always: two names of one vault are rare.
    if (vault.name === one.config.ref.vault) return [one]
    return [{...one, config: {...one.config, ref: {...one.config.ref, vault: vault.name}}}]
  })
  const mappings = await checkTargets(inVaults, envKeysFilename, gathered)
  await throwMistakes(remarks)
  const all = mappings.map(({config}) => config)
  const {chosen, left} = await choose(all, flags)

  return {
    path: main.file.path,
    base,
    repository,
    vaults: new Map([...byName.values()].map((vault) => [vault.name, vault])),
    mappings: chosen,
    total: all.length,
    left,
    unselected: others.map(({config}) => config),
    envKeysFilename,
    maxWorkers: sync.max_workers ?? 16,
    backups: sync.backups ?? 10,
    coverage: flags.requireCoverage === true ? 'required' : (sync.coverage ?? 'report'),
    callTimeoutMs: Math.round((sync.timeout ?? 20) * 1000),
    runTimeoutMs: Math.round((sync.run_timeout ?? 300) * 1000),
    warnings: [...new Set(await describe(remarks.warnings))],
  }
}

/** One vault by itself, for commands that work on a vault and on no mapping. */
export type VaultOnly = {
  readonly vault: VaultConfig
  /** Relative paths start here: the directory of the configuration file, or the working directory when there is none. */
  readonly base: string
  readonly repository: string | undefined
  readonly warnings: readonly string[]
}

/**
 * The vault of `[vault.PROVIDER]`, whether there are mappings or not, and whether there is a configuration or not.
 *
 * @throws EnvdriftError as {@link loadConfig}, but never CONFIG_NOT_FOUND for a file that nobody named, nor NOTHING_TO_DO.
 */
export async function loadVault(
  provider: string,
  flags: ConfigFlags,
  port: ConfigPort,
  specs: ProviderSpecs,
): Promise<VaultOnly> {
  const gathered = await gather(flags, port, specs, provider)
  const vault = await resolveVault(gathered.routes.base, gathered)
  await throwMistakes(gathered.remarks)
  return {
    vault: vault!,
    base: gathered.base,
    repository: gathered.repository,
    warnings: [...new Set(await describe(gathered.remarks.warnings))],
  }
}
