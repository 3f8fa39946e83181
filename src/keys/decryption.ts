import {setImmediate} from 'node:timers/promises'

import {ciphertextPrefix, type Curve, loadCurve, type Opened} from './curve.ts'
import type {EnvFileScan, VariableLine} from './env-file.ts'
import type {PrivateKey} from './private-key.ts'

/** An encrypted value that wasn't opened. */
export type DecryptionFailure = {
  readonly name: string
  /** 1-based line in the env file. */
  readonly line: number
  /**
   * `malformed`: no key opens it, it was cut or changed. A change in its inner bytes can't be told from `wrong-key`.
   * `no-key`: there was no key to try.
   */
  readonly why: 'wrong-key' | 'malformed' | 'no-key'
}

type Failures = readonly [DecryptionFailure, ...DecryptionFailure[]]

/** Does a key open an env file? */
export type Decryption =
  | {readonly kind: 'passed'; /** How many values were opened: all that are encrypted. */ readonly values: number}
  | {readonly kind: 'failed'; /** How many are encrypted. */ readonly values: number; readonly failures: Failures}
  | {readonly kind: 'nothing-encrypted'}
  | {readonly kind: 'sops'}

/** The variables of an env file in clear, in an object without a prototype; or those that stayed closed. */
export type OpenedValues =
  | {readonly kind: 'opened'; readonly values: Readonly<Record<string, string>>}
  | {readonly kind: 'failed'; readonly failures: Failures}

/**
 * Try a key on every encrypted value of an env file. Each part of a list counts. What comes out is thrown away unread:
 * nothing is executed or expanded, and nothing of it is returned.
 *
 * @param key - `undefined` where there is none; every encrypted value fails then.
 * @throws the signal's reason when it fires.
 */
export async function checkDecryption(
  scan: EnvFileScan,
  key: PrivateKey | undefined,
  signal?: AbortSignal,
): Promise<Decryption> {
  const values = scan.encrypted.length
  if (values === 0) return {kind: scan.sops ? 'sops' : 'nothing-encrypted'}
  const encrypted = scan.variables.filter(isEncrypted)
  const {failures} = await openAll(encrypted, key, signal)
  return hasSome(failures) ? {kind: 'failed', values, failures} : {kind: 'passed', values}
}

/**
 * All variables of an env file as a program would get them from dotenvx, except that nothing is expanded or executed:
 * `$NAME` and `$(command)` stay as they are written. dotenvx's own `DOTENV_PUBLIC_KEY*` lines are left out. Of a variable
 * that is assigned twice the last counts.
 *
 * @throws the signal's reason when it fires.
 */
export async function decryptValues(
  scan: EnvFileScan,
  key: PrivateKey | undefined,
  signal?: AbortSignal,
): Promise<OpenedValues> {
  const {values, failures} = await openAll(scan.variables, key, signal)
  return hasSome(failures) ? {kind: 'failed', failures} : {kind: 'opened', values}
}

/** A value costs about 2 ms; after so many the process gets a chance to notice Ctrl-C. */
const valuesAtOnce = 16

async function openAll(
  variables: readonly VariableLine[],
  key: PrivateKey | undefined,
  signal: AbortSignal | undefined,
): Promise<{readonly values: Record<string, string>; readonly failures: readonly DecryptionFailure[]}> {
  const curve = await loadCurve()
  const values = Object.create(null) as Record<string, string>
  const failures: DecryptionFailure[] = []
  for (const [index, variable] of variables.entries()) {
    if (index % valuesAtOnce === 0) await setImmediate()
    signal?.throwIfAborted()
    const {name, line, literal} = variable
    const opened = isEncrypted(variable)
      ? openWith(curve, key, variable.value)
      : {kind: 'opened' as const, text: variable.value}
    if (opened.kind !== 'opened') failures.push({name, line, why: opened.kind})
    // dotenvx's last step: `\$` is how a dollar sign is written that doesn't expand
    else values[name] = literal ? opened.text : opened.text.replaceAll(String.raw`\$`, '$')
  }
  return {values, failures}
}

function isEncrypted({value}: VariableLine): boolean {
  return value.startsWith(ciphertextPrefix)
}

function hasSome(failures: readonly DecryptionFailure[]): failures is Failures {
  return failures.length > 0
}

/** Opened by the first part that can; malformed whatever the key, so the first part's word on that is enough. */
function openWith(curve: Curve, key: PrivateKey | undefined, ciphertext: string): Opened | {readonly kind: 'no-key'} {
  let last: Opened | {readonly kind: 'no-key'} = {kind: 'no-key'}
  for (const part of key?.parts ?? []) {
    last = curve.open(part.reveal(), ciphertext)
    if (last.kind !== 'wrong-key') break
  }
  return last
}
