import {
  AzureCliCredential,
  AzureDeveloperCliCredential,
  AzurePowerShellCredential,
  ChainedTokenCredential,
  ClientAssertionCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
  CredentialUnavailableError,
  EnvironmentCredential,
  InteractiveBrowserCredential,
  ManagedIdentityCredential,
  WorkloadIdentityCredential,
  type DefaultAzureCredentialOptions,
  type TokenCredential,
} from '@azure/identity'

import type {Env} from '../../core/provider-spec.ts'
import type {CredentialName} from './credential-names.ts'

/** What every credential of the SDK gets. */
export type CredentialOptions = Pick<
  DefaultAzureCredentialOptions,
  'httpClient' | 'retryOptions' | 'processTimeoutInMs' | 'authorityHost' | 'userAgentOptions'
>

/** Who is to log in: what the settings say, and the environment with Azure's own variables. */
export type Account = {
  readonly tenantId: string | undefined
  readonly clientId: string | undefined
  readonly env: Env
  /** The token of the CI job that we are. */
  readonly jobToken: () => Promise<string>
}

/** One way to log in. What `whoami` calls it needs the variables, too. */
export type Given = {
  readonly name: CredentialName
  readonly variant?: 'client-secret' | 'client-certificate'
  /** The variable that says: this account and no other. */
  readonly proof?: string
}

/**
 * The SDK's chain of these credentials, or the only one.
 *
 * @param onToken - told which one gave a token.
 * @param onStop - told which one gave none and was not followed by another.
 */
export function credentialOf(
  names: readonly CredentialName[],
  options: CredentialOptions,
  account: Account,
  onToken: (given: Given) => void,
  onStop: (given: Given) => void,
): TokenCredential {
  const isAlone = names.length === 1
  const sources = names.map((name): TokenCredential => {
    const given = givenBy(name, account)
    let made: TokenCredential | undefined
    return {
      getToken: async (scopes, tokenOptions) => {
        try {
          made ??= credentialNamed(given.variant ?? name, options, account, isAlone)
          const token = await made.getToken(scopes, tokenOptions)
          if (token !== null) onToken(given)
          return token
        } catch (cause) {
          if (given.proof !== undefined) {
            onStop(given)
            // An error that ends the SDK's chain: somebody means this account, and no other that happens to be there.
            throw new Error(`${given.variant ?? name} failed`, {cause})
          }
          if (made !== undefined) throw cause
          // A variable or a file that it needs is missing: for the SDK's chain that is a reason to try the next one.
          throw new CredentialUnavailableError(`${name} can't be used here`, {cause})
        }
      },
    }
  })
  return isAlone ? sources[0]! : new ChainedTokenCredential(...sources)
}

/** EnvironmentCredential knows no other account than that of its own variables, so we look at them in its place. */
function givenBy(name: CredentialName, {env}: Account): Given {
  if (name === 'client-secret' || name === 'client-certificate') return {name, variant: name}
  const proof = proofs[name]?.find((variable) => env[variable])
  if (proof === undefined) return {name}
  if (proof === 'AZURE_CLIENT_SECRET') return {name, variant: 'client-secret', proof}
  if (proof === 'AZURE_CLIENT_CERTIFICATE_PATH') return {name, variant: 'client-certificate', proof}
  return {name, proof}
}

/** Variables that each mean one account. */
const proofs: Readonly<Partial<Record<CredentialName, readonly string[]>>> = {
  environment: ['AZURE_CLIENT_SECRET', 'AZURE_CLIENT_CERTIFICATE_PATH'],
  'workload-identity': ['AZURE_FEDERATED_TOKEN_FILE'],
}

/** @throws when the SDK, or what it has to be given, lacks something. */
function credentialNamed(
  name: CredentialName,
  options: CredentialOptions,
  {tenantId, clientId, env, jobToken}: Account,
  isAlone: boolean,
): TokenCredential {
  // AZURE_TENANT_ID and AZURE_CLIENT_ID are for machines: a person at a developer tool goes to the tenant of the vault.
  const ofPerson = {...options, ...(tenantId !== undefined && {tenantId})}
  const tenant = tenantId ?? env['AZURE_TENANT_ID']
  const client = clientId ?? env['AZURE_CLIENT_ID']
  const needed = (value: string | undefined): string => {
    if (value === undefined || value === '') throw new TypeError(`${name} lacks a variable`)
    return value
  }
  const application = {
    ...options,
    ...(env['AZURE_ADDITIONALLY_ALLOWED_TENANTS'] && {
      additionallyAllowedTenants: env['AZURE_ADDITIONALLY_ALLOWED_TENANTS'].split(';'),
    }),
  }
  switch (name) {
    case 'environment':
      return new EnvironmentCredential(application)
    case 'client-secret':
      return new ClientSecretCredential(needed(tenant), needed(client), needed(env['AZURE_CLIENT_SECRET']), application)
    case 'client-certificate': {
      const certificatePassword = env['AZURE_CLIENT_CERTIFICATE_PASSWORD']
      return new ClientCertificateCredential(
        needed(tenant),
        needed(client),
        {
          certificatePath: needed(env['AZURE_CLIENT_CERTIFICATE_PATH']),
          ...(certificatePassword && {certificatePassword}),
        },
        {
          ...application,
          sendCertificateChain: /^(?:true|1)$/i.test(env['AZURE_CLIENT_SEND_CERTIFICATE_CHAIN'] ?? ''),
        },
      )
    }
    case 'workload-identity':
      return new WorkloadIdentityCredential({
        ...options,
        tenantId: needed(tenant),
        clientId: needed(client),
        tokenFilePath: needed(env['AZURE_FEDERATED_TOKEN_FILE']),
      })
    case 'github-oidc':
      return new ClientAssertionCredential(needed(tenant), needed(client), jobToken, application)
    case 'managed-identity':
      return withoutTokenFile(
        new ManagedIdentityCredential({
          ...options,
          ...(client && {clientId: client}),
          // DefaultAzureCredential's own option: in a chain, a metadata address that is silent for a second is none.
          ...(!isAlone && {sendProbeRequest: true}),
        }),
      )
    case 'azure-cli':
      return new AzureCliCredential(ofPerson)
    case 'azure-powershell':
      return new AzurePowerShellCredential(ofPerson)
    case 'azure-developer-cli':
      return new AzureDeveloperCliCredential(ofPerson)
    case 'browser':
      return new InteractiveBrowserCredential({...ofPerson, ...(clientId !== undefined && {clientId})})
  }
}

/**
 * Where a workload's token file is there, the SDK's managed identity is that workload's identity, and goes to the login host
 * of the public cloud without our HTTP client. It looks for the variable before anything that it waits for, so nobody else
 * misses it in the meantime.
 */
function withoutTokenFile(managedIdentity: TokenCredential): TokenCredential {
  return {
    getToken: (scopes, tokenOptions) => {
      const path = process.env['AZURE_FEDERATED_TOKEN_FILE']
      delete process.env['AZURE_FEDERATED_TOKEN_FILE']
      try {
        return managedIdentity.getToken(scopes, tokenOptions)
      } finally {
        if (path !== undefined) process.env['AZURE_FEDERATED_TOKEN_FILE'] = path
      }
    },
  }
}
