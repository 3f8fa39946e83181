import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import {connect, type AddressInfo, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Duplex} from 'node:stream'

import type {Answer} from './azure/answer.ts'
import {loginHosts, vaultSuffixes} from './azure/clouds.ts'
import {azureCliId, makeEntra, type Entra} from './azure/entra.ts'
import {makeGitHub, type GitHub} from './azure/github.ts'
import {makeKeyVault, type KeyVault} from './azure/key-vault.ts'
import {makeManagedIdentity} from './azure/managed-identity.ts'
import {makeTokens} from './azure/tokens.ts'
import {clientCertificate, serverCertificate} from './certificate.ts'

export type FakeAzure = Pick<
  KeyVault,
  | 'addVault'
  | 'set'
  | 'disable'
  | 'remove'
  | 'forbid'
  | 'allowOnly'
  | 'fail'
  | 'failDeleted'
  | 'delay'
  | 'requests'
  | 'challenges'
> &
  Pick<Entra, 'tenantId' | 'otherTenantId' | 'clientId' | 'principalId' | 'userId' | 'clientSecret' | 'signIn'> & {
    /** Stands in for `HTTPS_PROXY`: the one way to all the hosts that this fake plays. */
    readonly proxyUrl: string
    /** What GitHub sets for a job that may ask for a token of its own, which the application trusts. */
    readonly job: GitHub['variables']
    /** The certificate of all its hosts, PEM: to be trusted. */
    readonly certificate: string
    /** What a workload's token file has to hold. */
    readonly federatedToken: string
    readonly makeFederatedToken: Entra['federatedToken']
    readonly identityHeader: string
    /** Make a certificate that may log in; PEM text with its key, as `AZURE_CLIENT_CERTIFICATE_PATH` wants it. */
    readonly issueClientCertificate: () => Promise<string>
    /** A token as Azure CLI would hand it out for a person. */
    readonly userToken: (audience?: string, tenant?: string) => string
    /** From now on Entra refuses every login, and the vaults every token. */
    readonly rejectLogin: () => void
    /** From now on our client secret has expired, and so have all tokens that were made with it. */
    readonly expireLogin: () => void
    /** From now on the vaults take tokens for made for another cloud (`audience`) or tenant (`issuer`). */
    readonly refuseTokens: KeyVault['refuseTokens']
    /** From now on Entra answers `status` to token requests. */
    readonly failLogin: Entra['fail']
    /** From now on token requests are answered by something in between. */
    readonly pageForLogin: Entra['page']
    /** From now on tokens are valid for so long, in seconds. */
    readonly tokenLifetime: (seconds: number) => void
    /** The clocks of Entra and of the vaults differ from ours by so many milliseconds from now on. */
    readonly skewClock: (ms: number) => void
    /** From now on these take connections and never answer. */
    readonly silence: (...hosts: ('vault' | 'login' | 'metadata')[]) => void
    /** Is there a metadata address (managed identity)? Without it, connections to it are closed. */
    readonly metadata: (there: boolean) => void
    /** From now on connections to the login hosts break. */
    readonly breakLogin: () => void
    readonly tokenRequests: () => number
    /** Names of all hosts that anyone asked the proxy for. */
    readonly hosts: () => readonly string[]
    readonly stop: () => Promise<void>
  }

/**
 * Azure Key Vault, Entra's login hosts and the two managed identity endpoints in one process, reached through a CONNECT
 * proxy, so that the official SDK talks to `https://NAME.vault.azure.net` with nothing of it replaced.
 *
 * Holds everything in memory and never connects to anything but itself.
 */
export async function startFakeAzure(options: {readonly port?: number} = {}): Promise<FakeAzure> {
  let skewMs = 0
  const clock = () => Math.floor((Date.now() + skewMs) / 1000)
  const tokens = makeTokens(clock)
  const entra = makeEntra(clock, tokens)
  const keyVault = makeKeyVault(entra.tenantId, clock, tokens)
  const {tenantId, clientId, principalId} = entra
  const managed = makeManagedIdentity({tenantId, userAssigned: clientId, principalId}, clock, tokens)
  const gitHub = makeGitHub(entra.federatedToken)
  const {certificate, key} = await serverCertificate([
    gitHub.host,
    ...loginHosts,
    ...vaultSuffixes.map((suffix) => `*.${suffix}`),
  ])

  const hosts: string[] = []
  const sockets = new Set<Duplex>()
  const silent = new Set<string>()
  let stopping = false
  let metadataThere = false
  let loginBroken = false

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? ''
    const url = new URL(request.url ?? '/', `https://${request.headers.host ?? ''}`)
    const isVault = keyVault.hasHost(url.hostname)
    if (silent.has(isVault ? 'vault' : 'login')) return
    const body = await textOf(request)
    const answer = isVault
      ? await keyVault.answer({
          method,
          url,
          authorization: request.headers.authorization,
          userAgent: request.headers['user-agent'],
          body,
        })
      : url.hostname === gitHub.host
        ? gitHub.answer(url, request.headers.authorization)
        : entra.answer(method, url, new URLSearchParams(body))
    if (answer === 'reset') request.socket.destroy()
    else if (answer === 'cut') {
      response.writeHead(200, {'content-type': 'application/json', 'content-length': 500})
      response.write('{"v', () => request.socket.destroy())
    } else send(response, answer)
  }

  const track = (socket: Duplex) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }

  const secure = createTlsServer({key, cert: certificate}, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      // A client that has gone away, or a delay that `stop` cut short. Anything else is a bug here, and must be seen.
      if (!request.socket.destroyed && !stopping) throw error
    })
  })
  secure.on('connection', track)
  secure.listen(0, '127.0.0.1')
  await once(secure, 'listening')
  const securePort = (secure.address() as AddressInfo).port

  const proxy = createServer((request, response) => {
    // A client behind a proxy sends the whole address for http; one that is told of this port sends the path.
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    hosts.push(url.hostname)
    const answer = metadataThere ? managed.answer(url, request.headers) : undefined
    if (answer === undefined) request.socket.destroy()
    else if (!silent.has('metadata')) send(response, answer)
  })
  proxy.on('connection', track)
  proxy.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
    const [host = '', port] = (request.url ?? '').split(':')
    hosts.push(host)
    client.on('error', () => client.destroy())
    if (loginBroken && loginHosts.includes(host)) {
      client.destroy()
      return
    }
    if (port !== '443' || !(keyVault.hasHost(host) || loginHosts.includes(host) || host === gitHub.host)) {
      client.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n')
      return
    }
    const upstream = connect(securePort, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client)
      client.pipe(upstream)
    })
    // A reset is passed on as one.
    upstream.on('error', () => client.resetAndDestroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  proxy.listen(options.port ?? 0, '127.0.0.1')
  await once(proxy, 'listening')

  return {
    ...keyVault,
    ...entra,
    proxyUrl: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    certificate,
    job: gitHub.variables,
    federatedToken: entra.federatedToken(),
    makeFederatedToken: entra.federatedToken,
    identityHeader: managed.identityHeader,
    issueClientCertificate: async () => {
      const made = await clientCertificate()
      entra.trustCertificate(made.certificate)
      return `${made.key}\n${made.certificate}\n`
    },
    userToken: (audience = 'https://vault.azure.net', tenant = tenantId) =>
      tokens.mint(audience, tenant, {appid: azureCliId, oid: entra.userId, idtyp: 'user', upn: 'dev@example.com'}),
    rejectLogin: () => {
      entra.reject()
      keyVault.refuseTokens('rejected')
    },
    expireLogin: () => {
      entra.expireSecret()
      keyVault.refuseTokens('expired')
    },
    failLogin: entra.fail,
    pageForLogin: entra.page,
    fail: keyVault.fail,
    tokenLifetime: tokens.lifetime,
    skewClock: (ms) => void (skewMs = ms),
    silence: (...which) => which.forEach((one) => silent.add(one)),
    metadata: (there) => void (metadataThere = there),
    breakLogin: () => void (loginBroken = true),
    tokenRequests: () => entra.tokenRequests() + managed.tokenRequests(),
    hosts: () => [...hosts],
    stop: async () => {
      stopping = true
      keyVault.stop()
      for (const socket of sockets) socket.destroy()
      await Promise.all([proxy, secure].map((server) => new Promise((done) => server.close(done))))
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-cache',
    'x-ms-keyvault-region': 'westeurope',
    'x-ms-request-id': randomUUID(),
    ...answer.headers,
  })
  response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
}

/** Node takes one file of extra certificates, so one that is set already is joined with ours. */
export function certificateFile(directory: string, certificate: string, already: string | undefined): string {
  const path = join(directory, 'fake-azure-ca.pem')
  writeFileSync(
    path,
    `${already === undefined || already === '' ? '' : `${readFileSync(already, 'utf8')}\n`}${certificate}\n`,
  )
  return path
}

/** What the environment of a process has to say so that it takes this fake for Azure, logged in with a client secret. */
export function environmentFor(fake: FakeAzure, certificatesPath: string): Record<string, string> {
  return {
    HTTPS_PROXY: fake.proxyUrl,
    NO_PROXY: '',
    NODE_EXTRA_CA_CERTS: certificatesPath,
    AZURE_TENANT_ID: fake.tenantId,
    AZURE_CLIENT_ID: fake.clientId,
    AZURE_CLIENT_SECRET: fake.clientSecret,
    AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential',
  }
}

// As a program: `node test/fakes/azure.ts [PORT] [VAULT…]`, until it is interrupted.
if (process.argv[1] === import.meta.filename) {
  const [port = '0', ...names] = process.argv.slice(2)
  const fake = await startFakeAzure({port: Number(port)})
  const urls = (names.length === 0 ? ['my-keyvault'] : names).map((name) => fake.addVault(name))
  const directory = mkdtempSync(join(tmpdir(), 'fake-azure-'))
  const environment = environmentFor(
    fake,
    certificateFile(directory, fake.certificate, process.env['NODE_EXTRA_CA_CERTS']),
  )
  const token = fake.userToken()
  process.stdout.write(
    [
      `# A fake Azure for ${urls.join(' ')}, reached through ${fake.proxyUrl}; it keeps nothing when it ends. To use it:`,
      ...Object.entries(environment).map(([name, value]) => `export ${name}=${value}`),
      `export FAKE_AZURE_TOKEN=${token}`,
      '# To store a secret:',
      `#   curl -X PUT --cacert $NODE_EXTRA_CA_CERTS -H "Authorization: Bearer $FAKE_AZURE_TOKEN" -H 'Content-Type: application/json' -d '{"value": "…"}' '${urls[0]}/secrets/myapp-key?api-version=7.6'`,
      '',
    ].join('\n'),
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(directory, {recursive: true, force: true})
      process.exit(0)
    })
  }
}
