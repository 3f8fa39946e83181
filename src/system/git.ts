import {lstat, stat} from 'node:fs/promises'
import {basename, delimiter, dirname, join, sep} from 'node:path'

import {inTurns} from '../core/in-turns.ts'
import {isInside} from '../core/inside.ts'
import type {Env} from '../core/provider-spec.ts'
import {runProgram} from './child-process.ts'
import {readIgnored, readTracked, readUntracked, refuseOtherWorkTree} from './git-files.ts'
import {realPathOf, rememberRealPaths, type RealPathOf} from './real-path.ts'

export type GitOptions = {
  /** Where `PATH` and the user's git configuration are looked up; the environment of this process unless given. */
  readonly env?: Env
  readonly signal?: AbortSignal
  /** Of the folders that files lie in. */
  readonly realFolder?: RealPathOf
  /** What git listed before, by repository: one child then serves {@link trackedFiles} and {@link listEnvFiles}. */
  readonly listings?: Map<string, Promise<Listing | undefined>>
}

/** Names of a repository with `.env` in them, relative to it, with slashes. */
type Listing = {
  readonly tracked: readonly string[]
  /** Those that aren't ignored. */
  readonly untracked: readonly string[]
}

/** How long one git child may take, in milliseconds; then our own reading answers. Listing 100,000 files takes it 0.1 s. */
const gitTimeoutMs = 10_000

/** A repository of a million files lists in some 60 MB. */
const gitOutputBytes = 256 * 1024 * 1024

/** What git is told whatever the repository's own configuration says: run nothing, fetch nothing, write nothing, ask nothing. */
const gitArguments = ['-c', 'core.fsmonitor=false', '-c', 'safe.bareRepository=explicit'] as const
const gitEnvironment = {
  LC_ALL: 'C',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_NO_LAZY_FETCH: '1',
  GIT_TERMINAL_PROMPT: '0',
  // check-ignore would otherwise write, and we read, one name at a time: git(1), "GIT_FLUSH".
  GIT_FLUSH: '0',
  // Windows looks for programs in the working directory first.
  NoDefaultCurrentDirectoryInExePath: '1',
} as const

/** Variables that git needs to find itself and the user's configuration. None holds a secret; no `GIT_*` is passed on. */
const passedOn = ['HOME', 'XDG_CONFIG_HOME', 'USERPROFILE', 'SYSTEMROOT', 'TMPDIR'] as const

/**
 * Finds the root of the repository around a directory: after symlinks, the nearest directory upward that holds `.git` (a
 * folder, or a file in worktrees and submodules); `undefined` outside any. Of a directory that isn't there, the nearest
 * parent counts. What lies above several directories is looked at once.
 */
export function findRepositories(
  realFolder: RealPathOf = realPathOf,
): (directory: string) => Promise<string | undefined> {
  const above = new Map<string, Promise<string | undefined>>()
  const rootAt = async (folder: string): Promise<string | undefined> => {
    const status = await stat(join(folder, '.git')).catch(() => undefined)
    if (status?.isDirectory() === true || status?.isFile() === true) return folder
    const parent = dirname(folder)
    if (parent === folder) return undefined
    const known = above.get(parent) ?? rootAt(parent)
    above.set(parent, known)
    return await known
  }
  return async (directory) => await rootAt(await realFolder(directory))
}

/** {@link findRepositories} for one directory. */
export const repositoryRoot = async (directory: string): Promise<string | undefined> =>
  await findRepositories()(directory)

/**
 * Which of these files git tracks, or a backup of which (`NAME.backup.…`), in its index, whether it is still there or not: by
 * the path as it was given, the path of what is tracked. One child, however many they are. Where git is missing or refuses,
 * the index is read by ourselves.
 *
 * @param repository - as {@link findRepositories} found it.
 * @param paths - absolute; a link in the folders above is followed, one in the last place is not.
 */
export async function trackedFiles(
  repository: string,
  paths: readonly string[],
  options: GitOptions = {},
): Promise<ReadonlyMap<string, string>> {
  if (paths.length === 0) return new Map()
  const names = await namesOf(repository, paths, options)
  const wanted = new Set(names.values())
  const found = new Map<string, string>()
  const isListed = [...wanted].every((name) => name.includes('.env'))
  const listed = isListed ? (await listingOf(repository, options))?.tracked : await allTracked(repository, options)
  for (const tracked of listed ?? (await readTracked(repository))) {
    for (const name of [tracked, ...backedUp(tracked)]) {
      if (wanted.has(name) && !found.has(name)) found.set(name, tracked)
    }
  }
  const answers = new Map<string, string>()
  for (const [path, name] of names) {
    const tracked = found.get(name)
    if (tracked !== undefined) answers.set(path, path + tracked.slice(name.length))
  }
  return answers
}

async function allTracked(repository: string, options: GitOptions): Promise<Iterable<string> | undefined> {
  const [listed] = await Promise.all([git(repository, ['ls-files', '-z'], options), refuseOtherWorkTree(repository)])
  return listed === undefined ? undefined : fields(listed.stdout)
}

/** `undefined` where git is missing or refuses. */
function listingOf(repository: string, options: GitOptions): Promise<Listing | undefined> {
  const known = options.listings?.get(repository) ?? list(repository, options)
  options.listings?.set(repository, known)
  return known
}

async function list(repository: string, options: GitOptions): Promise<Listing | undefined> {
  // The pattern matches at every depth: gitglossary(7), "pathspec". Each name has its tag and a space in front of it, and
  // that of untracked files is `?`: git-ls-files(1), "-t".
  const argv = ['ls-files', '-z', '-t', '--cached', '--others', '--exclude-standard', '--', '*.env*'] as const
  const [listed] = await Promise.all([git(repository, argv, options), refuseOtherWorkTree(repository)])
  if (listed === undefined) return undefined
  const {tracked = [], untracked = []} = Object.groupBy(fields(listed.stdout), (field) =>
    field.startsWith('? ') ? 'untracked' : 'tracked',
  )
  const nameOf = (field: string): string => field.slice('? '.length)
  return {tracked: tracked.map(nameOf), untracked: untracked.map(nameOf)}
}

/** The names of which this may be a backup. */
function* backedUp(name: string): Generator<string> {
  const mark = '.backup.'
  for (let at = name.indexOf(mark, name.lastIndexOf('/') + 1); at !== -1; at = name.indexOf(mark, at + 1)) {
    yield name.slice(0, at)
  }
}

/**
 * Which of these files git ignores, as they were given: one child, however many they are; a tracked file is never ignored.
 * Where git is missing or refuses, the `.gitignore` files and `.git/info/exclude` are read by ourselves; a user's
 * own `core.excludesFile` isn't known then.
 *
 * @param repository - as {@link findRepositories} found it.
 * @param paths - absolute; none has to exist.
 * @param options.mayBeThere - look first which are: of those git has told already where it listed its files, and of their
 *   backups (`NAME.backup.…`) as well. No child is left to start where all are.
 */
export async function ignoredFiles(
  repository: string,
  paths: readonly string[],
  {mayBeThere = false, ...options}: GitOptions & {readonly mayBeThere?: boolean} = {},
): Promise<ReadonlySet<string>> {
  const names = await namesOf(repository, paths, options)
  const told = mayBeThere ? await ignoredAsListed(repository, names, options) : undefined
  const untold = [...names.values()].filter((name) => told?.get(name) === undefined)
  const ignored = untold.length === 0 ? new Set<string>() : await askIgnored(repository, untold, options)
  const answers = new Set<string>()
  for (const [path, name] of names) if (told?.get(name) ?? ignored.has(name)) answers.add(path)
  return answers
}

async function askIgnored(
  repository: string,
  names: readonly string[],
  options: GitOptions,
): Promise<ReadonlySet<string>> {
  const stdin = names.map((name) => `./${name}\0`).join('')
  const asked = await git(repository, ['check-ignore', '-z', '--stdin'], options, stdin)
  return asked === undefined
    ? await readIgnored(repository, names)
    : new Set(fields(asked.stdout).map((name) => name.slice('./'.length)))
}

/**
 * By name, of those that are there and their backups: git lists a file that is tracked or that it doesn't ignore, and no
 * other. A file counts as not ignored as well if a backup of it is listed.
 */
async function ignoredAsListed(
  repository: string,
  names: ReadonlyMap<string, string>,
  options: GitOptions,
): Promise<ReadonlyMap<string, boolean | undefined>> {
  const asked = new Set(names.values())
  const backedUpBy = (name: string): string | undefined => [...backedUp(name)].find((one) => asked.has(one))
  const files = [...names].filter(([, name]) => name.includes('.env') && backedUpBy(name) === undefined)
  const listing = files.length === 0 ? undefined : await listingOf(repository, options)
  if (listing === undefined) return new Map()
  const {tracked, untracked} = listing
  const shown = new Set([...tracked, ...untracked, ...untracked.flatMap((name) => [...backedUp(name)])])
  const answers = await inTurns(files, async ([path, name]) =>
    shown.has(name) ? false : (await isFileOrLink(path)) || undefined,
  )
  const told = new Map(files.map(([, name], index) => [name, answers[index]]))
  return new Map(Array.from(asked, (name) => [name, told.get(backedUpBy(name) ?? name)]))
}

/**
 * Every env file of a repository, absolute and sorted: tracked, or untracked and not ignored. Keys files, their backups
 * and examples are none; nested repositories and submodules are left out.
 *
 * @param repository - as {@link findRepositories} found it.
 * @param options.known - what was read already, and so needs no look whether it is there.
 */
export async function listEnvFiles(
  repository: string,
  {known, ...options}: GitOptions & {readonly known?: {readonly has: (path: string) => boolean}} = {},
): Promise<readonly string[]> {
  const listed = await listingOf(repository, options)
  const names = [
    ...(listed?.tracked ?? (await readTracked(repository))),
    ...(listed?.untracked ?? (await readUntracked(repository))),
  ]
  const candidates = [...new Set(names)].filter((name) => isEnvFileName(basename(name)) && !name.endsWith('/'))
  const paths = candidates.map((name) => join(repository, name))
  const present = await inTurns(paths, async (path) => known?.has(path) === true || (await isFileOrLink(path)))
  return paths.filter((_, index) => present[index]).toSorted()
}

/**
 * Is this the name of an env file: `.env`, `.env.NAME`, `NAME.env`, `NAME.env.NAME`? Keys files with their backups, and
 * `.example`, `.sample` and `.template` are not.
 */
export function isEnvFileName(name: string): boolean {
  if (/(?:^|\.)env\.keys(?:\.|$)/i.test(name)) return false
  if (/\.(?:example|sample|template)$/i.test(name)) return false
  return /\.env(?:\..+)?$/.test(name)
}

/** @returns what git printed, or `undefined` when it isn't there or didn't answer: then we read for ourselves. */
async function git(
  repository: string,
  args: readonly string[],
  {env = process.env, signal}: GitOptions,
  stdin?: string,
): Promise<{readonly stdout: Buffer} | undefined> {
  const result = await runProgram(['git', ...gitArguments, '-C', repository, ...args], {
    ...(stdin === undefined ? {} : {stdin}),
    env: {
      ...Object.fromEntries(passedOn.map((name) => [name, env[name]])),
      ...gitEnvironment,
      PATH: safePath(env, repository),
    },
    timeoutMs: gitTimeoutMs,
    maxOutputBytes: gitOutputBytes,
    ...(signal === undefined ? {} : {signal}),
  })
  signal?.throwIfAborted()
  // check-ignore answers 1 when none of the files is ignored: git-check-ignore(1), "Exit status".
  return result.kind === 'exited' && (result.code === 0 || (result.code === 1 && args[0] === 'check-ignore'))
    ? result
    : undefined
}

/** PATH without what lies in the checkout (relative and empty entries too): it must not decide which program `git` is. */
const safePath = (env: Env, repository: string): string =>
  (env['PATH'] ?? env['Path'] ?? '')
    .split(delimiter)
    .filter((entry) => !isInside(entry, repository))
    .join(delimiter)

/** Path as given → name as git writes it, relative and with slashes. What lies outside the repository is left out. */
async function namesOf(
  repository: string,
  paths: readonly string[],
  {realFolder = rememberRealPaths()}: GitOptions,
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  const start = repository.endsWith(sep) ? repository.length : repository.length + sep.length
  for (const path of paths) {
    const real = join(await realFolder(dirname(path)), basename(path))
    if (isInside(real, repository)) names.set(path, real.slice(start).replaceAll(sep, '/'))
  }
  return names
}

/** What stands before each NUL, one by one: a large repository has a million of them. */
function* fields(bytes: Buffer): Generator<string, undefined> {
  let start = 0
  for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
    yield bytes.toString('utf8', start, end)
    start = end + 1
  }
}

async function isFileOrLink(path: string): Promise<boolean> {
  const status = await lstat(path).catch(() => undefined)
  return status?.isFile() === true || status?.isSymbolicLink() === true
}
