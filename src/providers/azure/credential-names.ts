/** What one way to log in can use of the settings. */
type Kind = {
  readonly tenant: boolean
  readonly client: boolean
  /** The name that AZURE_TOKEN_CREDENTIALS has for it, in small letters. */
  readonly ofSdk?: string
  /** As messages and `whoami` call it. */
  readonly title: string
}

/** The ways to log in, by the names that `credential` takes. */
export const credentials = {
  environment: {tenant: true, client: true, ofSdk: 'environmentcredential', title: 'environment variables'},
  'client-secret': {tenant: true, client: true, title: 'environment variables (client secret)'},
  'client-certificate': {tenant: true, client: true, title: 'environment variables (certificate)'},
  'workload-identity': {tenant: true, client: true, ofSdk: 'workloadidentitycredential', title: 'workload identity'},
  'managed-identity': {tenant: false, client: true, ofSdk: 'managedidentitycredential', title: 'managed identity'},
  'azure-cli': {tenant: true, client: false, ofSdk: 'azureclicredential', title: 'Azure CLI'},
  'azure-powershell': {tenant: true, client: false, ofSdk: 'azurepowershellcredential', title: 'Azure PowerShell'},
  'azure-developer-cli': {
    tenant: true,
    client: false,
    ofSdk: 'azuredeveloperclicredential',
    title: 'Azure Developer CLI',
  },
  'github-oidc': {tenant: true, client: true, title: 'the token of the GitHub job'},
  browser: {tenant: true, client: true, title: 'a login in the browser'},
} as const satisfies Readonly<Record<string, Kind>>

export type CredentialName = keyof typeof credentials

export const isCredentialName = (text: string): text is CredentialName => Object.hasOwn(credentials, text)

/**
 * What is tried, in this order, when nobody names one: `DefaultAzureCredential`'s chain without Visual Studio Code and
 * Windows' broker, which need packages that envdrift does not have.
 */
export const chain = [
  'environment',
  'workload-identity',
  'managed-identity',
  'azure-cli',
  'azure-powershell',
  'azure-developer-cli',
] as const satisfies readonly CredentialName[]

/** The first three belong to machines, the others to developers: the words `prod` and `dev` of AZURE_TOKEN_CREDENTIALS. */
const forMachines = 3

/**
 * The logins to try, in their order: `credential`, else the chain as AZURE_TOKEN_CREDENTIALS narrows it, without those
 * that are excluded.
 *
 * @param ofSdk - AZURE_TOKEN_CREDENTIALS; a word that names none of ours leaves nothing.
 */
export function credentialsToTry(
  credential: CredentialName | undefined,
  excluded: readonly string[],
  ofSdk: string | undefined,
): readonly CredentialName[] {
  if (credential !== undefined) return [credential]
  return narrowed(ofSdk?.trim().toLowerCase() ?? '').filter((name) => !excluded.includes(name))
}

function narrowed(word: string): readonly CredentialName[] {
  switch (word) {
    case '':
      return chain
    case 'prod':
      return chain.slice(0, forMachines)
    case 'dev':
      return chain.slice(forMachines)
    default:
      return chain.filter((name) => credentials[name].ofSdk === word)
  }
}
