import {createHash, createHmac, randomBytes, randomUUID} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {parseArgs} from 'node:util'

/** The example credentials of AWS's own documentation: every scanner knows that they open nothing. */
export const exampleCredentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
} as const

const account = '123456789012'

/** One request as the server saw it, when it came in. */
type AwsRequest = {
  /** `GetSecretValue`, `AssumeRoleWithWebIdentity`, … */
  readonly operation: string
  readonly region: string
  /** SecretId or Name as it was sent; empty where there is none. */
  readonly secret: string
  /** Requests being answered at that moment, this one included. */
  readonly inFlight: number
}

/** An error as AWS words it: 400 unless said otherwise. */
type AwsFailure = {readonly status?: number; readonly type: string; readonly message?: string}

export type AwsFake = {
  /** `http://127.0.0.1:PORT`, for AWS_ENDPOINT_URL. */
  readonly url: string
  /** A new version of a secret, as PutSecretValue makes one; `undefined` makes the secret alone, without a value. */
  readonly put: (name: string, value: string | Buffer | undefined, region?: string) => void
  readonly remove: (name: string) => void
  /** Whatever is done with this secret is denied from now on. */
  readonly forbid: (name: string) => void
  /** What every login or signed request gets from now on, however good it is. */
  readonly reject: (failure: AwsFailure) => void
  /** The next `times` requests to Secrets Manager get this. */
  readonly fail: (failure: AwsFailure, times: number) => void
  /** The next requests are answered with this text and status, whatever they ask for. */
  readonly answer: (status: number, contentType: string, body: string) => void
  readonly delay: (ms: number) => void
  /** From now on requests are taken and never answered. */
  readonly silence: () => void
  /** From now on connections are closed as soon as a request has come in. */
  readonly reset: () => void
  /** The server's clock, in milliseconds from the real one. */
  readonly skew: (ms: number) => void
  /** A web identity token that STS takes. */
  readonly webIdentityToken: string
  readonly requests: () => readonly AwsRequest[]
  /** The most requests that were ever answered at the same time. */
  readonly peak: () => number
  /** Secret access keys and session tokens that were given out or are valid. */
  readonly credentials: () => readonly string[]
  /** May be called twice. */
  readonly stop: () => Promise<void>
}

type StoredVersion = {
  readonly id: string
  readonly text?: string
  readonly bytes?: Buffer
  readonly labels: Set<string>
  /** Seconds since 1970, as AWS's JSON carries dates. */
  readonly created: number
}
type StoredSecret = {
  readonly name: string
  readonly arn: string
  readonly versions: StoredVersion[]
  readonly created: number
  deleted?: number
}
type Login = {readonly secretAccessKey: string; readonly sessionToken?: string; readonly arn: string}
type Body = Readonly<Record<string, unknown>>

class Refusal extends Error {
  readonly status: number
  readonly type: string
  constructor({status = 400, type, message = ''}: AwsFailure) {
    super(message)
    this.status = status
    this.type = type
  }
}

const refuse = (type: string, message: string, status = 400): never => {
  throw new Refusal({type, message, status})
}

/**
 * AWS Secrets Manager and the two calls of STS that we need, over the real protocols (AWS JSON 1.1 and Query) with real
 * SigV4 checks. Every region has secrets of its own, told apart by the scope of the signature, as on AWS.
 *
 * Sources: docs.aws.amazon.com/secretsmanager/latest/apireference, docs.aws.amazon.com/STS/latest/APIReference and
 * docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
 */
export async function startAwsFake({
  port = 0,
  delayMs = 0,
}: {readonly port?: number; readonly delayMs?: number} = {}): Promise<AwsFake> {
  const regions = new Map<string, Map<string, StoredSecret>>()
  const logins = new Map<string, Login>([
    [exampleCredentials.accessKeyId, {...exampleCredentials, arn: `arn:aws:iam::${account}:user/myapp-ci`}],
  ])
  const forbidden = new Set<string>()
  const requests: AwsRequest[] = []
  const webIdentityToken = `web-identity-${randomUUID()}`
  let [inFlight, peak, delay, clockSkewMs] = [0, 0, delayMs, 0]
  let rejection: AwsFailure | undefined
  let failure: {readonly failure: AwsFailure; left: number} | undefined
  let canned: {readonly status: number; readonly contentType: string; readonly body: string} | undefined
  let mode: 'answering' | 'silent' | 'resetting' = 'answering'

  const server = createServer((request, response) => {
    void serve(request, response)
  })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isSts = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false
    let raw: Buffer
    try {
      raw = await bytesOf(request)
    } catch {
      // The client has left.
      return
    }
    inFlight++
    response.once('close', () => inFlight--)
    peak = Math.max(peak, inFlight)
    const query = isSts ? Object.fromEntries(new URLSearchParams(raw.toString())) : {}
    const body = isSts ? query : jsonOf(raw)
    const operation = isSts
      ? (query['Action'] ?? '')
      : String(request.headers['x-amz-target']).replace(/^secretsmanager\./, '')
    const region = scopeOf(request.headers.authorization)?.region ?? ''
    requests.push({operation, region, secret: nameIn(body), inFlight})

    if (mode === 'silent') return
    if (mode === 'resetting') return void request.socket.resetAndDestroy()
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay))
    if (response.destroyed) return
    try {
      if (canned) return reply(response, canned.status, canned.contentType, canned.body)
      if (isSts) return reply(response, 200, 'text/xml', sts(request, raw, query))
      if (failure && failure.left > 0) {
        failure.left--
        throw new Refusal(failure.failure)
      }
      authenticate(request, raw, 'secretsmanager')
      if (request.method !== 'POST' || request.headers['content-type'] !== 'application/x-amz-json-1.1' || !body)
        return reply(response, 404, 'application/x-amz-json-1.1', '{"__type":"UnknownOperationException"}')
      reply(response, 200, 'application/x-amz-json-1.1', JSON.stringify(secretsManager(operation, region, body)))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const {status, type, message} = error
      if (isSts) reply(response, status, 'text/xml', stsError(type, message))
      else {
        response.setHeader('x-amzn-errortype', type)
        reply(response, status, 'application/x-amz-json-1.1', JSON.stringify({__type: type, Message: message}))
      }
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

  /** @returns the login behind the request's signature; refuses with AWS's names and order of checks. */
  function authenticate(request: IncomingMessage, raw: Buffer, service: string): Login {
    const scope = scopeOf(request.headers.authorization)
    if (!scope) return refuse('MissingAuthenticationTokenException', 'Missing Authentication Token')
    if (rejection) throw new Refusal(rejection)
    const login = logins.get(scope.accessKeyId)
    if (!login || request.headers['x-amz-security-token'] !== login.sessionToken)
      return refuse('UnrecognizedClientException', 'The security token included in the request is invalid.')
    if (scope.service !== service)
      refuse('InvalidSignatureException', `Credential should be scoped to correct service: '${service}'.`)
    const sent = String(request.headers['x-amz-date'])
    if (sent.slice(0, 8) !== scope.date)
      refuse('InvalidSignatureException', 'Date in Credential scope does not match X-Amz-Date')
    const at = Date.parse(sent.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
    const now = Date.now() + clockSkewMs
    // "Signature not yet current" the other way round; NaN where the header is none.
    if (!(Math.abs(at - now) <= 5 * 60_000))
      refuse(
        'InvalidSignatureException',
        `Signature expired: ${sent} is now earlier than ${new Date(now - 5 * 60_000).toISOString()} (… - 5 min.)`,
      )
    if (signatureOf(request, raw, scope, login.secretAccessKey) !== scope.signature)
      refuse(
        'InvalidSignatureException',
        'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
      )
    return login
  }

  function sts(request: IncomingMessage, raw: Buffer, query: Readonly<Record<string, string>>): string {
    const action = query['Action'] ?? ''
    switch (action) {
      case 'GetCallerIdentity': {
        const {arn} = authenticate(request, raw, 'sts')
        return stsAnswer(
          'GetCallerIdentity',
          `<Arn>${arn}</Arn><UserId>AIDAEXAMPLE</UserId><Account>${account}</Account>`,
        )
      }
      case 'AssumeRoleWithWebIdentity': {
        if (rejection) throw new Refusal(rejection)
        if (query['WebIdentityToken'] !== webIdentityToken)
          refuse('InvalidIdentityToken', 'Couldn’t retrieve verification key from your identity provider')
        const arn = `arn:aws:sts::${account}:assumed-role/${query['RoleArn']?.split('/').at(-1)}/${query['RoleSessionName']}`
        const accessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`
        const login = {
          secretAccessKey: randomBytes(30).toString('base64'),
          sessionToken: randomBytes(90).toString('base64'),
          arn,
        }
        logins.set(accessKeyId, login)
        const expiration = new Date(Date.now() + clockSkewMs + 3_600_000).toISOString()
        return stsAnswer(
          'AssumeRoleWithWebIdentity',
          `<Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${login.secretAccessKey}</SecretAccessKey><SessionToken>${login.sessionToken}</SessionToken><Expiration>${expiration}</Expiration></Credentials><AssumedRoleUser><Arn>${arn}</Arn><AssumedRoleId>AROAEXAMPLE:session</AssumedRoleId></AssumedRoleUser>`,
        )
      }
      default:
        return refuse('InvalidAction', `Could not find operation ${action}`)
    }
  }

  const secretsIn = (region: string): Map<string, StoredSecret> => {
    if (!regions.has(region)) regions.set(region, new Map())
    return regions.get(region)!
  }

  function secretsManager(operation: string, region: string, body: Body): unknown {
    const secrets = secretsIn(region)
    const find = (id = textOf(body['SecretId'])): StoredSecret => {
      // A name, a whole ARN, or one without its last seven characters.
      const found = [...secrets.values()].find(({name, arn}) => [name, arn, arn.slice(0, -7)].includes(id))
      return found ?? refuse('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
    }
    const findAlive = (id?: string): StoredSecret => {
      const secret = find(id)
      if (secret.deleted !== undefined)
        refuse(
          'InvalidRequestException',
          "You can't perform this operation on the secret because it was marked for deletion.",
        )
      return secret
    }
    const allow = (action: string, id: string): void => {
      if (forbidden.has(id))
        refuse(
          'AccessDeniedException',
          `User: arn:aws:iam::${account}:user/myapp-ci is not authorized to perform: secretsmanager:${action} on resource: ${id} because no identity-based policy allows the secretsmanager:${action} action`,
        )
    }

    allow(operation, nameIn(body))
    switch (operation) {
      case 'GetSecretValue':
        return valueOf(findAlive(), body)
      case 'BatchGetSecretValue': {
        const ids = body['SecretIdList'] as readonly string[]
        if (ids.length > 20)
          refuse(
            'ValidationException',
            "1 validation error detected: Value at 'secretIdList' failed to satisfy constraint: Member must have length less than or equal to 20",
          )
        const [SecretValues, Errors]: [unknown[], unknown[]] = [[], []]
        for (const id of ids) {
          try {
            allow('GetSecretValue', id)
            SecretValues.push(valueOf(findAlive(id), {}))
          } catch (error) {
            if (!(error instanceof Refusal)) throw error
            Errors.push({SecretId: id, ErrorCode: error.type, Message: error.message})
          }
        }
        return {SecretValues, Errors}
      }
      case 'DescribeSecret': {
        const {arn, name, versions, created, deleted} = find()
        const labelled = versions.filter(({labels}) => labels.size > 0)
        return {
          ARN: arn,
          Name: name,
          CreatedDate: created,
          ...(deleted !== undefined && {DeletedDate: deleted}),
          VersionIdsToStages: Object.fromEntries(labelled.map(({id, labels}) => [id, [...labels]])),
        }
      }
      case 'ListSecretVersionIds': {
        const {arn, name, versions} = find()
        const shown = versions.filter(({labels}) => labels.size > 0 || body['IncludeDeprecated'] === true)
        const from = Number(body['NextToken'] ?? 0)
        const to = from + Number(body['MaxResults'] ?? 100)
        return {
          ARN: arn,
          Name: name,
          Versions: shown
            .slice(from, to)
            .map(({id, labels, created}) => ({VersionId: id, VersionStages: [...labels], CreatedDate: created})),
          ...(to < shown.length && {NextToken: String(to)}),
        }
      }
      case 'CreateSecret': {
        const name = textOf(body['Name'])
        if (!/^[A-Za-z0-9/_+=.@!-]{1,512}$/.test(name))
          refuse(
            'ValidationException',
            'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
          )
        const existing = secrets.get(name)
        if (existing?.deleted !== undefined)
          refuse(
            'InvalidRequestException',
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
          )
        const repeated = existing?.versions.find(({id}) => id === body['ClientRequestToken'])
        if (existing && !repeated)
          refuse('ResourceExistsException', `The operation failed because the secret ${name} already exists.`)
        checkPayload(body)
        const secret = existing ?? create(secrets, region, name)
        const hasValue = body['SecretString'] !== undefined || body['SecretBinary'] !== undefined
        const version = hasValue ? store(secret, body) : undefined
        return {ARN: secret.arn, Name: name, ...(version && {VersionId: version.id})}
      }
      case 'PutSecretValue': {
        const secret = findAlive()
        checkPayload(body)
        const version = store(secret, body)
        return {ARN: secret.arn, Name: secret.name, VersionId: version.id, VersionStages: [...version.labels]}
      }
      case 'UpdateSecretVersionStage': {
        const secret = findAlive()
        moveLabel(secret, textOf(body['VersionStage']), body)
        return {ARN: secret.arn, Name: secret.name}
      }
      case 'DeleteSecret': {
        const secret = find()
        if (body['ForceDeleteWithoutRecovery'] === true) secrets.delete(secret.name)
        secret.deleted = now() + 86_400 * Number(body['RecoveryWindowInDays'] ?? 30)
        return {ARN: secret.arn, Name: secret.name, DeletionDate: secret.deleted}
      }
      default:
        return refuse('UnknownOperationException', '')
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve)
  })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    put(name, value, region = 'us-east-1') {
      const secret = secretsIn(region).get(name) ?? create(secretsIn(region), region, name)
      if (typeof value === 'string') store(secret, {SecretString: value})
      else if (value) store(secret, {SecretBinary: value.toString('base64')})
    },
    remove(name) {
      for (const secrets of regions.values()) {
        const secret = secrets.get(name)
        if (secret) secret.deleted = now()
      }
    },
    forbid: (name) => void forbidden.add(name),
    reject: (with_) => (rejection = with_),
    fail: (with_, times) => (failure = {failure: with_, left: times}),
    answer: (status, contentType, body) => (canned = {status, contentType, body}),
    delay: (ms) => (delay = ms),
    silence: () => (mode = 'silent'),
    reset: () => (mode = 'resetting'),
    skew: (ms) => (clockSkewMs = ms),
    webIdentityToken,
    requests: () => requests,
    peak: () => peak,
    credentials: () => [
      webIdentityToken,
      ...[...logins.values()].flatMap(({secretAccessKey, sessionToken}) => [
        secretAccessKey,
        ...(sessionToken ? [sessionToken] : []),
      ]),
    ],
    stop: () =>
      new Promise<void>((resolve) => {
        // Its error says that the server was stopped before.
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function create(secrets: Map<string, StoredSecret>, region: string, name: string): StoredSecret {
  const suffix = randomBytes(3).toString('hex')
  const secret = {
    name,
    arn: `arn:aws:secretsmanager:${region}:${account}:secret:${name}-${suffix}`,
    versions: [],
    created: now(),
  }
  secrets.set(name, secret)
  return secret
}

function valueOf(secret: StoredSecret, {VersionId, VersionStage}: Body): unknown {
  const label = VersionStage ?? (VersionId === undefined ? 'AWSCURRENT' : undefined)
  const version = secret.versions.find(
    ({id, labels}) =>
      (VersionId === undefined || id === VersionId) && (label === undefined || labels.has(textOf(label))),
  )
  if (!version)
    return refuse(
      'ResourceNotFoundException',
      `Secrets Manager can't find the specified secret value for ${label === undefined ? `VersionId: ${textOf(VersionId)}` : `staging label: ${textOf(label)}`}`,
    )
  const {id, text, bytes, labels, created} = version
  return {
    ARN: secret.arn,
    Name: secret.name,
    VersionId: id,
    ...(text !== undefined && {SecretString: text}),
    ...(bytes !== undefined && {SecretBinary: bytes.toString('base64')}),
    VersionStages: [...labels],
    CreatedDate: created,
  }
}

function checkPayload({SecretString, SecretBinary, ClientRequestToken, VersionStages}: Body): void {
  const size =
    SecretString === undefined
      ? SecretBinary && Buffer.from(textOf(SecretBinary), 'base64').length
      : Buffer.byteLength(textOf(SecretString))
  const limit = (size === 0 && 'greater than or equal to 1') || (Number(size) > 65_536 && 'less than or equal to 65536')
  const member = SecretString === undefined ? 'secretBinary' : 'secretString'
  if (limit)
    refuse(
      'ValidationException',
      `1 validation error detected: Value at '${member}' failed to satisfy constraint: Member must have length ${limit}`,
    )
  if (SecretString !== undefined && SecretBinary !== undefined)
    refuse(
      'InvalidParameterException',
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    )
  if (ClientRequestToken !== undefined && !/^.{32,64}$/.test(textOf(ClientRequestToken)))
    refuse('InvalidParameterException', 'ClientRequestToken must be 32-64 characters long.')
  if (Array.isArray(VersionStages) && (VersionStages.length === 0 || VersionStages.length > 20))
    refuse('InvalidParameterException', 'VersionStages must have 1 to 20 members.')
}

/** A new version with its labels; the same one again for the same token and payload, as a retry needs it. */
function store(
  secret: StoredSecret,
  {SecretString, SecretBinary, ClientRequestToken = randomUUID(), VersionStages}: Body,
): StoredVersion {
  const id = textOf(ClientRequestToken)
  const payload = {
    ...(SecretString !== undefined && {text: textOf(SecretString)}),
    ...(SecretBinary !== undefined && {bytes: Buffer.from(textOf(SecretBinary), 'base64')}),
  }
  const repeated = secret.versions.find((version) => version.id === id)
  if (repeated) {
    const same =
      repeated.text === payload.text &&
      (repeated.bytes?.equals(payload.bytes ?? Buffer.of()) ?? payload.bytes === undefined)
    return same ? repeated : refuse('ResourceExistsException', 'A resource with the ID you requested already exists.')
  }
  // Versions made in one millisecond still have an order.
  const created = Math.max(now(), (secret.versions.at(-1)?.created ?? 0) + 0.001)
  const version: StoredVersion = {id, ...payload, labels: new Set(), created}
  const first = secret.versions.length === 0
  secret.versions.push(version)
  const labels = new Set((VersionStages as readonly string[] | undefined) ?? ['AWSCURRENT'])
  if (first) labels.add('AWSCURRENT')
  for (const label of labels) attach(secret, label, version)
  return version
}

/** Puts a label on one version and takes it off the others; AWSPREVIOUS follows AWSCURRENT. */
function attach({versions}: StoredSecret, label: string, to: StoredVersion | undefined): void {
  const from = versions.find(({labels}) => labels.has(label))
  from?.labels.delete(label)
  to?.labels.add(label)
  if (label !== 'AWSCURRENT' || !from || from === to) return
  for (const {labels} of versions) labels.delete('AWSPREVIOUS')
  from.labels.add('AWSPREVIOUS')
}

function moveLabel(secret: StoredSecret, label: string, {RemoveFromVersionId, MoveToVersionId}: Body): void {
  const from = secret.versions.find(({labels}) => labels.has(label))
  const to = secret.versions.find(({id}) => id === MoveToVersionId)
  if (MoveToVersionId !== undefined && !to)
    refuse(
      'ResourceNotFoundException',
      `Secrets Manager can't find the specified secret value for VersionId: ${textOf(MoveToVersionId)}`,
    )
  if (from && from !== to && from.id !== RemoveFromVersionId)
    refuse(
      'InvalidParameterException',
      `The parameter RemoveFromVersionId can't be empty. Staging label ${label} is currently attached to version ${from.id}, so you must explicitly reference that version in RemoveFromVersionId.`,
    )
  if (!to && label === 'AWSCURRENT')
    refuse(
      'InvalidParameterException',
      "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
    )
  attach(secret, label, to)
}

type Scope = {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly service: string
  readonly signedHeaders: string
  readonly signature: string
}

function scopeOf(authorization = ''): Scope | undefined {
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

/** Signature Version 4 for requests without a query string, which is all that these two services get. */
function signatureOf(
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

const now = (): number => Date.now() / 1000

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : refuse('ValidationException', 'A member is missing or not a string')

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function nameIn(body: Body | undefined): string {
  const name = body?.['SecretId'] ?? body?.['Name']
  return typeof name === 'string' ? name : ''
}

function jsonOf(raw: Buffer): Body | undefined {
  try {
    return JSON.parse(raw.toString()) as Body
  } catch {
    return undefined
  }
}

const stsAnswer = (action: string, result: string): string =>
  `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></${action}Response>`

const stsError = (code: string, message: string): string =>
  `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`

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
