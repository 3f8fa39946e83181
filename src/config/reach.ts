import {dirname, join, relative, resolve} from 'node:path'

import type {ConfigPort} from './config-port.ts'

/** The root of the git repository around a directory, after symlinks; `undefined` outside of one. */
export async function repositoryOf(directory: string, port: ConfigPort): Promise<string | undefined> {
  for (const folder of upwards((await port.realpath(directory)) ?? directory)) {
    if (await isRepositoryRoot(folder, port)) return folder
  }
  return undefined
}

/** A path without symlinks, also when its last parts aren't there yet. */
export async function realpathOfNearest(path: string, port: ConfigPort): Promise<string> {
  const missing: string[] = []
  for (let at = path; ; at = dirname(at)) {
    const real = await port.realpath(at)
    if (real !== undefined) return resolve(real, ...missing)
    if (at === dirname(at)) return path
    missing.unshift(relative(dirname(at), at))
  }
}

/** Does git keep a repository here? */
export async function isRepositoryRoot(folder: string, port: ConfigPort): Promise<boolean> {
  // A worktree and a submodule have a file there.
  return ['file', 'directory'].includes(await port.kind(join(folder, '.git')))
}

/** A directory and all above it, up to the root of the file system. */
export function* upwards(start: string): Generator<string> {
  for (let folder = start; ; folder = dirname(folder)) {
    yield folder
    if (folder === dirname(folder)) return
  }
}
