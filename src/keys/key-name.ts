import {basename} from 'node:path'

import {EnvdriftError} from '../core/errors.ts'
import type {KeyName} from '../core/mapping.ts'
import {printable} from '../core/text.ts'

const privatePrefix = 'DOTENV_PRIVATE_KEY'
const publicPrefix = 'DOTENV_PUBLIC_KEY'

/**
 * dotenvx's name for the private key of an env file, from the file's name alone: `.env.ci.local` has
 * `DOTENV_PRIVATE_KEY_CI_LOCAL`.
 *
 * Folders before the name are ignored, and so is case. A third part is too: `.env.a.b.c` and `.env.a.b.d` share a name.
 * The rule is that of dotenvx 2.x (`src/lib/conventions`); 1.x differs only where the name ends in `.txt`.
 *
 * @throws EnvdriftError CONFIG_INVALID where dotenvx's name is one that no line of a keys file can hold: it encrypts with
 *   such a name, and never decrypts.
 */
export function keyNameOfFile(fileName: string): KeyName {
  const file = withoutTxt(basename(fileName).toLowerCase())
  if (file === '.env') return privatePrefix
  const env = withoutTxt(file) // a second time, as dotenvx does: `.env.a.txt.txt` has the key of `.env.a`
  const parts = env.split('.').slice(2, 4)
  const suffix = (parts.length === 0 ? env.replace('.env', 'development') : parts.join('_')).toUpperCase()
  const name = `${privatePrefix}_${suffix}`
  if (isKeyName(name)) return name
  throw new EnvdriftError(
    'CONFIG_INVALID',
    `dotenvx has no usable key name for the file ${printable(fileName)}: "${printable(suffix)}" isn't made of letters, digits, "_", "." and "-"`,
    {suggestions: ['Rename the file, or the environment, to one of letters, digits, "_" and "-".']},
  )
}

function withoutTxt(file: string): string {
  return file.startsWith('.env') && file.endsWith('.txt') ? file.slice(0, -'.txt'.length) : file
}

/** The private key's name of `.env.ENVIRONMENT`. @throws as {@link keyNameOfFile}. */
export function keyNameOfEnvironment(environment: string): KeyName {
  if (!/[/\\]/.test(environment)) return keyNameOfFile(`.env.${environment}`)
  throw new EnvdriftError('CONFIG_INVALID', `The environment "${printable(environment)}" has a slash in its name`, {
    suggestions: ['Name the environment as the file does: "production" for .env.production.'],
  })
}

/** The public key's name that belongs to a private key's: `DOTENV_PUBLIC_KEY_PRODUCTION`. */
export function publicKeyName(name: KeyName): string {
  return publicPrefix + name.slice(privatePrefix.length)
}

/** The private key's name that belongs to a public key's, in the case that it has there; `undefined` where that is none. */
export function keyNameOfPublicKey(name: string): KeyName | undefined {
  if (!name.startsWith(publicPrefix)) return undefined
  const inverted = privatePrefix + name.slice(publicPrefix.length)
  return isKeyName(inverted) ? inverted : undefined
}

/** Could a line of a keys file hold this name? Lower case counts: dotenvx takes the name of a file's public key as it is. */
export function isKeyName(text: string): text is KeyName {
  return /^DOTENV_PRIVATE_KEY(?:_[\w.-]+)?$/.test(text)
}
