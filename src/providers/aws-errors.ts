import {EnvdriftError} from '../core/errors.ts'
import {printable} from '../core/text.ts'
import {proxyRefusal} from './aws-http.ts'
import {networkTrouble} from './network-trouble.ts'

/** Where a call went, and with which login. */
export type Asked = {
  /** `AWS Secrets Manager in eu-west-1`. */
  readonly place: string
  readonly region: string
  /** How to log in again with the login that was used, as a suggestion. */
  readonly logInAgain: string
}

/** What was being done when the SDK threw; the same answer means different things. */
export type Doing = Asked & {
  /** Name or ARN of what was asked for. */
  readonly secret: string
  readonly verb: 'read' | 'write'
}

/**
 * Names of errors by what they mean. Those that every service of AWS may answer are in its API reference under "Common
 * Error Types"; the rest are names that STS and older endpoints use for the same.
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
  service: [
    'InternalFailure',
    'InternalServiceError',
    'InternalServerError',
    'ServiceUnavailable',
    'ServiceUnavailableException',
  ],
} as const

const isOne = (kind: keyof typeof names, error: unknown): boolean =>
  (names[kind] as readonly string[]).includes(nameOf(error))

/** The service asks for fewer requests, by its name for that or by the status 429. */
export const isThrottling = (error: unknown): boolean => isOne('throttled', error) || statusOf(error) === 429

/**
 * The service's denial, by its name for it; or by the status, where the body is none that the SDK knows (moto's is XML).
 * The page of a proxy or firewall is none: no policy helps against that.
 */
export const isDenial = (error: unknown): boolean =>
  isOne('forbidden', error) || ((statusOf(error) === 401 || statusOf(error) === 403) && !isPage(error))

/** The SDK keeps nothing of an answer that is no JSON but V8's words about it, which quote its first letters. */
const isPage = (error: unknown): boolean =>
  error instanceof SyntaxError && /"\s*<(?:!doctype|html)\b/i.test(error.message)

/** After how many milliseconds the service wants to be asked again, where its answer says so. */
export function retryAfterMs(error: unknown): number | undefined {
  const headers = (error as {$response?: {headers?: Readonly<Record<string, string>>}}).$response?.headers ?? {}
  const given = (headers['retry-after'] ?? '').trim()
  const ms = /^\d+(?:\.\d+)?$/.test(given)
    ? Number(given) * 1000
    : given === ''
      ? Number(headers['x-amz-retry-after'] ?? Number.NaN)
      : Date.parse(given) - Date.now()
  return Number.isFinite(ms) && ms > 0 ? ms : undefined
}

/**
 * What any service of AWS can answer to any call, by name and status, never by its text: a login that is refused,
 * throttling, an outage, and a network that is in the way.
 *
 * @returns `undefined` for what only the service's own adapter can read: denials, absences, bad requests.
 */
export function commonError(error: unknown, asked: Asked): EnvdriftError | undefined {
  if (error instanceof EnvdriftError) return error
  if (isOne('expired', error) || isOne('rejected', error) || isOne('clock', error)) return rejection(error, asked)
  if (isThrottling(error)) return throttled(error, asked.place)
  if (isOutage(error)) return outage(error, asked.place)
  return isDenial(error) ? undefined : networkError(error, asked)
}

/** The service says that the trouble is its own. */
export const isOutage = (error: unknown): boolean => isOne('service', error) || (statusOf(error) ?? 0) >= 500

/** LOGIN_REFUSED: credentials that are there, and that AWS doesn't take. */
function rejection(error: unknown, {place, region, logInAgain}: Asked): EnvdriftError {
  const [name, cause] = [nameOf(error), causeOf(error)]
  if (isOne('expired', error)) {
    return new EnvdriftError('LOGIN_REFUSED', `The AWS login has expired (${place}, ${name})`, {
      suggestions: [logInAgain],
      cause,
    })
  }
  if (isOne('clock', error)) {
    return new EnvdriftError('LOGIN_REFUSED', `AWS refused the signature of our request (${place}, ${name})`, {
      suggestions: [
        'Check the clock of this machine: AWS takes requests for 5 minutes around its own time.',
        'Check AWS_SECRET_ACCESS_KEY: it does not belong to the access key, or lost a character.',
        `Check that there is a region ${region}.`,
        logInAgain,
      ],
      cause,
    })
  }
  return new EnvdriftError('LOGIN_REFUSED', `AWS does not know these credentials (${place}, ${name})`, {
    suggestions: [
      logInAgain,
      'See who you are with `aws sts get-caller-identity`.',
      /^(?:cn|us-gov|us-iso|us-isob|eu-isoe|us-isof|eusc)-/.test(region)
        ? `${region} knows credentials of its own partition only.`
        : `Check that the account has switched on the region ${region}: \`aws account get-region-opt-status --region-name ${region}\`.`,
    ],
    cause,
  })
}

export function throttled(error: unknown, place: string): EnvdriftError {
  return new EnvdriftError(
    'THROTTLED',
    `${place} throttles our requests, also after several tries (${nameOf(error)})`,
    {
      suggestions: ['Wait a little and run the command again.', 'Lower max_workers under [vault.sync].'],
      cause: causeOf(error),
    },
  )
}

export function outage(error: unknown, place: string): EnvdriftError {
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

/** UNREACHABLE or TLS_REFUSED; `undefined` for what is no trouble of the network. */
export function networkError(
  error: unknown,
  {place, region}: Pick<Asked, 'place' | 'region'>,
): EnvdriftError | undefined {
  const {code, statusCode} = error as {code?: unknown; statusCode?: unknown}
  const cause = causeOf(error)
  if (code === proxyRefusal) {
    return new EnvdriftError(
      'UNREACHABLE',
      `The proxy does not let us through to ${place} (status ${String(statusCode)})`,
      {
        suggestions: [
          statusCode === 407
            ? 'The proxy wants a login: put it into HTTPS_PROXY, as in http://USER:PASSWORD@proxy.example.com:3128.'
            : 'Ask whoever runs the proxy in HTTPS_PROXY to let this host through.',
          'Or except the host with NO_PROXY, where it can be reached without a proxy.',
        ],
        cause,
      },
    )
  }
  const trouble = networkTrouble(error)
  // TimeoutError: what the SDK makes of a connection that doesn't come about.
  if (!trouble && nameOf(error) !== 'TimeoutError') return undefined
  if (trouble?.code === 'TLS_REFUSED') {
    return new EnvdriftError('TLS_REFUSED', `The certificate of ${place} is not trusted (${trouble.detail})`, {
      suggestions: ['Behind a proxy that opens TLS: set NODE_EXTRA_CA_CERTS to the file with its certificate.'],
      cause,
    })
  }
  return new EnvdriftError('UNREACHABLE', `${place} can't be reached (${trouble?.detail ?? 'TimeoutError'})`, {
    suggestions: [
      `Check the network, and that the region ${region} exists.`,
      'Where only a proxy leads out: set HTTPS_PROXY.',
      'Check endpoint_url and the variables AWS_ENDPOINT_URL…, where one is set.',
    ],
    cause,
  })
}

/** The error's name, where it looks like one, else the status of the answer; it is printed. */
export function nameOf(error: unknown): string {
  // What the SDK throws for an answer that it can't read says nothing of the answer.
  if (error instanceof SyntaxError) return `HTTP ${statusOf(error) ?? 'answer'}`
  const name = error instanceof Error ? error.name : ''
  return /^\w{1,80}$/.test(name) ? name : 'unnamed error'
}

export function statusOf(error: unknown): number | undefined {
  return (error as {$metadata?: {httpStatusCode?: number}}).$metadata?.httpStatusCode
}

/** The service's sentence, safe to print and at most 500 characters: a denial's names identity, action and resource. */
export function sentenceOf(error: unknown): string | undefined {
  // Only of an answer that the SDK understood: the text of its other errors may quote a body or a header.
  const understood = error instanceof Error && '$fault' in error && error.message !== 'UnknownError'
  return understood && error.message !== '' ? printable(error.message.slice(0, 500)) : undefined
}

/**
 * What a debugger needs to know of a foreign error, and no more. The SDK's own holds the response, and for a signature
 * that doesn't match AWS quotes the headers that it got, the session token among them.
 */
export function causeOf(error: unknown): Error {
  const {code, $metadata} = error as {code?: unknown; $metadata?: {httpStatusCode?: number; requestId?: string}}
  const parts = [
    nameOf(error),
    typeof code === 'string' ? code : undefined,
    $metadata?.httpStatusCode,
    $metadata?.requestId,
  ]
  return new Error(parts.filter((part) => part !== undefined).join(' '))
}
