import type {Config, MappingConfig} from '../config/config.ts'
import type {EnvdriftError} from '../core/errors.ts'
import type {Mapping} from '../core/plan.ts'
import {locateAll} from './locate-all.ts'
import type {Files} from './ports.ts'

/** One mapping as a run would use it, and where in the configuration it comes from. */
export type ListedMapping = {
  readonly mapping: Mapping
  readonly origin: {
    readonly kind: 'mapping' | 'pattern'
    /** From 1, among those of its kind. */
    readonly number: number
    /** 1-based; of the mapping, or of the pattern. */
    readonly line: number | undefined
  }
  /** Why its files can't be found. */
  readonly error: EnvdriftError | undefined
}

/**
 * Every mapping of a configuration with its files found. No vault is asked.
 *
 * @throws EnvdriftError CONFIG_INVALID for two secrets that want to be one key.
 */
export async function listMappings(config: Config, files: Files): Promise<readonly ListedMapping[]> {
  const {located} = await locateAll(config, files)
  return located.map((one, index) => ({
    mapping: one.mapping,
    origin: originOf(config.mappings[index]!),
    error: one.kind === 'lost' ? one.error : undefined,
  }))
}

const originOf = ({fromPattern, number, line}: MappingConfig): ListedMapping['origin'] => ({
  kind: fromPattern ? 'pattern' : 'mapping',
  number,
  line,
})
