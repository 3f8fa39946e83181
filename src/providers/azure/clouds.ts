/** A cloud of Microsoft's. */
type Cloud = {
  /** Of the names of its vaults. */
  readonly suffix: string
  /** Where one logs in to it. */
  readonly authorityHost: string
  /** What `az cloud set --name` calls it. */
  readonly ofCli: string
  /** For whom a token of another issuer has to be made. Source: https://learn.microsoft.com/graph/api/resources/federatedidentitycredential */
  readonly federationAudience: string
}

/**
 * The clouds by the names that `cloud` takes.
 *
 * Sources: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers
 * and https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
 */
export const clouds = {
  public: {
    suffix: 'vault.azure.net',
    authorityHost: 'https://login.microsoftonline.com',
    ofCli: 'AzureCloud',
    federationAudience: 'api://AzureADTokenExchange',
  },
  china: {
    suffix: 'vault.azure.cn',
    authorityHost: 'https://login.chinacloudapi.cn',
    ofCli: 'AzureChinaCloud',
    federationAudience: 'api://AzureADTokenExchangeChina',
  },
  usgov: {
    suffix: 'vault.usgovcloudapi.net',
    authorityHost: 'https://login.microsoftonline.us',
    ofCli: 'AzureUSGovernment',
    federationAudience: 'api://AzureADTokenExchangeUSGov',
  },
} as const satisfies Readonly<Record<string, Cloud>>

export type CloudName = keyof typeof clouds

export const cloudNames = Object.keys(clouds) as readonly CloudName[]

/** The cloud whose vaults lie under this host's suffix, or `undefined` for a host of nobody's (an emulator). */
export const cloudOfHost = (host: string): CloudName | undefined =>
  cloudNames.find((name) => host.endsWith(`.${clouds[name].suffix}`))
