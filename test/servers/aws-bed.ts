import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import {AssumeRoleCommand, STSClient} from '@aws-sdk/client-sts'
import {vi} from 'vitest'

import {placeOf} from '../../scripts/servers/place.ts'
import {runningServers} from '../../scripts/servers/state.ts'
import type {Settings} from '../../src/core/provider-spec.ts'
import {provider as aws} from '../../src/providers/aws/index.ts'
import {emptyAwsEnvironment} from '../providers/aws/bed.ts'
import {testHost, type Bed} from '../providers/contract.ts'
import {startFront, type Passed} from './front.ts'
import {openToxicWay} from './toxiproxy.ts'

const region = 'us-east-1'

/** In the shape of a job's token; moto doesn't look into it. */
const webIdentityToken = `${btoa('{"alg":"RS256"}')}.${btoa('{"sub":"repo:myorg/myapp"}')}.signature-of-the-test`

/** An AWS account of its own on the running moto, with a role in it that the environment logs in to; reached through toxiproxy. */
export async function startAwsServerBed(by: 'keys' | 'web identity', settings: Settings = {}): Promise<Bed> {
  const {moto, toxiproxy} = runningServers(placeOf())
  const home = await emptyAwsEnvironment()
  // What this process itself asks of moto doesn't go through the network that is broken on purpose.
  const direct = {endpoint: moto.url, region}
  const role = `arn:aws:iam::${String(Math.floor(Math.random() * 1e12)).padStart(12, '0')}:role/myapp`
  const login = await assume(role, direct)
  const client = new SecretsManagerClient({...direct, credentials: login})

  const front = await startFront(moto.url)
  const way = await openToxicWay(toxiproxy.url, front.port)
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${way.port}`)
  if (by === 'keys') {
    vi.stubEnv('AWS_ACCESS_KEY_ID', login.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', login.secretAccessKey)
    vi.stubEnv('AWS_SESSION_TOKEN', login.sessionToken)
  } else {
    const file = join(home, 'web-identity-token')
    await writeFile(file, webIdentityToken)
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', file)
    vi.stubEnv('AWS_ROLE_ARN', role)
  }

  async function put(name: string, value: {SecretString: string} | {SecretBinary: Buffer}): Promise<void> {
    try {
      await client.send(new CreateSecretCommand({Name: name, ...value}))
    } catch (error) {
      if (!(error instanceof ResourceExistsException)) throw error
      await client.send(new PutSecretValueCommand({SecretId: name, ...value}))
    }
  }

  let stopped: Promise<void> | undefined
  return {
    connect: (over) => aws.connect({name: 'default', settings: {region, ...settings}}, testHost(over)),
    seed: (name, value) => put(name, {SecretString: value}),
    seedBinary: (name, bytes) => put(name, {SecretBinary: bytes}),
    addVersion: (name, value) => put(name, {SecretString: value}),
    remove: async (name) => void (await client.send(new DeleteSecretCommand({SecretId: name}))),
    // Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
    largest: 65_536,
    network: way,
    delay: front.delay,
    silence: way.silence,
    reads: () => front.log.flatMap(readsIn),
    logins: () => front.log.filter(({body}) => body.includes('Action=AssumeRole')).length,
    credentials: by === 'keys' ? [login.secretAccessKey, login.sessionToken] : [webIdentityToken],
    stop: () =>
      (stopped ??= (async () => {
        client.destroy()
        await Promise.all([way.stop(), front.stop()])
      })()),
  }
}

/** Credentials of a role; moto lets anyone have any, and keeps accounts apart. */
async function assume(
  RoleArn: string,
  where: {readonly endpoint: string; readonly region: string},
): Promise<{readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken: string}> {
  const sts = new STSClient({...where, credentials: {accessKeyId: 'nobody', secretAccessKey: 'nothing'}})
  const {Credentials: given} = await sts.send(new AssumeRoleCommand({RoleArn, RoleSessionName: 'test'}))
  sts.destroy()
  const {AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken} = given ?? {}
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
    throw new Error('moto gave no credentials')
  return {accessKeyId, secretAccessKey, sessionToken}
}

/** The secrets that a request asks for, one by one or several at once. */
function readsIn({headers, body, inFlight}: Passed): readonly {readonly name: string; readonly inFlight: number}[] {
  const operation = String(headers['x-amz-target'] ?? '').split('.')[1]
  const asked = (text: string) =>
    JSON.parse(text) as {readonly SecretId?: string; readonly SecretIdList?: readonly string[]}
  if (operation === 'GetSecretValue') return [{name: asked(body).SecretId ?? '', inFlight}]
  if (operation === 'BatchGetSecretValue') return (asked(body).SecretIdList ?? []).map((name) => ({name, inFlight}))
  return []
}
