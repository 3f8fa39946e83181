import {randomBytes, randomUUID} from 'node:crypto'
import {createServer as createPlainServer} from 'node:http'
import type {IncomingMessage, RequestListener, Server, ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import type {AddressInfo} from 'node:net'
import {text} from 'node:stream/consumers'
import {promisify} from 'node:util'

import type {Certificate} from './certificate.ts'

/** The fields of a secret, as somebody stored them. */
export type Fields = Readonly<Record<string, unknown>>

/** One line of a policy: an exact path, or a prefix that ends in `*`. `deny` beats the rest. */
export type Rule = {
  readonly path: string
  readonly capabilities: readonly ('create' | 'read' | 'update' | 'delete' | 'deny')[]
}

export type TokenOptions = {
  /** Left out: a root token. */
  readonly rules?: readonly Rule[]
  /** The namespace that it was made in; it is valid there and nowhere else. Default: the root one. */
  readonly namespace?: string
  /** `num_uses`: how many requests it is good for. */
  readonly uses?: number
  /** Default: in 32 days, and never for a root token. */
  readonly expires?: Date
}

export type LoggedRequest = {
  readonly method: string
  /** Path and query, without `/v1/`, as they came over the wire. */
  readonly path: string
  readonly token: string | undefined
  readonly namespace: string | undefined
  /** Requests under way, this one included, when it came in. */
  readonly inFlight: number
}

export type FakeVault = Awaited<ReturnType<typeof startFakeVault>>

type KvVersion = {fields: Fields | null; readonly created: string; deleted: string; destroyed: boolean}
type Kv2Secret = {current: number; readonly versions: Map<number, KvVersion>}
type Mount =
  | {readonly kv: 1; readonly secrets: Map<string, Fields>}
  | {readonly kv: 2; readonly secrets: Map<string, Kv2Secret>}
type Token = {readonly rules: Rule[] | 'root'; readonly namespace: string; uses: number; readonly expires: Date | null}
/** A body is sent as JSON, a string or a Buffer as it is. */
type Answer = {readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>>}
type Fault = Answer | 'reset'

/** Vault's `default_lease_ttl`, 768 hours: what a token is good for that was not made for ever. */
const defaultTokenMs = 768 * 3_600_000

/** KV 2 forgets what is older than this many versions. Source: `max_versions` in the API docs of the engine. */
const keptVersions = 10

/**
 * A HashiCorp Vault to test against: KV 1 and KV 2, tokens with policies and use limits, namespaces, sealing.
 * It answers with the statuses and bodies of Vault 1.21.0, as measured there.
 *
 * It starts with a KV 2 mount `secret`, a KV 1 mount `kv1`, and the root token in `rootToken`.
 *
 * @param options.namespaces - as an Enterprise server has them. Left out, the header is ignored, as the open edition does.
 * @param options.tls - listen on HTTPS with this certificate.
 */
export async function startFakeVault(
  options: {
    readonly namespaces?: readonly string[]
    readonly tls?: Certificate
    readonly port?: number
  } = {},
) {
  const mounts = new Map<string, Mount>([
    ['secret/', {kv: 2, secrets: new Map()}],
    ['kv1/', {kv: 1, secrets: new Map()}],
  ])
  const tokens = new Map<string, Token>()
  const log: LoggedRequest[] = []
  const faults: {readonly answer: Fault; times: number}[] = []
  let [sealed, silent, delayMs, inFlight, skewMs] = [false, false, 0, 0, 0]
  const now = (): number => Date.now() + skewMs

  function addToken(given: TokenOptions = {}): string {
    const token = `hvs.${randomBytes(18).toString('base64url')}`
    tokens.set(token, {
      rules: given.rules === undefined ? 'root' : [...given.rules],
      namespace: given.namespace ?? '',
      uses: given.uses ?? Number.POSITIVE_INFINITY,
      expires: given.expires ?? (given.rules ? new Date(now() + defaultTokenMs) : null),
    })
    return token
  }

  /** What Vault does with one request, in its own order: seal, quota, namespace, token, policy, route. */
  function answer(
    method: string,
    wirePath: string,
    headers: IncomingMessage['headers'],
    body: string,
  ): Answer | 'reset' {
    const [rawPath = '', query = ''] = wirePath.split('?', 2)
    let path = decodeURIComponent(rawPath)
    if (path === 'sys/seal-status') return {status: 200, body: sealStatus(sealed)}
    if (sealed) return refusal(503, 'Vault is sealed')
    const [fault] = faults
    if (fault) {
      fault.times -= 1
      if (fault.times <= 0) faults.shift()
      return fault.answer
    }

    let namespace = ''
    if (options.namespaces) {
      namespace = trimSlashes(String(headers['x-vault-namespace'] ?? ''))
      const inPath = options.namespaces.find((name) => path.startsWith(`${name}/`))
      if (namespace === '' && inPath !== undefined) {
        namespace = inPath
        path = path.slice(inPath.length + 1)
      }
      if (namespace !== '' && !options.namespaces.includes(namespace)) return refusal(404, 'namespace not found')
    }

    const id = headers['x-vault-token']
    if (typeof id !== 'string' || id === '') return refusal(403, 'permission denied')
    const token = tokens.get(id)
    if (!token || token.namespace !== namespace || (token.expires && token.expires.getTime() <= now()))
      return refusal(403, '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n')
    token.uses -= 1
    if (token.uses <= 0) tokens.delete(id)

    const located = locate(namespace === '' ? path : `${namespace}/${path}`)
    if (path === 'auth/token/lookup-self') return {status: 200, body: envelope(selfOf(id, token))}
    if (!allowed(token, path, capabilityFor(method, located)))
      return refusal(403, '1 error occurred:\n\t* permission denied\n\n')
    if (path.startsWith('sys/internal/ui/mounts/')) {
      const mount = locate(`${path.slice('sys/internal/ui/mounts/'.length)}/`)
      if (!mount) return refusal(403, 'preflight capability check returned 403')
      return {status: 200, body: envelope({options: {version: String(mount.mount.kv)}, path: mount.at, type: 'kv'})}
    }
    if (!located) return refusal(404, `no handler for route "${path}". route entry not found.`)
    const {mount, rest} = located
    return mount.kv === 1
      ? kv1(mount.secrets, method, rest, body)
      : kv2(mount.secrets, method, rest, new URLSearchParams(query), body)
  }

  function locate(path: string): {readonly at: string; readonly mount: Mount; readonly rest: string} | undefined {
    const [longest] = [...mounts].filter(([at]) => path.startsWith(at)).toSorted(([a], [b]) => b.length - a.length)
    return longest && {at: longest[0], mount: longest[1], rest: path.slice(longest[0].length)}
  }

  const listener: RequestListener = (request, response) => {
    inFlight += 1
    response.on('close', () => {
      inFlight -= 1
    })
    const path = (request.url ?? '').replace(/^\/v1\//, '')
    const [token, namespace] = [request.headers['x-vault-token'], request.headers['x-vault-namespace']]
    log.push({
      method: request.method ?? '',
      path,
      token: typeof token === 'string' ? token : undefined,
      namespace: typeof namespace === 'string' ? namespace : undefined,
      inFlight,
    })
    if (silent) return
    void text(request).then(
      (body) => {
        const later = () => send(request, response, answer(request.method ?? '', path, request.headers, body))
        setTimeout(later, delayMs).unref()
      },
      // the client went away in the middle of its request
      () => response.destroy(),
    )
  }

  const servers: Server[] = []
  /** Opens one more door to the same vault. @returns its address. */
  async function listen(tls: Certificate | undefined, port = 0): Promise<string> {
    const server = tls ? createTlsServer({key: tls.key, cert: tls.certificate}, listener) : createPlainServer(listener)
    servers.push(server)
    // Whoever leaves connections open is found out: the server never closes one by itself.
    server.keepAliveTimeout = 0
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
    return `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const url = await listen(options.tls, options.port)

  return {
    url,
    /** The same vault over TLS, besides. */
    listenSecurely: (tls: Certificate): Promise<string> => listen(tls),
    /** The server's clock is so much ahead of ours, in milliseconds. */
    skewClock: (ms: number): void => {
      skewMs = ms
    },
    rootToken: addToken(),
    /** Everything that came in, oldest first. */
    log: log as readonly LoggedRequest[],
    mount: (at: string, kv: 1 | 2): void => {
      mounts.set(`${at}/`, kv === 1 ? {kv, secrets: new Map()} : {kv, secrets: new Map()})
    },
    addToken,
    /** Adds a line to a token's policy. */
    addRule: (token: string, rule: Rule): void => {
      const rules = tokens.get(token)?.rules
      if (!Array.isArray(rules)) throw new Error('only a token that was made with rules can get another one')
      rules.push(rule)
    },
    revoke: (token: string): boolean => tokens.delete(token),
    /** Stores fields at `mount/name`; on KV 2 as a new version. */
    put: (at: string, name: string, fields: Fields): void => {
      const mount = mounts.get(`${at}/`)
      if (!mount) throw new Error(`no mount ${at}`)
      if (mount.kv === 1) mount.secrets.set(name, fields)
      else addVersion(mount.secrets, name, fields)
    },
    seal: (closed = true): void => {
      sealed = closed
    },
    /** The next `times` requests get this answer instead of the true one; several calls queue up. */
    fault: (answer: Fault, times = 1): void => {
      faults.push({answer, times})
    },
    /** A rate limit quota is used up for so many requests: 429, and no Retry-After. */
    throttle: (times: number): void => {
      faults.push({answer: refusal(429, 'request path "secret": rate limit quota exceeded'), times})
    },
    delay: (ms: number): void => {
      delayMs = ms
    },
    /** From now on requests are taken and never answered. */
    silence: (): void => {
      silent = true
    },
    /** Connections that are open now, idle ones too. */
    connections: async (): Promise<number> => {
      const counts = await Promise.all(servers.map((server) => promisify(server.getConnections.bind(server))()))
      return counts.reduce((sum, count) => sum + count, 0)
    },
    stop: async (): Promise<void> => {
      await Promise.all(
        servers.map(
          (server) =>
            new Promise((resolve) => {
              server.close(resolve)
              server.closeAllConnections()
            }),
        ),
      )
    },
  }
}

function kv1(secrets: Map<string, Fields>, method: string, name: string, body: string): Answer {
  switch (method) {
    case 'GET': {
      const fields = secrets.get(name)
      return fields ? {status: 200, body: {...envelope(fields), lease_duration: 2_764_800}} : notThere
    }
    case 'POST':
    case 'PUT':
      secrets.set(name, JSON.parse(body) as Fields)
      return {status: 204}
    case 'DELETE':
      secrets.delete(name)
      return {status: 204}
    default:
      return unsupported
  }
}

function kv2(
  secrets: Map<string, Kv2Secret>,
  method: string,
  rest: string,
  query: URLSearchParams,
  body: string,
): Answer {
  const [kind = '', ...segments] = rest.split('/')
  const name = segments.join('/')
  const secret = secrets.get(name)
  const sent = (body === '' ? {} : JSON.parse(body)) as {
    readonly data?: Fields
    readonly options?: {readonly cas?: number}
    readonly versions?: readonly number[]
  }
  const writes = method === 'POST' || method === 'PUT'
  if (name !== '' && kind === 'data' && method === 'GET') {
    const asked = Number(query.get('version') ?? 0)
    const number = asked === 0 ? (secret?.current ?? 0) : asked
    const version = secret?.versions.get(number)
    if (!version) return notThere
    const gone = version.destroyed || version.deleted !== ''
    const data = {data: gone ? null : version.fields, metadata: metadataOf(number, version)}
    return {status: gone ? 404 : 200, body: envelope(data)}
  }
  if (name !== '' && kind === 'data' && writes) {
    if (!sent.data) return refusal(400, 'no data provided')
    if (sent.options?.cas !== undefined && sent.options.cas !== (secret?.current ?? 0))
      return refusal(400, 'check-and-set parameter did not match the current version')
    const [number, version] = addVersion(secrets, name, sent.data)
    return {status: 200, body: envelope(metadataOf(number, version))}
  }
  if (name !== '' && kind === 'data' && method === 'DELETE') {
    const version = secret?.versions.get(secret.current)
    if (version) version.deleted = new Date().toISOString()
    return {status: 204}
  }
  if (name !== '' && kind === 'destroy' && writes) {
    for (const number of sent.versions ?? []) {
      const version = secret?.versions.get(number)
      if (version) Object.assign(version, {fields: null, destroyed: true})
    }
    return {status: 204}
  }
  if (name !== '' && kind === 'metadata' && method === 'GET') {
    if (!secret) return notThere
    const versions = Object.fromEntries(
      [...secret.versions].map(([number, {created, deleted, destroyed}]) => [
        number,
        {created_time: created, deletion_time: deleted, destroyed},
      ]),
    )
    const [oldest = 0] = secret.versions.keys()
    return {status: 200, body: envelope({current_version: secret.current, oldest_version: oldest, versions})}
  }
  if (name !== '' && kind === 'metadata' && method === 'DELETE') {
    secrets.delete(name)
    return {status: 204}
  }
  return {status: 404, body: {...envelope(null), warnings: [unversionedPath]}}
}

function addVersion(secrets: Map<string, Kv2Secret>, name: string, fields: Fields): readonly [number, KvVersion] {
  const secret = secrets.get(name) ?? {current: 0, versions: new Map<number, KvVersion>()}
  secrets.set(name, secret)
  secret.current += 1
  const version = {fields, created: new Date().toISOString(), deleted: '', destroyed: false}
  secret.versions.set(secret.current, version)
  secret.versions.delete(secret.current - keptVersions)
  return [secret.current, version]
}

function capabilityFor(method: string, located: {readonly mount: Mount; readonly rest: string} | undefined) {
  if (method === 'GET') return 'read'
  if (method === 'DELETE') return 'delete'
  const name = located?.mount.kv === 2 ? located.rest.replace(/^data\//, '') : (located?.rest ?? '')
  return located?.mount.secrets.has(name) ? 'update' : 'create'
}

/** The most specific line decides: an exact path before a prefix, a longer prefix before a shorter one. */
function allowed(token: Token, path: string, capability: 'create' | 'read' | 'update' | 'delete'): boolean {
  if (token.rules === 'root') return true
  const matching = token.rules.filter((rule) =>
    rule.path.endsWith('*') ? path.startsWith(rule.path.slice(0, -1)) : path === rule.path,
  )
  const weight = (rule: Rule): number => rule.path.length + (rule.path.endsWith('*') ? 0 : 10_000)
  const best = Math.max(...matching.map(weight))
  const deciding = matching.filter((rule) => weight(rule) === best).flatMap((rule) => rule.capabilities)
  return deciding.includes(capability) && !deciding.includes('deny')
}

const metadataOf = (number: number, {created, deleted, destroyed}: KvVersion) => ({
  created_time: created,
  custom_metadata: null,
  deletion_time: deleted,
  destroyed,
  version: number,
})

const selfOf = (id: string, {rules, uses, expires}: Token) => ({
  accessor: 'accessor-of-the-token',
  display_name: rules === 'root' ? 'root' : 'token-myapp-ci',
  entity_id: '',
  expire_time: expires?.toISOString() ?? null,
  id,
  num_uses: Number.isFinite(uses) ? uses : 0,
  path: 'auth/token/create',
  policies: rules === 'root' ? ['root'] : ['default', 'myapp-ci'],
  type: 'service',
})

const sealStatus = (sealed: boolean) => ({
  type: 'shamir',
  initialized: true,
  sealed,
  t: 1,
  n: 1,
  progress: 0,
  nonce: '',
  version: '1.21.0',
  storage_type: 'inmem',
})

const envelope = (body: unknown) => ({
  request_id: randomUUID(),
  lease_id: '',
  renewable: false,
  lease_duration: 0,
  data: body,
  wrap_info: null,
  warnings: null,
  auth: null,
  mount_type: 'kv',
})

const refusal = (status: number, ...errors: readonly string[]): Answer => ({status, body: {errors}})
const notThere: Answer = refusal(404)
const unsupported: Answer = refusal(405, '1 error occurred:\n\t* unsupported operation\n\n')
const unversionedPath =
  "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv get' for this operation."

const trimSlashes = (path: string): string => path.replaceAll(/^\/+|\/+$/g, '')

function send(request: IncomingMessage, response: ServerResponse, answer: Answer | 'reset'): void {
  if (answer === 'reset') {
    request.socket.resetAndDestroy()
    return
  }
  const {status, body, headers} = answer
  response.writeHead(status, {
    'cache-control': 'no-store',
    ...(body === undefined ? {} : {'content-type': 'application/json'}),
    ...headers,
  })
  response.end(body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body))
}

// As a program: `node test/fakes/hashicorp.ts [PORT]`, until it is interrupted.
if (process.argv[1] === import.meta.filename) {
  const vault = await startFakeVault({port: Number(process.argv[2] ?? 0)})
  process.stdout.write(
    [
      `# A fake HashiCorp Vault listens at ${vault.url}; it keeps nothing when it ends. To use it:`,
      `export VAULT_ADDR=${vault.url}`,
      `export VAULT_TOKEN=${vault.rootToken}`,
      '# To store a secret:',
      `#   curl -H "X-Vault-Token: $VAULT_TOKEN" -d '{"data": {"value": "…"}}' $VAULT_ADDR/v1/secret/data/myapp-production`,
      '',
    ].join('\n'),
  )
}
