import {readFile} from 'node:fs/promises'

import {EnvdriftError} from '../../../core/errors.ts'
import {Secret} from '../../../core/secret.ts'
import {printable} from '../../../core/text.ts'

/**
 * A credential from a file, without the white space around it.
 *
 * @param setting - that names the file, for messages.
 * @throws EnvdriftError NOT_LOGGED_IN when there is none in it.
 */
export async function secretFile(path: string, setting: string): Promise<Secret> {
  const remedy: readonly [string] = [`Check ${setting} under [vault.hashicorp], and who may read that file.`]
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    const why = isMissing ? 'and there is no such file' : 'which could not be read'
    throw notLoggedIn(`${setting} names ${printable(path)}, ${why}`, remedy, cause)
  })
  if (text.trim() === '') throw notLoggedIn(`${setting} names ${printable(path)}, and that file is empty`, remedy)
  return new Secret(text.trim())
}

export function notLoggedIn(
  message: string,
  suggestions: readonly [string, ...string[]],
  cause?: unknown,
): EnvdriftError {
  return new EnvdriftError('NOT_LOGGED_IN', message, {suggestions, cause})
}
