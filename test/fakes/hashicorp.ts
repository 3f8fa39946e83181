import type {X509Certificate} from 'node:crypto'
import {createServer as createPlainServer} from 'node:http'
import type {IncomingMessage, RequestListener, Server, ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import type {AddressInfo} from 'node:net'
import {text} from 'node:stream/consumers'
import type {TLSSocket} from 'node:tls'
import {promisify} from 'node:util'

import type {Certificate} from './certificate.ts'
import {
  type Answer,
  badToken,
  denied,
  done,
  type Fields,
  fieldsOf,
  noRoute,
  notThere,
  ok,
  refusal,
  textIn,
  unsupportedPath,
} from './hashicorp/answers.ts'
import {authTypes, configure, isLogin, logIn, newAuthMount, type AuthMount} from './hashicorp/auth.ts'
import {answerOfKv, newMount, store, writeCapability, type Mount} from './hashicorp/kv.ts'
import {parsePolicy, type Rule} from './hashicorp/policies.ts'
import {makeTokens, type Token} from './hashicorp/tokens.ts'
import {makeWrapping} from './hashicorp/wrapping.ts'

export type {Fields} from './hashicorp/answers.ts'
export type {Rule} from './hashicorp/policies.ts'

export type TokenOptions = {
  /** Left out: a root token. */
  readonly rules?: readonly Rule[]
  /** The namespace that it was made in; it is valid there and below. Default: the root one. */
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

type Fault = Answer | 'reset'
type Incoming = {
  readonly method: string
  /** Path and query, without `/v1/`. */
  readonly wirePath: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly certificate: X509Certificate | undefined
  readonly secure: boolean
}

/**
 * A HashiCorp Vault to test against: KV 1 and KV 2, policies, tokens with uses and leases, the auth methods with their checks,
 * wrapping, namespaces, sealing. It is set up through Vault's own API, and answers with the statuses and bodies of Vault
 * 1.21.0, as measured there; Kubernetes and LDAP, which that build lacks, after their sources and documentation.
 *
 * It starts with a KV 2 mount `secret`, a KV 1 mount `kv1`, no auth method but tokens, and the root token in `rootToken`.
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
    ['secret/', newMount(2)],
    ['kv1/', newMount(1)],
  ])
  /** Secrets engines of other types, each with its type: reading in one gives credentials that it makes. */
  const engines = new Map<string, string>([
    ['cubbyhole/', 'cubbyhole'],
    ['identity/', 'identity'],
    ['sys/', 'system'],
  ])
  const auths = new Map<string, AuthMount>()
  const directory = new Map<string, string>()
  const log: LoggedRequest[] = []
  const faults: {readonly answer: Fault; readonly matches: (path: string) => boolean; times: number}[] = []
  let [sealed, silent, delayMs, inFlight, skewMs] = [false, false, 0, 0, 0]
  const now = (): number => Date.now() + skewMs
  const tokens = makeTokens(now)
  const wrapping = makeWrapping(now)
  let given = 0

  function addToken({rules, namespace = '', uses, expires}: TokenOptions = {}): string {
    const name = `test-${given++}`
    if (rules !== undefined) tokens.setPolicy(namespace, name, [...rules])
    return tokens.make({
      policies: rules === undefined ? ['root'] : ['default', name],
      namespace,
      path: 'auth/token/create',
      displayName: rules === undefined ? 'root' : 'token-myapp-ci',
      ...(uses !== undefined && {uses}),
      ...(expires && {endsMs: expires.getTime()}),
    }).id
  }

  /** What Vault does with one request, in its own order: seal, quota, namespace, what needs no token, token, policy, route. */
  async function answer({method, wirePath, headers, body, certificate, secure}: Incoming): Promise<Fault> {
    const [rawPath = '', query = ''] = wirePath.split('?', 2)
    let path = decodeURIComponent(rawPath)
    if (path === 'sys/seal-status') return {status: 200, body: sealStatus(sealed)}
    if (sealed) return refusal(503, 'Vault is sealed')
    const at = faults.findIndex(({matches}) => matches(path))
    const fault = faults[at]
    if (fault) {
      fault.times -= 1
      if (fault.times <= 0) faults.splice(at, 1)
      return fault.answer
    }

    let namespace = ''
    if (options.namespaces) {
      namespace = trimSlashes(String(headers['x-vault-namespace'] ?? ''))
      const below = options.namespaces
        .filter((name) => namespace === '' || name.startsWith(`${namespace}/`))
        .map((name) => ({name, rest: namespace === '' ? name : name.slice(namespace.length + 1)}))
        .toSorted((a, b) => b.rest.length - a.rest.length)
        .find(({rest}) => path.startsWith(`${rest}/`))
      if (below) {
        namespace = below.name
        path = path.slice(below.rest.length + 1)
      }
      if (namespace !== '' && !options.namespaces.includes(namespace)) return refusal(404, 'namespace not found')
    }
    const inNamespace = (name: string): string => (namespace === '' ? name : `${namespace}/${name}`)
    const sent = method === 'POST' || method === 'PUT' ? fieldsOf(body) : {}

    const id = String(headers['x-vault-token'] ?? '')
    const wrapped = path.startsWith('sys/wrapping/')
      ? wrapping.answer(path.slice('sys/wrapping/'.length), sent, id)
      : undefined
    if (wrapped) return wrapped
    const auth = authAt(inNamespace(path))
    if (auth && isLogin(auth.mount, auth.rest)) {
      if (auth.mount.type === 'cert' && !secure) return refusal(400, 'tls connection required')
      return logIn(auth.mount, auth.rest, sent, {tokens, nowMs: now(), certificate, directory})
    }

    if (id === '') return refusal(403, 'permission denied')
    if (wrapping.spend(id)) return denied
    const token = tokens.use(id, namespace, path.startsWith('sys/internal/ui/mounts/'))
    if (!token) return badToken
    const seen = relative(inNamespace(path), token.namespace)
    const wrapTtl = Number.parseInt(String(headers['x-vault-wrap-ttl'] ?? ''), 10)
    const routed = route({method, path, seen, namespace, token, sent, body, query, auth})
    return Number.isNaN(wrapTtl) ? routed : wrapping.wrap(routed, path, wrapTtl)
  }

  function route(request: {
    readonly method: string
    readonly path: string
    /** The path as the token's policies name it. */
    readonly seen: string
    readonly namespace: string
    readonly token: Token
    readonly sent: Fields
    readonly body: string
    readonly query: string
    readonly auth: {readonly mount: AuthMount; readonly rest: string} | undefined
  }): Answer {
    const {method, path, seen, namespace, token, sent, body, query, auth} = request
    const located = locate(namespace === '' ? path : `${namespace}/${path}`)
    if (path.startsWith('sys/internal/ui/mounts/')) return mountSeen(request)
    const capability =
      method === 'GET'
        ? 'read'
        : method === 'DELETE'
          ? 'delete'
          : located
            ? writeCapability(located.mount, located.rest)
            : 'update'
    if (!tokens.may(token, seen, capability)) return denied
    if (path.startsWith('auth/token/'))
      return (
        tokens.answer(method, path.slice('auth/token/'.length), sent, token) ?? refusal(405, 'unsupported operation')
      )
    if (path.startsWith('sys/')) return system(request)
    if (auth) return configure(auth.mount, method, auth.rest, sent, now())
    const full = namespace === '' ? path : `${namespace}/${path}`
    if (!located && [...engines.keys()].some((at) => full.startsWith(at)))
      return method === 'GET' && !path.includes('/data/')
        ? ok({username: 'v-made', password: 'made just now'})
        : unsupportedPath
    if (!located) return noRoute(path)
    return answerOfKv(located.mount, method, located.rest, new URLSearchParams(query), body)
  }

  /** Which mount a path belongs to, for whoever may do anything in it. */
  function mountSeen({path, namespace, token}: {path: string; namespace: string; token: Token}): Answer {
    const asked = `${path.slice('sys/internal/ui/mounts/'.length)}/`
    const full = namespace === '' ? asked : `${namespace}/${asked}`
    const mount = locate(full)
    const engine = [...engines].find(([at]) => full.startsWith(at))
    if (!mount && engine && tokens.maySee(token, relative(engine[0], token.namespace)))
      return ok({options: null, path: relative(engine[0], namespace), type: engine[1]})
    const shown = mount === undefined ? asked : relative(mount.at, namespace)
    if (!mount || !tokens.maySee(token, relative(mount.at, token.namespace)))
      return refusal(
        403,
        `preflight capability check returned 403, please ensure client's policies grant access to path ${JSON.stringify(shown)}`,
      )
    return ok({options: {version: String(mount.mount.kv)}, path: shown, type: 'kv'})
  }

  function system({
    method,
    path,
    namespace,
    sent,
  }: {
    method: string
    path: string
    namespace: string
    sent: Fields
  }): Answer {
    const inNamespace = (name: string): string => (namespace === '' ? name : `${namespace}/${name}`)
    const [, what = '', ...rest] = path.split('/')
    const writes = method === 'POST' || method === 'PUT'
    if (path === 'sys/wrapping/wrap' && writes) return ok(sent)
    if (what === 'policies' && rest[0] === 'acl') {
      const name = rest.slice(1).join('/')
      if (method === 'DELETE') tokens.deletePolicy(namespace, name)
      if (method === 'GET') {
        const rules = tokens.policy(namespace, name)
        return rules === undefined ? notThere : ok({name, policy: rules.map(lineOf).join('\n')})
      }
      if (!writes) return done
      const rules = parsePolicy(textIn(sent, 'policy'))
      if (rules === undefined || rules.length === 0) return refusal(400, "'policy' parameter not supplied or empty")
      tokens.setPolicy(namespace, name, rules)
      return done
    }
    const at = `${inNamespace(rest.join('/'))}/`
    if (what === 'auth' && writes) {
      const type = textIn(sent, 'type')
      if (!authTypes.includes(type)) return refusal(400, `plugin not found in the catalog: ${type}`)
      if (auths.has(at)) return refusal(400, `path is already in use at ${rest.join('/')}/`)
      auths.set(at, newAuthMount(type, namespace, rest.join('/')))
      return done
    }
    if (what === 'auth' && method === 'DELETE') {
      auths.delete(at)
      return done
    }
    if (what === 'mounts' && writes) {
      const version = ((sent['options'] ?? {}) as Fields)['version']
      if (!['kv', 'kv-v2', 'generic'].includes(textIn(sent, 'type'))) {
        engines.set(at, textIn(sent, 'type'))
        return done
      }
      mounts.set(at, newMount(sent['type'] === 'kv-v2' || String(version) === '2' ? 2 : 1))
      return done
    }
    return noRoute(path)
  }

  /** Longest first: a mount may lie below the name of another. */
  function locate(path: string): {readonly at: string; readonly mount: Mount; readonly rest: string} | undefined {
    const [longest] = [...mounts].filter(([at]) => path.startsWith(at)).toSorted(([a], [b]) => b.length - a.length)
    return longest && {at: longest[0], mount: longest[1], rest: path.slice(longest[0].length)}
  }

  function authAt(full: string): {readonly mount: AuthMount; readonly rest: string} | undefined {
    const found = [...auths]
      .map(([at, mount]) => ({mount, start: authPath(at, mount.namespace)}))
      .filter(({start}) => full.startsWith(start))
      .toSorted((a, b) => b.start.length - a.start.length)[0]
    return found && {mount: found.mount, rest: full.slice(found.start.length)}
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
        const {method = '', headers} = request
        const socket = request.socket as Partial<TLSSocket>
        const certificate = socket.getPeerX509Certificate?.()
        const secure = socket.encrypted === true
        const later = () =>
          void answer({method, wirePath: path, headers, body, certificate, secure}).then(
            (one) => send(request, response, one),
            (error: unknown) => send(request, response, refusal(500, String(error))),
          )
        setTimeout(later, delayMs).unref()
      },
      // the client went away in the middle of its request
      () => response.destroy(),
    )
  }

  const servers: Server[] = []
  /** Opens one more door to the same vault. @returns its address. */
  async function listen(tls: Certificate | undefined, port = 0): Promise<string> {
    const server = tls
      ? createTlsServer({key: tls.key, cert: tls.certificate, requestCert: true, rejectUnauthorized: false}, listener)
      : createPlainServer(listener)
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
      mounts.set(`${at}/`, newMount(kv))
    },
    addToken,
    /** Adds a line to the policy of a token that was made with rules. */
    addRule: (token: string, rule: Rule): void => {
      const [, name = ''] = tokens.policiesOf(token)
      const rules = tokens.policy('', name)
      if (!rules) throw new Error('only a token that was made with rules can get another one')
      rules.push(rule)
    },
    /** A person of the directory that the ldap method asks. */
    addPerson: (name: string, password: string): void => {
      directory.set(name, password)
    },
    revoke: (token: string): boolean => tokens.revoke(token),
    /** Stores fields at `mount/name`; on KV 2 as a new version. */
    put: (at: string, name: string, fields: Fields): void => {
      const mount = mounts.get(`${at}/`)
      if (!mount) throw new Error(`no mount ${at}`)
      store(mount, name, fields)
    },
    seal: (closed = true): void => {
      sealed = closed
    },
    /** The next `times` requests (below this path) get this answer instead of the true one; several calls queue up. */
    fault: (answerInstead: Fault, times = 1, below = ''): void => {
      faults.push({answer: answerInstead, times, matches: (path) => path.startsWith(below)})
    },
    /** A rate limit quota is used up for so many requests: 429, and no Retry-After. */
    throttle: (times: number): void => {
      faults.push({
        answer: refusal(429, 'request path "secret": rate limit quota exceeded'),
        times,
        matches: () => true,
      })
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

const lineOf = ({path, capabilities}: Rule): string =>
  `path ${JSON.stringify(path)} { capabilities = ${JSON.stringify(capabilities)} }`

/** `team1/` and `approle/` make `team1/auth/approle/`: where an auth method lies. */
const authPath = (at: string, namespace: string): string =>
  namespace === '' ? `auth/${at}` : `${namespace}/auth/${at.slice(namespace.length + 1)}`

/** A path as it is called inside a namespace. */
const relative = (path: string, namespace: string): string =>
  namespace !== '' && path.startsWith(`${namespace}/`) ? path.slice(namespace.length + 1) : path

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
