/** The gRPC statuses that we tell apart. Source: https://grpc.io/docs/guides/status-codes/ */
export const status = {
  unknown: 2,
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
  /** `google.rpc.ErrorInfo.reason`, where the service sent one: `SERVICE_DISABLED`, `IAM_PERMISSION_DENIED`, … */
  readonly reason: string | undefined
  /** The same message's `metadata`: `permission`, `consumer`, … */
  readonly info: Readonly<Record<string, string>>
  /** `google.rpc.RetryInfo.retry_delay`, in milliseconds. */
  readonly retryAfterMs: number | undefined
  readonly details: string
  /** The service has said it, and not our own end of the connection: an answer has headers. */
  readonly answered: boolean
  /** What has said it speaks no gRPC; the status is a guess then, made from that of HTTP. */
  readonly foreign: boolean
  /** The answer's `date` header. */
  readonly date: string | undefined
}

/** @returns `undefined` for what isn't an answer to a call: a bug, or an error of the login. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return undefined
  const {reason, errorInfoMetadata, statusDetails, details, metadata} = error as {
    reason?: unknown
    errorInfoMetadata?: unknown
    statusDetails?: unknown
    details?: unknown
    metadata?: {readonly getMap?: () => Readonly<Record<string, unknown>>}
  }
  const headers = metadata?.getMap?.() ?? {}
  return {
    status: error.code,
    reason: typeof reason === 'string' ? reason : undefined,
    info: typeof errorInfoMetadata === 'object' && errorInfoMetadata !== null ? {...errorInfoMetadata} : {},
    retryAfterMs: Array.isArray(statusDetails)
      ? statusDetails.map(retryDelayOf).find((ms) => ms !== undefined)
      : undefined,
    details: typeof details === 'string' ? details : '',
    answered: Object.keys(headers).length > 0,
    foreign: isForeign(headers['content-type']),
    date: typeof headers['date'] === 'string' ? headers['date'] : undefined,
  }
}

/** @param contentType - of an answer; trailers have none. */
export const isForeign = (contentType: unknown): boolean =>
  typeof contentType === 'string' && !/^application\/grpc\b/.test(contentType)

function retryDelayOf(detail: unknown): number | undefined {
  const delay = (detail as {retryDelay?: {seconds?: unknown; nanos?: unknown}} | null)?.retryDelay
  if (typeof delay !== 'object') return undefined
  const ms = Number(delay.seconds ?? 0) * 1000 + Number(delay.nanos ?? 0) / 1_000_000
  return Number.isFinite(ms) ? ms : undefined
}
