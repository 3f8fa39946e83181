import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {AssumeRoleCommand, STSClient} from '@aws-sdk/client-sts'
import {vi} from 'vitest'

import {placeOf} from '../../scripts/servers/place.ts'
import {runningServers} from '../../scripts/servers/state.ts'
import {emptyAwsEnvironment} from '../providers/aws-environment.ts'
import type {Bed} from '../providers/contract.ts'
import {startFront, type Passed} from '../support/front.ts'
import {openToxicWay} from './toxiproxy.ts'

type Login = {readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken: string}

export type AwsServerAccount = {
  /** For clients of the test itself: they don't go through the network that is broken on purpose. */
  readonly direct: {readonly endpoint: string; readonly region: string; readonly credentials: Login}
  /** Every request that came through that network. */
  readonly log: readonly Passed[]
  /** What the beds of all services of AWS have. */
  readonly bed: Required<Pick<Bed, 'network' | 'delay' | 'silence' | 'logins' | 'credentials' | 'stop'>>
}

const region = 'us-east-1'

/** In the shape of a job's token; moto doesn't look into it. */
const webIdentityToken = `${btoa('{"alg":"RS256"}')}.${btoa('{"sub":"repo:myorg/myapp"}')}.signature-of-the-test`

/** An AWS account of its own on the running moto, with a role in it that the environment logs in to; reached through toxiproxy. */
export async function startAwsServerAccount(by: 'keys' | 'web identity'): Promise<AwsServerAccount> {
  const {moto, toxiproxy} = runningServers(placeOf())
  const home = await emptyAwsEnvironment()
  const role = `arn:aws:iam::${String(Math.floor(Math.random() * 1e12)).padStart(12, '0')}:role/myapp`
  const login = await assume(role, {endpoint: moto.url, region})

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

  let stopped: Promise<void> | undefined
  return {
    direct: {endpoint: moto.url, region, credentials: login},
    log: front.log,
    bed: {
      network: way,
      delay: front.delay,
      silence: way.silence,
      logins: () => front.log.filter(({body}) => body.includes('Action=AssumeRole')).length,
      credentials: by === 'keys' ? [login.secretAccessKey, login.sessionToken] : [webIdentityToken],
      stop: () => (stopped ??= Promise.all([way.stop(), front.stop()]).then(() => {})),
    },
  }
}

/** Credentials of a role; moto lets anyone have any, and keeps accounts apart. */
async function assume(RoleArn: string, where: {readonly endpoint: string; readonly region: string}): Promise<Login> {
  const sts = new STSClient({...where, credentials: {accessKeyId: 'nobody', secretAccessKey: 'nothing'}})
  const {Credentials: given} = await sts.send(new AssumeRoleCommand({RoleArn, RoleSessionName: 'test'}))
  sts.destroy()
  const {AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken} = given ?? {}
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
    throw new Error('moto gave no credentials')
  return {accessKeyId, secretAccessKey, sessionToken}
}

/** The operation of a request over AWS JSON, and what it says. */
export function operationIn({
  headers,
  body,
}: Passed): readonly [operation: string, said: Readonly<Record<string, unknown>>] {
  const [, operation] = String(headers['x-amz-target'] ?? '').split('.')
  return operation === undefined ? ['', {}] : [operation, JSON.parse(body) as Readonly<Record<string, unknown>>]
}
