import {createHash} from 'node:crypto'
import type {Dirent} from 'node:fs'
import {readdir, readFile, stat} from 'node:fs/promises'
import {isAbsolute, join, resolve} from 'node:path'

import type {Ignore} from 'ignore'

import {EnvdriftError} from '../core/errors.ts'
import {shellWord} from '../core/shell-word.ts'
import {printable} from '../core/text.ts'
import {isCode, readTextFile} from './files.ts'
import {realPathOf} from './real-path.ts'

// What git would say, read from its files where git is missing or refuses ("dubious ownership"). Names are relative to
// the repository, with slashes.

/**
 * Names that the index holds: the tracked files.
 *
 * Format: https://git-scm.com/docs/index-format, versions 2 to 4. A split index (`link` extension) or a sparse one shows
 * only a part, and is refused.
 *
 * @throws EnvdriftError FILE_UNREADABLE when there is an index that we can't read: nobody then knows what is tracked.
 */
export async function readTracked(repository: string): Promise<readonly string[]> {
  const path = join(await gitDirectory(repository), 'index')
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return []
    throw unreadable(path, error)
  }
  try {
    return parseIndex(bytes)
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** @throws Error (RangeError when it ends too early) for what isn't a whole index of version 2 to 4. */
export function parseIndex(bytes: Buffer): readonly string[] {
  const version = bytes.readUInt32BE(4)
  if (bytes.toString('latin1', 0, 4) !== 'DIRC' || version < 2 || version > 4)
    throw new Error('not a git index of version 2 to 4')
  const count = bytes.readUInt32BE(8)
  const hashBytes = hashLength(bytes)
  const names: string[] = []
  let at = 12
  let previous = Buffer.alloc(0)
  for (let entry = 0; entry < count; entry++) {
    const start = at
    const mode = bytes.readUInt32BE(start + 24)
    // Ten numbers of four bytes, the hash, the flags. Bit 14 of them: two more bytes of flags, from version 3 on.
    const flags = bytes.readUInt16BE(start + 40 + hashBytes)
    at = start + 40 + hashBytes + ((flags & 0x4000) === 0 ? 2 : 4)
    let kept = Buffer.alloc(0)
    if (version === 4) {
      const strip = readOffset(bytes, at)
      at = strip.next
      kept = previous.subarray(0, previous.length - strip.value)
    }
    const end = bytes.indexOf(0, at)
    if (end === -1) throw new Error('a name in the index has no end')
    const name = Buffer.concat([kept, bytes.subarray(at, end)])
    previous = name
    // Up to version 3 an entry is padded with 1 to 8 NUL bytes to a multiple of 8.
    at = version === 4 ? end + 1 : start + ((end - start + 8) & ~7)
    // 040000: a folder of a sparse index stands for all that lies in it.
    if (mode === 0o040000) throw new Error('the index is sparse')
    names.push(name.toString('utf8'))
  }
  // Extensions, each four letters and a length; then the hash of it all.
  while (at + 8 + hashBytes <= bytes.length) {
    const kind = bytes.toString('latin1', at, at + 4)
    if (kind === 'link') throw new Error('the index is split')
    at += 8 + bytes.readUInt32BE(at + 4)
  }
  return names
}

/** 32 in a repository of SHA-256 (the index doesn't say so, but ends with the hash of itself), else 20. */
const hashLength = (bytes: Buffer): 20 | 32 =>
  createHash('sha256').update(bytes.subarray(0, -32)).digest().equals(bytes.subarray(-32)) ? 32 : 20

/** The variable-width number of pack files' offset deltas: https://git-scm.com/docs/pack-format, "offset encoding". */
function readOffset(bytes: Buffer, at: number): {readonly value: number; readonly next: number} {
  let byte = bytes.readUInt8(at++)
  let value = byte & 0x7f
  while ((byte & 0x80) !== 0) {
    byte = bytes.readUInt8(at++)
    value = (value + 1) * 128 + (byte & 0x7f)
  }
  return {value, next: at}
}

/** Which of these names `.gitignore` files and `.git/info/exclude` exclude, and git doesn't track. */
export async function readIgnored(repository: string, names: readonly string[]): Promise<ReadonlySet<string>> {
  const tracked = new Set(await readTracked(repository))
  const rules = ignoreRules(repository)
  const ignored = new Set<string>()
  for (const name of names) {
    if (!tracked.has(name) && (await rules.ignores(name))) ignored.add(name)
  }
  return ignored
}

/** Names of all files that aren't excluded; nested repositories left out, links not followed. */
export async function readUntracked(repository: string): Promise<readonly string[]> {
  const rules = ignoreRules(repository)
  const names: string[] = []
  const folders = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    // A folder that is closed to us: git passes it over as well.
    const entries: readonly Dirent[] = await readdir(join(repository, folder), {withFileTypes: true}).catch(() => [])
    if (folder !== '' && entries.some(({name}) => name === '.git')) continue
    for (const entry of entries) {
      if (entry.name === '.git') continue
      const name = `${folder}${entry.name}`
      if (entry.isDirectory()) {
        if (!(await rules.excludes(`${name}/`))) folders.push(`${name}/`)
      } else if (!(await rules.excludes(name))) names.push(name)
    }
  }
  return names
}

type Rules = {
  /** Is this very name excluded? A folder's ends with a slash; the folders above it are taken for not excluded. */
  readonly excludes: (name: string) => Promise<boolean>
  /** Is this name, or a folder above it, excluded? */
  readonly ignores: (name: string) => Promise<boolean>
}

function ignoreRules(repository: string): Rules {
  const files = new Map<string, Promise<Ignore>>()
  const rulesOf = async (folder: string): Promise<Ignore> => {
    const known = files.get(folder) ?? readRules(join(repository, folder, '.gitignore'))
    files.set(folder, known)
    return await known
  }
  const exclude = gitDirectory(repository, 'common').then(
    async (directory) => await readRules(join(directory, 'info', 'exclude')),
  )

  const excludes = async (name: string): Promise<boolean> => {
    const parts = name.replace(/\/$/, '').split('/').slice(0, -1)
    // The nearest file with an opinion decides: gitignore(5), "Description".
    for (let depth = parts.length; depth >= 0; depth--) {
      const folder = parts
        .slice(0, depth)
        .map((part) => `${part}/`)
        .join('')
      const verdict = (await rulesOf(folder)).test(name.slice(folder.length))
      if (verdict.ignored) return true
      if (verdict.unignored) return false
    }
    return (await exclude).test(name).ignored
  }
  const ignores = async (name: string): Promise<boolean> => {
    const parts = name.split('/')
    for (let depth = 1; depth < parts.length; depth++) {
      if (await excludes(`${parts.slice(0, depth).join('/')}/`)) return true
    }
    return await excludes(name)
  }
  return {excludes, ignores}
}

async function readRules(path: string): Promise<Ignore> {
  // A `.gitignore` that we can't take for text has no say, as if it weren't there: a file too many is listed then.
  const text = (await readTextFile(path).catch(() => undefined)) ?? ''
  // Loaded here: git answers as a rule.
  const {default: ignore} = await import('ignore')
  return ignore({ignorecase: false, allowRelativePaths: true}).add(text)
}

/**
 * Names that git lists are relative to its work tree, for which we take the folder that holds `.git`. With `core.worktree` it
 * may be another: then nothing that git says would fit our names, and all would look well.
 *
 * @param repository - without symlinks.
 * @throws EnvdriftError FILE_UNREADABLE
 */
export async function refuseOtherWorkTree(repository: string): Promise<void> {
  const own = await gitDirectory(repository).catch(() => undefined)
  if (own === undefined) return
  for (const file of [join(own, 'config'), join(own, 'config.worktree')]) {
    const written = workTreeIn((await readTextFile(file).catch(() => undefined)) ?? '')
    if (written === undefined) continue
    const workTree = resolve(own, written)
    if ((await realPathOf(workTree)) === repository) continue
    throw new EnvdriftError(
      'FILE_UNREADABLE',
      `What git tracks in ${repository} can't be told: core.worktree in ${file} names another folder, ${printable(workTree)}`,
      {suggestions: [`Unset it: git -C ${shellWord(repository)} config --unset core.worktree`]},
    )
  }
}

/** `core.worktree`, as git-config(1), "Syntax", has it. Files that it includes are not read. */
function workTreeIn(config: string): string | undefined {
  let section = ''
  let found: string | undefined
  for (const line of config.split('\n')) {
    const [header = '', name] = /^\s*\[([^\]]*)\]/.exec(line) ?? []
    section = name?.trim().toLowerCase() ?? section
    const value = /^\s*worktree\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^#;]*))/i.exec(line.slice(header.length))
    if (section === 'core' && value) found = (value[1] ?? value[2]!.trim()).replaceAll(/\\(.)/g, '$1')
  }
  return found
}

/** Where git keeps its own files. In a worktree or a submodule `.git` is a file that names the place: gitrepository-layout(5). */
async function gitDirectory(repository: string, which: 'own' | 'common' = 'own'): Promise<string> {
  const dotGit = join(repository, '.git')
  const isFolder = (await stat(dotGit).catch(() => undefined))?.isDirectory() === true
  const own = isFolder ? dotGit : await namedPlace(dotGit, repository, /^gitdir: (.+?)\r?\n?$/)
  if (which === 'own') return own
  return await namedPlace(join(own, 'commondir'), own, /^(.+?)\r?\n?$/).catch(() => own)
}

async function namedPlace(file: string, base: string, pattern: RegExp): Promise<string> {
  const place = pattern.exec((await readTextFile(file)) ?? '')?.[1]
  if (place === undefined) throw unreadable(file, new Error('it names no folder'))
  return isAbsolute(place) ? place : resolve(base, place)
}

const unreadable = (path: string, error: unknown): EnvdriftError =>
  new EnvdriftError(
    'FILE_UNREADABLE',
    `Could not read ${path}: ${error instanceof Error ? error.message : String(error)}`,
    {
      suggestions: ['Install git, or let it read this checkout: git config --global --add safe.directory "$PWD"'],
      cause: error,
    },
  )
