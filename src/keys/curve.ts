import {createDecipheriv, createECDH, ECDH, getCurves, hkdfSync} from 'node:crypto'

/** What a ciphertext is to a key: opened, not this key's, or damaged whatever the key. */
export type Opened =
  | {readonly kind: 'opened'; readonly text: string}
  | {readonly kind: 'wrong-key'}
  | {readonly kind: 'malformed'}

/** The two things that we need of secp256k1. Private keys are 64 hex digits, public keys 66 (compressed). */
export type Curve = {
  readonly publicKey: (privateKey: string) => string
  /** Opens any number of values with one key; made once for each key, which costs as much as opening a value. */
  readonly opener: (privateKey: string) => Opener
}

/** @param ciphertext - with its prefix `encrypted:`. */
export type Opener = (ciphertext: string) => Opened

/** What an encrypted value starts with; in lower case only. */
export const ciphertextPrefix = 'encrypted:'

/** Lengths in bytes: uncompressed point, nonce, tag. Source: eciesjs 0.4 and 0.5 as dotenvx configures them. */
const [pointBytes, nonceBytes, tagBytes] = [65, 16, 16]
const overhead = pointBytes + nonceBytes + tagBytes

/**
 * secp256k1 from Node, or from dotenvx's own library where Node's OpenSSL is built without it (FIPS, BoringSSL).
 * Node's is about ten times faster; both give the same answers.
 */
export async function loadCurve(available: readonly string[] = getCurves()): Promise<Curve> {
  if (available.includes('secp256k1')) return nodeCurve
  const {default: primitives} = await import('@dotenvx/primitives')
  return {
    publicKey: (privateKey) => primitives.derive(privateKey),
    opener: (privateKey) => (ciphertext) => {
      if (envelopeOf(ciphertext) === undefined) return {kind: 'malformed'}
      try {
        return {kind: 'opened', text: primitives.decrypt(privateKey, ciphertext)}
      } catch (error) {
        const wrong = error instanceof Error && 'code' in error && error.code === 'WRONG_PRIVATE_KEY'
        return {kind: wrong ? 'wrong-key' : 'malformed'}
      }
    },
  }
}

const nodeCurve: Curve = {
  publicKey(privateKey) {
    const ecdh = createECDH('secp256k1')
    ecdh.setPrivateKey(privateKey, 'hex')
    return ecdh.getPublicKey('hex', 'compressed')
  },
  opener(privateKey) {
    const ecdh = createECDH('secp256k1')
    ecdh.setPrivateKey(privateKey, 'hex')
    return (ciphertext) => openWith(ecdh, ciphertext)
  },
}

function openWith(ecdh: ECDH, ciphertext: string): Opened {
  const envelope = envelopeOf(ciphertext)
  if (envelope === undefined) return {kind: 'malformed'}
  let x: Buffer
  try {
    x = ecdh.computeSecret(envelope.point)
  } catch {
    return {kind: 'malformed'} // not a point of the curve
  }
  // computeSecret gives the shared point's X only. Both points with that X are tried: the tag tells which is right.
  for (const parity of [2, 3]) {
    const shared = ECDH.convertKey(
      Buffer.concat([Buffer.of(parity), x]),
      'secp256k1',
      undefined,
      undefined,
      'uncompressed',
    )
    const secret = Buffer.concat([envelope.point, shared as Buffer])
    const key = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), Buffer.alloc(0), 32))
    const decipher = createDecipheriv('aes-256-gcm', key, envelope.nonce, {authTagLength: tagBytes})
    decipher.setAuthTag(envelope.tag)
    const start = decipher.update(envelope.data)
    try {
      return {kind: 'opened', text: Buffer.concat([start, decipher.final()]).toString('utf8')}
    } catch {
      // the tag doesn't fit: the other parity, or another key
    }
  }
  return {kind: 'wrong-key'}
}

/** @returns `undefined` for what is too short, or doesn't start with an uncompressed point: no key opens that. */
function envelopeOf(
  ciphertext: string,
): {readonly point: Buffer; readonly nonce: Buffer; readonly tag: Buffer; readonly data: Buffer} | undefined {
  // as lenient as dotenvx, which takes whatever Buffer.from makes of it
  const bytes = Buffer.from(ciphertext.slice(ciphertextPrefix.length), 'base64')
  if (bytes.length < overhead || bytes[0] !== 4) return undefined
  return {
    point: bytes.subarray(0, pointBytes),
    nonce: bytes.subarray(pointBytes, pointBytes + nonceBytes),
    tag: bytes.subarray(pointBytes + nonceBytes, overhead),
    data: bytes.subarray(overhead),
  }
}
