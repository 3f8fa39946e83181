import {createHash} from 'node:crypto'
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {getCACertificates, setDefaultCACertificates} from 'node:tls'

import {onTestFinished, vi} from 'vitest'

import type {Settings} from '../../../src/core/provider-spec.ts'
import {provider as aws} from '../../../src/providers/aws/index.ts'
import {exampleCredentials, startAwsFake, type AwsFake} from '../../fakes/aws.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {startGate} from '../../support/gate.ts'
import {testHost, type Bed} from '../contract.ts'
import {startConnectProxy, type ConnectProxy} from './connect-proxy.ts'

export type AwsBed = Required<Omit<Bed, 'disable' | 'destroy'>> & {
  readonly fake: AwsFake
  readonly home: string
  /** Replaces ~/.aws/config. */
  readonly writeConfig: (text: string) => Promise<void>
  /** Leaves a token of a single sign-on where `aws sso login` does. */
  readonly writeSsoToken: (
    session: string,
    token: {readonly accessToken: string; readonly expiresInMs: number},
  ) => Promise<void>
  /** A file in the home directory. @returns its path. */
  readonly writeFile: (name: string, text: string) => Promise<string>
}

/**
 * An environment with nothing in it that an AWS SDK looks for, and an empty home directory: the SDK reads `process.env`
 * itself. Both are as before when the test has ended.
 */
export async function emptyAwsEnvironment(): Promise<string> {
  for (const name of Object.keys(process.env))
    if (name.startsWith('AWS_') || /^(?:https?|all|no)_proxy$/i.test(name)) vi.stubEnv(name, undefined)
  const home = await mkdtemp(join(tmpdir(), 'envdrift-aws-'))
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await rm(home, {recursive: true, force: true})
  })
  vi.stubEnv('HOME', home)
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  return home
}

/** Leads all hosts of AWS to the fake, by a proxy and a certificate that this process trusts until the test has ended. */
export async function leadAwsTo(
  fake: Pick<AwsFake, 'listenTls'>,
  options: {readonly login?: string} = {},
): Promise<ConnectProxy> {
  const certificate = await serverCertificate([
    '*.us-east-1.amazonaws.com',
    '*.eu-west-1.amazonaws.com',
    '*.cn-north-1.amazonaws.com.cn',
    '*.us-gov-west-1.amazonaws.com',
  ])
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, certificate.certificate])
  const proxy = await startConnectProxy({target: await fake.listenTls(certificate), ...options})
  onTestFinished(async () => {
    setDefaultCACertificates(trusted)
    await proxy.stop()
  })
  vi.stubEnv('AWS_ENDPOINT_URL', undefined)
  vi.stubEnv('HTTPS_PROXY', proxy.url)
  return proxy
}

/** A fake with its address and a login in the environment: keys, or a role behind a web identity token file. */
export async function startAwsBed({
  login = 'keys',
  settings = {region: 'us-east-1'},
}: {readonly login?: 'keys' | 'web identity' | 'none'; readonly settings?: Settings} = {}): Promise<AwsBed> {
  const home = await emptyAwsEnvironment()
  const fake = await startAwsFake()
  const gate = await startGate(fake.port)
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${gate.port}`)
  if (login === 'keys') {
    vi.stubEnv('AWS_ACCESS_KEY_ID', exampleCredentials.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', exampleCredentials.secretAccessKey)
  } else if (login === 'web identity') {
    const file = join(home, 'web-identity-token')
    await writeFile(file, fake.webIdentityToken)
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', file)
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/myapp-ci')
  }
  const connectWith = (over: Settings, host?: Parameters<Bed['connect']>[0]) =>
    aws.connect({name: 'default', settings: {...settings, ...over}}, testHost(host))

  return {
    fake,
    home,
    async writeConfig(text) {
      await mkdir(join(home, '.aws'), {recursive: true})
      await writeFile(join(home, '.aws/config'), text)
    },
    async writeSsoToken(session, {accessToken, expiresInMs}) {
      const cache = join(home, '.aws/sso/cache')
      await mkdir(cache, {recursive: true})
      const token = {
        accessToken,
        expiresAt: new Date(Date.now() + expiresInMs).toISOString(),
        startUrl: 'https://team.example/start',
        region: 'us-east-1',
      }
      await writeFile(join(cache, `${createHash('sha1').update(session).digest('hex')}.json`), JSON.stringify(token))
    },
    async writeFile(name, text) {
      await writeFile(join(home, name), text)
      return join(home, name)
    },
    connect: (host) => connectWith({}, host),
    seed: async (name, value) => void fake.put(name, value),
    seedBinary: async (name, bytes) => void fake.put(name, bytes),
    addVersion: async (name, value) => void fake.put(name, value),
    forbid: async (name) => fake.forbid(name),
    rejectLogin: async () =>
      login === 'keys'
        ? fake.reject({
            type: 'UnrecognizedClientException',
            message: 'The security token included in the request is invalid.',
          })
        : fake.reject({
            type: 'AccessDenied',
            status: 403,
            message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity',
          }),
    expireLogin: async () =>
      fake.reject({
        type: 'ExpiredTokenException',
        message: 'The security token included in the request is expired',
      }),
    remove: async (name) => fake.remove(name),
    // A signature for a region that is none is refused by the regions that there are, as the fake's address is.
    elsewhere: (host) => connectWith({region: 'eu-nowhere-9'}, host),
    largest: 65_536,
    badName: 'myapp production',
    fail(status, times, retryAfterSeconds) {
      const types: Readonly<Record<number, string>> = {500: 'InternalServiceError', 503: 'ServiceUnavailableException'}
      // AWS throttles with 400 and a name of its own.
      const failure =
        status === 429 ? {type: 'ThrottlingException', message: 'Rate exceeded'} : {status, type: types[status]!}
      fake.fail({...failure, ...(retryAfterSeconds !== undefined && {retryAfterSeconds})}, times)
    },
    delay: fake.delay,
    silence: fake.silence,
    network: gate,
    async connectUntrusted(host) {
      const port = await fake.listenTls(await serverCertificate(['localhost']))
      return connectWith({endpoint_url: `https://127.0.0.1:${port}`}, host)
    },
    async connectThroughProxy(host) {
      const proxy = await leadAwsTo(fake)
      return {provider: await connectWith({}, host), tunnels: () => proxy.hosts().length}
    },
    skewClock: fake.skew,
    reads: () =>
      fake.requests().flatMap(({operation, secret, ids, inFlight, isLoggedIn}) => {
        if (operation === 'GetSecretValue') return [{name: secret, inFlight}]
        if (operation !== 'BatchGetSecretValue') return []
        // No secret of a batch was looked at whose login was refused.
        return isLoggedIn() ? ids.map((name) => ({name, inFlight})) : [{name: ids[0] ?? '', inFlight}]
      }),
    logins: () => fake.requests().filter(({operation}) => operation === 'AssumeRoleWithWebIdentity').length,
    credentials: fake.credentials(),
    async stop() {
      await Promise.all([gate.stop(), fake.stop()])
    },
  }
}
