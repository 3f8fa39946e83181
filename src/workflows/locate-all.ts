import type {Config} from '../config/config.ts'
import {inTurns} from '../core/in-turns.ts'
import {refuseCollisions} from './collisions.ts'
import {locate, whereaboutsOf, type Located, type Whereabouts} from './locate.ts'
import type {Files} from './ports.ts'

/** The mappings of this run, and those that it leaves to others. */
export type Found = {readonly located: readonly Located[]; readonly left: readonly Whereabouts[]}

/**
 * Find the files of every mapping of a configuration; those of other profiles are left out.
 *
 * @throws EnvdriftError CONFIG_INVALID for two secrets that want to be one key.
 */
export async function locateAll(config: Config, files: Files): Promise<Found> {
  const located = await inTurns(config.mappings, (written) => locate(written, config, files))
  const left = await inTurns(config.left, async (written) => whereaboutsOf(await locate(written, config, files), files))
  await refuseCollisions([...located, ...left], config, files)
  return {located, left}
}
