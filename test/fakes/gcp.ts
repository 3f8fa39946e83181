/* A Google Cloud Secret Manager that answers as the service does, to the official SDK over gRPC, and the three places where
   the SDK gets tokens from: self-signed ones, a security token service, the metadata server. Startable as a program. */
import {generateKeyPairSync, type KeyObject, randomBytes, verify} from 'node:crypto'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import {createRequire} from 'node:module'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {GrpcClient, grpc} from 'google-gax'

import type {LoggedRead} from '../providers/contract.ts'

const scope = 'https://www.googleapis.com/auth/cloud-platform'
/** The project that this service knows: names come in with its id, and go out with its number. */
export const project = {id: 'myapp-project', number: '424242424242'} as const
/** The most that one version may hold. Source: https://cloud.google.com/secret-manager/quotas */
const maxPayloadBytes = 65_536

type State = 'ENABLED' | 'DISABLED' | 'DESTROYED'
type StoredVersion = {state: State; readonly data: Buffer}
type StoredSecret = {readonly versions: StoredVersion[]; readonly aliases: Map<string, number>}

export type FakeGcp = {
  /** For `api_endpoint`: `http://127.0.0.1:PORT`, or `https://…` when it was started with a certificate. */
  readonly endpoint: string
  /** Token service and metadata server: `127.0.0.1:PORT`. */
  readonly tokenHost: string
  /** A service account's key file, with an RSA key made for this run. */
  readonly serviceAccount: object
  /** A credential file for workload identity federation, as google-github-actions/auth writes one. */
  readonly workloadIdentity: object
  /** The file of `gcloud auth application-default login`; its tokens come from https://oauth2.googleapis.com alone. */
  readonly userLogin: object
  /** Texts that no message may hold. */
  readonly credentials: () => readonly string[]
  /** `name` is a plain name, or a regional one: `locations/L/secrets/NAME`. */
  readonly seed: (name: string, value: string | Buffer) => void
  /** A secret without versions, as `gcloud secrets create` makes one. */
  readonly create: (name: string) => void
  readonly setState: (name: string, version: number, state: State) => void
  readonly setAlias: (name: string, alias: string, version: number) => void
  readonly versionsOf: (name: string) => readonly string[]
  readonly forbid: (name: string) => void
  /** The next `times` calls end with this gRPC status. */
  readonly fail: (code: number, times: number, reason?: string) => void
  readonly corrupt: (name: string) => void
  readonly delay: (ms: number) => void
  readonly silence: () => void
  /** The token service and the metadata server take connections and say nothing. */
  readonly silenceTokens: () => void
  readonly rejectLogins: () => void
  /** Called once, in the middle of the next AddSecretVersion: for a second writer. */
  readonly beforeNextAdd: (act: () => void) => void
  readonly reads: () => readonly LoggedRead[]
  /** Every call by method name, reads included. */
  readonly calls: () => readonly string[]
  /** Token requests, and distinct self-signed tokens. */
  readonly logins: () => number
  readonly stop: () => Promise<void>
}

/** @param options.tls - PEM texts; without them gRPC and the token service speak plain text. */
export async function startGcp(
  options: {readonly tls?: {readonly key: string; readonly cert: string}} = {},
): Promise<FakeGcp> {
  const secrets = new Map<string, StoredSecret>()
  const forbidden = new Set<string>()
  const corrupted = new Set<string>()
  const reads: LoggedRead[] = []
  const calls: string[] = []
  const issued = new Set<string>()
  const selfSigned = new Set<string>()
  let [inFlight, delayMs, tokenRequests] = [0, 0, 0]
  let [silent, tokensSilent, loginsRejected] = [false, false, false]
  let fault: {code: number; times: number; reason?: string | undefined} | undefined
  let beforeAdd: (() => void) | undefined

  const account = {email: 'ci@myapp-project.iam.gserviceaccount.com', keyId: randomBytes(20).toString('hex')}
  const {privateKey, publicKey} = generateKeyPairSync('rsa', {modulusLength: 2048})
  const privatePem = privateKey.export({type: 'pkcs8', format: 'pem'}) as string
  const subjectToken = `oidc-token-${randomBytes(16).toString('hex')}`
  const refreshToken = `1//fake-${randomBytes(24).toString('hex')}`
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-fake-gcp-'))
  const subjectTokenFile = join(directory, 'oidc-token')
  writeFileSync(subjectTokenFile, subjectToken, {mode: 0o600})

  // Who is asking ---------------------------------------------------------------------------------------------------

  function authenticated(metadata: grpc.Metadata): boolean {
    const header = metadata.get('authorization')[0]
    const token = typeof header === 'string' ? /^Bearer (.+)$/.exec(header)?.[1] : undefined
    if (token === undefined || loginsRejected) return false
    if (issued.has(token)) return true
    if (!isSelfSigned(token, account, publicKey)) return false
    selfSigned.add(token)
    return true
  }

  // What is there ---------------------------------------------------------------------------------------------------

  const stored = (path: string): StoredSecret | undefined => secrets.get(path)
  const pathOf = (name: string): string => (name.startsWith('locations/') ? name : `secrets/${name}`)
  const publicName = (path: string): string => `projects/${project.number}/${path}`

  function parse(name: string): {readonly path: string; readonly secret: string; readonly version: string | undefined} {
    const parts =
      /^projects\/([^/]+)\/((?:locations\/[a-z0-9-]+\/)?secrets\/([\w-]{1,255}))(?:\/versions\/([\w-]+))?$/.exec(name)
    if (!parts) throw new Refusal(grpc.status.INVALID_ARGUMENT, `Resource ID [${name}] is not in a valid format.`)
    const [, inProject, path, secret, version] = parts
    if (inProject !== project.id && inProject !== project.number) throw denied('secretmanager.versions.access', name)
    return {path: path!, secret: secret!, version}
  }

  function numberOf(path: string, version: string): number {
    const secret = stored(path)
    if (!secret || secret.versions.length === 0) {
      throw new Refusal(grpc.status.NOT_FOUND, `Secret [${publicName(path)}] not found or has no versions.`)
    }
    const number =
      version === 'latest'
        ? secret.versions.length
        : /^\d+$/.test(version)
          ? Number(version)
          : secret.aliases.get(version)
    if (number === undefined || number < 1 || number > secret.versions.length) {
      throw new Refusal(grpc.status.NOT_FOUND, `Secret Version [${publicName(path)}/versions/${version}] not found.`)
    }
    return number
  }

  function add(path: string, data: Buffer): number {
    const secret = stored(path)
    if (!secret) throw new Refusal(grpc.status.NOT_FOUND, `Secret [${publicName(path)}] not found.`)
    return secret.versions.push({state: 'ENABLED', data})
  }

  function setState(path: string, number: number, state: State): object {
    stored(path)!.versions[number - 1]!.state = state
    return versionOf(path, number)
  }

  const versionOf = (path: string, number: number): object => ({
    name: `${publicName(path)}/versions/${number}`,
    state: stored(path)!.versions[number - 1]!.state,
  })

  // What it can do --------------------------------------------------------------------------------------------------

  const methods = {
    accessSecretVersion({name}: {name: string}) {
      const {path, secret, version = ''} = parse(name)
      if (version === '')
        throw new Refusal(grpc.status.INVALID_ARGUMENT, `Resource ID [${name}] is not in a valid format.`)
      if (forbidden.has(secret)) throw denied('secretmanager.versions.access', name)
      const number = numberOf(path, version)
      const {state, data} = stored(path)!.versions[number - 1]!
      if (state !== 'ENABLED') {
        throw new Refusal(
          grpc.status.FAILED_PRECONDITION,
          `Secret Version [${publicName(path)}/versions/${number}] is in ${state} state.`,
        )
      }
      const damaged = corrupted.has(secret) ? Buffer.concat([data, Buffer.from('x')]) : data
      return {
        name: `${publicName(path)}/versions/${number}`,
        payload: {data: damaged, dataCrc32c: String(castagnoli(data))},
      }
    },

    createSecret({parent, secretId}: {parent: string; secretId: string}) {
      const {path} = parse(`${parent}/secrets/${secretId}`)
      if (stored(path)) throw new Refusal(grpc.status.ALREADY_EXISTS, `Secret [${publicName(path)}] already exists.`)
      secrets.set(path, {versions: [], aliases: new Map()})
      return {name: publicName(path)}
    },

    addSecretVersion({parent, payload}: {parent: string; payload: {data: Buffer; dataCrc32c?: string}}) {
      const {path, secret} = parse(parent)
      if (forbidden.has(secret)) throw denied('secretmanager.versions.add', parent)
      if (payload.data.length === 0) throw new Refusal(grpc.status.INVALID_ARGUMENT, 'Secret Payload cannot be empty.')
      if (payload.data.length > maxPayloadBytes) {
        throw new Refusal(grpc.status.INVALID_ARGUMENT, 'The size of the payload is larger than 65536 bytes.')
      }
      if (payload.dataCrc32c !== undefined && payload.dataCrc32c !== String(castagnoli(payload.data))) {
        throw new Refusal(grpc.status.INVALID_ARGUMENT, 'The checksum of the payload does not match.')
      }
      const act = beforeAdd
      beforeAdd = undefined
      act?.()
      return versionOf(path, add(path, payload.data))
    },

    getSecret({name}: {name: string}) {
      const {path} = parse(name)
      const secret = stored(path)
      if (!secret) throw new Refusal(grpc.status.NOT_FOUND, `Secret [${publicName(path)}] not found.`)
      return {name: publicName(path), versionAliases: Object.fromEntries(secret.aliases)}
    },

    listSecretVersions({parent}: {parent: string}) {
      const {path} = parse(parent)
      const versions = (stored(path)?.versions ?? []).map((_, index) => versionOf(path, index + 1))
      return {versions: versions.toReversed(), totalSize: versions.length}
    },

    disableSecretVersion({name}: {name: string}) {
      const {path, version = ''} = parse(name)
      return setState(path, numberOf(path, version), 'DISABLED')
    },

    destroySecretVersion({name}: {name: string}) {
      const {path, version = ''} = parse(name)
      return setState(path, numberOf(path, version), 'DESTROYED')
    },
  }

  /** Log, faults and authentication around a method, in the order in which a service meets them. */
  const handler =
    (method: string, answer: (request: never) => object): grpc.handleUnaryCall<object, object> =>
    (call, done) => {
      calls.push(method)
      let answered = false
      const finish = (error: Refusal | null, value?: object) => {
        if (answered) return
        answered = true
        inFlight--
        done(error, value)
      }
      inFlight++
      call.on('cancelled', () => {
        if (!answered) inFlight--
        answered = true
      })
      if (method === 'accessSecretVersion') {
        const {name} = call.request as {name: string}
        reads.push({name: /secrets\/([^/]+)/.exec(name)?.[1] ?? name, inFlight})
      }
      if (silent) return
      const respond = () => {
        if (answered) return
        if (fault && fault.times > 0) {
          fault.times--
          return finish(new Refusal(fault.code, 'A fault of this fake.', fault.reason))
        }
        if (!authenticated(call.metadata)) {
          return finish(
            new Refusal(
              grpc.status.UNAUTHENTICATED,
              'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
            ),
          )
        }
        try {
          finish(null, answer(call.request as never))
        } catch (error) {
          finish(error as Refusal)
        }
      }
      if (delayMs === 0) respond()
      else setTimeout(respond, delayMs).unref()
    }

  // The token service and the metadata server ------------------------------------------------------------------------

  function issueToken(): object {
    const token = `ya29.fake-${randomBytes(24).toString('hex')}`
    issued.add(token)
    return {
      access_token: token,
      token_type: 'Bearer',
      expires_in: 3599,
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    }
  }

  async function tokens(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (tokensSilent) return
    const json = (status: number, body: object) =>
      response
        .writeHead(status, {'content-type': 'application/json', 'metadata-flavor': 'Google'})
        .end(JSON.stringify(body))
    const path = request.url?.split('?')[0]
    if (request.method === 'POST' && path === '/v1/token') {
      tokenRequests++
      const form = new URLSearchParams(Buffer.concat(chunks).toString())
      const good =
        !loginsRejected &&
        form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:token-exchange' &&
        form.get('scope') === scope &&
        form.get('subject_token') === subjectToken
      json(
        good ? 200 : 400,
        good ? issueToken() : {error: 'invalid_grant', error_description: `Bad token ${form.get('subject_token')}`},
      )
    } else if (request.method === 'POST' && path === '/token') {
      tokenRequests++
      const form = new URLSearchParams(Buffer.concat(chunks).toString())
      const good =
        !loginsRejected && form.get('grant_type') === 'refresh_token' && form.get('refresh_token') === refreshToken
      json(
        good ? 200 : 400,
        good ? issueToken() : {error: 'invalid_grant', error_description: 'Token has been revoked.'},
      )
    } else if (request.headers['metadata-flavor'] !== 'Google') {
      json(403, {})
    } else if (path === '/computeMetadata/v1/instance/service-accounts/default/token') {
      tokenRequests++
      if (loginsRejected) json(404, {})
      else json(200, issueToken())
    } else if (path === '/computeMetadata/v1/instance/service-accounts/default/email') {
      response.writeHead(200, {'metadata-flavor': 'Google'}).end('vm@myapp-project.iam.gserviceaccount.com')
    } else if (
      path === '/computeMetadata/v1/universe/universe-domain' ||
      path === '/computeMetadata/v1/universe/universe_domain'
    ) {
      response.writeHead(200, {'metadata-flavor': 'Google'}).end('googleapis.com')
    } else if (path === '/computeMetadata/v1/instance') {
      json(200, {})
    } else json(404, {})
  }

  const tokenListener = (request: IncomingMessage, response: ServerResponse) => void tokens(request, response)
  const tokenServer = options.tls ? createTlsServer(options.tls, tokenListener) : createServer(tokenListener)
  await new Promise<void>((resolve) => tokenServer.listen(0, '127.0.0.1', resolve))
  const tokenHost = `127.0.0.1:${(tokenServer.address() as AddressInfo).port}`

  const server = new grpc.Server()
  // From the SDK's own proto files, as JSON: what it can send and read is what we can.
  const protos: object = createRequire(import.meta.url)('@google-cloud/secret-manager/build/protos/protos.json')
  const loaded = new GrpcClient({}).loadProtoJSON(protos) as unknown as {
    google: {cloud: {secretmanager: {v1: {SecretManagerService: {service: grpc.ServiceDefinition}}}}}
  }
  server.addService(
    loaded.google.cloud.secretmanager.v1.SecretManagerService.service,
    Object.fromEntries(Object.entries(methods).map(([name, answer]) => [name, handler(name, answer)])),
  )
  const serverCredentials = options.tls
    ? grpc.ServerCredentials.createSsl(null, [
        {private_key: Buffer.from(options.tls.key), cert_chain: Buffer.from(options.tls.cert)},
      ])
    : grpc.ServerCredentials.createInsecure()
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', serverCredentials, (error, bound) => (error ? reject(error) : resolve(bound)))
  })

  return {
    endpoint: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    tokenHost,
    serviceAccount: {
      type: 'service_account',
      project_id: project.id,
      private_key_id: account.keyId,
      private_key: privatePem,
      client_email: account.email,
      client_id: '100000000000000000001',
      // The SDK signs its tokens itself, and reads no token_uri.
      token_uri: `http://${tokenHost}/token`,
      universe_domain: 'googleapis.com',
    },
    workloadIdentity: {
      type: 'external_account',
      audience: `//iam.googleapis.com/projects/${project.number}/locations/global/workloadIdentityPools/ci/providers/ci`,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${options.tls ? 'https' : 'http'}://${tokenHost}/v1/token`,
      credential_source: {file: subjectTokenFile},
    },
    userLogin: {
      type: 'authorized_user',
      account: 'dev@example.com',
      client_id: 'fake.apps.googleusercontent.com',
      client_secret: 'not-so-secret',
      refresh_token: refreshToken,
      universe_domain: 'googleapis.com',
    },
    credentials: () => [privatePem, privatePem.split('\n')[1]!, subjectToken, refreshToken, ...issued, ...selfSigned],
    seed(name, value) {
      const path = pathOf(name)
      if (!stored(path)) secrets.set(path, {versions: [], aliases: new Map()})
      add(path, Buffer.from(value))
    },
    create: (name) => void secrets.set(pathOf(name), {versions: [], aliases: new Map()}),
    setState: (name, version, state) => void setState(pathOf(name), version, state),
    setAlias: (name, alias, version) => void stored(pathOf(name))!.aliases.set(alias, version),
    versionsOf: (name) => (stored(pathOf(name))?.versions ?? []).map(({data}) => data.toString()),
    forbid: (name) => void forbidden.add(name),
    corrupt: (name) => void corrupted.add(name),
    fail: (code, times, reason) => void (fault = {code, times, reason}),
    delay: (ms) => void (delayMs = ms),
    silence: () => void (silent = true),
    silenceTokens: () => void (tokensSilent = true),
    rejectLogins: () => void (loginsRejected = true),
    beforeNextAdd: (act) => void (beforeAdd = act),
    reads: () => reads,
    calls: () => calls,
    logins: () => tokenRequests + selfSigned.size,
    async stop() {
      rmSync(directory, {recursive: true, force: true})
      server.forceShutdown()
      tokenServer.closeAllConnections()
      await new Promise<void>((resolve) => tokenServer.close(() => resolve()))
    },
  }
}

/** Is this a JWT of the service account that allows what we ask for? Source: https://google.aip.dev/auth/4111 */
function isSelfSigned(
  token: string,
  account: {readonly email: string; readonly keyId: string},
  key: KeyObject,
): boolean {
  const [head, body, signature, ...rest] = token.split('.')
  if (head === undefined || body === undefined || signature === undefined || rest.length > 0) return false
  if (!verify('RSA-SHA256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))) return false
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as {alg?: string; kid?: string}
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>
  const [now, issuedAt, expires] = [Date.now() / 1000, Number(claims['iat']), Number(claims['exp'])]
  return (
    header.alg === 'RS256' &&
    header.kid === account.keyId &&
    claims['iss'] === account.email &&
    claims['sub'] === account.email &&
    issuedAt <= now + 60 &&
    expires > now &&
    expires - issuedAt <= 3600 &&
    (claims['scope'] === scope || claims['aud'] === 'https://secretmanager.googleapis.com/')
  )
}

/** A refused call, in the shape that the server of @grpc/grpc-js sends on. */
class Refusal extends Error {
  readonly code: number
  readonly details: string
  readonly metadata = new grpc.Metadata()

  constructor(code: number, details: string, reason?: string) {
    super(details)
    this.code = code
    this.details = details
    if (reason !== undefined) this.metadata.set('grpc-status-details-bin', statusDetails(code, details, reason))
  }
}

const denied = (permission: string, name: string): Refusal =>
  new Refusal(
    grpc.status.PERMISSION_DENIED,
    `Permission '${permission}' denied for resource '${name}' (or it may not exist).`,
  )

/** A google.rpc.Status with one ErrorInfo in it, in protobuf's wire format: every field here is text but the code. */
function statusDetails(code: number, message: string, reason: string): Buffer {
  const field = (number: number, bytes: Buffer | string): Buffer => {
    const body = Buffer.from(bytes)
    const size = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7]
    return Buffer.concat([Buffer.from([(number << 3) | 2, ...size]), body])
  }
  const info = Buffer.concat([field(1, reason), field(2, 'googleapis.com')])
  const any = Buffer.concat([field(1, 'type.googleapis.com/google.rpc.ErrorInfo'), field(2, info)])
  return Buffer.concat([Buffer.from([8, code]), field(2, message), field(3, any)])
}

/** CRC32C bit by bit, on its own: the adapter's must agree with somebody else's. */
function castagnoli(bytes: Buffer): number {
  let crc = 0xffffffffn
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n
  }
  return Number(crc ^ 0xffffffffn)
}

if (import.meta.main) {
  const fake = await startGcp()
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-fake-gcp-'))
  const keyFile = join(directory, 'service-account.json')
  writeFileSync(keyFile, JSON.stringify(fake.serviceAccount), {mode: 0o600})
  for (const argument of process.argv.slice(2)) {
    const [name, file] = argument.split('=', 2)
    if (name === undefined || file === undefined)
      throw new Error(`Expected NAME=FILE, the file with the value: ${argument}`)
    fake.seed(name, readFileSync(file))
  }
  process.stdout.write(
    [
      `# A fake GCP Secret Manager listens at ${fake.endpoint}; it keeps nothing when it ends. To use it:`,
      `export ENVDRIFT_GCP_API_ENDPOINT=${fake.endpoint}`,
      `export ENVDRIFT_PROJECT_ID=${project.id}`,
      `export GOOGLE_APPLICATION_CREDENTIALS=${keyFile}`,
      '# Secrets are stored at the start: node test/fakes/gcp.ts NAME=FILE',
      '',
    ].join('\n'),
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(directory, {recursive: true, force: true})
      void fake.stop()
    })
  }
}
