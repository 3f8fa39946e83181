import './no-roots-file.ts'
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type IncomingMessage} from 'node:http'
import {type AddressInfo, connect, type Socket} from 'node:net'
import {networkInterfaces, tmpdir} from 'node:os'
import {join} from 'node:path'
import {getCACertificates, setDefaultCACertificates} from 'node:tls'

import {afterAll} from 'vitest'

import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {provider} from '../../../src/providers/gcp/index.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {type FakeGcp, project, startGcp} from '../../fakes/gcp.ts'
import type {CredentialFiles} from '../../fakes/gcp/credential-files.ts'
import {startGate} from '../../support/gate.ts'
import {type Bed, testHost} from '../contract.ts'

const root = mkdtempSync(join(tmpdir(), 'envdrift-gcp-'))
afterAll(() => rmSync(root, {recursive: true, force: true}))

/** What Node trusts without us. */
const trustedBefore = getCACertificates('default')

/** Trust these certificates (PEM) of fakes, and those of no other fake. */
export const trustFakes = (...certificates: readonly string[]): void =>
  setDefaultCACertificates([...trustedBefore, ...certificates])

/** An empty directory that is gone when the tests of a file are done. */
export const temporaryDirectory = (): string => mkdtempSync(join(root, 'directory-'))

/** Google's library reads the process's environment: nothing of this machine's may be left in it, nor in its home. */
export function clearGoogleEnvironment(): void {
  for (const name of Object.keys(process.env)) {
    if (/^(GOOGLE_|GCLOUD_|CLOUDSDK_|GCE_|GRPC_|K_SERVICE$|(https?|no|grpc|no_grpc|all)_proxy$)/i.test(name)) {
      delete process.env[name]
    }
  }
  process.env['HOME'] = temporaryDirectory()
  // Else a metadata server would be looked for on a machine of Google's.
  process.env['METADATA_SERVER_DETECTION'] = 'none'
}

/** There a metadata server is to be expected, and tests that want none are skipped. */
export function isMachineOfGoogles(): boolean {
  const vendor = '/sys/class/dmi/id/bios_vendor'
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({mac}) => mac))
  return (
    (existsSync(vendor) && readFileSync(vendor, 'utf8').includes('Google')) ||
    addresses.some((mac) => mac.startsWith('42:01'))
  )
}

/** Writes a credential file. */
export function credentialFile(credentials: object, directory = temporaryDirectory()): string {
  const path = join(directory, 'credentials.json')
  writeFileSync(path, JSON.stringify(credentials), {mode: 0o600})
  return path
}

/** Writes a credential file, and makes it the process's. */
export function logInWith(credentials: object): void {
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = credentialFile(credentials)
}

export const connectTo = (
  {endpoint}: Pick<FakeGcp, 'endpoint'>,
  host: Partial<Host> = {},
  settings: Settings = {},
): Promise<Provider> =>
  provider.connect(
    {name: 'default', settings: {project_id: project.id, api_endpoint: endpoint, ...settings}},
    testHost(host),
  )

/** A proxy that makes tunnels to `ports`, by the host and port that it is asked for. */
export async function startProxy(
  ports: ReadonlyMap<string, number>,
): Promise<{readonly url: string; readonly asked: readonly string[]; readonly stop: () => Promise<void>}> {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((_, response) => response.writeHead(502).end())
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    asked.push(request.url!)
    const port = ports.get(request.url!)
    if (port === undefined) return client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => one.destroy())
      one.on('close', () => other.destroy())
    }
    return undefined
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** gRPC makes no TLS connection to an address: Node takes none for a server name any more. */
const byName = ({endpoint}: FakeGcp): {readonly endpoint: string} => ({
  endpoint: endpoint.replace('127.0.0.1', 'localhost'),
})

/** The gRPC statuses that Google's services use for these. Source: https://cloud.google.com/apis/design/errors */
const statusOf: Readonly<Record<number, number>> = {429: 8, 500: 13, 503: 14}

/** A fake that one of its logins is made for. */
export async function startBed(login: keyof CredentialFiles): Promise<Bed> {
  clearGoogleEnvironment()
  trustFakes()
  const fake = await startGcp({directory: temporaryDirectory()})
  const gate = await startGate(Number(new URL(fake.endpoint).port))
  logInWith(fake[login])
  const stops = [() => gate.stop(), () => fake.stop()]
  let stopped: Promise<unknown> | undefined

  /** The same secrets and logins behind TLS. */
  async function secured(isTrusted: boolean): Promise<FakeGcp> {
    const {certificate, key} = await serverCertificate(['localhost'])
    const twin = await startGcp({directory: temporaryDirectory(), tls: {key, cert: certificate}})
    stops.push(() => twin.stop())
    if (isTrusted) trustFakes(certificate)
    for (const [name, value] of seeded) twin.seed(name, value)
    // Its tokens come over TLS as well; that a certificate is refused there is told of the login, not of the service.
    logInWith(isTrusted ? twin[login] : {...twin.serviceAccount})
    return twin
  }
  const seeded: [string, string][] = []

  return {
    // A shorter deadline than people's, so that waiting for what never comes is short too.
    connect: (host) => connectTo({endpoint: `http://127.0.0.1:${gate.port}`}, {callTimeoutMs: 10_000, ...host}),
    seed: async (name, value) => {
      seeded.push([name, value])
      fake.seed(name, value)
    },
    seedBinary: async (name, bytes) => fake.seed(name, bytes),
    addVersion: async (name, value) => fake.seed(name, value),
    forbid: async (name) => fake.forbid(name),
    rejectLogin: async () => fake.rejectLogins(),
    expireLogin: async () => fake.expireTokens(),
    disable: async (name) => fake.setState(name, 1, 'DISABLED'),
    destroy: async (name) => fake.setState(name, 1, 'DESTROYED'),
    elsewhere: (host) => connectTo(fake, host, {project_id: 'no-such-project'}),
    largest: 65_536,
    badName: 'myapp.production',
    fail: (status, times, retryAfterSeconds) =>
      fake.fail(statusOf[status]!, times, retryAfterSeconds === undefined ? {} : {retrySeconds: retryAfterSeconds}),
    delay: fake.delay,
    silence: fake.silence,
    network: gate,
    connectUntrusted: async (host) => connectTo(byName(await secured(false)), host),
    async connectThroughProxy(host) {
      const twin = await secured(true)
      const ports = [new URL(byName(twin).endpoint).host, twin.tokenHost].map(
        (at) => [at, Number(at.split(':')[1])] as const,
      )
      const proxy = await startProxy(new Map(ports))
      stops.push(proxy.stop)
      process.env['HTTPS_PROXY'] = proxy.url
      return {provider: await connectTo(byName(twin), host), tunnels: () => proxy.asked.length}
    },
    skewClock: fake.skewClock,
    reads: fake.reads,
    logins: fake.logins,
    get credentials() {
      return fake.credentials()
    },
    stop: () => (stopped ??= Promise.all(stops.map((stop) => stop()))).then(() => {}),
  }
}
