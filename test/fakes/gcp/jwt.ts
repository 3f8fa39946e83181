import {type KeyObject, verify} from 'node:crypto'

import {signedJwt} from '../jwt.ts'

/** What a token says, once its signature was found right. */
export type Token = {
  readonly header: {readonly alg?: unknown; readonly kid?: unknown}
  readonly claims: Readonly<Record<string, unknown>>
}

/** A JWT signed with RS256. */
export const signedToken = (claims: object, key: KeyObject, kid: string): string =>
  signedJwt({alg: 'RS256', typ: 'JWT', kid}, claims, key)

/** @returns `undefined` for what isn't a JWT, isn't RS256, or wasn't signed with this key. */
export function readToken(token: string, key: KeyObject): Token | undefined {
  const [head, body, signature, ...rest] = token.split('.')
  if (head === undefined || body === undefined || signature === undefined || rest.length > 0) return undefined
  try {
    const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Token['header']
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Token['claims']
    const rightly = verify('RSA-SHA256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))
    return header.alg === 'RS256' && rightly ? {header, claims} : undefined
  } catch {
    // Not JSON: no token.
    return undefined
  }
}

/** Clocks of clients may differ so much, in seconds. */
const leewaySeconds = 300

/**
 * Is a token of a service account's own in its time? It may live for an hour at most, and must have been made about now.
 *
 * Source: https://developers.google.com/identity/protocols/oauth2/service-account#jwt-auth
 */
export function isInTime({claims}: Token, nowMs: number): boolean {
  const [now, issued, expires] = [nowMs / 1000, Number(claims['iat']), Number(claims['exp'])]
  return issued <= now + leewaySeconds && expires > now - leewaySeconds && expires > issued && expires - issued <= 3600
}
