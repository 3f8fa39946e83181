import {grpc} from 'google-gax'

/** What Google's services add to a status. Source: https://cloud.google.com/apis/design/errors#error_model */
export type Details = {
  /** google.rpc.ErrorInfo */
  readonly info?: {
    readonly reason: string
    readonly domain: string
    readonly metadata?: Readonly<Record<string, string>>
  }
  /** google.rpc.RetryInfo */
  readonly retrySeconds?: number
}

/** A refused call, in the shape that the server of @grpc/grpc-js sends on. */
export class Refusal extends Error {
  readonly code: number
  readonly details: string
  readonly more: Details
  readonly metadata = new grpc.Metadata()

  constructor(code: number, details: string, more: Details = {}) {
    super(details)
    this.code = code
    this.details = details
    this.more = more
    if (more.info || more.retrySeconds !== undefined) {
      this.metadata.set('grpc-status-details-bin', statusMessage(code, details, more))
    }
  }
}

/** The permission that is missing; the service does not tell a place that is not there from one that is closed. */
export const denied = (permission: string, resource: string): Refusal =>
  new Refusal(
    grpc.status.PERMISSION_DENIED,
    `Permission '${permission}' denied for resource '${resource}' (or it may not exist).`,
    {info: {reason: 'IAM_PERMISSION_DENIED', domain: 'iam.googleapis.com', metadata: {permission, resource}}},
  )

export const unauthenticated = (reason: string): Refusal =>
  new Refusal(
    grpc.status.UNAUTHENTICATED,
    'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.',
    {
      info: {
        reason,
        domain: 'googleapis.com',
        metadata: {
          service: 'secretmanager.googleapis.com',
          method: 'google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion',
        },
      },
    },
  )

/** The same as the JSON that Google's REST interfaces answer. Source: https://google.aip.dev/193 */
export function jsonOf({code, details, more}: Refusal): {readonly status: number; readonly body: object} {
  const status = httpStatus[code] ?? 500
  const type = 'type.googleapis.com/google.rpc.'
  const all = [
    ...(more.info ? [{'@type': `${type}ErrorInfo`, ...more.info}] : []),
    ...(more.retrySeconds === undefined ? [] : [{'@type': `${type}RetryInfo`, retryDelay: `${more.retrySeconds}s`}]),
  ]
  return {
    status,
    body: {
      error: {code: status, message: details, status: grpc.status[code], ...(all.length > 0 && {details: all})},
    },
  }
}

/** Source: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const httpStatus: Readonly<Record<number, number>> = {
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  12: 501,
  13: 500,
  14: 503,
  16: 401,
}

// Protobuf's wire format, by hand: the SDK brings google.rpc.Status, but not the messages inside it.

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value & 127) | 128)
  return Buffer.from([...bytes, value])
}

const number = (field: number, value: number): Buffer => Buffer.concat([varint(field << 3), varint(value)])

function text(field: number, content: Buffer | string): Buffer {
  const body = Buffer.from(content)
  return Buffer.concat([varint((field << 3) | 2), varint(body.length), body])
}

const any = (type: string, message: Buffer): Buffer =>
  text(3, Buffer.concat([text(1, `type.googleapis.com/google.rpc.${type}`), text(2, message)]))

function statusMessage(code: number, message: string, {info, retrySeconds}: Details): Buffer {
  const parts = [number(1, code), text(2, message)]
  if (info) {
    const entries = Object.entries(info.metadata ?? {}).map(([key, value]) =>
      text(3, Buffer.concat([text(1, key), text(2, value)])),
    )
    parts.push(any('ErrorInfo', Buffer.concat([text(1, info.reason), text(2, info.domain), ...entries])))
  }
  if (retrySeconds !== undefined) parts.push(any('RetryInfo', text(1, number(1, retrySeconds))))
  return Buffer.concat(parts)
}
