import {vi} from 'vitest'

import type {Settings} from '../../../src/core/provider-spec.ts'
import {provider as ssm} from '../../../src/providers/aws-ssm/index.ts'
import {startSsmFake, type SsmFake} from '../../fakes/aws-ssm.ts'
import {exampleCredentials} from '../../fakes/aws.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {startGate} from '../../support/gate.ts'
import {emptyAwsEnvironment, leadAwsTo} from '../aws/bed.ts'
import {testHost, type Bed} from '../contract.ts'

export type SsmBed = Required<Omit<Bed, 'seedBinary' | 'disable' | 'remove' | 'destroy'>> & {readonly fake: SsmFake}

/** A fake with its address and access keys in the environment. */
export async function startSsmBed(): Promise<SsmBed> {
  await emptyAwsEnvironment()
  const fake = await startSsmFake()
  const gate = await startGate(fake.port)
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${gate.port}`)
  vi.stubEnv('AWS_ACCESS_KEY_ID', exampleCredentials.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', exampleCredentials.secretAccessKey)
  const connectWith = (over: Settings, host?: Parameters<Bed['connect']>[0]) =>
    ssm.connect({name: 'default', settings: {region: 'us-east-1', ...over}}, testHost(host))

  return {
    fake,
    connect: (host) => connectWith({}, host),
    seed: async (name, value) => fake.put(name, value),
    addVersion: async (name, value) => fake.put(name, value),
    forbid: async (name) => fake.forbid(name),
    rejectLogin: async () =>
      fake.reject({
        type: 'UnrecognizedClientException',
        message: 'The security token included in the request is invalid.',
      }),
    expireLogin: async () =>
      fake.reject({
        type: 'ExpiredTokenException',
        message: 'The security token included in the request is expired',
      }),
    // A signature for a region that is none is refused by the regions that there are, as the fake's address is.
    elsewhere: (host) => connectWith({region: 'eu-nowhere-9'}, host),
    largest: 8192,
    badName: 'team/myapp',
    fail(status, times, retryAfterSeconds) {
      const types: Readonly<Record<number, string>> = {500: 'InternalServerError', 503: 'ServiceUnavailableException'}
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
      fake.requests().flatMap(({operation, ids, inFlight, isLoggedIn}) => {
        if (operation !== 'GetParameters') return []
        // No parameter was looked at whose login was refused.
        return isLoggedIn() ? ids.map((name) => ({name, inFlight})) : [{name: ids[0] ?? '', inFlight}]
      }),
    logins: () => 0,
    credentials: fake.credentials(),
    async stop() {
      await Promise.all([gate.stop(), fake.stop()])
    },
  }
}
