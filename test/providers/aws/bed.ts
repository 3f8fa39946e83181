import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {onTestFinished, vi} from 'vitest'

import type {Settings} from '../../../src/core/provider-spec.ts'
import {provider as aws} from '../../../src/providers/aws/index.ts'
import {exampleCredentials, startAwsFake, type AwsFake} from '../../fakes/aws.ts'
import {testHost, type Bed} from '../contract.ts'

export type AwsBed = Bed & {readonly fake: AwsFake; readonly home: string}

/**
 * An environment with nothing in it that an AWS SDK looks for, and an empty home directory: the SDK reads `process.env`
 * itself. Both are as before when the test has ended.
 */
export async function emptyAwsEnvironment(): Promise<string> {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
  const home = await mkdtemp(join(tmpdir(), 'envdrift-aws-'))
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await rm(home, {recursive: true, force: true})
  })
  vi.stubEnv('HOME', home)
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  return home
}

/** A fake with its address and a login in the environment: keys, or a role behind a web identity token file. */
export async function startAwsBed({
  login = 'keys',
  settings = {region: 'us-east-1'},
}: {readonly login?: 'keys' | 'web identity'; readonly settings?: Settings} = {}): Promise<AwsBed> {
  const home = await emptyAwsEnvironment()
  const fake = await startAwsFake()
  vi.stubEnv('AWS_ENDPOINT_URL', fake.url)
  if (login === 'keys') {
    vi.stubEnv('AWS_ACCESS_KEY_ID', exampleCredentials.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', exampleCredentials.secretAccessKey)
  } else {
    const file = join(home, 'web-identity-token')
    await writeFile(file, fake.webIdentityToken)
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', file)
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/myapp-ci')
  }

  return {
    fake,
    home,
    connect: (host) => aws.connect({name: 'default', settings}, testHost(host)),
    seed: async (name, value) => fake.put(name, value),
    seedBinary: async (name, bytes) => fake.put(name, bytes),
    addVersion: async (name, value) => fake.put(name, value),
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
    remove: async (name) => fake.remove(name),
    fail(status, times) {
      const types: Readonly<Record<number, string>> = {500: 'InternalServiceError', 503: 'ServiceUnavailableException'}
      // AWS throttles with 400 and a name of its own.
      fake.fail(
        status === 429 ? {type: 'ThrottlingException', message: 'Rate exceeded'} : {status, type: types[status]!},
        times,
      )
    },
    delay: fake.delay,
    silence: fake.silence,
    reads: () =>
      fake
        .requests()
        .filter(({operation}) => operation === 'GetSecretValue')
        .map(({secret, inFlight}) => ({name: secret, inFlight})),
    logins: () => fake.requests().filter(({operation}) => operation === 'AssumeRoleWithWebIdentity').length,
    credentials: fake.credentials(),
    stop: fake.stop,
  }
}
