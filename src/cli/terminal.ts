import type {Env} from '../core/provider-spec.ts'

type Stream = {readonly isTTY?: boolean; readonly columns?: number}

/**
 * Colour by the usual rules: `--no-color` and NO_COLOR (any value but the empty one) switch it off, FORCE_COLOR switches
 * it on (`0` and `false` off), TERM=dumb switches it off, and else a terminal has it. https://no-color.org
 */
export function wantsColor(stream: Stream, env: Env, noColorFlag: boolean): boolean {
  if (noColorFlag || (env['NO_COLOR'] ?? '') !== '') return false
  const force = env['FORCE_COLOR']
  if (force !== undefined && force !== '') return force !== '0' && force !== 'false'
  return stream.isTTY === true && env['TERM'] !== 'dumb'
}

/** Columns to wrap at: COLUMNS when it is a number, else the terminal's own (80 where it doesn't know), else none. */
export function widthOf(stream: Stream, env: Env): number {
  const columns = Number(env['COLUMNS'])
  if (Number.isInteger(columns) && columns >= 20) return columns
  return stream.isTTY === true ? stream.columns || 80 : Infinity
}

/** Progress lines are for a person who watches: a terminal on stderr, outside CI. */
export const wantsProgress = (stream: Stream, env: Env): boolean =>
  stream.isTTY === true && env['TERM'] !== 'dumb' && (env['CI'] ?? '') === ''
