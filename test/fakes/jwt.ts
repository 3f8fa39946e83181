import {type KeyObject, sign} from 'node:crypto'

/** Header and claims of a JSON Web Token, as a signature covers them. Source: https://www.rfc-editor.org/rfc/rfc7515 */
export const jwtText = (header: object, claims: object): string =>
  [header, claims].map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')).join('.')

/** A JSON Web Token. `alg` of the header is what the key makes: RS256, or ES256 with a key on P-256. */
export function signedJwt(header: object, claims: object, key: KeyObject): string {
  const text = jwtText(header, claims)
  return `${text}.${sign('sha256', Buffer.from(text), {key, dsaEncoding: 'ieee-p1363'}).toString('base64url')}`
}
