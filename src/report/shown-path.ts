import {isAbsolute, relative, sep} from 'node:path'

import {printable} from '../core/text.ts'

/** A path as it can be copied: relative to `from` when it lies below, else as it is. */
export function shownPath(path: string, from: string): string {
  const way = relative(from, path)
  return printable(way === '' || way.startsWith('..') || isAbsolute(way) ? path : way.split(sep).join('/'))
}

/** A sentence with its paths below `from` made relative. */
export const withShownPaths = (text: string, from: string): string => text.replaceAll(`${from}${sep}`, '')
