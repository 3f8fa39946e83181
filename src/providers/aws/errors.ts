import {EnvdriftError} from '../../core/errors.ts'
import {printable} from '../../core/text.ts'
import {networkTrouble} from '../network-trouble.ts'

/** What was being done when the SDK threw; the same answer means different things. */
export type Doing = {
  /** `AWS Secrets Manager in eu-west-1`. */
  readonly place: string
  readonly region: string
  /** Name or ARN of the secret. */
  readonly secret: string
  readonly verb: 'read' | 'write'
}

/**
 * Names of errors by what they mean. Those of Secrets Manager are in its API reference, under each operation; those that
 * every service of AWS may answer under "Common Error Types"; the rest are names that STS and older endpoints use for the same.
 */
const names = {
  throttled: [
    'Throttling',
    'ThrottlingException',
    'ThrottledException',
    'TooManyRequestsException',
    'RequestLimitExceeded',
    'RequestThrottled',
    'RequestThrottledException',
    'SlowDown',
  ],
  clock: [
    'InvalidSignatureException',
    'SignatureDoesNotMatch',
    'RequestExpired',
    'RequestInTheFuture',
    'RequestTimeTooSkewed',
  ],
  expired: ['ExpiredToken', 'ExpiredTokenException'],
  rejected: [
    'AuthFailure',
    'IncompleteSignature',
    'IncompleteSignatureException',
    'InvalidClientTokenId',
    'InvalidAccessKeyId',
    'MissingAuthenticationToken',
    'MissingAuthenticationTokenException',
    'UnrecognizedClientException',
  ],
  forbidden: ['AccessDenied', 'AccessDeniedException', 'NotAuthorized', 'OptInRequired', 'UnauthorizedOperation'],
  kms: ['DecryptionFailure', 'EncryptionFailure'],
  service: [
    'InternalFailure',
    'InternalServiceError',
    'InternalServerError',
    'ServiceUnavailable',
    'ServiceUnavailableException',
  ],
} as const

const isOne = (kind: keyof typeof names, name: string): boolean => (names[kind] as readonly string[]).includes(name)

/** The service's word for "there is no such secret, or no such version of it". No status: AWS answers 400, moto 404. */
export const saysAbsent = (error: unknown): boolean => nameOf(error) === 'ResourceNotFoundException'

/** The error of one call for one secret, from what the SDK threw; by name and status, never by its text. */
export function callError(error: unknown, doing: Doing): EnvdriftError {
  const {place, region, secret, verb} = doing
  const [name, status, cause] = [nameOf(error), statusOf(error), causeOf(error)]
  const said = quoted(error)

  if (isOne('expired', name) || isOne('rejected', name) || isOne('clock', name)) return rejection(error, place)
  if (isOne('kms', name)) {
    return new EnvdriftError(
      'FORBIDDEN',
      `AWS may not use the KMS key of ${secret} for us (${place}, ${name})${said}`,
      {
        suggestions: [
          `Allow this identity kms:${verb === 'read' ? 'Decrypt' : 'GenerateDataKey and kms:Decrypt'} on the key: \`aws secretsmanager describe-secret --secret-id ${secret} --region ${region}\` names it.`,
          'Check that the KMS key is enabled.',
        ],
        cause,
      },
    )
  }
  if (isOne('throttled', name) || status === 429) return throttled(error, place)
  if (isOne('service', name) || (status !== undefined && status >= 500)) return outage(error, place)
  if (name === 'InvalidRequestException') {
    const why =
      verb === 'read' ? 'is scheduled for deletion' : 'is scheduled for deletion, or another service manages it'
    return new EnvdriftError('SECRET_DELETED', `${secret} ${why} (${place})${said}`, {
      suggestions: [
        `Take it back with \`aws secretsmanager restore-secret --secret-id ${secret} --region ${region}\`.`,
      ],
      cause,
    })
  }
  // Below 403 for whoever answers it without a name that we know: moto's denials are XML, which the SDK can't read.
  if (isOne('forbidden', name) || status === 401 || status === 403) {
    return new EnvdriftError('FORBIDDEN', `We may not ${verb} ${secret} (${place})${said}`, {
      suggestions: [
        verb === 'read'
          ? `Allow this identity secretsmanager:GetSecretValue on ${secret}, and kms:Decrypt if it has a KMS key of its own.`
          : `Allow this identity secretsmanager:CreateSecret, PutSecretValue and UpdateSecretVersionStage on ${secret}.`,
        'See who you are with `aws sts get-caller-identity`.',
        `Check that the region ${region} and the account are the right ones.`,
      ],
      cause,
    })
  }
  const network = networkError(error, place, region)
  if (network) return network
  if (status === undefined) {
    return new EnvdriftError('BAD_REQUEST', `The AWS SDK could not ask ${place} for ${secret} (${name})`, {
      suggestions: ['Check region, profile and endpoint_url of the vault, and ~/.aws/config.'],
      cause,
    })
  }
  if (status < 400 || error instanceof SyntaxError) return badResponse(place, secret, cause)
  return new EnvdriftError(
    'BAD_REQUEST',
    `${place} refused the request for ${secret} (${name}, status ${status})${said}`,
    {
      suggestions: [
        'Check secret_name and secret_version of the mapping.',
        'Check region and endpoint_url of the vault.',
      ],
      cause,
    },
  )
}

/** The error of loading credentials, from what the SDK's provider chain threw. A denial here is a login that failed. */
export function loginError(error: unknown, place: string, region: string, profile: string | undefined): EnvdriftError {
  const [name, status, cause] = [nameOf(error), statusOf(error), causeOf(error)]
  const network = networkError(error, place, region)
  if (network) return network
  if (isOne('throttled', name) || status === 429) return throttled(error, 'AWS STS')
  if (isOne('service', name) || (status !== undefined && status >= 500)) return outage(error, 'AWS STS')
  if (status !== undefined) return rejection(error, place)

  const {path, code} = error as NodeJS.ErrnoException
  if (typeof path === 'string' && typeof code === 'string') {
    return new EnvdriftError(
      'NOT_LOGGED_IN',
      `The token file ${printable(path)} can't be read (${code}; login for ${place})`,
      {
        suggestions: [
          'Check AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, or web_identity_token_file of the profile; unset what isn’t meant.',
          'In GitHub Actions: give the job `permissions: id-token: write` and run aws-actions/configure-aws-credentials first.',
        ],
        cause,
      },
    )
  }
  const whose = profile === undefined ? '' : ` in the profile ${profile}`
  return new EnvdriftError('NOT_LOGGED_IN', `No usable AWS credentials${whose} for ${place}`, {
    suggestions: [
      `Log in with \`aws sso login${profile === undefined ? '' : ` --profile ${profile}`}\`, or make a profile with \`aws configure\`.`,
      'Or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, if there is one), or AWS_PROFILE.',
      'In GitHub Actions: run aws-actions/configure-aws-credentials in a step before.',
    ],
    cause,
  })
}

export function badResponse(place: string, secret: string, cause?: unknown): EnvdriftError {
  return new EnvdriftError('BAD_RESPONSE', `${place} answered for ${secret} with something that is no secret`, {
    suggestions: [
      'Check that endpoint_url, AWS_ENDPOINT_URL or a proxy in between really leads to AWS Secrets Manager.',
    ],
    cause,
  })
}

function rejection(error: unknown, place: string): EnvdriftError {
  const [name, cause] = [nameOf(error), causeOf(error)]
  if (isOne('expired', name)) {
    return new EnvdriftError('LOGIN_REFUSED', `The AWS login has expired (${place}, ${name})`, {
      suggestions: [
        'Log in again: `aws sso login`, or fresh AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.',
      ],
      cause,
    })
  }
  if (isOne('clock', name)) {
    return new EnvdriftError('LOGIN_REFUSED', `AWS refused the signature of our request (${place}, ${name})`, {
      suggestions: [
        'Check AWS_SECRET_ACCESS_KEY: it does not belong to the access key, or lost a character.',
        'Check the clock of this machine: AWS takes requests for 5 minutes around its own time.',
      ],
      cause,
    })
  }
  return new EnvdriftError('LOGIN_REFUSED', `AWS refused the login (${place}, ${name})`, {
    suggestions: [
      'Log in again: `aws sso login`, or check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.',
      'See who you are with `aws sts get-caller-identity`.',
      'With web identity: check that the role trusts this repository or service account.',
    ],
    cause,
  })
}

function throttled(error: unknown, place: string): EnvdriftError {
  return new EnvdriftError(
    'THROTTLED',
    `${place} throttles our requests, also after several tries (${nameOf(error)})`,
    {
      suggestions: ['Wait a little and run the command again.', 'Lower max_workers under [vault.sync].'],
      cause: causeOf(error),
    },
  )
}

function outage(error: unknown, place: string): EnvdriftError {
  return new EnvdriftError(
    'SERVICE_ERROR',
    `${place} has trouble of its own, also after several tries (${nameOf(error)})`,
    {
      suggestions: [
        'Wait a little and run the command again; https://health.aws.amazon.com/health/status knows of outages.',
      ],
      cause: causeOf(error),
    },
  )
}

function networkError(error: unknown, place: string, region: string): EnvdriftError | undefined {
  const trouble = networkTrouble(error)
  // TimeoutError: what the SDK makes of a connection that doesn't come about.
  if (!trouble && nameOf(error) !== 'TimeoutError') return undefined
  const cause = causeOf(error)
  if (trouble?.code === 'TLS_REFUSED') {
    return new EnvdriftError('TLS_REFUSED', `The certificate of ${place} is not trusted (${trouble.detail})`, {
      suggestions: ['Behind a proxy that opens TLS: set NODE_EXTRA_CA_CERTS to the file with its certificate.'],
      cause,
    })
  }
  return new EnvdriftError('UNREACHABLE', `${place} can't be reached (${trouble?.detail ?? 'TimeoutError'})`, {
    suggestions: [
      `Check the network, and that the region ${region} exists.`,
      'Check endpoint_url, AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_SECRETS_MANAGER, where one is set.',
    ],
    cause,
  })
}

function nameOf(error: unknown): string {
  // A name is printed: only what looks like one is taken for one.
  const name = error instanceof Error ? error.name : ''
  return /^\w{1,80}$/.test(name) ? name : 'unnamed error'
}

function statusOf(error: unknown): number | undefined {
  return (error as {$metadata?: {httpStatusCode?: number}}).$metadata?.httpStatusCode
}

/** The service's sentence of a refusal: it names the identity, the action and the missing policy. */
function quoted(error: unknown): string {
  // Only of an answer that the SDK understood: the text of its other errors may quote a body or a header.
  const understood = error instanceof Error && '$fault' in error && error.message !== 'UnknownError'
  return understood ? `: ${printable(error.message.slice(0, 400))}` : ''
}

/**
 * What a debugger needs to know of a foreign error, and no more. The SDK's own holds the response, and for a signature
 * that doesn't match AWS quotes the headers that it got, the session token among them.
 */
function causeOf(error: unknown): Error {
  const {code, $metadata} = error as {code?: unknown; $metadata?: {httpStatusCode?: number; requestId?: string}}
  const parts = [
    nameOf(error),
    typeof code === 'string' ? code : undefined,
    $metadata?.httpStatusCode,
    $metadata?.requestId,
  ]
  return new Error(parts.filter((part) => part !== undefined).join(' '))
}
