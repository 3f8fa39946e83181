/* A Google Cloud Secret Manager that answers as the service does, to the official SDK over gRPC and to anybody over REST, and
   the places where the SDK gets tokens from. Startable as a program. */
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import {createRequire} from 'node:module'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {GrpcClient, grpc} from 'google-gax'

import type {LoggedRead} from '../providers/contract.ts'
import type {CredentialFiles} from './gcp/credential-files.ts'
import {makePolicy, type Policy} from './gcp/policy.ts'
import {type Details, jsonOf, Refusal, unauthenticated} from './gcp/refusal.ts'
import {type Caller, makeSecrets, type SecretStore} from './gcp/secrets.ts'
import {identities, makeTokens, type Tokens} from './gcp/tokens.ts'

export {identities}

/** The project that this service knows first: names come in with its id, and go out with its number. */
export const project = {id: 'myapp-project', number: '424242424242'} as const
/** Another team's project, in which our identities may do nothing until they are granted something. */
export const otherProject = {id: 'shared-secrets', number: '515151515151'} as const

export type FakeGcp = CredentialFiles &
  Omit<SecretStore, 'methods'> & {
    /** For `api_endpoint`: `http://127.0.0.1:PORT`, or `https://…` when it was started with a certificate. */
    readonly endpoint: string
    /** Everything that speaks HTTP: token services, metadata server, REST. `127.0.0.1:PORT`. */
    readonly tokenHost: string
    readonly policy: Policy
    readonly identities: typeof identities
    /** Texts that no message may hold. */
    readonly credentials: () => readonly string[]
    /** Nobody may touch this secret any more. */
    readonly forbid: (name: string) => void
    /** The next `times` calls end with this gRPC status. */
    readonly fail: (code: number, times: number, more?: Details) => void
    readonly delay: (ms: number) => void
    readonly silence: () => void
    /** The API is switched off in this project. */
    readonly disableApi: (projectId: string) => void
    /** The service's clock differs from ours by so many milliseconds. */
    readonly skewClock: (ms: number) => void
    readonly tokens: Pick<Tokens, 'fail' | 'silence' | 'intercept' | 'limitMachineTo'>
    readonly rejectLogins: Tokens['rejectLogins']
    readonly expireTokens: Tokens['expireTokens']
    readonly reads: () => readonly LoggedRead[]
    /** Every call by method name, reads included. */
    readonly calls: () => readonly string[]
    /** What each call said in `x-goog-user-project`. */
    readonly billed: () => readonly (string | undefined)[]
    /** Token requests, and distinct self-signed tokens. */
    readonly logins: () => number
    readonly stop: () => Promise<void>
  }

/**
 * @param options.tls - PEM texts; without them gRPC and HTTP are plain text.
 * @param options.directory - where the token in a file lies; left out: a temporary one, which is gone when the fake stops.
 */
export async function startGcp(
  options: {readonly tls?: {readonly key: string; readonly cert: string}; readonly directory?: string} = {},
): Promise<FakeGcp> {
  const projects = new Map<string, string>([project, otherProject].map(({id, number}) => [id, number]))
  const policy = makePolicy()
  const store = makeSecrets(projects, policy)
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'envdrift-fake-gcp-'))
  const subjectTokenFile = join(directory, 'oidc-token')
  const forget = (): void => {
    if (options.directory === undefined) rmSync(directory, {recursive: true, force: true})
  }
  // A program that is ended without stopping its fake leaves nothing behind either.
  process.once('exit', forget)
  const reads: LoggedRead[] = []
  const calls: string[] = []
  const billed: (string | undefined)[] = []
  const withoutApi = new Set<string>()
  let [inFlight, delayMs, skewMs] = [0, 0, 0]
  let isSilent = false
  let fault: {readonly code: number; times: number; readonly more: Details} | undefined

  const nowMs = (): number => Date.now() + skewMs
  const tokens = makeTokens({
    policy,
    nowMs,
    subjectTokenFile,
    writeSubjectToken: (token) => writeFileSync(subjectTokenFile, token, {mode: 0o600}),
  })
  const deployer = `projects/-/serviceAccounts/${identities.deployer.slice(15)}`
  for (const member of Object.values(identities)) {
    policy.grant(member, 'roles/secretmanager.admin', `projects/${project.id}`)
    policy.grant(member, 'roles/serviceusage.serviceUsageConsumer', `projects/${project.id}`)
    policy.grant(member, 'roles/iam.serviceAccountTokenCreator', deployer)
  }

  type Call = {
    readonly authorization: string | undefined
    readonly userProject: string | undefined
    readonly host: string
  }

  /** What Google's front end checks before the service sees a call: the token, then the project that pays for it. */
  function admit({authorization, userProject, host}: Call, name: string): Caller {
    const bearer = tokens.bearerOf(/^Bearer (.+)$/.exec(authorization ?? '')?.[1])
    if ('reason' in bearer) throw unauthenticated(bearer.reason)
    if ('scopes' in bearer) {
      throw new Refusal(grpc.status.PERMISSION_DENIED, 'Request had insufficient authentication scopes.', {
        info: {reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT', domain: 'googleapis.com'},
      })
    }
    const asked = /^projects\/([^/]+)/.exec(name)?.[1] ?? ''
    const named = [...projects].find((pair) => pair.includes(asked))?.[0]
    const {principal} = bearer
    if (userProject !== undefined) {
      const isUsable = policy.allows(principal, 'serviceusage.services.use', `projects/${userProject}`)
      if (!projects.has(userProject) || !isUsable) {
        throw new Refusal(
          grpc.status.PERMISSION_DENIED,
          `Caller does not have required permission to use project ${userProject}. Grant the caller the roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission.`,
          {info: about('USER_PROJECT_DENIED', userProject)},
        )
      }
    }
    const consumer = userProject ?? named
    if (consumer !== undefined && withoutApi.has(consumer)) {
      const number = projects.get(consumer)!
      throw new Refusal(
        grpc.status.PERMISSION_DENIED,
        `Secret Manager API has not been used in project ${number} before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/secretmanager.googleapis.com/overview?project=${number} then retry.`,
        {info: about('SERVICE_DISABLED', number)},
      )
    }
    return {principal, host}
  }

  const about = (reason: string, consumer: string): NonNullable<Details['info']> => ({
    reason,
    domain: 'googleapis.com',
    metadata: {consumer: `projects/${consumer}`, service: 'secretmanager.googleapis.com'},
  })

  /** Log and faults around a method, in the order in which a service meets them. */
  function serve(method: string, request: object, call: Call, finish: (answer: object) => void): {cancel: () => void} {
    calls.push(method)
    billed.push(call.userProject)
    inFlight++
    let isOver = false
    const end = (answer?: object): void => {
      if (isOver) return
      isOver = true
      inFlight--
      if (answer !== undefined) finish(answer)
    }
    const {name = '', parent = ''} = request as {readonly name?: string; readonly parent?: string}
    if (method === 'accessSecretVersion') reads.push({name: /secrets\/([^/]+)/.exec(name)?.[1] ?? name, inFlight})
    const respond = (): void => {
      if (isOver) return
      try {
        if (fault && fault.times > 0) {
          fault.times--
          throw new Refusal(fault.code, 'A fault of this fake.', fault.more)
        }
        const caller = admit(call, name === '' ? parent : name)
        end(store.methods[method]!(request as never, caller))
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        // Google's front end says its time, as every HTTP server does.
        error.metadata.set('date', new Date(nowMs()).toUTCString())
        end(error)
      }
    }
    if (!isSilent) {
      if (delayMs === 0) respond()
      else setTimeout(respond, delayMs).unref()
    }
    return {cancel: () => end()}
  }

  const handler =
    (method: string): grpc.handleUnaryCall<object, object> =>
    (call, done) => {
      const header = (key: string): string | undefined => call.metadata.get(key)[0]?.toString()
      const seen = {
        authorization: header('authorization'),
        userProject: header('x-goog-user-project'),
        host: call.getHost().replace(/:\d+$/, ''),
      }
      const {cancel} = serve(method, call.request, seen, (answer) =>
        answer instanceof Refusal ? done(answer) : done(null, answer),
      )
      call.on('cancelled', cancel)
    }

  /** `GET /v1/NAME:access`. Source: https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access */
  function rest(request: IncomingMessage, response: ServerResponse): void {
    const json = (status: number, body: object): void =>
      void response.writeHead(status, {'content-type': 'application/json; charset=UTF-8'}).end(JSON.stringify(body))
    const name = /^\/v1\/(projects\/.+):access$/.exec(decodeURI(request.url?.split('?')[0] ?? ''))?.[1]
    if (request.method !== 'GET' || name === undefined) {
      return json(404, {error: {code: 404, message: 'Method not found.', status: 'NOT_FOUND'}})
    }
    const header = (key: string): string | undefined => request.headers[key]?.toString()
    const seen = {
      authorization: header('authorization'),
      userProject: header('x-goog-user-project'),
      host: (request.headers.host ?? '').replace(/:\d+$/, ''),
    }
    serve('accessSecretVersion', {name}, seen, (answer) => {
      if (answer instanceof Refusal) {
        const {status, body} = jsonOf(answer)
        return json(status, body)
      }
      const {payload, ...more} = answer as {payload: {data: Buffer; dataCrc32c: string}}
      return json(200, {...more, payload: {...payload, data: payload.data.toString('base64')}})
    })
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void tokens.listener(request, response).then((isTaken) => isTaken || rest(request, response))
  const httpServer = options.tls ? createTlsServer(options.tls, listener) : createServer(listener)
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve))
  const tokenHost = `127.0.0.1:${(httpServer.address() as AddressInfo).port}`

  const server = new grpc.Server()
  // From the SDK's own proto files, as JSON: what it can send and read is what we can.
  const protos: object = createRequire(import.meta.url)('@google-cloud/secret-manager/build/protos/protos.json')
  const loaded = new GrpcClient({}).loadProtoJSON(protos) as unknown as {
    google: {cloud: {secretmanager: {v1: {SecretManagerService: {service: grpc.ServiceDefinition}}}}}
  }
  server.addService(
    loaded.google.cloud.secretmanager.v1.SecretManagerService.service,
    Object.fromEntries(Object.keys(store.methods).map((name) => [name, handler(name)])),
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
    ...store,
    ...tokens.files(`${options.tls ? 'https' : 'http'}://${tokenHost}`),
    endpoint: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    tokenHost,
    policy,
    identities,
    tokens,
    credentials: tokens.credentials,
    forbid: (name) => policy.close(store.fullName(name)),
    fail: (code, times, more = {}) => void (fault = {code, times, more}),
    delay: (ms) => void (delayMs = ms),
    silence: () => void (isSilent = true),
    disableApi: (id) => void withoutApi.add(id),
    skewClock: (ms) => void (skewMs = ms),
    rejectLogins: tokens.rejectLogins,
    expireTokens: tokens.expireTokens,
    reads: () => reads,
    calls: () => calls,
    billed: () => billed,
    logins: tokens.logins,
    async stop() {
      process.off('exit', forget)
      forget()
      server.forceShutdown()
      httpServer.closeAllConnections()
      await new Promise<void>((resolve) => httpServer.close(() => resolve()))
    },
  }
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
      `# The same over REST: http://${fake.tokenHost}/v1/projects/${project.id}/secrets/NAME/versions/latest:access`,
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
