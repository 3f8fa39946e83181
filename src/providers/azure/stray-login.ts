import type {Env, Origin, Settings} from '../../core/provider-spec.ts'
import {cloudOfHost, clouds, type CloudName} from './clouds.ts'
import {credentialsToTry, type CredentialName} from './credential-names.ts'

/** What each login sends away to prove who it is: the variable that it is in, or behind, and how messages call it. */
const proofs: Readonly<Partial<Record<CredentialName, readonly (readonly [variable: string, called: string])[]>>> = {
  environment: [
    ['AZURE_CLIENT_SECRET', 'AZURE_CLIENT_SECRET'],
    ['AZURE_CLIENT_CERTIFICATE_PATH', 'what the key in AZURE_CLIENT_CERTIFICATE_PATH signs'],
    ['AZURE_PASSWORD', 'AZURE_PASSWORD'],
  ],
  'client-secret': [['AZURE_CLIENT_SECRET', 'AZURE_CLIENT_SECRET']],
  'client-certificate': [['AZURE_CLIENT_CERTIFICATE_PATH', 'what the key in AZURE_CLIENT_CERTIFICATE_PATH signs']],
  'workload-identity': [['AZURE_FEDERATED_TOKEN_FILE', 'the token in AZURE_FEDERATED_TOKEN_FILE']],
  'github-oidc': [['ACTIONS_ID_TOKEN_REQUEST_TOKEN', 'the token of the GitHub job']],
}

/**
 * Why what this machine logs in with would go to the login host of a cloud that only a file of a repository names, and
 * what to do about it. A pull request could so send it out of the cloud that it was made for.
 *
 * Developer tools and managed identities are bound to a cloud of their own, and hand out nothing for another.
 *
 * @param cloud - that of the vault.
 * @returns `undefined` when the machine has its say, or there is nothing to send.
 */
export function strayLogin(
  cloud: CloudName,
  {
    settings,
    origins,
    env,
  }: {readonly settings: Settings; readonly origins: Readonly<Record<string, Origin>>; readonly env: Env},
): {readonly setting: string; readonly text: string} | undefined {
  if (settings['authority_host'] !== undefined || set(env['AZURE_AUTHORITY_HOST'])) return undefined
  const ofMachine = (name: string) => ((origins[name] ?? 'repository') === 'repository' ? undefined : settings[name])
  const named = [
    ofMachine('cloud'),
    cloudAt(ofMachine('vault_url')),
    env['ENVDRIFT_AZURE_CLOUD'],
    cloudAt(env['ENVDRIFT_VAULT_URL']),
  ].filter((each) => typeof each === 'string' && each !== '')
  if ((named.length === 0 ? ['public'] : named).includes(cloud)) return undefined

  const held = credentialsToTry(
    settings['credential'] as CredentialName | undefined,
    (settings['exclude_credentials'] as readonly string[] | undefined) ?? [],
    env['AZURE_TOKEN_CREDENTIALS'],
  )
    .flatMap((name) => proofs[name] ?? [])
    .find(([variable]) => set(env[variable]))
  if (held === undefined) return undefined
  const byUrl = cloudAt(settings['vault_url']) === cloud
  return {
    setting: byUrl ? 'vault_url' : 'cloud',
    text: `${byUrl ? `vault_url names a vault in ${cloud}` : `cloud is ${cloud}`}, and ${held[1]} would go to the login host of that cloud because a file of the repository says so: if it belongs there, set AZURE_AUTHORITY_HOST=${clouds[cloud].authorityHost}`,
  }
}

const set = (value: string | undefined): boolean => value !== undefined && value !== ''

const cloudAt = (address: unknown): CloudName | undefined => {
  const host = typeof address === 'string' ? URL.parse(address)?.hostname : undefined
  return host === undefined ? undefined : cloudOfHost(host)
}
