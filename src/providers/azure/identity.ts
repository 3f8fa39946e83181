import type {AccessToken} from '@azure/identity'

import {printable} from '../../core/text.ts'
import type {Identity} from '../provider.ts'
import {credentials} from './credential-names.ts'
import type {Given} from './credentials.ts'

/** Of an access token of Entra's, what we use; all of it is what the token says of itself, and unverified. */
export type Claims = {
  readonly oid: string | undefined
  readonly appid: string | undefined
  readonly tid: string | undefined
  readonly user: string | undefined
  readonly managedIdentity: string | undefined
  readonly isApplication: boolean
  readonly until: Date
}

/**
 * Tokens are for the vault to read, so one that is no JWT is no error: then nothing is known but when it ends.
 *
 * Source of the claims: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
export function claimsOf({token, expiresOnTimestamp}: AccessToken): Claims {
  let said: Readonly<Record<string, unknown>> = {}
  try {
    const body: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    if (typeof body === 'object' && body !== null) said = body as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  const text = (name: string) => (typeof said[name] === 'string' ? printable(said[name]) : undefined)
  const id = (name: string) => (/^[\w-]+$/.test(text(name) ?? '') ? text(name) : undefined)
  const user = text('upn') ?? text('unique_name') ?? text('preferred_username')
  const managedIdentity = text('xms_mirid')
  return {
    oid: id('oid'),
    appid: id('appid') ?? id('azp'),
    tid: id('tid'),
    user,
    managedIdentity,
    // Not every token has idtyp.
    isApplication: said['idtyp'] === 'app' || (user === undefined && said['idtyp'] !== 'user'),
    until: new Date(expiresOnTimestamp),
  }
}

/** Who a token was made for, by which of our ways to log in. */
export function identityOf({oid, appid, tid, user, managedIdentity, until}: Claims, {name, variant}: Given): Identity {
  const who = user ?? managedIdentity ?? (appid === undefined ? 'somebody' : `application ${appid}`)
  const ids = [...(oid === undefined ? [] : [`object id ${oid}`]), ...(tid === undefined ? [] : [`tenant ${tid}`])]
  return {
    who: ids.length === 0 ? who : `${who} (${ids.join(', ')})`,
    credential: credentials[variant ?? name].title,
    until,
    ...(oid !== undefined && {principal: oid}),
  }
}
