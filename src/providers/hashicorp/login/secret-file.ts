import {EnvdriftError} from '../../../core/errors.ts'
import {Secret} from '../../../core/secret.ts'
import {printable} from '../../../core/text.ts'
import {plainFile} from '../plain-file.ts'

/**
 * A credential from a file, without the white space around it.
 *
 * @param setting - that names the file, for messages.
 * @throws EnvdriftError NOT_LOGGED_IN when there is none in it.
 */
export async function secretFile(path: string, setting: string): Promise<Secret> {
  const remedy: readonly [string] = [`Check ${setting} under [vault.hashicorp], and who may read that file.`]
  const file = await plainFile(path)
  const names = `${setting} names ${printable(path)}`
  if (file.text === undefined)
    throw notLoggedIn(
      `${names}, ${file.isMissing ? 'and there is no such file' : `which ${file.why}`}`,
      remedy,
      file.cause,
    )
  const text = file.text.trim()
  if (text === '') throw notLoggedIn(`${names}, and that file is empty`, remedy)
  return new Secret(text)
}

export function notLoggedIn(
  message: string,
  suggestions: readonly [string, ...string[]],
  cause?: unknown,
): EnvdriftError {
  return new EnvdriftError('NOT_LOGGED_IN', message, {suggestions, cause})
}
