/**
 * Where each cloud's tenants log in, all names of one host in a row, and the suffix of its vaults.
 *
 * Source: https://login.microsoftonline.com/common/discovery/instance as Microsoft publishes it, without clouds that are closed.
 */
export const clouds = [
  {
    loginHosts: ['login.microsoftonline.com', 'login.windows.net', 'login.microsoft.com', 'sts.windows.net'],
    preferredCache: 'login.windows.net',
    vaultSuffix: 'vault.azure.net',
  },
  {
    loginHosts: ['login.partner.microsoftonline.cn', 'login.chinacloudapi.cn'],
    preferredCache: 'login.partner.microsoftonline.cn',
    vaultSuffix: 'vault.azure.cn',
  },
  {
    loginHosts: ['login.microsoftonline.us', 'login.usgovcloudapi.net'],
    preferredCache: 'login.microsoftonline.us',
    vaultSuffix: 'vault.usgovcloudapi.net',
  },
] as const

export const loginHosts: readonly string[] = clouds.flatMap((cloud) => cloud.loginHosts)

export const vaultSuffixes: readonly string[] = clouds.map(({vaultSuffix}) => vaultSuffix)

/** Where the challenge of a vault under this suffix sends people to log in. */
export const loginHostOf = (suffix: string): string => {
  switch (suffix) {
    case 'vault.azure.cn':
      return 'login.chinacloudapi.cn'
    case 'vault.usgovcloudapi.net':
      return 'login.microsoftonline.us'
    default:
      return 'login.microsoftonline.com'
  }
}
