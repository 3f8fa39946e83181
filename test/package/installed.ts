import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {program} from '../support/run-envdrift.ts'

/** Absolute; the package where npm has put it. */
export const installed = join(program[1], '../..')

/** Text of one of its files. */
export const textOf = (file: string): string => readFileSync(join(installed, file), 'utf8')
