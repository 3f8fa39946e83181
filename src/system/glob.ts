import type {Dirent} from 'node:fs'
import {readdir, stat} from 'node:fs/promises'
import {join} from 'node:path'

import picomatch from 'picomatch'

import {inTurns} from '../core/in-turns.ts'

/** Never entered: nobody's own env files lie there, and there are very many folders. */
const neverEntered: ReadonlySet<string> = new Set(['node_modules', '.git'])

/** As the usual disks of these systems take names. */
const nocase = process.platform === 'win32' || process.platform === 'darwin'

/** More than this read at once is no faster. */
const foldersAtOnce = 32

/** A pattern, segment by segment. */
type Segments = readonly ('**' | ((name: string) => boolean))[]

/** Which patterns match the way to a folder so far, and which of their segments may come next. */
type Reached = readonly {readonly segments: Segments; readonly next: ReadonlySet<number>}[]

type Folder = {
  /** Relative, with slashes. */
  readonly path: string
  readonly wanted: Reached
  readonly excluded: Reached
}

/**
 * Files below `cwd` whose paths match one of the patterns and none of `exclude`; a link to a file is one.
 *
 * Links to folders are not followed, even where a pattern names one, and only folders are read in which a pattern may find
 * something. A name that begins with a dot takes a segment that does; in `exclude`, any. What excludes a folder excludes
 * all that is in it.
 *
 * @param patterns - relative, with slashes, without backslashes; what else they may hold: `globProblem` in src/config.
 * @param onNames - told how many names were read so far, before they are looked at.
 * @returns paths relative to `cwd`, with slashes, each once, in no order. A folder that can't be read counts as empty.
 */
export async function globFiles(
  patterns: readonly string[],
  exclude: readonly string[],
  cwd: string,
  onNames: (count: number) => void = () => {},
): Promise<readonly string[]> {
  const found: string[] = []
  const start = (globs: readonly string[], dot: boolean): Reached =>
    globs.map((glob) => reach(segmentsOf(glob, dot), [0]))
  let names = 0
  const ahead: Folder[] = [{path: '', wanted: start(patterns, false), excluded: start(exclude, true)}]
  while (ahead.length > 0) {
    // The last ones first, so that what waits stays little.
    const turn = await inTurns(ahead.splice(-foldersAtOnce), async (folder): Promise<readonly Folder[]> => {
      const entries = await readdir(join(cwd, folder.path), {withFileTypes: true}).catch(() => [])
      onNames((names += entries.length))
      const inner: Folder[] = []
      for (const entry of entries) {
        const path = folder.path === '' ? entry.name : `${folder.path}/${entry.name}`
        const wanted = step(folder.wanted, entry.name, false)
        const excluded = step(folder.excluded, entry.name, true)
        if (wanted.length === 0 || excluded.some(isAtEnd)) continue
        if (entry.isDirectory()) {
          if (!neverEntered.has(entry.name)) inner.push({path, wanted, excluded})
        } else if (wanted.some(isAtEnd) && (await isFileHere(entry, join(cwd, path)))) found.push(path)
      }
      return inner
    })
    for (const inner of turn) for (const folder of inner) ahead.push(folder)
  }
  return found
}

function segmentsOf(glob: string, dot: boolean): Segments {
  // With `posix`, [!a] is what it is in a shell.
  const options = {dot, nocase, posix: true, nonegate: true, noextglob: true}
  return glob
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .map((segment) => (segment === '**' ? segment : picomatch(literally(segment), options)))
}

/** To picomatch, these are parts of regular expressions and quotes; in a path they are letters like any other. */
const literally = (segment: string): string => segment.replaceAll(/[()|+"]/g, String.raw`\$&`)

/** What is reached one name further. */
const step = (reached: Reached, name: string, dot: boolean): Reached =>
  reached.flatMap(({segments, next}) => {
    const places = [...next].flatMap((place) => {
      const segment = segments[place]
      if (segment === '**') return dot || !name.startsWith('.') ? [place] : []
      return segment?.(name) === true ? [place + 1] : []
    })
    return places.length === 0 ? [] : [reach(segments, places)]
  })

/** `**` stands for no folder, too. */
function reach(segments: Segments, places: readonly number[]): Reached[number] {
  const next = new Set<number>()
  for (let place of places) {
    next.add(place)
    while (segments[place] === '**') next.add((place += 1))
  }
  return {segments, next}
}

const isAtEnd = ({segments, next}: Reached[number]): boolean => next.has(segments.length)

/** A link that leads nowhere counts: what uses it says so. */
async function isFileHere(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isFile()
  const target = await stat(path).catch(() => undefined)
  return target?.isDirectory() !== true
}
