import {EnvdriftError, type ErrorCode} from '../../core/errors.ts'
import {printable} from '../../core/text.ts'
import {asEnvdriftError} from '../in-flight.ts'
import {clientAddressIn, refusal} from './refusal.ts'

/** What we were doing at which vault; for messages. */
export type CallContext = {
  /** `provider.place` */
  readonly place: string
  /** As `az keyvault` wants it behind `--vault-name`. */
  readonly vaultName: string
  readonly doing: 'read' | 'write' | 'list the versions of' | 'look for a deleted'
  readonly secret: string
  /** Status of the last answer, if one came: the SDK stumbles over answers that aren't the vault's, and then says nothing of it. */
  readonly answered: number | undefined
  /** What we are logged in as, in the words of `az role assignment`. */
  readonly principalType: 'User' | 'ServicePrincipal'
}

/** What an error of the SDK says, taken out of it: the error itself quotes requests, headers and up to 1.5 kB of text. */
export type Trouble = {
  readonly name: string
  /** HTTP status; `undefined` when no answer came. */
  readonly status: number | undefined
  /** `error.code` of the answer (`SecretNotFound`), or Node's code for a broken connection (`ECONNREFUSED`). */
  readonly code: string | undefined
  /** `error.innererror.code` of the answer: the only thing that tells a disabled secret from a forbidden one. */
  readonly inner: string | undefined
  /** The number in the text of a 401: `AKV10022`, or `TokenExpired`. Key Vault gives it nowhere else. */
  readonly akv: string | undefined
  /** The address that a firewall saw us come from. */
  readonly clientAddress: string | undefined
}

export function troubleOf(error: unknown): Trouble {
  const {name, statusCode, code, details} = fields(error)
  const said = fields(fields(details)['error'])
  const inner = fields(said['innerError'])['code']
  const text = said['message']
  return {
    name: typeof name === 'string' ? name : '',
    status: typeof statusCode === 'number' ? statusCode : undefined,
    code: word(code),
    inner: word(inner),
    akv: typeof text === 'string' ? /\bAKV\d{5}\b|(?<=\[)TokenExpired(?=\])/.exec(text)?.[0] : undefined,
    clientAddress: clientAddressIn(text),
  }
}

/** A code as a message may quote it: what claims to be one may come from anything that answers in the vault's place. */
const word = (value: unknown): string | undefined =>
  typeof value === 'string' ? printable(value.slice(0, 64)) : undefined

/** The service's own word that a secret isn't there. A 404 of anything else (a proxy, a web server) is not that word. */
export const isAbsence = ({status, code}: Trouble): boolean => status === 404 && code === 'SecretNotFound'

/**
 * Our error for a call to the vault that failed, by status and codes only.
 *
 * Source of the codes: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
 */
export function callError(error: unknown, context: CallContext): EnvdriftError {
  if (error instanceof EnvdriftError) return error
  const trouble = troubleOf(error)
  const {name, code, inner} = trouble
  const status = trouble.status ?? context.answered
  const {place, vaultName, doing, secret} = context
  const raise = (to: ErrorCode, message: string, ...suggestions: [string, ...string[]]): EnvdriftError =>
    new EnvdriftError(to, message, {suggestions, cause: causeOf(trouble)})

  if (status === undefined) {
    if (code !== undefined) return connectionError(code, place, causeOf(trouble))
    if (name !== 'Error') return asEnvdriftError(error, `${doing} ${secret}`)
    // What is left is the challenge, which the SDK holds against the host of the vault.
    return raise(
      'BAD_RESPONSE',
      `What answers at ${place} is not Azure Key Vault, or asks for a login that does not belong to it`,
      'Check vault_url: `az keyvault list --query "[].properties.vaultUri"` shows the right ones.',
      'For an emulator, set disable_challenge_verification = true for this vault in your user file.',
    )
  }
  if (code === undefined && gatewayStatuses.has(status)) {
    return raise(
      'UNREACHABLE',
      `${place} could not be reached: a proxy answered in its place (status ${status})`,
      ...unknownName,
      'Check HTTPS_PROXY and NO_PROXY.',
    )
  }
  if (code === undefined && status < 500 && status !== 429) {
    return raise(
      'BAD_RESPONSE',
      `${place} answered with status ${status}, and not as Azure Key Vault does`,
      'Check vault_url, HTTPS_PROXY and NO_PROXY: something may stand in between.',
    )
  }
  switch (status) {
    case 400:
      return raise(
        'BAD_REQUEST',
        `${place} takes the request to ${doing} ${secret} for malformed (${code})`,
        ...(doing === 'write' ? tooLarge : malformed(vaultName, secret)),
      )
    case 401:
      return badToken(trouble, context, raise)
    case 403:
      return refusal(trouble, context, causeOf(trouble))
    case 409:
      return inner === 'ObjectIsDeletedButRecoverable'
        ? raise(
            'SECRET_DELETED',
            `${secret} in ${place} is deleted, and its name stays taken until it is recovered or purged`,
            ...recoverIt(vaultName, secret),
          )
        : raise(
            'VERSION_CONFLICT',
            `Somebody else is changing ${secret} in ${place} (${inner ?? code})`,
            'Run the command again in a minute.',
          )
    case 429:
      return raise(
        'THROTTLED',
        `${place} is over its quota, and still was after several tries for ${secret}`,
        ...slower,
      )
    default:
      return status >= 500 || status === 408
        ? raise(
            'SERVICE_ERROR',
            `${place} failed to ${doing} ${secret} (status ${status}), and trying again did not help`,
            'Run the command again in a minute; https://azure.status.microsoft shows known outages.',
          )
        : raise(
            'BAD_RESPONSE',
            `${place} answered the request to ${doing} ${secret} with status ${status} (${code})`,
            'Check vault_url, HTTPS_PROXY and NO_PROXY: something may stand in between.',
          )
  }
}

/** Source of the numbers: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes and the troubleshooting guides of Azure's SDKs. */
function badToken(
  {akv}: Trouble,
  {place, vaultName}: CallContext,
  raise: (to: ErrorCode, message: string, ...suggestions: [string, ...string[]]) => EnvdriftError,
): EnvdriftError {
  switch (akv) {
    case 'AKV10022':
      return raise(
        'LOGIN_REFUSED',
        `${place} did not accept our token: it was made for another service or another cloud (AKV10022)`,
        'Check cloud under [vault.azure], and AZURE_AUTHORITY_HOST: the login host and the vault must belong to one cloud.',
      )
    case 'AKV10032':
      return raise(
        'LOGIN_REFUSED',
        `${place} did not accept our token: it comes from another tenant than that of the vault (AKV10032)`,
        `Set tenant_id under [vault.azure], or AZURE_TENANT_ID, to the tenant of the vault: \`az keyvault show --name ${vaultName} --query properties.tenantId\`.`,
        'At a developer tool, log in to that tenant: `az login --tenant TENANT`.',
      )
    case 'TokenExpired':
      return raise(
        'LOGIN_REFUSED',
        `${place} did not accept our token: it has expired`,
        'Log in again: `az login`. In CI, run the command again, so that it gets a new token.',
        'Check the clock of this machine: a token that is new here may be old there.',
      )
    case undefined:
    default:
      return raise(
        'LOGIN_REFUSED',
        `${place} did not accept our token${akv === undefined ? '' : ` (${akv})`}`,
        'Log in again: `az login`. In CI, check that AZURE_TENANT_ID is the tenant of the vault.',
        'A wrong clock on this machine looks the same.',
      )
  }
}

/** A connection that failed or broke, by Node's code: to the vault, or to the host that logs us in. */
export function connectionError(code: string, place: string, cause?: unknown): EnvdriftError {
  if (tlsCodes.test(code)) {
    return new EnvdriftError('TLS_REFUSED', `No secure connection to ${place} (${code})`, {
      suggestions: [
        'Behind a proxy that inspects TLS, name its certificate in NODE_EXTRA_CA_CERTS.',
        'Check vault_url, and the clock of this machine.',
      ],
      cause,
    })
  }
  // What the SDK says of a connection that ended without Node having a code for it.
  const reason = code === 'REQUEST_SEND_ERROR' ? 'the connection broke' : code
  return new EnvdriftError('UNREACHABLE', `${place} could not be reached (${reason})`, {
    suggestions: code === 'ENOTFOUND' ? [...unknownName, checkNetwork] : [checkNetwork],
    cause,
  })
}

/** What to do about a secret that is deleted. */
export const recoverIt = (vaultName: string, secret: string): readonly [string, string] => [
  `Bring it back: \`az keyvault secret recover --vault-name ${vaultName} --name ${secret}\`.`,
  'That takes the role Key Vault Secrets Officer, or the permission recover in an access policy.',
]

/** What may be kept of an error of the SDK for a debugger. */
export const causeOf = ({name, status, code, inner}: Trouble): Error =>
  new Error([name, status, code, inner].filter((part) => part !== undefined && part !== '').join(' '))

const tooLarge: readonly [string, ...string[]] = [
  'A secret holds at most 25,600 characters: store the key of one service in it, and not those of all.',
]

const malformed = (vaultName: string, secret: string): readonly [string, ...string[]] => [
  'Check secret_name and secret_version.',
  `Try the same with Azure's own command: \`az keyvault secret show --vault-name ${vaultName} --name ${secret}\`.`,
]

/** What a proxy answers that does not find or reach the host. */
const gatewayStatuses: ReadonlySet<number> = new Set([502, 503, 504])

const unknownName = [
  'The name of the vault may be wrong: check vault_url or vault_name; `az keyvault list` shows the right ones.',
] as const

const checkNetwork = 'Check the network, the VPN, HTTPS_PROXY and NO_PROXY.'

const slower = [
  'Run the command again in a minute.',
  'A lower max_workers under [vault.sync] asks for less at once; quotas: https://learn.microsoft.com/azure/key-vault/general/service-limits',
] as const

/** Node's names for a certificate or a handshake that is not to be trusted. Source: Node's tls.md, "X509 certificate error codes". */
const tlsCodes =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA$|INVALID_PURPOSE$|HOSTNAME_MISMATCH$|EPROTO$)/

const fields = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
