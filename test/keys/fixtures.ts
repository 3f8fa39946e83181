import {createECDH} from 'node:crypto'

import {type PrivateKey, privateKeyOf} from '../../src/keys/private-key.ts'

/** A fresh private key, 64 hex digits in lower case. Made by Node, not by the code under test. */
export function newKey(): string {
  const ecdh = createECDH('secp256k1')
  ecdh.generateKeys()
  return ecdh.getPrivateKey('hex').padStart(64, '0')
}

export function keyOf(text: string): PrivateKey {
  const key = privateKeyOf(text)
  if (key === undefined) throw new Error('the fixture is no key')
  return key
}

/** dotenvx's parsers break on names that every object has (`toString=1`); ours doesn't, so such texts can't be compared. */
export function isComparable(text: string): boolean {
  return Object.getOwnPropertyNames(Object.prototype).every((name) => !text.includes(name))
}
