import {loadConfig} from '../config/load.ts'
import type {Result} from '../core/report.ts'
import {mappingsResult} from '../report/mappings.ts'
import {rememberRealPaths} from '../system/real-path.ts'
import {listMappings} from '../workflows/list-mappings.ts'
import {abortOnSignals} from './signals.ts'
import {configPort, makeFiles, specs} from './wire.ts'

/** The flags of `envdrift mappings`, as oclif parsed them. */
export type MappingsFlags = {
  readonly config?: string | undefined
  readonly provider?: string | undefined
  readonly profile?: string | undefined
  readonly filter?: string | undefined
  readonly shard?: string | undefined
  readonly ci: boolean
}

/** `envdrift mappings`: reads the configuration and the folders that it names, and no vault. */
export async function runMappings(
  {config: file, provider, profile, filter, shard, ci}: MappingsFlags,
  {warn}: {readonly warn: (message: string) => void},
): Promise<Result> {
  const signal = abortOnSignals()
  const flags = {
    ci,
    ...(file === undefined ? {} : {config: file}),
    ...(provider === undefined ? {} : {provider}),
    ...(profile === undefined ? {} : {profile}),
    ...(filter === undefined ? {} : {filter}),
    ...(shard === undefined ? {} : {shard}),
  }
  const realFolder = rememberRealPaths()
  const config = await loadConfig(flags, configPort(realFolder), specs)
  for (const warning of config.warnings) warn(warning)
  const rows = await listMappings(
    config,
    makeFiles(config, signal, () => new Date(), realFolder),
  )
  return mappingsResult({config: config.path, base: config.base, total: config.total, rows})
}
