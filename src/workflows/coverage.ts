import {relative, sep} from 'node:path'

import type {Config} from '../config/config.ts'
import {EnvdriftError} from '../core/errors.ts'
import type {Coverage} from '../core/outcome.ts'
import {scanEnvFile} from '../keys/env-file.ts'
import {inTurns} from './in-turns.ts'
import type {SyncPorts} from './ports.ts'

/**
 * Count the encrypted env files of the repository, and name those that no mapping names: nothing would notice their drift.
 *
 * @param named - env files of all mappings, those of other profiles too; without symlinks.
 * @returns `undefined` outside a git repository.
 */
export async function coverageOf(
  {repository, coverage}: Config,
  named: ReadonlySet<string>,
  {git, files}: Pick<SyncPorts, 'git' | 'files'>,
): Promise<Coverage | undefined> {
  if (repository === undefined) {
    if (coverage === 'report') return undefined
    throw new EnvdriftError('NOT_COVERED', 'Coverage is required, but the configuration lies in no git repository', {
      suggestions: ['Put it into the repository whose env files it covers, or drop coverage = "required".'],
    })
  }
  const paths = await git.listEnvFiles(repository)
  const encrypted = await inTurns(paths, async (path) => {
    const real = await encryptedFile(path, repository, files)
    return real === undefined ? [] : [{path, real}]
  })
  const all = encrypted.flat()
  const uncovered = all
    .filter(({real}) => !named.has(real))
    .map(({path}) => relative(repository, path).split(sep).join('/'))
  return {total: all.length, uncovered: uncovered.toSorted(), required: coverage === 'required'}
}

/**
 * The file's real path if something in it is encrypted by dotenvx, or it carries a public key. A file that is too large
 * to look into or closed to us may be one, and counts; a link to a device or out of the repository is none.
 */
async function encryptedFile(path: string, repository: string, files: SyncPorts['files']): Promise<string | undefined> {
  try {
    const read = await files.readAnyText(path, repository)
    if (read === undefined) return undefined
    const {publicKeys, encrypted} = scanEnvFile(read.text)
    return publicKeys.length + encrypted.length === 0 ? undefined : await files.realPath(path)
  } catch (error) {
    if (!(error instanceof EnvdriftError)) throw error
    return error.code === 'FILE_TOO_LARGE' || error.code === 'FILE_UNREADABLE' ? realPathOr(path, files) : undefined
  }
}

/** The path without symlinks; the path itself where they can't be followed. */
export async function realPathOr(path: string, {realPath}: Pick<SyncPorts['files'], 'realPath'>): Promise<string> {
  try {
    return await realPath(path)
  } catch (error) {
    if (error instanceof EnvdriftError) return path
    throw error
  }
}
