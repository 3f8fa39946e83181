import {
  createDecipheriv,
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  ECDH,
  getCurves,
  getFips,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import {promisify} from 'node:util'

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
export type Opener = (ciphertext: string) => Promise<Opened>

/** What an encrypted value starts with; in lower case only. */
export const ciphertextPrefix = 'encrypted:'

/** Lengths in bytes: uncompressed point, nonce, tag. Source: eciesjs 0.4 and 0.5 as dotenvx configures them. */
const [pointBytes, nonceBytes, tagBytes] = [65, 16, 16]
const overhead = pointBytes + nonceBytes + tagBytes

/** What stands before a point in DER: an uncompressed public key of secp256k1. Source: RFC 5480, SEC 2 (1.3.132.0.10). */
const publicKeyHead = Buffer.from('3056301006072a8648ce3d020106052b8104000a034200', 'hex')

/** The same of a private key: what stands before its 32 bytes, and between them and its public key. Source: RFC 5915, 5958. */
const privateKeyHead = Buffer.from('308184020100301006072a8648ce3d020106052b8104000a046d306b0201010420', 'hex')
const privateKeyMiddle = Buffer.from('a144034200', 'hex')

/** The X of the point that a private and a public key share: three quarters of what opening a value costs. */
type Agree = (keys: {readonly privateKey: KeyObject; readonly publicKey: KeyObject}) => Promise<Buffer>

/** On the thread that asks. */
export const agreeHere: Agree = async (keys) => diffieHellman(keys)

/** On Node's thread pool, and so on all cores: from Node 23.11 on it takes a callback. */
export const agreeFastest: Agree = diffieHellman.length > 1 ? promisify(diffieHellman) : agreeHere

/**
 * secp256k1 from Node, or from dotenvx's own library where Node's OpenSSL is built without it (BoringSSL) or may not use
 * it (FIPS). Node's is more than ten times faster; both give the same answers.
 */
export async function loadCurve(
  available: readonly string[] = getFips() === 1 ? [] : getCurves(),
  agree = agreeFastest,
): Promise<Curve> {
  if (available.includes('secp256k1')) return nodeCurve(agree)
  const {default: primitives} = await import('@dotenvx/primitives')
  return {
    publicKey: (privateKey) => primitives.derive(privateKey),
    opener: (privateKey) => async (ciphertext) => {
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

const nodeCurve = (agree: Agree): Curve => ({
  publicKey: (privateKey) => ecdhOf(privateKey).getPublicKey('hex', 'compressed'),
  opener(privateKey) {
    const key = keyObjectOf(privateKey)
    return (ciphertext) => openWith(key, ciphertext, agree)
  },
})

function ecdhOf(privateKey: string): ECDH {
  const ecdh = createECDH('secp256k1')
  ecdh.setPrivateKey(privateKey, 'hex')
  return ecdh
}

/** With its public key inside: else OpenSSL computes that twice. */
function keyObjectOf(privateKey: string): KeyObject {
  const scalar = Buffer.from(privateKey, 'hex')
  const der = Buffer.concat([privateKeyHead, scalar, privateKeyMiddle, ecdhOf(privateKey).getPublicKey()])
  try {
    return createPrivateKey({key: der, format: 'der', type: 'pkcs8'})
  } finally {
    scalar.fill(0)
    der.fill(0)
  }
}

async function openWith(privateKey: KeyObject, ciphertext: string, agree: Agree): Promise<Opened> {
  const envelope = envelopeOf(ciphertext)
  if (envelope === undefined) return {kind: 'malformed'}
  let x: Buffer
  try {
    const publicKey = createPublicKey({
      key: Buffer.concat([publicKeyHead, envelope.point]),
      format: 'der',
      type: 'spki',
    })
    x = await agree({privateKey, publicKey})
  } catch {
    return {kind: 'malformed'} // not a point of the curve
  }
  // Both points with that X are tried: the tag tells which is right.
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
