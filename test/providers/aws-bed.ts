import {vi} from 'vitest'

import type {Settings} from '../../src/core/provider-spec.ts'
import type {ProviderDefinition} from '../../src/providers/provider.ts'
import {exampleCredentials, type AwsFake} from '../fakes/aws.ts'
import {serverCertificate} from '../fakes/certificate.ts'
import {startGate} from '../support/gate.ts'
import {leadAwsTo} from './aws-environment.ts'
import {testHost, type Bed} from './contract.ts'

/** The fake of any service of AWS. */
export type ServiceFake = Omit<AwsFake, 'put' | 'forbid'> & {
  readonly put: (name: string, value: string) => unknown
  readonly forbid: (name: string) => void
}

export type CommonBed = Required<
  Omit<Bed, 'seedBinary' | 'disable' | 'remove' | 'destroy' | 'largest' | 'badName' | 'logins'>
>

/** Leaves the access keys of the fakes in the environment. */
export function logInByKeys(): void {
  vi.stubEnv('AWS_ACCESS_KEY_ID', exampleCredentials.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', exampleCredentials.secretAccessKey)
}

/**
 * What the beds of all services of AWS have, with the address of the fake in the environment.
 *
 * @param service.internalError - what the service calls trouble of its own.
 * @param service.reading - the operations that read.
 */
export async function startCommonBed(
  fake: ServiceFake,
  {
    provider,
    settings,
    internalError,
    reading,
  }: {
    readonly provider: ProviderDefinition
    readonly settings: Settings
    readonly internalError: string
    readonly reading: readonly string[]
  },
): Promise<CommonBed> {
  const gate = await startGate(fake.port)
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${gate.port}`)
  const connectWith = (over: Settings, host?: Parameters<Bed['connect']>[0]) =>
    provider.connect({name: 'default', settings: {...settings, ...over}}, testHost(host))

  return {
    connect: (host) => connectWith({}, host),
    seed: async (name, value) => void fake.put(name, value),
    addVersion: async (name, value) => void fake.put(name, value),
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
    fail(status, times, retryAfterSeconds) {
      const types: Readonly<Record<number, string>> = {500: internalError, 503: 'ServiceUnavailableException'}
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
        if (!reading.includes(operation)) return []
        const names = ids.length === 0 ? [secret] : ids
        // No secret of a batch was looked at whose login was refused.
        return (isLoggedIn() ? names : names.slice(0, 1)).map((name) => ({name, inFlight}))
      }),
    credentials: fake.credentials(),
    async stop() {
      await Promise.all([gate.stop(), fake.stop()])
    },
  }
}
