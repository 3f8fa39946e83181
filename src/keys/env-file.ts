import {EnvdriftError} from '../core/errors.ts'
import type {KeyName} from '../core/mapping.ts'
import {printable} from '../core/text.ts'
import {scanAssignments, type Assignment} from './assignments.ts'
import {ciphertextPrefix} from './curve.ts'
import {publicKeyName} from './key-name.ts'

/** An assignment `DOTENV_PUBLIC_KEY*` of an env file. */
export type PublicKeyLine = {readonly name: string; readonly value: string; /** 1-based. */ readonly line: number}

/** A variable of an env file whose value is encrypted. */
type EncryptedLine = {
  readonly name: string
  /** With its prefix `encrypted:`. */
  readonly ciphertext: string
  /** 1-based. */
  readonly line: number
}

/** What an env file holds, by kind. A variable that is assigned twice comes twice. */
export type EnvFileScan = {
  readonly publicKeys: readonly PublicKeyLine[]
  readonly encrypted: readonly EncryptedLine[]
  /**
   * Names of variables that dotenvx would encrypt and didn't: not those with the suffix `_PLAIN`, not empty ones, and not
   * references to 1Password or Bitwarden (`op://`, `bw://`).
   */
  readonly plain: readonly string[]
  /** SOPS encrypted this file, and dotenvx nothing in it. */
  readonly sops: boolean
}

/**
 * Sort the assignments of an env file. Comments and the inside of multi-line values are no assignments.
 *
 * A file with one `encrypted:` value or one public key of dotenvx isn't SOPS's, whatever else is in it: two words in a
 * pull request must not switch the check off.
 */
export function scanEnvFile(text: string): EnvFileScan {
  const all = scanAssignments(text)
  const variables = all.filter(({name}) => !isPublicKeyName(name))
  const isEncrypted = ({value}: Assignment): boolean => value.startsWith(ciphertextPrefix)
  const publicKeys = all
    .filter(({name}) => isPublicKeyName(name))
    .map(({name, value, line}): PublicKeyLine => ({name, value, line}))
  const encrypted = variables
    .filter(isEncrypted)
    .map(({name, value, line}): EncryptedLine => ({name, ciphertext: value, line}))
  const plain = variables.filter((one) => !isEncrypted(one) && !isMeantPlain(one.name, one.value)).map(({name}) => name)
  const saysSops = all.some(({name, value}) => name.startsWith('sops_') || value.startsWith('ENC['))
  return {publicKeys, encrypted, plain, sops: saysSops && publicKeys.length === 0 && encrypted.length === 0}
}

function isMeantPlain(name: string, value: string): boolean {
  return name.endsWith('_PLAIN') || value.trim() === '' || /^(?:op|bw):\/\//.test(value)
}

/** Is this one of dotenvx's own lines, and no variable of the program's? */
export function isPublicKeyName(name: string): boolean {
  return name.startsWith('DOTENV_PUBLIC_KEY')
}

/**
 * The public key that an env file's values belong to.
 *
 * All `DOTENV_PUBLIC_KEY*` lines must say the same, under whatever name: dotenvx 2.x encrypts with the first of the file,
 * 1.x with the one of the file's name, so a second one hands new values to somebody else.
 *
 * @returns the line with the name that belongs to `wanted`, else the first; `undefined` when there is none. Its value is in
 *   lower case, as `publicKeysOf` gives them; it may be no public key at all, and then no key belongs to the file.
 * @throws EnvdriftError PUBLIC_KEYS_DISAGREE naming two lines that differ.
 */
export function publicKeyOf(scan: EnvFileScan, wanted: KeyName): PublicKeyLine | undefined {
  const [first, ...others] = scan.publicKeys
  if (first === undefined) return undefined
  const other = others.find(({value}) => value.toLowerCase() !== first.value.toLowerCase())
  if (other === undefined) {
    const line = scan.publicKeys.find(({name}) => name === publicKeyName(wanted)) ?? first
    return {...line, value: line.value.toLowerCase()}
  }
  throw new EnvdriftError(
    'PUBLIC_KEYS_DISAGREE',
    `The env file has two different public keys: ${shown(first)} and ${shown(other)}`,
    {suggestions: ['Find out which one is yours (git log -p), and remove the other line.']},
  )
}

function shown({name, line, value}: PublicKeyLine): string {
  return `${printable(name)} in line ${line} (${printable(value.slice(0, 10))}…)`
}
