import type {Origin, Problem, ProviderSpec, Settings} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'

/**
 * Host suffixes under which Microsoft serves Key Vault: public cloud, China, US Government, and the closed German cloud.
 *
 * Source: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers
 */
export const vaultSuffixes = [
  'vault.azure.net',
  'vault.azure.cn',
  'vault.usgovcloudapi.net',
  'vault.microsoftazure.de',
] as const

/** Names of vaults: 3 to 24 letters, digits and hyphens, the first a letter; the service refuses two hyphens in a row by itself. */
const vaultName = /^[a-z][0-9a-z-]{1,22}[0-9a-z]$/i

export const spec: ProviderSpec = {
  title: 'Azure Key Vault',
  settings: {
    vault_url: {
      type: 'string',
      trust: 'repository',
      variable: 'ENVDRIFT_VAULT_URL',
      summary:
        'Address of the vault, `https://NAME.vault.azure.net/` or the same in a sovereign cloud. Any other host is an endpoint override, which a repository file may not set.',
    },
    disable_challenge_verification: {
      type: 'boolean',
      trust: 'machine',
      summary:
        'For emulators and private endpoints: do not hold the login challenge against the host of the vault. Default false.',
    },
  },
  later: ['credential', 'cloud', 'tenant_id', 'client_id', 'authority_host'],
  flags: {'vault-url': 'vault_url'},
  slashInNames: false,
  checkSecretName: (name) => {
    if (/^[0-9A-Za-z-]{1,127}$/.test(name)) return undefined
    if (name.length > 127) return 'is longer than the 127 characters that Azure Key Vault allows'
    if (name.includes('/'))
      return 'holds a slash, and Azure Key Vault allows letters, digits and hyphens only (a vault goes into vault_name)'
    return name.includes('_')
      ? 'holds an underscore, and Azure Key Vault allows letters, digits and hyphens only: write a hyphen, as in the vault'
      : 'may hold letters, digits and hyphens only (Azure Key Vault)'
  },
  settingsOfName: (name, ofTable) =>
    vaultName.test(name) ? {...ofTable, vault_url: `https://${name}.${suffixOf(ofTable['vault_url'])}/`} : undefined,
  resolve: ({settings, origins}) => {
    const written = settings['vault_url']
    if (typeof written !== 'string') {
      return {
        settings,
        problems: [
          {
            text: 'Azure Key Vault needs an address: set vault_url = "https://NAME.vault.azure.net/" in [vault.azure], or pass --vault-url',
          },
        ],
        warnings: [],
      }
    }
    const url = URL.parse(written)
    const text = problemOf(url, written, origins['vault_url'])
    if (text !== undefined) return {settings, problems: [{setting: 'vault_url', ...text}], warnings: []}
    const warnings =
      settings['disable_challenge_verification'] === true
        ? ['disable_challenge_verification is on: the login challenge is not held against the host of the vault.']
        : []
    // After the check there is nothing but a host and a port in it.
    return {settings: {...settings, vault_url: `${url!.origin}/`}, problems: [], warnings}
  },
}

function problemOf(url: URL | null, written: string, origin: Origin | undefined): Problem | undefined {
  if (url === null || url.protocol !== 'https:')
    return {text: `vault_url must be an address like https://NAME.vault.azure.net/, with https`}
  if (url.username !== '' || url.password !== '')
    return {text: 'vault_url must not hold a user name or a password: log in with `az login` instead'}
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return {text: `vault_url must end after the host: write ${printable(url.origin)}/`}
  if (/(?:^|\.)managedhsm\./.test(url.hostname))
    return {text: `vault_url names a Managed HSM, which holds no secrets: name a Key Vault instead`}
  const known = suffixOfHost(url.hostname)
  const name = known === undefined ? undefined : url.hostname.slice(0, -known.length - 1)
  if (origin === 'repository' && (name === undefined || !vaultName.test(name) || url.port !== '')) {
    return {
      code: 'CONFIG_NOT_ALLOWED',
      text: `vault_url ${printable(written)} is not an address of Azure Key Vault (https://NAME.${vaultSuffixes.join(', .')}), and a file of a repository may not set another one: set it in your user file, ENVDRIFT_VAULT_URL or --vault-url`,
    }
  }
  return undefined
}

function suffixOf(vaultUrl: Settings[string] | undefined): string {
  const host = typeof vaultUrl === 'string' ? URL.parse(vaultUrl)?.hostname : undefined
  return (host === undefined ? undefined : suffixOfHost(host)) ?? vaultSuffixes[0]
}

function suffixOfHost(host: string): string | undefined {
  return vaultSuffixes.find((suffix) => host.endsWith(`.${suffix}`))
}
