import {EnvdriftError, type ErrorCode} from '../../core/errors.ts'
import {gcloudFlags, type ResourceName} from './resource-name.ts'

/** The gRPC statuses that we tell apart. Source: https://grpc.io/docs/guides/status-codes/ */
export const status = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

/** What an error of the SDK says, taken out of it: the error itself may quote requests and headers. */
export type Refusal = {
  readonly status: number
  /** `google.rpc.ErrorInfo.reason`, where the service sent one: `SERVICE_DISABLED`, `CONSUMER_INVALID`, … */
  readonly reason: string | undefined
  readonly details: string
}

/** @returns `undefined` for what isn't an answer to a call: a bug, or an error of the login. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return undefined
  return {
    status: error.code,
    reason: 'reason' in error && typeof error.reason === 'string' ? error.reason : undefined,
    details: 'details' in error && typeof error.details === 'string' ? error.details : '',
  }
}

export type CallContext = {
  readonly place: string
  readonly name: ResourceName
  /** Completes "may not …" and "could not …": `read`, `add a version to`. */
  readonly doing: string
  /** `serviceAccount:NAME@…`, as an IAM binding wants it; a placeholder when we can't know. */
  readonly member: string
  /** An `HTTPS_PROXY` is set and no `https_proxy`; gRPC reads only the latter. */
  readonly proxyMissed: boolean
}

/** Our error for a refused call, by its status. Absence isn't one of them: a reader asks for NOT_FOUND before. */
export function callError(refusal: Refusal, context: CallContext): EnvdriftError {
  const {place, name, doing, member} = context
  const [flags, secret] = [gcloudFlags(name), name.secret]
  const raise = (code: ErrorCode, message: string, ...suggestions: [string, ...string[]]): EnvdriftError =>
    new EnvdriftError(code, message, {
      suggestions,
      cause: new Error(`gRPC status ${refusal.status}: ${refusal.details}`),
    })

  if (refusal.reason === 'SERVICE_DISABLED') {
    return raise(
      'VAULT_NOT_FOUND',
      `The Secret Manager API is not enabled in project ${name.project}`,
      `Run \`gcloud services enable secretmanager.googleapis.com --project=${name.project}\`.`,
      'Check project_id in [vault.gcp].',
    )
  }
  switch (refusal.status) {
    case status.invalidArgument:
      return raise(
        'BAD_REQUEST',
        `${place} takes the request to ${doing} ${secret} for malformed`,
        'Check secret_name, secret_version and project_id.',
      )
    case status.deadlineExceeded:
      return raise('TIMEOUT', `${place} did not answer in time for ${secret}`, 'Run the command again in a minute.')
    case status.notFound:
      return raise(
        'VAULT_NOT_FOUND',
        `${place} knows no project ${name.project}${name.location === undefined ? '' : ` in ${name.location}`}`,
        'Check project_id in [vault.gcp], or the project in secret_name.',
      )
    case status.alreadyExists:
      return raise('VERSION_CONFLICT', `${place} already has a secret ${secret}`, 'Read it before writing over it.')
    case status.permissionDenied: {
      const [role, permission] =
        doing === 'read'
          ? ['roles/secretmanager.secretAccessor', 'secretmanager.versions.access']
          : ['roles/secretmanager.admin', 'secretmanager.secrets.create and secretmanager.versions.add']
      return raise(
        'FORBIDDEN',
        `${place} does not let us ${doing} ${secret} (or there is no project ${name.project})`,
        `Grant it: \`gcloud secrets add-iam-policy-binding ${secret} ${flags} --member=${member} --role=${role}\``,
        `Check project_id and secret_name; what is missing is the permission ${permission}.`,
      )
    }
    case status.resourceExhausted:
      return raise(
        'THROTTLED',
        `${place} is over its quota, and still was after several tries for ${secret}`,
        'Run the command again in a minute, or lower max_workers.',
        'Quotas: https://cloud.google.com/secret-manager/quotas',
      )
    case status.failedPrecondition:
      return raise(
        'SECRET_DISABLED',
        `Version ${name.version} of ${secret} in ${place} is disabled or destroyed`,
        `See which: \`gcloud secrets versions list ${secret} ${flags}\``,
        `Enable it (\`gcloud secrets versions enable VERSION --secret=${secret} ${flags}\`), or set secret_version to one that is enabled.`,
      )
    case status.unimplemented:
      return raise(
        'BAD_RESPONSE',
        `What answers for ${place} is not Secret Manager`,
        'Check api_endpoint, and the proxy of this machine.',
      )
    case status.unavailable:
      return raise(
        'UNREACHABLE',
        `${place} could not be reached`,
        context.proxyMissed
          ? 'Set https_proxy in lower case as well: gRPC does not read HTTPS_PROXY.'
          : 'Check the network and the proxy of this machine; gRPC takes its proxy from https_proxy (lower case).',
        'Behind a proxy that inspects TLS, name its certificate in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH as well as in NODE_EXTRA_CA_CERTS.',
      )
    case status.unauthenticated:
      return raise(
        'LOGIN_REFUSED',
        `${place} does not accept our login`,
        'Run `gcloud auth application-default login`, or point GOOGLE_APPLICATION_CREDENTIALS to a valid credential file.',
        'A wrong clock on this machine, or a deleted service account key, looks the same.',
      )
    default:
      return raise(
        'SERVICE_ERROR',
        `${place} failed while asked to ${doing} ${secret} (gRPC status ${refusal.status})`,
        'Run the command again in a minute; https://status.cloud.google.com shows known outages.',
      )
  }
}
