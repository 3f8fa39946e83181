import {execFile} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'

import {afterEach, describe, expect, it} from 'vitest'

import {serverCertificate} from '../../fakes/certificate.ts'
import {type FakeGcp, project} from '../../fakes/gcp.ts'
import {credentialFile, isMachineOfGoogles, temporaryDirectory} from './bed.ts'
import {type Internet, startInternet} from './internet.ts'

const run = promisify(execFile)
const stops: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

type Machine = {
  readonly fake: FakeGcp
  readonly env: Readonly<Record<string, string>>
  readonly home: string
  readonly hosts: readonly string[]
  readonly published: Internet['published']
}

/** The environment of a program that takes the fake for Google. */
async function internet(): Promise<Machine> {
  const {fake, proxy, certificate, hosts, published, stop} = await startInternet()
  stops.push(stop)
  const home = temporaryDirectory()
  const bundle = join(home, 'ca.pem')
  writeFileSync(bundle, certificate)
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    METADATA_SERVER_DETECTION: 'none',
    HTTPS_PROXY: proxy,
    NODE_EXTRA_CA_CERTS: bundle,
  }
  return {fake, env, home, hosts, published}
}

async function readOnce(
  env: Readonly<Record<string, string>>,
  ...names: string[]
): Promise<{stdout: string; stderr: string; printed: unknown}> {
  const program = fileURLToPath(new URL('./read-once.ts', import.meta.url))
  const {stdout, stderr} = await run(process.execPath, [program, project.id, ...names], {env})
  return {stdout, stderr, printed: JSON.parse(stdout.trim().split('\n').at(-1)!)}
}

describe('the unchanged SDK over TLS, at the real host names', () => {
  it('C114 reads global and regional secrets with a service account key, each at its own host', async () => {
    const {fake, env, hosts} = await internet()
    fake.seed('myapp-production', 'global')
    fake.seed('locations/europe-west3/secrets/myapp-key', 'regional!')
    const regional = `projects/${project.id}/locations/europe-west3/secrets/myapp-key`
    const {printed} = await readOnce(
      {...env, GOOGLE_APPLICATION_CREDENTIALS: credentialFile(fake.serviceAccount)},
      'myapp-production',
      regional,
      'myapp-staging',
    )
    expect(printed).toMatchObject({
      answers: {'myapp-production': 'found 6 characters', [regional]: 'found 9 characters', 'myapp-staging': 'absent'},
    })
    expect(new Set(hosts)).toEqual(
      new Set(['secretmanager.googleapis.com:443', 'secretmanager.europe-west3.rep.googleapis.com:443']),
    )
  })

  it('logs in with the file of gcloud, once', async () => {
    const {fake, env, home} = await internet()
    mkdirSync(join(home, '.config', 'gcloud'), {recursive: true})
    writeFileSync(
      join(home, '.config', 'gcloud', 'application_default_credentials.json'),
      JSON.stringify(fake.userLogin),
    )
    fake.seed('a', 'first')
    fake.seed('b', 'second')
    const {printed} = await readOnce(env, 'a', 'b')
    expect(printed).toEqual({
      answers: {a: 'found 5 characters', b: 'found 6 characters'},
      who: 'dev@example.com',
      credential: 'the user login in the file of `gcloud auth application-default login`',
    })
    expect(fake.logins()).toBe(1)
  })

  it('says TLS_REFUSED, and asks nothing, when gRPC does not trust the certificate', async () => {
    const {fake, env, home} = await internet()
    const other = join(home, 'other.pem')
    writeFileSync(other, (await serverCertificate(['elsewhere.example'])).certificate)
    const {printed} = await readOnce(
      {
        ...env,
        GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: other,
        GOOGLE_APPLICATION_CREDENTIALS: credentialFile(fake.serviceAccount),
      },
      'myapp-production',
    )
    expect(printed).toMatchObject({answers: {'myapp-production': expect.stringMatching(/^TLS_REFUSED .*SELF_SIGNED/)}})
    expect(fake.calls()).toEqual([])
  })

  it('ends when the token service is silent for ever', async () => {
    const {fake, env, published} = await internet()
    fake.tokens.silence()
    // A request that is still waiting would keep the program from its end, and this test from its.
    const {printed} = await readOnce(
      {
        ...env,
        TEST_CALL_TIMEOUT_MS: '1000',
        GOOGLE_APPLICATION_CREDENTIALS: credentialFile(published('workloadIdentity')),
      },
      'myapp-production',
    )
    expect(printed).toMatchObject({answers: {'myapp-production': expect.stringMatching(/^TIMEOUT /)}})
  })

  const isGoogles = isMachineOfGoogles()
  it.skipIf(isGoogles)(
    `says nothing but NOT_LOGGED_IN where nobody is${isGoogles ? ' (skipped: this machine is one of Google’s)' : ''}`,
    async () => {
      const {env} = await internet()
      const {stderr, printed} = await readOnce({...env, METADATA_SERVER_DETECTION: ''}, 'myapp-production')
      expect(printed).toMatchObject({answers: {'myapp-production': expect.stringMatching(/^NOT_LOGGED_IN /)}})
      expect(stderr).toBe('')
    },
  )

  it.each([
    ['GRPC_TRACE=all', {GRPC_TRACE: 'all', GRPC_VERBOSITY: 'DEBUG'}],
    ['GRPC_NODE_TRACE=all', {GRPC_NODE_TRACE: 'all', GRPC_NODE_VERBOSITY: 'DEBUG'}],
    ['GOOGLE_SDK_NODE_LOGGING=all', {GOOGLE_SDK_NODE_LOGGING: 'all'}],
    ['DEBUG=*', {DEBUG: '*', DEBUG_AUTH: '1'}],
  ])('C135 prints no key and no token under %s', async (_, variables) => {
    const {fake, env} = await internet()
    const value = randomBytes(32).toString('hex')
    fake.seed('myapp-production', value)
    for (const login of [fake.serviceAccount, fake.workloadIdentity]) {
      const {stdout, stderr, printed} = await readOnce(
        {...env, NO_PROXY: '127.0.0.1', ...variables, GOOGLE_APPLICATION_CREDENTIALS: credentialFile(login)},
        'myapp-production',
      )
      expect(printed).toMatchObject({answers: {'myapp-production': 'found 64 characters'}})
      const all = stdout + stderr
      for (const text of [value, Buffer.from(value).toString('base64'), ...fake.credentials()]) {
        expect(all).not.toContain(text)
      }
      // A call, a message or headers in gRPC's trace: what it prints of them is up to its version.
      expect(all).not.toMatch(/\| (?:resolving_call|subchannel_call|transport) \|/)
      // What a Buffer prints as, in a log of a payload.
      expect(all).not.toContain([...Buffer.from(value.slice(0, 4))].join(','))
    }
  })
})
