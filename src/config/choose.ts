import {createHash} from 'node:crypto'
import {normalize} from 'node:path/posix'

import {EnvdriftError} from '../core/errors.ts'
import {refId} from '../core/mapping.ts'
import {printable} from '../core/text.ts'
import type {ConfigFlags, MappingConfig} from './config.ts'
import {withSlashes} from './glob-problem.ts'

/** The mappings that `--filter` and `--shard` leave for this run, and the others. */
export type Choice = {readonly chosen: readonly MappingConfig[]; readonly left: readonly MappingConfig[]}

/** The longest filter, in characters: as long as a pattern may be. */
const maxFilter = 1000

/** More jobs than this for one run are a slip of the finger. */
const maxShards = 1000

/**
 * Apply `--filter` and `--shard`: of those whose folder matches, the ones of this shard.
 *
 * @throws EnvdriftError USAGE for a shard that is none; NOTHING_TO_DO when no folder matches, since a run that checks
 *   nothing must not pass. A shard may well be empty: the others have what it has not.
 */
export async function choose(mappings: readonly MappingConfig[], {filter, shard}: ConfigFlags): Promise<Choice> {
  const part = shard === undefined ? undefined : partOf(shard)
  const matches = filter === undefined ? () => true : await matcherOf(filter)
  const matching = new Set(mappings.filter(({folderPath}) => matches(folderPath)))
  if (matching.size === 0 && filter !== undefined && mappings.length > 0) {
    throw new EnvdriftError('NOTHING_TO_DO', `No folder_path matches --filter ${printable(filter)}`, {
      suggestions: [
        'A filter is matched against the whole folder_path, * within one folder and ** across: `envdrift mappings` lists them.',
      ],
    })
  }
  const isChosen = (mapping: MappingConfig): boolean =>
    matching.has(mapping) && (part === undefined || shardOf(mapping, part.count) === part.index)
  return {chosen: mappings.filter(isChosen), left: mappings.filter((mapping) => !isChosen(mapping))}
}

async function matcherOf(filter: string): Promise<(folderPath: string) => boolean> {
  if (filter.trim() === '')
    throw new EnvdriftError('USAGE', '--filter is empty', {suggestions: ["Write a pattern: --filter 'services/pay*'"]})
  if (filter.length > maxFilter)
    throw new EnvdriftError('USAGE', `--filter is longer than ${maxFilter} characters`, {
      suggestions: ["Write a shorter pattern: --filter 'services/pay*'"],
    })
  // Loaded only for a filter.
  const {default: picomatch} = await import('picomatch')
  const matches = picomatch(plainPath(filter), {dot: true, posix: true, noextglob: true})
  // To a glob, the folder of the configuration itself has no name.
  return (folderPath) => matches(plainPath(folderPath)) || (plainPath(folderPath) === '.' && filter.trim() === '**')
}

/** `./services/auth/` and `services/auth` are one folder. */
function plainPath(path: string): string {
  const normal = normalize(withSlashes(path))
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal
}

function partOf(shard: string): {readonly index: number; readonly count: number} {
  const [, index, count] = /^(\d{1,4})\/(\d{1,4})$/.exec(shard.trim())?.map(Number) ?? []
  if (index === undefined || count === undefined || index < 1 || index > count || count > maxShards) {
    throw new EnvdriftError('USAGE', `--shard ${printable(shard)} is not a part like 2/8`, {
      suggestions: [`Write the part and how many there are: --shard 1/8 to --shard 8/8, at most ${maxShards} parts.`],
    })
  }
  return {index, count}
}

/**
 * The shard of a mapping, from 1. It follows from the mapping alone, so that a new one moves no other: the first 32 bits of
 * a SHA-256 over what it reads and where it writes. Not over the vault's name: of two names for one vault, that of the first
 * mapping counts.
 */
function shardOf({ref, folderPath, environment = '', envFile = ''}: MappingConfig, count: number): number {
  const identity = JSON.stringify([refId({...ref, vault: ''}), plainPath(folderPath), environment, envFile])
  return (createHash('sha256').update(identity).digest().readUInt32BE(0) % count) + 1
}
