import type {Result} from '../core/report.ts'
import {mappingsResult} from '../report/mappings.ts'
import {rememberRealPaths} from '../system/real-path.ts'
import {listMappings} from '../workflows/list-mappings.ts'
import {configured, type ConfigFlags} from './configured.ts'
import {abortOnSignals} from './signals.ts'
import {makeFiles} from './wire.ts'

/** `envdrift mappings`: reads the configuration and the folders that it names, and no vault. */
export async function runMappings(
  flags: ConfigFlags,
  {warn}: {readonly warn: (message: string) => void},
): Promise<Result> {
  const signal = abortOnSignals()
  const realFolder = rememberRealPaths()
  const config = await configured(flags, realFolder, warn)
  const rows = await listMappings(
    config,
    makeFiles(config, signal, () => new Date(), realFolder),
  )
  return mappingsResult({config: config.path, base: config.base, total: config.total, rows})
}
