import {EnvdriftError} from '../../../core/errors.ts'
import {Secret} from '../../../core/secret.ts'
import {printable} from '../../../core/text.ts'
import {dataOf} from '../answer.ts'
import {refusalOrNonsense} from '../readings.ts'
import type {Credentials, LoginSettings, Tools} from './credentials.ts'
import {notLoggedIn, secretFile} from './secret-file.ts'

/**
 * RoleID and SecretID. A wrapped SecretID is unwrapped here, once for a run.
 *
 * @throws EnvdriftError NOT_LOGGED_IN when there is no SecretID; LOGIN_REFUSED for a wrapping token that is used up, or that
 *   somebody else has made.
 */
export async function approleCredentials(settings: LoginSettings, tools: Tools): Promise<Credentials> {
  const {roleId = '', secretId, secretIdFile, mount} = settings
  const given = secretId ?? (secretIdFile === undefined ? undefined : await secretFile(secretIdFile, 'secret_id_file'))
  if (given === undefined)
    throw notLoggedIn(`There is no SecretID for the AppRole at auth/${mount}`, [
      'Set VAULT_SECRET_ID, or name its file in secret_id_file of your user file (ENVDRIFT_HASHICORP_SECRET_ID_FILE).',
      `\`vault write -f -field=secret_id auth/${mount}/role/ROLE/secret-id\` makes one.`,
    ])
  const secret = settings.secretIdWrapped ? await unwrapped(given, mount, tools) : given
  return {
    path: 'login',
    body: {role_id: roleId, secret_id: secret.reveal()},
    from: `the AppRole with role_id ${roleId}`,
    secrets: [secret, given],
  }
}

/**
 * The SecretID in a wrapping token, which is good for one look. Whoever took that look before us could wrap what they saw
 * anew; then Vault names another path that it was made by, and we refuse it.
 */
async function unwrapped(wrapping: Secret, mount: string, {client, place, signal}: Tools): Promise<Secret> {
  const gone = (what: string): EnvdriftError =>
    new EnvdriftError('LOGIN_REFUSED', `The wrapped SecretID ${what}`, {
      suggestions: [
        `Make a new one: \`vault write -f -wrap-ttl=5m -field=wrapping_token auth/${mount}/role/ROLE/secret-id\`.`,
        'If nobody of yours has used it, somebody else has: have the SecretID destroyed, and look into the audit log.',
      ],
    })
  const asked = {place, mount: `auth/${mount}`, doing: 'log in to', name: `auth/${mount}`} as const
  const looked = await client.post('sys/wrapping/lookup', {token: wrapping.reveal()}, {signal, repeatable: true})
  if (looked.status === 400 || looked.status === 403)
    throw gone('is used up or has run out: its wrapping token does not exist any more')
  const madeBy = dataOf(looked.body)?.['creation_path']
  if (looked.status !== 200 || typeof madeBy !== 'string') throw refusalOrNonsense(looked, asked)
  if (!isSecretIdPath(madeBy, mount))
    throw gone(
      `was not made by auth/${mount} but by ${printable(madeBy.slice(0, 200))}: it may have been stolen and wrapped anew`,
    )
  // Never a second time: a token that the first try has used up would look stolen.
  const answer = await client.post('sys/wrapping/unwrap', {}, {signal, token: wrapping})
  if (answer.status === 400 || answer.status === 403) throw gone('was used up by somebody else just now')
  const secretId = dataOf(answer.body)?.['secret_id']
  if (answer.status !== 200 || typeof secretId !== 'string' || secretId === '') throw refusalOrNonsense(answer, asked)
  return new Secret(secretId)
}

/** `auth/approle/role/ROLE/secret-id`, of whatever role, or its variant for SecretIDs that somebody chose. */
function isSecretIdPath(path: string, mount: string): boolean {
  const start = `auth/${mount}/role/`
  return path.startsWith(start) && /^[^/]+\/(?:custom-)?secret-id$/.test(path.slice(start.length))
}
