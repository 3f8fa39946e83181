import {createHash, createHmac} from 'node:crypto'
import type {IncomingMessage} from 'node:http'

/** What a request's Authorization header says. */
export type Scope = {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly service: string
  readonly signedHeaders: string
  readonly signature: string
}

/** @returns `undefined` for a request that isn't signed. */
export function scopeOf(authorization = ''): Scope | undefined {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    )
  if (!parts) return undefined
  const [, accessKeyId, date, region, service, signedHeaders, signature] = parts as unknown as readonly [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  return {accessKeyId, date, region, service, signedHeaders, signature}
}

/**
 * Signature Version 4 for requests without a query string, which is all that these services get
 * (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
 */
export function signatureOf(
  request: IncomingMessage,
  raw: Buffer,
  {date, region, service, signedHeaders}: Scope,
  secretAccessKey: string,
): string {
  const headers = signedHeaders
    .split(';')
    .map((name) => `${name}:${String(request.headers[name]).trim().replaceAll(/ +/g, ' ')}\n`)
  const canonical = [request.method, request.url, '', headers.join(''), signedHeaders, sha256(raw)].join('\n')
  const scope = `${date}/${region}/${service}/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, sha256(canonical)].join('\n')
  let key: string | Buffer = `AWS4${secretAccessKey}`
  for (const part of [date, region, service, 'aws4_request']) key = hmac(key, part)
  return hmac(key, toSign).toString('hex')
}

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
