import {printable} from '../../core/text.ts'
import type {Identity} from '../provider.ts'
import type {Login} from './login/log-in.ts'
import type {Session} from './session.ts'

/**
 * Who we are to Vault, from what the login has answered.
 *
 * Of a token that we were given only its source is known: asking Vault about it would cost one of its uses.
 */
export async function identityOf(session: Session): Promise<Identity> {
  const login = await session.login()
  if (login === undefined)
    return session.from === undefined
      ? {who: 'the agent', credential: 'its own login', until: 'unknown'}
      : {who: 'the owner of the token', credential: session.from, until: 'unknown'}
  const {policies, from, endsAtMs} = login
  return {
    who: `${nameOf(login)} with the policies ${policies.map((one) => printable(one)).join(', ')}`,
    credential: from,
    until: endsAtMs === undefined ? 'unknown' : new Date(Date.now() + endsAtMs - performance.now()),
  }
}

/** What of its metadata names a login to an administrator, by method: each calls it otherwise. */
const nameKeys = ['role_name', 'username', 'service_account_name', 'cert_name', 'role'] as const

/** `ci (auth/approle)`: role or person, and where Vault knows them. */
export function nameOf({metadata, method, mount}: Login): string {
  const name = nameKeys.map((key) => metadata[key]).find((one) => typeof one === 'string' && one !== '')
  return `${typeof name === 'string' ? printable(name) : method} (auth/${mount})`
}
