import {randomUUID} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import type {AddressInfo, Server} from 'node:net'
import {parseArgs} from 'node:util'

import {makeLogins, stsError, type Login, type Role} from './aws/logins.ts'
import {Refusal, refuse, type AwsFailure, type Body} from './aws/refusal.ts'
import {idIn, makeSecrets, type Denial} from './aws/secrets.ts'
import {scopeOf, signatureOf} from './aws/sigv4.ts'
import type {Certificate} from './certificate.ts'

/** The example credentials of AWS's own documentation: every scanner knows that they open nothing. */
export const exampleCredentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
} as const

/** The account of the fake, also from AWS's documentation. */
export const account = '123456789012'

/** Regions that the fake knows; a signature for another one is refused as AWS refuses it. */
const regionNames =
  /^(?:us-east-[12]|us-west-[12]|eu-west-[123]|eu-central-[12]|eu-north-1|ap-south-1|sa-east-1|cn-(?:north|northwest)-1|us-gov-(?:west|east)-1)$/

/** One request as the server saw it, when it came in. */
type AwsRequest = {
  /** `GetSecretValue`, `AssumeRoleWithWebIdentity`, `MetadataToken`, … */
  readonly operation: string
  readonly region: string
  /** SecretId or Name as it was sent; empty where there is none. */
  readonly secret: string
  /** Of a batch: what it asked for. */
  readonly ids: readonly string[]
  /** Requests being answered at that moment, this one included. */
  readonly inFlight: number
  readonly userAgent: string
  /** RoleSessionName, of a role that is assumed. */
  readonly session: string
  /** The login was taken, so that the secret itself was looked at. */
  readonly isLoggedIn: () => boolean
}

/** A service that answers beside Secrets Manager, over AWS JSON 1.1 and with the same logins. */
export type AwsService = {
  /** In the scope of a signature: `secretsmanager`. */
  readonly signingName: string
  /** Before the operation in X-Amz-Target; may be the same. */
  readonly target: string
  /** An operation of the API on behalf of `caller`, an ARN. Throws a {@link Refusal}. */
  readonly answer: (operation: string, region: string, body: Body, caller: string) => unknown
}

export type AwsFake = {
  /** `http://127.0.0.1:PORT`, for AWS_ENDPOINT_URL. */
  readonly url: string
  readonly port: number
  /** The same service with TLS; its port. */
  readonly listenTls: (certificate: Certificate) => Promise<number>
  /** A new version of a secret, as PutSecretValue makes one; `undefined` makes the secret alone, without a value. */
  /** @returns its ARN. */
  readonly put: (name: string, value: string | Buffer | undefined, region?: string, owner?: string) => string
  readonly remove: (name: string) => void
  /** Whatever is done with this secret is denied from now on. */
  readonly forbid: (name: string, why?: Denial) => void
  readonly forbidBatches: () => void
  /** A batch gives so many secrets at once from now on, and a token for the rest. */
  readonly pageSize: (size: number) => void
  /** Every page of a batch carries this token from now on, and pages that are asked for with one are empty. */
  readonly pageTokens: (tokenOf: () => string) => void
  /** A role that may be assumed by whoever has a login. */
  readonly role: (arn: string, role?: Role) => void
  /** What every login or signed request gets from now on, however good it is. */
  readonly reject: (failure: AwsFailure) => void
  /** The next `times` requests to Secrets Manager, or another service, get this; those for `operation` only, if it is given. */
  readonly fail: (failure: AwsFailure, times: number, operation?: string) => void
  /** The next requests are answered with this text and status, whatever they ask for; those for `operation` only, if it is given. */
  readonly answer: (status: number, contentType: string, body: string, operation?: string) => void
  readonly delay: (ms: number) => void
  /** From now on requests are taken and never answered. */
  readonly silence: () => void
  /** From now on connections are closed as soon as a request has come in. */
  readonly reset: () => void
  /** The server's clock, in milliseconds from the real one. */
  readonly skew: (ms: number) => void
  /** A web identity token that STS takes; tokens that single sign-on and the container's endpoint take. */
  readonly webIdentityToken: string
  readonly ssoToken: string
  readonly containerToken: string
  readonly requests: () => readonly AwsRequest[]
  /** The most requests that were ever answered at the same time. */
  readonly peak: () => number
  /** Secret access keys and tokens that were given out or are valid. */
  readonly credentials: () => readonly string[]
  /** May be called twice. */
  readonly stop: () => Promise<void>
}

/**
 * AWS Secrets Manager and the ways to credentials, over the real protocols (AWS JSON 1.1, Query, plain HTTP) with real
 * SigV4 checks. Every region has secrets of its own, told apart by the scope of the signature, as on AWS.
 *
 * Sources: docs.aws.amazon.com/secretsmanager/latest/apireference and those that aws/ names.
 */
export async function startAwsFake({
  port = 0,
  delayMs = 0,
  services: others = [],
}: {
  readonly port?: number
  readonly delayMs?: number
  readonly services?: readonly AwsService[]
} = {}): Promise<AwsFake> {
  let rejection: AwsFailure | undefined
  const secrets = makeSecrets(account)
  const secretsManager = {signingName: 'secretsmanager', target: 'secretsmanager', answer: secrets.answer}
  const logins = makeLogins(
    account,
    {[exampleCredentials.accessKeyId]: {...exampleCredentials, arn: `arn:aws:iam::${account}:user/myapp-ci`}},
    () => rejection,
  )
  const requests: AwsRequest[] = []
  let [inFlight, peak, delay, clockSkewMs] = [0, 0, delayMs, 0]
  let failure: {readonly failure: AwsFailure; readonly operation: string | undefined; left: number} | undefined
  let canned: {status: number; contentType: string; body: string; operation: string | undefined} | undefined
  let mode: 'answering' | 'silent' | 'resetting' = 'answering'

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => void serve(request, response)
  const server = createServer(onRequest)
  const servers: (Server & {closeAllConnections: () => void})[] = [server]

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let raw: Buffer
    try {
      raw = await bytesOf(request)
    } catch {
      // The client has left.
      return
    }
    const plain = logins.plain({
      method: request.method ?? '',
      url: request.url ?? '/',
      header: (name) => request.headers[name] as string | undefined,
    })
    const isSts = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false
    const query = isSts ? Object.fromEntries(new URLSearchParams(raw.toString())) : {}
    const body = isSts ? query : jsonOf(raw)
    const [target = '', name = ''] = String(request.headers['x-amz-target']).split('.')
    const service = others.find((other) => other.target === target) ?? secretsManager
    const operation = plain?.operation ?? (isSts ? (query['Action'] ?? '') : name)
    const ids = body?.['SecretIdList'] ?? body?.['Names']
    inFlight++
    response.once('close', () => inFlight--)
    peak = Math.max(peak, inFlight)
    let isLoggedIn = false
    requests.push({
      operation,
      region: scopeOf(request.headers.authorization)?.region ?? '',
      secret: idIn(body),
      ids: Array.isArray(ids) ? (ids as readonly string[]) : [],
      inFlight,
      userAgent: request.headers['user-agent'] ?? '',
      session: query['RoleSessionName'] ?? '',
      isLoggedIn: () => isLoggedIn,
    })

    if (mode === 'silent') return
    if (mode === 'resetting') return void request.socket.resetAndDestroy()
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay))
    if (response.destroyed) return
    try {
      if (canned && (canned.operation ?? operation) === operation)
        return reply(response, canned.status, canned.contentType, canned.body)
      if (plain) return replyPlain(response, plain.answer())
      if (isSts)
        return reply(
          response,
          200,
          'text/xml',
          logins.sts(query, () => authenticate(request, raw, 'sts'), clockSkewMs),
        )
      if (failure && failure.left > 0 && (failure.operation ?? operation) === operation) {
        failure.left--
        throw new Refusal(failure.failure)
      }
      const {arn} = authenticate(request, raw, service.signingName)
      isLoggedIn = true
      if (request.method !== 'POST' || request.headers['content-type'] !== 'application/x-amz-json-1.1' || !body)
        return reply(response, 404, 'application/x-amz-json-1.1', '{"__type":"UnknownOperationException"}')
      const {region} = scopeOf(request.headers.authorization)!
      reply(response, 200, 'application/x-amz-json-1.1', JSON.stringify(service.answer(operation, region, body, arn)))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const {status = 400, type, message = '', retryAfterSeconds} = error.failure
      if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds))
      if (isSts) return reply(response, status, 'text/xml', stsError(type, message))
      response.setHeader('x-amzn-errortype', type)
      reply(response, status, 'application/x-amz-json-1.1', JSON.stringify({__type: type, Message: message}))
    }
  }

  function reply(response: ServerResponse, status: number, contentType: string, text: string): void {
    response.writeHead(status, {
      'content-type': contentType,
      'x-amzn-requestid': randomUUID(),
      date: new Date(Date.now() + clockSkewMs).toUTCString(),
    })
    response.end(text)
  }

  const replyPlain = (response: ServerResponse, answer: unknown): void =>
    typeof answer === 'string'
      ? reply(response, 200, 'text/plain', answer)
      : reply(response, 200, 'application/json', JSON.stringify(answer))

  /** @returns the login behind the request's signature; refuses with AWS's names and order of checks. */
  function authenticate(request: IncomingMessage, raw: Buffer, service: string): Login {
    const scope = scopeOf(request.headers.authorization)
    if (!scope) return refuse('MissingAuthenticationTokenException', 'Missing Authentication Token')
    if (rejection) throw new Refusal(rejection)
    const login = logins.byKey(scope.accessKeyId)
    if (!login || request.headers['x-amz-security-token'] !== login.sessionToken)
      return refuse('UnrecognizedClientException', 'The security token included in the request is invalid.')
    if (scope.service !== service)
      refuse('InvalidSignatureException', `Credential should be scoped to correct service: '${service}'.`)
    if (!regionNames.test(scope.region))
      refuse('InvalidSignatureException', `Credential should be scoped to a valid region.`)
    const sent = String(request.headers['x-amz-date'])
    if (sent.slice(0, 8) !== scope.date)
      refuse('InvalidSignatureException', 'Date in Credential scope does not match X-Amz-Date')
    const at = Date.parse(sent.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
    const serverNow = Date.now() + clockSkewMs
    // "Signature not yet current" the other way round; NaN where the header is none.
    if (!(Math.abs(at - serverNow) <= 5 * 60_000))
      refuse(
        'InvalidSignatureException',
        `Signature expired: ${sent} is now earlier than ${new Date(serverNow - 5 * 60_000).toISOString()} (… - 5 min.)`,
      )
    if (signatureOf(request, raw, scope, login.secretAccessKey) !== scope.signature)
      refuse(
        'InvalidSignatureException',
        'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
      )
    return login
  }

  await listen(server, port)
  const {port: own} = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${own}`,
    port: own,
    async listenTls({certificate, key}) {
      const secure = createTlsServer({cert: certificate, key}, onRequest)
      servers.push(secure)
      await listen(secure, 0)
      return (secure.address() as AddressInfo).port
    },
    put: secrets.put,
    remove: secrets.remove,
    forbid: secrets.forbid,
    forbidBatches: secrets.forbidBatches,
    pageSize: secrets.pageSize,
    pageTokens: secrets.pageTokens,
    role: logins.role,
    reject: (with_) => (rejection = with_),
    fail: (with_, times, operation) => (failure = {failure: with_, left: times, operation}),
    answer: (status, contentType, body, operation) => (canned = {status, contentType, body, operation}),
    delay: (ms) => (delay = ms),
    silence: () => (mode = 'silent'),
    reset: () => (mode = 'resetting'),
    skew: (ms) => (clockSkewMs = ms),
    webIdentityToken: logins.webIdentityToken,
    ssoToken: logins.ssoToken,
    containerToken: logins.containerToken,
    requests: () => requests,
    peak: () => peak,
    credentials: logins.secrets,
    stop: async () => {
      await Promise.all(
        servers.map(
          (each) =>
            new Promise<void>((resolve) => {
              // Its error says that the server was stopped before.
              each.close(() => resolve())
              each.closeAllConnections()
            }),
        ),
      )
    },
  }
}

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve)
  })

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function jsonOf(raw: Buffer): Body | undefined {
  try {
    return JSON.parse(raw.toString()) as Body
  } catch {
    return undefined
  }
}

/** `node test/fakes/aws.ts [--port N] [--delay-ms N] [--region NAME] [--secrets FILE]`; the file is JSON: name to value. */
if (import.meta.main) {
  const {values} = parseArgs({
    options: {
      port: {type: 'string', default: '0'},
      'delay-ms': {type: 'string', default: '0'},
      region: {type: 'string', default: 'us-east-1'},
      secrets: {type: 'string'},
    },
  })
  const fake = await startAwsFake({port: Number(values.port), delayMs: Number(values['delay-ms'])})
  if (values.secrets !== undefined) {
    const secrets = JSON.parse(readFileSync(values.secrets, 'utf8')) as Readonly<Record<string, string>>
    for (const [name, value] of Object.entries(secrets)) fake.put(name, value, values.region)
  }
  process.stdout.write(
    [
      fake.url,
      `export AWS_ENDPOINT_URL=${fake.url} AWS_REGION=${values.region}`,
      `export AWS_ACCESS_KEY_ID=${exampleCredentials.accessKeyId} AWS_SECRET_ACCESS_KEY=${exampleCredentials.secretAccessKey}`,
      '',
    ].join('\n'),
  )
}
