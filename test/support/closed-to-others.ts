import {statSync} from 'node:fs'
import {dirname} from 'node:path'

import {program} from './run-envdrift.ts'

const upwards = (path: string): readonly string[] =>
  dirname(path) === path ? [path] : [path, ...upwards(dirname(path))]

const closed =
  process.getuid?.() === 0
    ? [import.meta.dirname, dirname(program[1])].flatMap(upwards).find((path) => (statSync(path).mode & 0o001) === 0)
    : undefined

/**
 * For the name of a test that, under root, runs envdrift as another user: why it is skipped, or nothing. Root can clone into
 * a folder that others may not enter, as `mktemp -d` makes them.
 */
export const closedToOthers: string = closed === undefined ? '' : ` (skipped: other users may not enter ${closed})`
