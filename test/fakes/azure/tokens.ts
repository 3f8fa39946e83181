import {createHmac, randomBytes} from 'node:crypto'

import {jwtText} from '../jwt.ts'
import {parseJson, type Clock} from './answer.ts'

/** Claims of an access token that somebody looks at. Source: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference */
export type Claims = {
  readonly aud: string
  readonly iss: string
  readonly tid: string
  readonly nbf: number
  readonly exp: number
  readonly appid: string
  readonly oid: string
}

export type Tokens = {
  /** An access token of version 1, as Key Vault gets them. The signature is ours: nobody but the fake's vaults checks it. */
  readonly mint: (audience: string, tenant: string, who: Readonly<Record<string, string>>) => string
  /** `undefined` for what was not made here, or changed since. */
  readonly read: (token: string) => Claims | undefined
  /** From now on tokens are valid for so long, in seconds. */
  readonly lifetime: (seconds: number) => void
  readonly lifetimeSeconds: () => number
}

export function makeTokens(clock: Clock): Tokens {
  const key = randomBytes(32)
  let lifetimeSeconds = 3600
  const sign = (text: string) => createHmac('sha256', key).update(text).digest('base64url')
  return {
    mint: (audience, tenant, who) => {
      const now = clock()
      const text = jwtText(
        {typ: 'JWT', alg: 'HS256'},
        {
          aud: audience,
          iss: `https://sts.windows.net/${tenant}/`,
          iat: now,
          nbf: now,
          exp: now + lifetimeSeconds,
          tid: tenant,
          ver: '1.0',
          ...who,
        },
      )
      return `${text}.${sign(text)}`
    },
    read: (token) => {
      const [head = '', body = '', signature] = token.split('.')
      return signature === sign(`${head}.${body}`) ? (jwtPart(body) as Claims) : undefined
    },
    lifetime: (seconds) => void (lifetimeSeconds = seconds),
    lifetimeSeconds: () => lifetimeSeconds,
  }
}

/** One part of a token; an empty object for what is none. */
export function jwtPart(text: string): Readonly<Record<string, unknown>> {
  const value = parseJson(Buffer.from(text, 'base64url').toString())
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
