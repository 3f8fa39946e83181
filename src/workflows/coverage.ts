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

/** The file's real path if it carries a public key; one that can't be read is no env file of ours. */
async function encryptedFile(path: string, repository: string, files: SyncPorts['files']): Promise<string | undefined> {
  try {
    const read = await files.readAnyText(path, repository)
    if (read === undefined || scanEnvFile(read.text).publicKeys.length === 0) return undefined
    return await files.realPath(path)
  } catch (error) {
    if (error instanceof EnvdriftError) return undefined
    throw error
  }
}
