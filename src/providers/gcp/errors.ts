import {EnvdriftError, type ErrorCode} from '../../core/errors.ts'
import {principalPlaceholder} from '../../core/provider-spec.ts'
import {shellWord} from '../../core/shell-word.ts'
import {printable} from '../../core/text.ts'
import {clockNote} from './clock.ts'
import {type Refusal, status} from './refusal.ts'
import {gcloudFlags, placeOf, type ResourceName} from './resource-name.ts'

/** What we were doing: completes "may not …" and "could not …", and names the permission that it takes. */
export type Doing = 'read' | 'add a version to' | 'create'

const permissions: Readonly<Record<Doing, string>> = {
  read: 'secretmanager.versions.access',
  'add a version to': 'secretmanager.versions.add',
  create: 'secretmanager.secrets.create',
}

/** The smallest role of Google's own that holds each. Source: https://cloud.google.com/secret-manager/docs/access-control */
const roles: Readonly<Record<string, string>> = {
  'secretmanager.versions.access': 'roles/secretmanager.secretAccessor',
  'secretmanager.versions.add': 'roles/secretmanager.secretVersionAdder',
  'secretmanager.secrets.create': 'roles/secretmanager.admin',
}

export type CallContext = {
  readonly name: ResourceName
  readonly doing: Doing
  /** Who we are, for messages; absent where only a request could tell. */
  readonly who: string | undefined
  /** `serviceAccount:NAME@…`, as an IAM binding wants it; absent where only a request could tell. */
  readonly principal: string | undefined
  /** What a person does about a login that is not taken any more. */
  readonly renewal: string
  /** The code of a certificate that was refused a moment ago, on the same channel. */
  readonly tlsRefused: string | undefined
}

type Raise = (code: ErrorCode, message: string, ...suggestions: [string, ...string[]]) => EnvdriftError

/** A proxy that doesn't reach the service looks like one whose service is down, and may reach it the next time. */
export const isOfStranger = ({foreign, status: code}: Refusal): boolean => foreign && code !== status.unavailable

/** Our error for a refused call, by its status. Absence isn't one of them: a reader asks for NOT_FOUND before. */
export function callError(refusal: Refusal, context: CallContext): EnvdriftError {
  const {name, doing} = context
  const [place, {secret}] = [placeOf(name), name]
  const raise: Raise = (code, message, ...suggestions) =>
    new EnvdriftError(code, message, {
      suggestions,
      cause: new Error(`gRPC status ${refusal.status}${refusal.reason === undefined ? '' : ` (${refusal.reason})`}`),
    })

  switch (isOfStranger(refusal) ? status.unimplemented : refusal.status) {
    case status.invalidArgument:
      return raise(
        'BAD_REQUEST',
        `${place} takes the request to ${doing} ${secret} for malformed`,
        'Check secret_name, secret_version, project_id and location.',
      )
    case status.deadlineExceeded:
      return raise(
        'TIMEOUT',
        `${place} did not answer in time for ${secret}`,
        'Run the command again in a minute, or raise timeout under [vault.sync].',
      )
    case status.notFound:
      return raise(
        'VAULT_NOT_FOUND',
        `GCP Secret Manager knows no project ${name.project}${name.location === undefined ? '' : ` in ${name.location}`}`,
        'Check project_id under [vault.gcp], or the project in secret_name.',
      )
    case status.alreadyExists:
      return raise('VERSION_CONFLICT', `${place} already has a secret ${secret}`, 'Read it before writing over it.')
    case status.permissionDenied:
      return denial(refusal, context, raise)
    case status.resourceExhausted:
      return raise(
        'THROTTLED',
        `${place} is over its quota, and still was after several tries for ${secret}`,
        'Run the command again in a minute, or lower max_workers under [vault.sync].',
        `See the quota: https://console.cloud.google.com/apis/api/secretmanager.googleapis.com/quotas?project=${encodeURIComponent(name.project)}`,
      )
    case status.failedPrecondition:
      return unusableVersion(refusal, context, raise)
    case status.unimplemented:
      return raise(
        'BAD_RESPONSE',
        `What answers for ${place} is not Secret Manager`,
        'Check api_endpoint, and the proxy of this machine.',
      )
    case status.unauthenticated:
      return unauthenticated(refusal, context, raise)
    case status.unknown:
    case status.internal:
    case status.unavailable:
      if (refusal.answered) break
      if (context.tlsRefused?.endsWith('_NO_APPLICATION_PROTOCOL') === true) {
        return raise(
          'TLS_REFUSED',
          `What answers for ${place} does not speak HTTP/2, which gRPC needs: something stands in between (${context.tlsRefused})`,
          'Let the proxy that inspects TLS speak HTTP/2, or let it pass *.googleapis.com through unopened.',
          'Where the service can be reached directly, name its host in NO_PROXY.',
        )
      }
      return context.tlsRefused === undefined
        ? raise(
            'UNREACHABLE',
            `${place} could not be reached`,
            'Check the network, and HTTPS_PROXY and NO_PROXY (gRPC takes a proxy that starts with http:// only).',
            'See whether the service has an outage: https://status.cloud.google.com',
          )
        : raise(
            'TLS_REFUSED',
            `The certificate that answers for ${place} is not trusted here (${context.tlsRefused})`,
            'Behind a proxy that inspects TLS, name its certificate in NODE_EXTRA_CA_CERTS, and in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH if that is set.',
          )
  }
  return raise(
    'SERVICE_ERROR',
    `${place} failed while asked to ${doing} ${secret} (gRPC status ${refusal.status})`,
    'Run the command again in a minute; https://status.cloud.google.com shows known outages.',
  )
}

/** gcloud's own projects: what a user's login counts against when it names none of its own. */
const gcloudsProjects = ['764086051850', '32555940559']

/** PERMISSION_DENIED has many reasons, and only some are a missing role. Source: https://cloud.google.com/apis/docs/error-info */
function denial({reason, info}: Refusal, {name, doing, principal}: CallContext, raise: Raise): EnvdriftError {
  const [place, flags, secret] = [placeOf(name), gcloudFlags(name), name.secret]
  const member = principal === undefined ? principalPlaceholder : shellWord(principal)
  const consumer = /^projects\/([a-z0-9.:-]+)$/.exec(info['consumer'] ?? '')?.[1]
  switch (reason) {
    case 'SERVICE_DISABLED':
      return consumer !== undefined && gcloudsProjects.includes(consumer)
        ? raise(
            'VAULT_NOT_FOUND',
            `This login counts its requests against a project of gcloud's own, which has no Secret Manager`,
            `Run \`gcloud auth application-default set-quota-project ${name.project}\``,
            `Or set quota_project = "${name.project}" under [vault.gcp].`,
          )
        : raise(
            'VAULT_NOT_FOUND',
            `The Secret Manager API is not enabled in project ${consumer ?? name.project}`,
            `Run \`gcloud services enable secretmanager.googleapis.com --project=${consumer ?? name.project}\``,
            'Check project_id and quota_project under [vault.gcp]. After enabling, wait a minute or two.',
          )
    case 'BILLING_DISABLED':
      return raise(
        'VAULT_NOT_FOUND',
        `Project ${consumer ?? name.project} has no billing account, so its secrets can't be read`,
        `Link one: \`gcloud billing projects link ${consumer ?? name.project} --billing-account=ACCOUNT\``,
      )
    case 'CONSUMER_INVALID':
    case 'RESOURCE_PROJECT_INVALID':
      return raise(
        'VAULT_NOT_FOUND',
        `There is no project ${consumer ?? name.project}, or it was deleted`,
        'Check project_id and quota_project under [vault.gcp], and the project in secret_name.',
      )
    case 'USER_PROJECT_DENIED': {
      const payer = consumer ?? 'PROJECT'
      return raise(
        'FORBIDDEN',
        `We may not let project ${payer} pay for reading ${secret} (quota_project, or that of the credential file)`,
        `Grant it: \`gcloud projects add-iam-policy-binding ${payer} --member=${member} --role=roles/serviceusage.serviceUsageConsumer\``,
        'What is missing is the permission serviceusage.services.use. Or name another quota_project under [vault.gcp].',
      )
    }
    case 'ACCESS_TOKEN_SCOPE_INSUFFICIENT':
      return raise(
        'FORBIDDEN',
        `The login of this machine is too narrow to ${doing} ${secret}: its token lacks the scope cloud-platform`,
        'Widen it: `gcloud compute instances set-service-account NAME --scopes=cloud-platform` (the machine must be stopped)',
      )
    case 'SECURITY_POLICY_VIOLATED':
      return raise(
        'FORBIDDEN',
        `A service perimeter of the organization (VPC Service Controls) keeps us from ${secret}; no role helps`,
        'Let who keeps the perimeter admit this caller: `gcloud access-context-manager perimeters update`',
      )
    case undefined:
    default: {
      const permission = info['permission'] ?? permissions[doing]
      const role = roles[permission] ?? roles[permissions[doing]]!
      // There is nothing to bind a role to before a secret is there.
      const grant =
        permission === 'secretmanager.secrets.create'
          ? `gcloud projects add-iam-policy-binding ${name.project} --member=${member} --role=${role}`
          : `gcloud secrets add-iam-policy-binding ${secret} --member=${member} --role=${role} ${flags}`
      return raise(
        'FORBIDDEN',
        `${place} does not let us ${doing} ${secret}: we lack the permission ${printable(permission)}, or there is no such secret or project`,
        `Grant it: \`${grant}\``,
        'Google says the same of what is not there: check project_id and secret_name. A new grant takes a minute or two.',
      )
    }
  }
}

/**
 * The state is a word of the API's own (SecretVersion.State), in a sentence that names the version; no other part of the
 * answer has it, and asking for the version takes a permission that who may read has not.
 */
function unusableVersion({details}: Refusal, {name}: CallContext, raise: Raise): EnvdriftError {
  const [flags, secret] = [gcloudFlags(name), name.secret]
  const see = `See which versions there are: \`gcloud secrets versions list ${secret} ${flags}\``
  const [, number, state] = /(?:\/versions\/(\d+)\])? is in (DISABLED|DESTROYED) state/.exec(details) ?? []
  const which =
    name.version === 'latest'
      ? `The latest version${number === undefined ? '' : ` (${number})`}`
      : `Version ${name.version}`
  const version = `${which} of ${secret} in ${placeOf(name)}`
  switch (state) {
    case 'DESTROYED':
      return raise(
        'SECRET_DELETED',
        `${version} was destroyed, which can't be undone`,
        `Store the key again: \`gcloud secrets versions add ${secret} --data-file=FILE ${flags}\``,
        see,
      )
    case 'DISABLED':
      return raise(
        'SECRET_DISABLED',
        `${version} is disabled`,
        `Enable it: \`gcloud secrets versions enable ${number ?? 'VERSION'} --secret=${secret} ${flags}\``,
        see,
      )
    case undefined:
    default:
      return raise(
        'SECRET_DISABLED',
        `${version} is disabled or destroyed`,
        see,
        'Enable it, or set secret_version to one that is enabled.',
      )
  }
}

function unauthenticated({reason, date}: Refusal, {name, who, renewal}: CallContext, raise: Raise): EnvdriftError {
  const refused = `${placeOf(name)} does not accept our login${who === undefined ? '' : ` as ${printable(who)}`}`
  const clock = clockNote(date)
  if (clock !== undefined) return raise('LOGIN_REFUSED', refused, clock, renewal)
  switch (reason) {
    case 'ACCOUNT_STATE_INVALID':
      return raise('LOGIN_REFUSED', `${refused}: its account is disabled or deleted, or it was revoked`, renewal)
    case 'ACCESS_TOKEN_EXPIRED':
      return raise(
        'LOGIN_REFUSED',
        `${refused}: its token has expired`,
        renewal,
        'A wrong clock on this machine looks the same.',
      )
    case undefined:
    default:
      return raise('LOGIN_REFUSED', refused, renewal, 'A wrong clock on this machine looks the same.')
  }
}
