import {string} from '@oclif/core/flags'

import type {Config} from '../config/config.ts'
import {loadConfig} from '../config/load.ts'
import type {RealPathOf} from '../system/real-path.ts'
import {shownWarnings} from './base-command.ts'
import {keepHeapSmall} from './small-heap.ts'
import {configPort, specs} from './wire.ts'

/** Flags of every command about mappings: which of them a run is about. */
export const mappingFlags = {
  profile: string({helpValue: 'NAME', summary: 'Also take the mappings of this profile.'}),
  filter: string({helpValue: 'GLOB', summary: "Only mappings whose folder_path matches: 'services/pay*'."}),
  shard: string({helpValue: 'N/M', summary: 'Only this part of the mappings, for jobs side by side: 2/8.'}),
}

/** Flags that a configuration is read with, as oclif parsed them. */
export type ConfigFlags = {
  readonly config?: string | undefined
  readonly provider?: string | undefined
  readonly 'vault-url'?: string | undefined
  readonly region?: string | undefined
  readonly 'project-id'?: string | undefined
  readonly profile?: string | undefined
  readonly filter?: string | undefined
  readonly shard?: string | undefined
  readonly token?: string | undefined
  readonly 'require-coverage'?: boolean
  readonly ci: boolean
}

/** The configuration that a command line means; what is wrong with it, but no error, goes to `warn`. */
export async function configured(
  flags: ConfigFlags,
  realFolder: RealPathOf,
  warn: (message: string) => void,
): Promise<Config> {
  const {config: file, provider, 'vault-url': vaultUrl, region, 'project-id': projectId, profile, filter, shard} = flags
  const given = {
    ...(file === undefined ? {} : {config: file}),
    ...(provider === undefined ? {} : {provider}),
    ...(vaultUrl === undefined ? {} : {vaultUrl}),
    ...(region === undefined ? {} : {region}),
    ...(projectId === undefined ? {} : {projectId}),
    ...(profile === undefined ? {} : {profile}),
    ...(filter === undefined ? {} : {filter}),
    ...(shard === undefined ? {} : {shard}),
    token: flags.token !== undefined,
    requireCoverage: flags['require-coverage'] === true,
    ci: flags.ci,
  }
  const config = await loadConfig(given, configPort(realFolder), specs)
  // Patterns make many of a small file.
  keepHeapSmall({mappings: config.mappings.length})
  for (const warning of shownWarnings(config.warnings)) warn(warning)
  return config
}
