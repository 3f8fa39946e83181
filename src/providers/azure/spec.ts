import type {Origin, Problem, ProviderSpec, Settings} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'
import {cloudNames, cloudOfHost, clouds, type CloudName} from './clouds.ts'
import {chain, credentials, isCredentialName} from './credential-names.ts'
import {strayLogin} from './stray-login.ts'

/** Names of vaults: 3 to 24 letters, digits and hyphens, the first a letter; the service refuses two hyphens in a row by itself. */
const vaultName = /^[a-z][0-9a-z-]{1,22}[0-9a-z]$/i

/** Ids of tenants and of applications. */
const guid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i

/** Two labels at least: a single word (`common`) is a tenant of no vault. */
const domain = /^(?:[\da-z](?:[\da-z-]{0,61}[\da-z])?\.)+[a-z](?:[\da-z-]{0,61}[\da-z])$/i

export const spec: ProviderSpec = {
  isOwnAddress: (address) => cloudOfHost(URL.parse(address)?.hostname ?? '') !== undefined,
  title: 'Azure Key Vault',
  settings: {
    vault_url: {
      type: 'string',
      trust: 'repository',
      variable: 'ENVDRIFT_VAULT_URL',
      summary:
        'Address of the vault, `https://NAME.vault.azure.net/` or the same in a sovereign cloud. Any other host is an endpoint override, which a repository file may not set.',
    },
    credential: {
      type: 'string',
      trust: 'repository',
      oneOf: Object.keys(credentials),
      summary:
        'The only login to try: environment, client-secret, client-certificate, workload-identity, managed-identity, azure-cli, azure-powershell, azure-developer-cli, github-oidc or browser. Default: those of AZURE_TOKEN_CREDENTIALS, else the whole chain.',
    },
    exclude_credentials: {
      type: 'strings',
      trust: 'repository',
      summary: 'Logins of the chain that are not tried, like `["managed-identity"]`. Default: none.',
    },
    tenant_id: {
      type: 'string',
      trust: 'repository',
      summary:
        'Tenant to log in to: its id or one of its domains. Default: AZURE_TENANT_ID, else the tenant of the vault.',
    },
    client_id: {
      type: 'string',
      trust: 'repository',
      summary:
        'Application to log in as; for managed-identity the client id of a user-assigned identity. Default: AZURE_CLIENT_ID. With browser, a repository file may not set it.',
    },
    cloud: {
      type: 'string',
      trust: 'repository',
      oneOf: cloudNames,
      summary:
        'public, china or usgov: where vaults lie that are given by name alone, and where to log in. Default: the cloud of vault_url, else public.',
    },
    authority_host: {
      type: 'string',
      trust: 'machine',
      summary: 'Address of the login host, with https. Default: AZURE_AUTHORITY_HOST, else that of the cloud.',
    },
    disable_challenge_verification: {
      type: 'boolean',
      trust: 'machine',
      believes: true,
      summary:
        'For emulators and private endpoints: do not hold the login challenge against the host of the vault. Default false.',
    },
  },
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
    vaultName.test(name) ? {...ofTable, vault_url: `https://${name}.${clouds[cloudOf(ofTable)].suffix}/`} : undefined,
  resolve: ({settings, origins, env, ci}) => {
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
    const problems: readonly Problem[] = [
      ...(text === undefined ? [] : [{setting: 'vault_url', ...text}]),
      ...cloudProblems(settings, url),
      ...loginProblems(settings, origins),
    ]
    if (problems.length > 0) return {settings, problems, warnings: []}
    const stray = strayLogin(cloudOf(settings), {settings, origins, env})
    if (stray !== undefined && ci) return {settings, problems: [{...stray, code: 'CONFIG_NOT_ALLOWED'}], warnings: []}
    const warnings = [
      ...(stray === undefined ? [] : [`${stray.text}. CI needs that.`]),
      ...(settings['disable_challenge_verification'] === true
        ? ['disable_challenge_verification is on: the login challenge is not held against the host of the vault.']
        : []),
    ]
    const {authority_host: authority, ...rest} = settings
    // Azure's own variable is nearer than the user file.
    const isOverridden = origins['authority_host'] === 'user' && set(env['AZURE_AUTHORITY_HOST'])
    return {
      settings: {
        ...rest,
        // After the check there is nothing but a host and a port in them.
        vault_url: `${url!.origin}/`,
        ...(typeof authority === 'string' && !isOverridden && {authority_host: originOf(authority)!}),
      },
      problems: [],
      warnings,
    }
  },
}

const set = (value: string | undefined): boolean => value !== undefined && value !== ''

function problemOf(url: URL | null, written: string, origin: Origin | undefined): Problem | undefined {
  if (url === null || url.protocol !== 'https:')
    return {text: `vault_url must be an address like https://NAME.vault.azure.net/, with https`}
  if (url.username !== '' || url.password !== '')
    return {text: 'vault_url must not hold a user name or a password: log in with `az login` instead'}
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return {text: `vault_url must end after the host: write ${printable(url.origin)}/`}
  if (/(?:^|\.)managedhsm\./.test(url.hostname))
    return {text: `vault_url names a Managed HSM, which holds no secrets: name a Key Vault instead`}
  if (url.hostname.endsWith('.vault.microsoftazure.de'))
    return {text: 'vault_url names a vault in Azure Germany, which Microsoft closed in October 2021'}
  const ownName = /^([^.]+)\.(?:privatelink\.)?vaultcore\.([a-z.]+)$/.exec(url.hostname)?.[1]
  if (ownName !== undefined)
    return {
      text: `vault_url names the private link of a vault, for which its certificate is not made: write https://${printable(ownName)}.vault.azure.net/ (or the suffix of your cloud), which resolves to the private endpoint where there is one`,
    }
  const cloud = cloudOfHost(url.hostname)
  const name = cloud === undefined ? undefined : url.hostname.slice(0, -clouds[cloud].suffix.length - 1)
  if (origin === 'repository' && (name === undefined || !vaultName.test(name) || url.port !== '')) {
    const suffixes = cloudNames.map((each) => clouds[each].suffix).join(', .')
    return {
      code: 'CONFIG_NOT_ALLOWED',
      text: `vault_url ${printable(written)} is not an address of Azure Key Vault (https://NAME.${suffixes}), and a file of a repository may not set another one: set it in your user file, ENVDRIFT_VAULT_URL or --vault-url`,
    }
  }
  return undefined
}

function cloudProblems({cloud, authority_host: authority}: Settings, url: URL | null): readonly Problem[] {
  const problems: Problem[] = []
  const ofUrl = url === null ? undefined : cloudOfHost(url.hostname)
  if (typeof cloud === 'string' && ofUrl !== undefined && cloud !== ofUrl) {
    problems.push({
      setting: 'cloud',
      text: `cloud is ${cloud}, and vault_url names a vault in ${ofUrl}: correct one of them`,
    })
  }
  if (typeof authority === 'string' && originOf(authority) === undefined) {
    problems.push({
      setting: 'authority_host',
      text: 'authority_host must be an address like https://login.microsoftonline.com, with https and nothing after the host',
    })
  }
  return problems
}

/** A setting that the chosen login has no use for is a mistake: somebody believes that it does something. */
function loginProblems(settings: Settings, origins: Readonly<Record<string, Origin>>): readonly Problem[] {
  const {credential, exclude_credentials: excluded, tenant_id: tenant, client_id: client} = settings
  const problems: Problem[] = []
  const say = (setting: string, text: string) => problems.push({setting, text: `${setting} ${text}`})

  if (Array.isArray(excluded)) {
    const names = excluded as readonly string[]
    const needless = names.find((name) => !(chain as readonly string[]).includes(name))
    const unknown = names.filter((name) => !isCredentialName(name))
    if (unknown.length > 0) {
      say(
        'exclude_credentials',
        `names ${unknown.map(printable).join(', ')}: it takes names out of ${chain.join(', ')}`,
      )
    } else if (credential !== undefined) {
      say(
        'exclude_credentials',
        'does nothing beside credential, which names the only login to try: remove one of them',
      )
    } else if (needless !== undefined) {
      say('exclude_credentials', `names ${needless}, which is never tried unless credential names it: remove it`)
    } else if (chain.every((name) => names.includes(name))) {
      say('exclude_credentials', 'leaves no login to try')
    }
  }
  const chosen = typeof credential === 'string' && isCredentialName(credential) ? credential : undefined
  if (chosen !== undefined && tenant !== undefined && !credentials[chosen].tenant) {
    say('tenant_id', `does nothing with credential = "${chosen}": its tenant is fixed; remove it`)
  }
  if (chosen !== undefined && client !== undefined && !credentials[chosen].client) {
    say(
      'client_id',
      `does nothing with credential = "${chosen}", which logs in as whoever is logged in there: remove it`,
    )
  }
  if (typeof tenant === 'string' && !guid.test(tenant) && !domain.test(tenant)) {
    say('tenant_id', 'must be the id of a tenant or one of its domains, like myorg.onmicrosoft.com')
  }
  if (typeof client === 'string' && !guid.test(client)) {
    say('client_id', 'must be a client id, which is 32 hexadecimal digits with hyphens, and not a name')
  }
  if (chosen === 'browser' && client !== undefined && origins['client_id'] === 'repository') {
    problems.push({
      setting: 'client_id',
      code: 'CONFIG_NOT_ALLOWED',
      text: 'client_id names the application that a person in the browser is to let in, and a file of a repository may not set it: leave it out, or set it in your user file or ENVDRIFT_AZURE_CLIENT_ID',
    })
  }
  return problems
}

/** The address without anything after its host, or `undefined` for what is no such address. */
function originOf(address: string): string | undefined {
  const url = URL.parse(address)
  const isHostAlone = url?.protocol === 'https:' && url.pathname === '/' && url.search === '' && url.hash === ''
  return isHostAlone && url.username === '' && url.password === '' ? url.origin : undefined
}

function cloudOf({cloud, vault_url: vaultUrl}: Settings): CloudName {
  const host = typeof vaultUrl === 'string' ? URL.parse(vaultUrl)?.hostname : undefined
  return (cloud as CloudName | undefined) ?? (host === undefined ? undefined : cloudOfHost(host)) ?? 'public'
}
