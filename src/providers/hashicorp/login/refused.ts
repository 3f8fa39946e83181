import {EnvdriftError} from '../../../core/errors.ts'
import type {Secret} from '../../../core/secret.ts'
import {shellWord} from '../../../core/shell-word.ts'
import {printable} from '../../../core/text.ts'
import {isVaults, reasonIn} from '../answer.ts'
import type {Answer} from '../client.ts'
import {refusalOrNonsense} from '../readings.ts'
import type {LoginSettings} from './credentials.ts'

type Attempt = {
  readonly method: LoginSettings['method']
  readonly mount: string
  readonly from: string
  readonly place: string
  /** Left out of what the server says. */
  readonly secrets: readonly Secret[]
}

/** How much of the server's reason is shown, in characters. */
const maxReason = 300

/** An answer to a login that is no token. Vault says 400 for wrong credentials, with its reason, and 403 for no such method. */
export function loginRefusal({status, body}: Answer, attempt: Attempt): EnvdriftError {
  const {method, mount, from, place} = attempt
  if (status === 403 && isVaults(body)) {
    const reason = discreet(reasonIn(body), attempt.secrets)
    return new EnvdriftError(
      'LOGIN_REFUSED',
      `${place} takes no login at auth/${mount} with ${from}: ${reason === '' ? 'status 403' : reason}`,
      {
        suggestions: [
          // Its way to say that the cluster doesn't vouch for the token, or the role doesn't take it.
          ...(method === 'kubernetes' ? remedies(attempt) : []),
          `Check that the method ${method} is enabled there: \`vault auth list\`; another path goes into auth_mount under [vault.hashicorp].`,
          'If it lies in a namespace, set namespace or VAULT_NAMESPACE. A role may also be bound to other addresses (token_bound_cidrs).',
        ] as [string, ...string[]],
      },
    )
  }
  if (status === 400 && isVaults(body)) {
    const reason = discreet(reasonIn(body), attempt.secrets)
    return new EnvdriftError(
      'LOGIN_REFUSED',
      `${place} refused the login at auth/${mount} with ${from}${reason === '' ? '' : `: ${reason}`}`,
      {suggestions: remedies(attempt)},
    )
  }
  const asked = {place, mount: `auth/${mount}`, doing: 'log in to', name: `auth/${mount}`} as const
  return refusalOrNonsense({status, body}, asked)
}

export function wantsSecondFactor(body: unknown): boolean {
  const auth = isVaults(body) ? body['auth'] : undefined
  return typeof auth === 'object' && auth !== null && 'mfa_requirement' in auth && auth.mfa_requirement !== null
}

/** The server's own words on one line, without anything that we have sent it in confidence. */
function discreet(reason: string, secrets: readonly Secret[]): string {
  const quotes = secrets.some((secret) => reason.includes(secret.reveal()))
  return quotes ? '' : printable(reason.replaceAll(/\s+/g, ' ').trim().slice(0, maxReason))
}

function remedies({method, mount}: Attempt): readonly [string, ...string[]] {
  const at = shellWord(`auth/${mount}`)
  switch (method) {
    case 'approle':
      return [
        `Make a new SecretID: \`vault write -f -field=secret_id ${at}/role/ROLE/secret-id\`; the old one is wrong, used up or has run out.`,
        `Check role_id: \`vault read -field=role_id ${at}/role/ROLE/role-id\`.`,
      ]
    case 'jwt':
    case 'oidc':
      return [
        `Hold the role against the token: \`vault read ${at}/role/ROLE\` shows bound_audiences, bound_claims and bound_subject; it needs role_type = "jwt".`,
        'If the token has run out or is not valid yet, compare the clock of this machine with that of Vault.',
      ]
    case 'kubernetes':
      return [
        `Hold the role against the service account of the pod: \`vault read ${at}/role/ROLE\` shows names, namespaces and audience.`,
        `Check that Vault can ask the cluster: \`vault read ${at}/config\`.`,
      ]
    case 'cert':
      return [
        `Hold the certificate against those that Vault takes: \`vault list ${at}/certs\`.`,
        'Check client_cert and client_key, and the dates of the certificate by the clock of Vault.',
      ]
    case 'userpass':
    case 'ldap':
      return [`Check username and password: \`vault login -method=${method} -path=${shellWord(mount)} username=NAME\`.`]
  }
}
