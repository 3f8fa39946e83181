import {dirname, join} from 'node:path'

import type {ConfigPort} from './config-port.ts'

/** The root of the git repository around a directory, after symlinks; `undefined` outside of one. */
export async function repositoryOf(directory: string, port: ConfigPort): Promise<string | undefined> {
  for (const folder of upwards(await port.realPath(directory))) {
    if (await isRepositoryRoot(folder, port)) return folder
  }
  return undefined
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
