import {execFile} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {getCACertificates, setDefaultCACertificates} from 'node:tls'

import {onTestFinished} from 'vitest'

import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {provider as azure} from '../../../src/providers/azure/index.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {certificateFile, environmentFor, startFakeAzure, type FakeAzure} from '../../fakes/azure.ts'
import {startGate} from '../../support/gate.ts'
import {testHost, type Bed} from '../contract.ts'

/** What Node trusts without us; the certificates of fakes are added to these and forgotten with the next one. */
const trustedBefore = getCACertificates('default')

/** Variables through which an SDK of Azure's could find a login, a proxy or a log level of this machine. */
const ambient = /^(ACTIONS_|AZURE_|IDENTITY_|IMDS_|MSI_|ARM_|SYSTEM_|(HTTPS?|ALL|NO)_PROXY$|DEBUG$|TYPESPEC_)/i

/** Gone when the test has finished. */
function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'azure-test-'))
  onTestFinished(() => rmSync(path, {recursive: true}))
  return path
}

/** Variables of a login with the fake's client secret, and with nothing else. */
export const clientSecretLogin = (fake: FakeAzure): Record<string, string> => ({
  AZURE_TENANT_ID: fake.tenantId,
  AZURE_CLIENT_ID: fake.clientId,
  AZURE_CLIENT_SECRET: fake.clientSecret,
  AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential',
})

/**
 * Make this process take `fake` for Azure: its proxy, its certificate, `variables` and no other of Azure's, an empty home.
 * The SDK reads all of that from the process itself, so there is no other way to leave the SDK unchanged.
 */
function enter(fake: FakeAzure, variables: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) if (ambient.test(name)) delete process.env[name]
  const home = temporaryDirectory()
  // PATH too: an `az` or `pwsh` of this machine is not to be asked.
  Object.assign(process.env, {HOME: home, PATH: home, HTTPS_PROXY: fake.proxyUrl, NO_PROXY: '', ...variables})
  setDefaultCACertificates([...trustedBefore, fake.certificate])
}

/** Forget the certificates of all fakes. */
export const trustNoFake = (): void => setDefaultCACertificates(trustedBefore)

/** The variables that make a process of its own take `fake` for Azure, logged in with a client secret. */
export const environmentOf = (fake: FakeAzure): Record<string, string> =>
  environmentFor(fake, certificateFile(temporaryDirectory(), fake.certificate, undefined))

/**
 * Run a program of its own, with `variables` and an empty home.
 *
 * @param script - the text of a module, which starts in the root of the repository.
 */
export async function inChild(
  script: string,
  variables: Readonly<Record<string, string>>,
): Promise<{readonly stdout: string; readonly stderr: string}> {
  const home = temporaryDirectory()
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ['--input-type=module', '-e', script],
      {env: {HOME: home, PATH: home, ...variables}, cwd: join(import.meta.dirname, '../../..'), timeout: 25_000},
      (error, stdout, stderr) => (error === null ? resolve({stdout, stderr}) : reject(error)),
    )
  })
}

/** What one reading of `myapp-key` in `my-keyvault` came to, and who read it. */
export type ReadInChild = {
  /** `found`, `absent`, or the code of the failure. */
  readonly outcome: string
  /** Message and suggestions of the failure, one a line. */
  readonly said: string
  /** Of `whoami`; absent after a failure. */
  readonly credential?: string
  readonly who?: string
}

/**
 * Reads one secret in a process of its own: the SDK keeps the first managed identity, its address, its tokens and what it
 * knows of PowerShell for the whole process.
 */
export async function readInChild(
  variables: Readonly<Record<string, string>>,
  settings: Settings = {},
  callTimeoutMs = 10_000,
): Promise<ReadInChild> {
  const {stdout} = await inChild(scriptThatReads(settings, callTimeoutMs), variables)
  return JSON.parse(stdout) as ReadInChild
}

/** A program that reads `myapp-key` with the adapter, and prints a {@link ReadInChild}. */
export const scriptThatReads = (settings: Settings = {}, callTimeoutMs = 10_000): string => `
  import {provider as azure} from './src/providers/azure/index.ts'
  const settings = ${JSON.stringify({vault_url: 'https://my-keyvault.vault.azure.net/', ...settings})}
  const provider = await azure.connect(
    {name: 'default', settings},
    {env: process.env, home: process.env.HOME, maxInFlight: 16, callTimeoutMs: ${callTimeoutMs}, interactive: false, warn() {}},
  )
  const {signal} = new AbortController()
  for await (const {kind, error} of provider.read([{vault: 'default', name: 'myapp-key'}], signal)) {
    const {credential, who} = kind === 'failed' ? {} : await provider.whoami(signal)
    const said = error === undefined ? '' : [error.message, ...error.suggestions].join('\\n')
    console.log(JSON.stringify({outcome: error?.code ?? kind, said, credential, who}))
  }
  await provider.close()`

const connectTo = (vaultUrl: string, host: Partial<Host> = {}, settings: Settings = {}): Promise<Provider> =>
  azure.connect({name: 'default', settings: {vault_url: `${vaultUrl}/`, ...settings}}, testHost(host))

/** The same, closed when the test has finished. */
export async function connectAt(vaultUrl: string, host?: Partial<Host>, settings?: Settings): Promise<Provider> {
  const provider = await connectTo(vaultUrl, host, settings)
  onTestFinished(provider.close)
  return provider
}

/** A fake that stops when the test has finished. */
export async function startFake(): Promise<FakeAzure> {
  const fake = await startFakeAzure()
  onTestFinished(fake.stop)
  return fake
}

/**
 * What this process takes for Azure until the test has finished: the vault `my-keyvault` with `myapp-key` in it.
 *
 * @param variables - the login of this process.
 */
export async function enterFake(
  variables: (fake: FakeAzure) => Readonly<Record<string, string>> = clientSecretLogin,
): Promise<{readonly fake: FakeAzure; readonly url: string}> {
  const fake = await startFake()
  const url = fake.addVault('my-keyvault')
  fake.set('my-keyvault', 'myapp-key', 'the value')
  enter(fake, variables(fake))
  return {fake, url}
}

/** A file in the home directory of this process, which is in PATH too; its path. */
export function homeFile(name: string, text: string): string {
  const path = join(process.env['HOME']!, name)
  writeFileSync(path, text)
  return path
}

/** A fake with one vault, `my-keyvault`, and this process logged in with a client secret. */
export async function startBed(): Promise<Bed & {readonly fake: FakeAzure; readonly url: string}> {
  const fake = await startFakeAzure()
  const url = fake.addVault('my-keyvault')
  // All of our ways lead through the proxy, so that is where the network goes wrong.
  const gate = await startGate(Number(new URL(fake.proxyUrl).port))
  enter(fake, {...clientSecretLogin(fake), HTTPS_PROXY: `http://127.0.0.1:${gate.port}`})
  const done = async () => {}
  // A shorter deadline than people's, so that waiting for one that never comes is short too.
  const connect = (host?: Partial<Host>) => connectTo(url, {callTimeoutMs: 10_000, ...host})
  return {
    fake,
    url,
    connect,
    seed: async (name, value) => void fake.set('my-keyvault', name, value),
    addVersion: async (name, value) => void fake.set('my-keyvault', name, value),
    forbid: (name) => done().then(() => fake.forbid(name, 'ForbiddenByRbac')),
    rejectLogin: () => done().then(() => fake.rejectLogin()),
    expireLogin: () => done().then(() => fake.expireLogin()),
    disable: (name) => done().then(() => fake.disable('my-keyvault', name)),
    remove: (name) => done().then(() => fake.remove('my-keyvault', name)),
    elsewhere: (host) => connectTo('https://no-such-keyvault.vault.azure.net', {callTimeoutMs: 10_000, ...host}),
    largest: 25_600,
    badName: 'myapp_production',
    fail: (status, times, retryAfterSeconds) =>
      fake.fail({kind: 'status', status, times, ...(retryAfterSeconds !== undefined && {retryAfterSeconds})}),
    delay: fake.delay,
    silence: () => fake.silence('vault', 'login'),
    network: gate,
    connectUntrusted: (host) => {
      trustNoFake()
      return connect(host)
    },
    connectThroughProxy: async (host) => ({provider: await connect(host), tunnels: () => fake.hosts().length}),
    skewClock: fake.skewClock,
    reads: () => fake.requests().filter(({operation}) => operation === 'get'),
    logins: fake.tokenRequests,
    credentials: [fake.clientSecret, fake.federatedToken],
    stop: async () => {
      await gate.stop()
      await fake.stop()
    },
  }
}
