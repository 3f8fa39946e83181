import type {Config} from '../config/config.ts'
import {EnvdriftError} from '../core/errors.ts'
import {inTurns} from '../core/in-turns.ts'
import {refId, writtenName} from '../core/mapping.ts'
import type {Mapping} from '../core/plan.ts'
import {printable} from '../core/text.ts'
import type {Located} from './locate.ts'
import type {Files} from './ports.ts'

/**
 * Two secrets can't both be one key: whichever is written last would win, and every run would turn the file over.
 *
 * @param all - of this profile, those that `--filter` and `--shard` leave to other runs as well: these would write the other.
 * @throws EnvdriftError CONFIG_INVALID naming them.
 */
export async function refuseCollisions(
  all: readonly Pick<Located, 'kind' | 'mapping'>[],
  {path}: Pick<Config, 'path'>,
  files: Pick<Files, 'realPath'>,
): Promise<void> {
  // Of a mapping whose env file can't be found, and that names no environment, the key's name is a guess.
  const certain = all.filter(({kind, mapping}) => kind === 'ready' || mapping.environment !== undefined)
  // Two links may lead to one file, and to one folder in which there is no file yet.
  const real = await inTurns(certain, ({mapping}) => files.realPath(mapping.keysFile))
  const targets = Map.groupBy(certain, ({mapping}, index) => `${mapping.key} ${real[index]}`)
  const clashes = [...targets.values()].flatMap((group) =>
    group.length > 1 && new Set(group.map(({mapping}) => refId(mapping.ref))).size > 1
      ? [group.map(({mapping}) => mapping)]
      : [],
  )
  if (clashes.length === 0) return
  throw new EnvdriftError('CONFIG_INVALID', `${printable(path)}: ${clashes.map(clashSentence).join('; ')}`, {
    suggestions: ['Give one of them another environment or another folder_path, or remove it.'],
  })
}

const clashSentence = (mappings: readonly Mapping[]): string =>
  `${mappings.map(({ref}) => printable(writtenName(ref))).join(' and ')} both want ${mappings[0]!.key} in ${printable(mappings[0]!.keysFile)}`
