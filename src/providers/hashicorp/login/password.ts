import type {Credentials, LoginSettings, Tools} from './credentials.ts'
import {notLoggedIn} from './secret-file.ts'

/** @throws EnvdriftError NOT_LOGGED_IN when there is no password, and nobody who could be asked. */
export async function passwordCredentials(settings: LoginSettings, {typed}: Tools): Promise<Credentials> {
  const {username = '', method} = settings
  const password = settings.password ?? (await typed())
  if (password === undefined || password.reveal() === '')
    throw notLoggedIn(`There is no password for ${username} (auth = "${method}")`, [
      `Run the command at a terminal, which asks for it, or set ENVDRIFT_HASHICORP_PASSWORD${method === 'ldap' ? ' or VAULT_LDAP_PASSWORD' : ''}.`,
      'In a pipeline, log in with approle, jwt or kubernetes instead: a password of a person does not belong there.',
    ])
  return {
    // Whole: a slash in a name is no step into another path.
    path: `login/${encodeURIComponent(username)}`,
    body: {password: password.reveal()},
    from: `the password of ${username}`,
    secrets: [password],
  }
}
