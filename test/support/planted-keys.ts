import {createECDH} from 'node:crypto'

/** A fresh secp256k1 pair as dotenvx writes it: 64 and 66 hex digits. */
export type PlantedKey = {readonly privateKey: string; readonly publicKey: string}

/** So many hex digits in a row of a private key count as a leak. 48 bits: no other text of a test has them by chance. */
const windowDigits = 12

// All that this test worker has planted: a key of an earlier test must not turn up either.
const windows = new Map<string, PlantedKey>()

/** Make a key pair whose private half the runner looks for, from now on, in everything that envdrift prints and writes. */
export function plantKey(): PlantedKey {
  const curve = createECDH('secp256k1')
  curve.generateKeys()
  // The key may have leading zeros, which Node leaves out.
  const privateKey = curve.getPrivateKey('hex').padStart(64, '0')
  const key = {privateKey, publicKey: curve.getPublicKey('hex', 'compressed')}
  for (let at = 0; at + windowDigits <= privateKey.length; at++)
    windows.set(privateKey.slice(at, at + windowDigits), key)
  return key
}

/** @returns the planted key that 12 digits in a row of the text belong to, in whatever case, or `undefined`. */
export function plantedKeyIn(text: string): PlantedKey | undefined {
  for (const [digits] of text.matchAll(/[\da-f]{12,}/gi)) {
    const run = digits.toLowerCase()
    for (let at = 0; at + windowDigits <= run.length; at++) {
      const key = windows.get(run.slice(at, at + windowDigits))
      if (key !== undefined) return key
    }
  }
  return undefined
}
