import {isUtf8} from 'node:buffer'

import {EnvdriftError} from '../core/errors.ts'
import {shellWord} from '../core/shell-word.ts'
import {printable} from '../core/text.ts'
import type {EmbeddedVault, StoredVersion} from '../vault/embedded-vault.ts'

/** The largest value, in bytes: what AWS Secrets Manager takes, so that a secret can move there. */
const maxValueBytes = 64 * 1024

/** The longest name, in bytes of UTF-8 and in characters; the second is what a mapping's `secret_name` may have. */
const maxNameBytes = 512
const maxNameLength = 255

/** A secret as `vault list` shows it. */
export type ListedSecret = {
  readonly name: string
  readonly version: number
  readonly updated: string
  /** Numbers of the earlier versions that can still be read, newest first. */
  readonly earlier: readonly number[]
}

/**
 * Store a value under a name, whatever is there.
 *
 * @returns the number of the new version.
 * @throws EnvdriftError USAGE for an impossible name, KEY_EMPTY, FILE_TOO_LARGE, and the codes of the vault.
 */
export async function setSecret(
  vault: Pick<EmbeddedVault, 'put'>,
  name: string,
  value: () => Promise<Buffer>,
  signal: AbortSignal,
): Promise<number> {
  checkName(name)
  const bytes = await value()
  if (bytes.length === 0)
    throw new EnvdriftError('KEY_EMPTY', `No value was given for ${printable(name)}`, {
      suggestions: [
        'Pipe the value in, or give --value-file FILE; check that the program before the pipe printed something.',
        `Delete a secret with \`envdrift vault rm ${shellWord(name)}\`.`,
      ],
    })
  if (bytes.length > maxValueBytes)
    throw new EnvdriftError('FILE_TOO_LARGE', `The value for ${printable(name)} has more than 64 KiB`, {
      suggestions: ['Check that the right file was given: a key has some hundred bytes.'],
    })
  return vault.put(name, bytes, 'any', signal)
}

/**
 * One version of a secret; the current one unless `version` names another.
 *
 * @throws EnvdriftError NOT_IN_VAULT, SECRET_DELETED, and the codes of the vault.
 */
export async function getSecret(
  vault: Pick<EmbeddedVault, 'path' | 'read'>,
  {name, version}: {readonly name: string; readonly version?: number | undefined},
  signal: AbortSignal,
): Promise<StoredVersion & {readonly value: Buffer}> {
  checkName(name)
  const versions = (await vault.read(signal)).get(name)
  const [path, shown] = [printable(vault.path), printable(name)]
  if (versions === undefined)
    throw new EnvdriftError('NOT_IN_VAULT', `The vault ${path} has no secret named ${shown}`, {
      suggestions: ['See the names that are there with `envdrift vault list`.'],
    })
  const wanted = version === undefined ? versions[0] : versions.find((one) => one.version === version)
  const readable = versions.filter((one) => one.value !== 'deleted').map((one) => one.version)
  const others = `Versions that can be read: ${readable.join(', ') || 'none'}.`
  if (wanted === undefined)
    throw new EnvdriftError('NOT_IN_VAULT', `The vault ${path} keeps no version ${version} of ${shown}`, {
      suggestions: [others],
    })
  const {value} = wanted
  if (value === 'deleted')
    throw new EnvdriftError('SECRET_DELETED', `${shown} was deleted (version ${wanted.version})`, {
      suggestions: [`${others} Add --version N.`],
    })
  return {...wanted, value}
}

/** Every secret that isn't deleted, by name. @throws EnvdriftError with the codes of the vault. */
export async function listSecrets(
  vault: Pick<EmbeddedVault, 'read'>,
  signal: AbortSignal,
): Promise<readonly ListedSecret[]> {
  const secrets = [...(await vault.read(signal))].filter(([, [current]]) => current.value !== 'deleted')
  return secrets
    .map(([name, [current, ...earlier]]) => ({
      name,
      version: current.version,
      updated: current.updated,
      earlier: earlier.filter(({value}) => value !== 'deleted').map(({version}) => version),
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * Delete a secret.
 *
 * @returns whether its earlier versions can still be read; those of a full vault are gone.
 * @throws EnvdriftError NOT_IN_VAULT, and the codes of the vault.
 */
export async function removeSecret(
  vault: Pick<EmbeddedVault, 'remove'>,
  name: string,
  signal: AbortSignal,
): Promise<'kept' | 'gone'> {
  checkName(name)
  return vault.remove(name, signal)
}

/** A value as a JSON document carries it: text, or base64 where the bytes are none. */
export const documentValue = (value: Buffer): {readonly value: string; readonly encoding: 'utf8' | 'base64'} =>
  isUtf8(value) ? {value: value.toString(), encoding: 'utf8'} : {value: value.toString('base64'), encoding: 'base64'}

function checkName(name: string): void {
  const problem = problemOf(name)
  if (problem === undefined) return
  throw new EnvdriftError('USAGE', `The name of a secret ${problem}`, {
    suggestions: ['Use a name like myapp-production: it stands in secret_name of a mapping.'],
  })
}

function problemOf(name: string): string | undefined {
  if (name === '') return 'must not be empty'
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name) || !name.isWellFormed()) return 'must not hold control characters'
  if (name.trim() !== name) return 'must not begin or end with a blank'
  if (name.length > maxNameLength || Buffer.byteLength(name) > maxNameBytes)
    return `must not be longer than ${maxNameLength} characters and ${maxNameBytes} bytes`
  return undefined
}
