import {createPublicKey, verify, type JsonWebKeyInput, type KeyObject} from 'node:crypto'

import {type Fields, fieldsOf, listIn, textIn} from './answers.ts'

/** Clock skew that Vault forgives, in seconds. Source: `clock_skew_leeway` in the API docs of the method. */
const leewaySeconds = 60

/**
 * Check a JWT as the jwt method does: signature, times, issuer, subject, audience, then the role's own claims.
 *
 * @returns its claims, or Vault's words for what is wrong.
 */
export function checkJwt(
  text: string,
  {
    keys,
    issuer,
    role,
    nowMs,
  }: {readonly keys: readonly KeyObject[]; readonly issuer: string; readonly role: Fields; readonly nowMs: number},
): Fields | string {
  const invalid = (why: string): string => `error validating token: ${why}`
  const parts = text.split('.')
  const [head = '', payload = '', signature = ''] = parts
  if (parts.length !== 3)
    return invalid('error verifying token signature: go-jose/go-jose: compact JWS format must have three parts')
  const hash = {RS256: 'sha256', ES256: 'sha256'}[textIn(decoded(head), 'alg')]
  const isSigned = keys.some(
    (key) =>
      hash !== undefined &&
      verify(
        hash,
        Buffer.from(`${head}.${payload}`),
        {key, dsaEncoding: 'ieee-p1363'},
        Buffer.from(signature, 'base64url'),
      ),
  )
  if (!isSigned)
    return invalid('error verifying token signature: no known key successfully validated the token signature')

  const claims = decoded(payload)
  const seconds = nowMs / 1000
  const [expires, notBefore] = [claims['exp'], claims['nbf']]
  if (typeof expires === 'number' && expires + leewaySeconds < seconds)
    return invalid('invalid expiration time (exp) claim: token is expired')
  if (typeof notBefore === 'number' && notBefore - leewaySeconds > seconds)
    return invalid('invalid not before (nbf) claim: token not yet valid')
  if (issuer !== '' && claims['iss'] !== issuer) return invalid('invalid issuer (iss) claim')
  const subject = textIn(role, 'bound_subject')
  if (subject !== '' && claims['sub'] !== subject) return invalid('invalid subject (sub) claim')
  const [audiences, bound] = [listOf(claims['aud']), listIn(role, 'bound_audiences')]
  if (bound.length === 0 && audiences.length > 0)
    return 'audience claim found in JWT but no audiences bound to the role'
  if (bound.length > 0 && !audiences.some((one) => bound.includes(String(one))))
    return invalid('invalid audience (aud) claim: audience claim does not match any expected audience')

  const wanted = (role['bound_claims'] ?? {}) as Fields
  for (const [name, values] of Object.entries(wanted)) {
    if (!(name in claims)) return `error validating claims: claim ${JSON.stringify(name)} is missing`
    if (!listOf(claims[name]).some((one) => listOf(values).includes(one)))
      return `error validating claims: claim ${JSON.stringify(name)} does not match any associated bound claim values`
  }
  return claims
}

/** Keys of a configuration: PEM texts, or those of a key set that was fetched. */
export const publicKeys = (config: Fields): readonly KeyObject[] =>
  listIn(config, 'jwt_validation_pubkeys').map((pem) => createPublicKey(pem))

export async function fetchedKeys(url: string): Promise<readonly KeyObject[]> {
  const answer = (await (await fetch(url)).json()) as {readonly keys: readonly JsonWebKeyInput['key'][]}
  return answer.keys.map((key) => createPublicKey({key, format: 'jwk'}))
}

function decoded(part: string): Fields {
  try {
    return fieldsOf(Buffer.from(part, 'base64url').toString())
  } catch {
    return {}
  }
}

const listOf = (value: unknown): readonly unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value]
