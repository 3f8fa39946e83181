import {setImmediate} from 'node:timers/promises'

import {EnvdriftError} from '../core/errors.ts'
import {printable} from '../core/text.ts'
import {scanAssignments} from './assignments.ts'
import {ciphertextPrefix, loadCurve, type Opened, type Opener} from './curve.ts'
import {type EnvFileScan, isPublicKeyName} from './env-file.ts'
import type {PrivateKey} from './private-key.ts'

/** An encrypted value that the key doesn't open. */
type DecryptionFailure = {
  readonly name: string
  /** 1-based line in the env file. */
  readonly line: number
  /** `malformed`: no key opens it, it was cut or changed. A change in its inner bytes can't be told from `wrong-key`. */
  readonly why: 'wrong-key' | 'malformed'
}

/** Does a key open an env file? */
export type Decryption =
  | {readonly kind: 'passed'; /** How many values were opened: all that are encrypted. */ readonly values: number}
  | {
      readonly kind: 'failed'
      /** How many are encrypted. */
      readonly values: number
      readonly failures: readonly [DecryptionFailure, ...DecryptionFailure[]]
    }
  | {readonly kind: 'nothing-encrypted'}
  | {readonly kind: 'sops'}

/** A value costs less than 1 ms, with dotenvx's library 13; after so many the process gets a chance to notice Ctrl-C. */
const valuesAtOnce = 16

/**
 * Try a key on every encrypted value of an env file. Each part of a list counts. What comes out is thrown away unread:
 * nothing is executed or expanded, and nothing of it is returned.
 *
 * @throws the signal's reason when it fires.
 */
export async function checkDecryption(scan: EnvFileScan, key: PrivateKey, signal?: AbortSignal): Promise<Decryption> {
  const values = scan.encrypted.length
  if (values === 0) return {kind: scan.sops ? 'sops' : 'nothing-encrypted'}
  const openers = await openersOf(key)
  const failures: DecryptionFailure[] = []
  for (let start = 0; start < values; start += valuesAtOnce) {
    await setImmediate()
    signal?.throwIfAborted()
    const turn = scan.encrypted.slice(start, start + valuesAtOnce)
    const opened = await Promise.all(turn.map(({ciphertext}) => openWith(openers, ciphertext)))
    for (const [index, {name, line}] of turn.entries()) {
      const {kind} = opened[index]!
      if (kind !== 'opened') failures.push({name, line, why: kind})
    }
  }
  const [first, ...rest] = failures
  return first === undefined ? {kind: 'passed', values} : {kind: 'failed', values, failures: [first, ...rest]}
}

/**
 * All variables of an env file as a program would get them from dotenvx, except that nothing is expanded or executed:
 * `$NAME` and `$(command)` stay as they are written. dotenvx's own `DOTENV_PUBLIC_KEY*` lines are left out. Of a variable
 * that is assigned twice the last counts.
 *
 * @param key - `undefined` where there is none: enough for a file with nothing encrypted.
 * @returns an object without a prototype.
 * @throws EnvdriftError DECRYPTION_FAILED naming every variable that the key doesn't open.
 */
export async function decryptValues(
  text: string,
  key: PrivateKey | undefined,
): Promise<{readonly values: Readonly<Record<string, string>>}> {
  const openers = await openersOf(key)
  const values = Object.create(null) as Record<string, string>
  const closed = new Set<string>()
  for (const {name, value, quote} of scanAssignments(text)) {
    if (isPublicKeyName(name)) continue
    const plain = value.startsWith(ciphertextPrefix) ? textOf(await openWith(openers, value)) : value
    if (plain === undefined) closed.add(name)
    // dotenvx's last step: `\\$` is how a dollar sign is written that doesn't expand
    else values[name] = quote === "'" ? plain : plain.replaceAll(String.raw`\$`, '$')
  }
  if (closed.size === 0) return {values}
  throw new EnvdriftError('DECRYPTION_FAILED', `The key does not open ${[...closed].map(printable).join(', ')}`, {
    suggestions: ['Run `envdrift sync --verify` to compare the key with the vault.'],
  })
}

function textOf(opened: Opened): string | undefined {
  return opened.kind === 'opened' ? opened.text : undefined
}

async function openersOf(key: PrivateKey | undefined): Promise<readonly Opener[]> {
  const curve = await loadCurve()
  return (key?.parts ?? []).map((part) => curve.opener(part.reveal()))
}

/** Opened by the first part that can. What is malformed is so whatever the key. */
async function openWith(openers: readonly Opener[], ciphertext: string): Promise<Opened> {
  for (const open of openers) {
    const opened = await open(ciphertext)
    if (opened.kind !== 'wrong-key') return opened
  }
  return {kind: 'wrong-key'}
}
