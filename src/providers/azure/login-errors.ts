import {EnvdriftError} from '../../core/errors.ts'
import {shellWord} from '../../core/shell-word.ts'
import {printable} from '../../core/text.ts'
import {clouds, type CloudName} from './clouds.ts'
import {chain, credentials, type CredentialName} from './credential-names.ts'
import type {Account, Given} from './credentials.ts'
import {meaningOf} from './entra-codes.ts'
import {causeOf, connectionError, troubleOf} from './errors.ts'

/** The last thing that Entra said, or what kept us from asking it. */
export type Exchange =
  | {
      readonly status: number
      readonly codes: readonly number[]
      /** Host that answered with something else than JSON, which Entra never does. */
      readonly stranger: string | undefined
    }
  | {readonly brokenBy: string}

/** What we know of a login that gave no token. */
export type FailedLogin = {
  /** `provider.place` */
  readonly place: string
  readonly cloud: CloudName
  readonly account: Pick<Account, 'tenantId' | 'clientId' | 'env'>
  /** How long it was allowed to take. */
  readonly timeoutMs: number
  /** What was tried, in this order. */
  readonly tried: readonly CredentialName[]
  /** Did `credential` name the only one? */
  readonly isNamed: boolean
  /** The one after which no other was tried, because a variable means that account. */
  readonly stoppedAt: Given | undefined
  /** The tenant that the vault sent us to. */
  readonly vaultTenant: string | undefined
  readonly entra: Exchange | undefined
  /** Status of the last answer of a metadata address. */
  readonly metadata: number | undefined
  /** Status of GitHub's answer to who asked it for the token of the job. */
  readonly job: number | undefined
}

const set = (value: string | undefined): value is string => value !== undefined && value !== ''

/** By what Entra answered, then by the name of the SDK's error. Its texts are long, and they change. */
export function loginError(error: unknown, login: FailedLogin): EnvdriftError {
  const {place, timeoutMs, entra} = login
  const cause = causeOf(troubleOf(error))
  if (error instanceof EnvdriftError) return error.code === 'TIMEOUT' ? tookTooLong(place, timeoutMs, login) : error
  if (entra !== undefined && 'brokenBy' in entra) {
    return connectionError(entra.brokenBy, `Microsoft Entra, which logs us in for ${place},`, cause)
  }
  const status = entra?.status ?? 0
  if (status === 429) {
    return new EnvdriftError('THROTTLED', `Microsoft Entra refuses more logins for ${place} just now (status 429)`, {
      suggestions: ['Run the command again in a minute.'],
      cause,
    })
  }
  if (status >= 500) {
    return new EnvdriftError('SERVICE_ERROR', `Microsoft Entra failed to log us in for ${place} (status ${status})`, {
      suggestions: [
        'Run the command again in a minute; https://azure.status.microsoft shows known outages.',
        'Check HTTPS_PROXY and NO_PROXY: a proxy that does not reach the login host looks the same.',
      ],
      cause,
    })
  }
  if (entra?.stranger !== undefined) {
    return new EnvdriftError(
      'BAD_RESPONSE',
      `${printable(entra.stranger)} answered the login for ${place} with status ${status}, and not as Microsoft Entra does`,
      {
        suggestions: [
          'A proxy may stand in between: check HTTPS_PROXY and NO_PROXY, or let who runs it let this host through.',
        ],
        cause,
      },
    )
  }
  if (status >= 400) return refused(status, entra?.codes ?? [], login, cause)
  return otherTenant(login, cause) ?? notLoggedIn(login, cause)
}

function tookTooLong(place: string, timeoutMs: number, {tried}: FailedLogin): EnvdriftError {
  const isChain = tried.length > 1
  return new EnvdriftError('TIMEOUT', `The login for ${place} took longer than ${timeoutMs / 1000} s`, {
    suggestions: [
      isChain
        ? 'Name the login to use: credential = "azure-cli" under [vault.azure] (or AZURE_TOKEN_CREDENTIALS). A metadata address that does not answer holds up the others.'
        : `Only ${tried.join()} was tried: name another one in credential under [vault.azure] if it can't work here.`,
      'Check the network, HTTPS_PROXY and NO_PROXY.',
    ],
  })
}

function refused(status: number, codes: readonly number[], login: FailedLogin, cause: Error): EnvdriftError {
  const {place, account, vaultTenant} = login
  const numbers = codes.map((code) => `AADSTS${code}`).join(', ')
  const meaning = meaningOf(codes)
  const client = account.clientId ?? account.env['AZURE_CLIENT_ID']
  const inTenant = vaultTenant === undefined ? '' : ` --tenant ${shellWord(vaultTenant)}`
  const remedy = meaning?.remedy
    .replaceAll('CLIENT-ID', () => (set(client) ? shellWord(client) : 'CLIENT-ID'))
    .replaceAll('`az login`', () => `\`az login${inTenant}\``)
  return new EnvdriftError(
    'LOGIN_REFUSED',
    `Microsoft Entra refused the login for ${place}${meaning === undefined ? '' : `: ${meaning.text}`} (${numbers === '' ? `status ${status}` : numbers})`,
    {
      suggestions: [
        remedy ??
          (set(client)
            ? 'Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or the certificate, or the federated token).'
            : `Log in again: \`az login${inTenant}\`.`),
        ...(numbers === '' ? [] : ['https://login.microsoftonline.com/error explains the code.']),
      ],
      cause,
    },
  )
}

/** The SDK goes to no other tenant than the one that it was given, and says so as if nobody had logged in. */
function otherTenant({place, account, tried, vaultTenant}: FailedLogin, cause: Error): EnvdriftError | undefined {
  const {tenantId, env} = account
  const isForMachines = tried.some((name) => credentials[name].tenant && credentials[name].client)
  const ours = tenantId ?? (isForMachines ? env['AZURE_TENANT_ID'] : undefined)
  // A domain may be another name of the same tenant.
  if (!set(ours) || vaultTenant === undefined || !ours.includes('-') || ours.includes('.')) return undefined
  if (ours.toLowerCase() === vaultTenant.toLowerCase()) return undefined
  const name = tenantId === undefined ? 'AZURE_TENANT_ID' : 'tenant_id'
  return new EnvdriftError(
    'LOGIN_REFUSED',
    `${place} belongs to the tenant ${printable(vaultTenant)}, and ${name} names ${printable(ours)}`,
    {
      suggestions: [
        `Check vault_url and ${name}.`,
        'If the application may log in to both, add the tenant of the vault to AZURE_ADDITIONALLY_ALLOWED_TENANTS.',
      ],
      cause,
    },
  )
}

/** No credential gave a token, and none was refused: something is missing. */
export function notLoggedIn(login: FailedLogin, cause: Error | undefined): EnvdriftError {
  const {place, account, tried, stoppedAt, metadata} = login
  const only = stoppedAt?.variant ?? stoppedAt?.name ?? (tried.length === 1 ? tried[0] : undefined)
  if (only !== undefined) {
    const [first, ...more] = remediesOf(only, login)
    return new EnvdriftError('NOT_LOGGED_IN', `No login by ${only} was possible for ${place}`, {
      suggestions: [first, ...more, whyAlone(login)],
      cause,
    })
  }
  if (tried.length === 0) {
    const word = printable(account.env['AZURE_TOKEN_CREDENTIALS'] ?? '')
    return new EnvdriftError(
      'NOT_LOGGED_IN',
      `No login was tried for ${place}: AZURE_TOKEN_CREDENTIALS is ${word}, which leaves none`,
      {
        suggestions: [`Unset it, or name the login in credential under [vault.azure]: one of ${chain.join(', ')}.`],
        cause,
      },
    )
  }
  return new EnvdriftError('NOT_LOGGED_IN', `No usable login to Azure was found for ${place}`, {
    suggestions: [
      azLogin(login),
      'In CI, set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE), or use a managed identity.',
      ...(metadata === undefined ? [] : [noSuchIdentity(metadata)]),
      `Tried in this order: ${tried.join(', ')}.`,
    ],
    cause,
  })
}

/** Why no other login was tried. */
function whyAlone({account, tried, isNamed, stoppedAt}: FailedLogin): string {
  if (isNamed) return `credential is "${tried.join()}": nothing else was tried.`
  if (stoppedAt?.proof !== undefined && tried.length > 1) {
    return `${stoppedAt.proof} is set, which means that account, so no other was tried: unset it, or name another login in credential under [vault.azure].`
  }
  const narrowing = account.env['AZURE_TOKEN_CREDENTIALS']
  return set(narrowing)
    ? `AZURE_TOKEN_CREDENTIALS is ${printable(narrowing)}: nothing else was tried.`
    : 'exclude_credentials leaves nothing else to try.'
}

const tenantOption = ({vaultTenant}: FailedLogin): string =>
  vaultTenant === undefined ? '' : ` --tenant ${shellWord(vaultTenant)}`

const azLogin = (login: FailedLogin): string =>
  `Log in: ${login.cloud === 'public' ? '' : `\`az cloud set --name ${clouds[login.cloud].ofCli}\`, then `}\`az login${tenantOption(login)}\`.`

const noSuchIdentity = (status: number): string =>
  `The metadata address of this machine answered with status ${status}: check client_id or AZURE_CLIENT_ID, and that the identity is assigned to this machine.`

function remediesOf(name: CredentialName, login: FailedLogin): readonly [string, ...string[]] {
  const {account, metadata, job} = login
  switch (name) {
    case 'environment':
    case 'client-secret':
      return [
        missing(account, 'AZURE_CLIENT_SECRET') ??
          'Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET: the SDK takes them for unusable.',
      ]
    case 'client-certificate':
      return [
        missing(account, 'AZURE_CLIENT_CERTIFICATE_PATH') ?? unusable('AZURE_CLIENT_CERTIFICATE_PATH'),
        'The file holds the certificate and its private key as PEM text; AZURE_CLIENT_CERTIFICATE_PASSWORD opens the key.',
      ]
    case 'workload-identity':
      return [
        missing(account, 'AZURE_FEDERATED_TOKEN_FILE') ?? unusable('AZURE_FEDERATED_TOKEN_FILE'),
        'On Kubernetes the webhook of workload identity sets them: the pod needs the label azure.workload.identity/use: "true".',
      ]
    case 'github-oidc':
      return [
        missing(account, 'ACTIONS_ID_TOKEN_REQUEST_URL') ??
          `GitHub gave the job no token${job === undefined ? '' : ` (status ${job})`}: try again.`,
        'GitHub sets it for a job with `permissions: {id-token: write}`; a pull request from a fork has none.',
      ]
    case 'managed-identity':
      return metadata === undefined
        ? ['This machine has no metadata address that answers: run where a managed identity is assigned, in Azure.']
        : [noSuchIdentity(metadata)]
    case 'azure-cli':
      return [azLogin(login), 'If that is done, az may not be in PATH.']
    case 'azure-powershell':
      return [
        'Log in: `pwsh -Command Connect-AzAccount`. If that is done, pwsh or its module Az.Accounts may be missing.',
      ]
    case 'azure-developer-cli':
      return ['Log in: `azd auth login`. If that is done, azd may not be in PATH.']
    case 'browser':
      return [
        'The browser could not be opened, or the login in it was not finished.',
        `Or log in by Azure CLI: \`az login${tenantOption(login)}\`, and credential = "azure-cli".`,
      ]
  }
}

function missing({tenantId, clientId, env}: FailedLogin['account'], proof: string): string | undefined {
  const unset = [
    ...(set(tenantId ?? env['AZURE_TENANT_ID']) ? [] : ['AZURE_TENANT_ID (or tenant_id under [vault.azure])']),
    ...(set(clientId ?? env['AZURE_CLIENT_ID']) ? [] : ['AZURE_CLIENT_ID (or client_id)']),
    ...(set(env[proof]) ? [] : [proof]),
  ]
  return unset.length === 0 ? undefined : `Set ${unset.join(', ')}: not set here.`
}

const unusable = (name: string): string => `Check that ${name} names a file that can be read and holds what it should.`

/** A browser login where nobody could answer it. */
export const nobodyThere = (place: string): EnvdriftError =>
  new EnvdriftError('NOT_LOGGED_IN', `credential = "browser" needs a person at a terminal to log in for ${place}`, {
    suggestions: [
      'Run the command in a terminal, and without --ci.',
      'For machines, set credential = "github-oidc", "workload-identity", "managed-identity" or "client-secret".',
    ],
  })
