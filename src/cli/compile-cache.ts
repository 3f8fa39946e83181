import {existsSync, lstatSync, mkdirSync, realpathSync} from 'node:fs'
import {enableCompileCache, getCompileCacheDir} from 'node:module'
import {homedir} from 'node:os'
import {dirname, join} from 'node:path'

import type {Env} from '../core/provider-spec.ts'
import {cacheDir} from '../system/directories.ts'

/**
 * Let Node keep what it compiled, for the next run: in {@link compileCacheDir}, and nowhere if there is no such place.
 *
 * What lies there runs as our code, unchecked. So it is no place that anybody but us (and root) can write to, and none inside
 * a repository, where a pull request could put it.
 */
export function keepCompiledCode(env: Env): void {
  // NODE_COMPILE_CACHE says where, and is nobody's but the machine's.
  if (getCompileCacheDir() !== undefined) return
  const directory = compileCacheDir(() => cacheDir(env, homedir()))
  if (directory !== undefined) enableCompileCache(directory)
}

/**
 * The directory `compiled` in the given one; both are made if they aren't there.
 *
 * @param cacheOf - gives it, absolute; may throw.
 * @returns its real path; `undefined` when it can't be made, lies in a repository, or can be changed by others.
 */
export function compileCacheDir(cacheOf: () => string): string | undefined {
  try {
    const directory = join(cacheOf(), 'compiled')
    const way = upwards(directory)
    // Asked before anything is made: not even an empty folder goes into a repository.
    const missing = way.findIndex((path) => existsSync(path))
    if (missing === -1) return undefined
    const there = realpathSync.native(way[missing]!)
    if (!upwards(there).every(isSafe)) return undefined
    if (missing === 0) return isOursAlone(there) ? there : undefined
    // One by one: Node's own way to make them all never ends where the system makes none, as in /proc.
    for (const path of way.slice(0, missing).toReversed()) makeDirectory(path)
    const real = realpathSync.native(directory)
    return upwards(real).every(isSafe) && isOursAlone(real) ? real : undefined
  } catch {
    // Read-only, full, a file in the way: the run goes on without.
    return undefined
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, {mode: 0o700})
  } catch (error) {
    // Another run was faster.
    if (!existsSync(path)) throw error
  }
}

const upwards = (path: string): readonly string[] =>
  dirname(path) === path ? [path] : [path, ...upwards(dirname(path))]

/** Windows has access lists in place of modes, and a user's own folders are that user's. */
const us = process.getuid?.()

/** No repository, and nobody else can put something in its place. */
function isSafe(path: string): boolean {
  if (lstatSync(join(path, '.git'), {throwIfNoEntry: false}) !== undefined) return false
  const {uid, mode} = lstatSync(path)
  // Where everybody may write, as in /tmp, the sticky bit leaves what is ours to us.
  return us === undefined || ((uid === us || uid === 0) && ((mode & 0o022) === 0 || (mode & 0o1000) !== 0))
}

function isOursAlone(path: string): boolean {
  const {uid, mode} = lstatSync(path)
  return us === undefined || (uid === us && (mode & 0o077) === 0)
}
