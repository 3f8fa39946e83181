import {Secret} from '../core/secret.ts'
import {loadCurve} from './curve.ts'

/** A dotenvx private key, or a comma-joined list of them (old and new, while a team rotates), checked. */
export type PrivateKey = {
  /** As a keys file holds it: 64 hex digits in the case they came in, or several such, joined by a comma and no space. */
  readonly text: Secret
  /** One by one; never empty. */
  readonly parts: readonly [Secret, ...Secret[]]
}

/** Order of secp256k1's base point (SEC 2, 2.4.1): a private key lies above 0 and below it. */
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** Digits of a public key that people see. */
const shownDigits = 10

/**
 * A key from text that holds nothing else, but for space around it and around commas.
 *
 * @returns `undefined` when a part isn't 64 hex digits, or no number that the curve allows.
 */
export function privateKeyOf(text: string): PrivateKey | undefined {
  const [first = '', ...rest] = text.split(',').map((part) => part.trim())
  if (![first, ...rest].every(isOnePart)) return undefined
  return {
    text: new Secret([first, ...rest].join(',')),
    parts: [new Secret(first), ...rest.map((part) => new Secret(part))],
  }
}

function isOnePart(text: string): boolean {
  if (!/^[\da-f]{64}$/i.test(text)) return false
  const scalar = BigInt(`0x${text}`)
  return scalar > 0n && scalar < order
}

/** The public key of each part: 66 hex digits in lower case, compressed, as `DOTENV_PUBLIC_KEY` has it. */
export async function publicKeysOf(key: PrivateKey): Promise<readonly string[]> {
  const curve = await loadCurve()
  return key.parts.map((part) => curve.publicKey(part.reveal()))
}

/** Are these the same keys in the same order? Case of the hex digits doesn't count. */
export function samePrivateKeys(a: PrivateKey, b: PrivateKey): boolean {
  const [left, right] = [a, b].map((key) => new Secret(key.text.reveal().toLowerCase())) as [Secret, Secret]
  return left.equals(right)
}

/**
 * What people see of a key: its public key's first ten digits (`03ab12cd34…`), for a list one after the other.
 *
 * A `Secret` that is no key shows as its salted fingerprint.
 */
export async function fingerprintOf(key: PrivateKey | Secret): Promise<string> {
  if (key instanceof Secret) {
    const valid = privateKeyOf(key.reveal())
    return valid === undefined ? key.fingerprint() : fingerprintOf(valid)
  }
  const publicKeys = await publicKeysOf(key)
  return publicKeys.map((publicKey) => `${publicKey.slice(0, shownDigits)}…`).join(',')
}
