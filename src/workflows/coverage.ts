import {relative, sep} from 'node:path'

import type {Config} from '../config/config.ts'
import {EnvdriftError} from '../core/errors.ts'
import {inTurns} from '../core/in-turns.ts'
import type {Coverage} from '../core/outcome.ts'
import {scanEnvFile, type EnvFileScan} from '../keys/env-file.ts'
import type {SyncPorts} from './ports.ts'

/** What was found in an env file, and where it lies after symlinks. */
type ReadEnvFile = {readonly scan: EnvFileScan; readonly realPath: string}

/**
 * Count the encrypted env files of the repository, and name those that no mapping names: nothing would notice their drift.
 *
 * @param mapped.named - env files of all mappings, those of other profiles too; without symlinks.
 * @param mapped.read - what is in those that were read already, by their paths.
 * @returns `undefined` outside a git repository.
 */
export async function coverageOf(
  {repository, coverage}: Config,
  {named, read}: {readonly named: ReadonlySet<string>; readonly read: ReadonlyMap<string, ReadEnvFile>},
  {git, files}: Pick<SyncPorts, 'git' | 'files'>,
): Promise<Coverage | undefined> {
  if (repository === undefined) {
    if (coverage === 'report') return undefined
    throw new EnvdriftError('NOT_COVERED', 'Coverage is required, but the configuration lies in no git repository', {
      suggestions: ['Put it into the repository whose env files it covers, or drop coverage = "required".'],
    })
  }
  const paths = await git.listEnvFiles(repository, read)
  const encrypted = await inTurns(paths, async (path) => {
    const real = await encryptedFile(path, read.get(path), repository, files)
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
async function encryptedFile(
  path: string,
  known: ReadEnvFile | undefined,
  repository: string,
  files: SyncPorts['files'],
): Promise<string | undefined> {
  try {
    const file = known ?? (await readEnvFile(path, repository, files))
    if (file === undefined) return undefined
    const {publicKeys, encrypted} = file.scan
    return publicKeys.length + encrypted.length === 0 ? undefined : file.realPath
  } catch (error) {
    if (!(error instanceof EnvdriftError)) throw error
    return error.code === 'FILE_TOO_LARGE' || error.code === 'FILE_UNREADABLE' ? files.realPath(path) : undefined
  }
}

async function readEnvFile(
  path: string,
  repository: string,
  {readAnyText}: SyncPorts['files'],
): Promise<ReadEnvFile | undefined> {
  const read = await readAnyText(path, repository)
  return read === undefined ? undefined : {scan: scanEnvFile(read.text), realPath: read.realPath}
}
