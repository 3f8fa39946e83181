import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {createServer, type AddressInfo} from 'node:net'

import {CreateSecretCommand, SecretsManagerClient} from '@aws-sdk/client-secrets-manager'
import {expect, it, onTestFinished, vi} from 'vitest'

import {placeOf, programPath} from '../../scripts/servers/place.ts'
import {provider as aws} from '../../src/providers/aws/index.ts'
import {emptyAwsEnvironment} from '../providers/aws-environment.ts'
import {gist, readAll, testHost} from '../providers/contract.ts'

const region = 'us-east-1'

/** Found before a test has a home directory of its own. */
const motoServer = programPath(placeOf(), 'moto')

/**
 * A moto of its own that enforces IAM from the sixth request on, and the provider logged in as a user whose policy allows
 * `actions` on everything: moto matches no policy that names a secret.
 */
async function readAsUserWith(actions: readonly string[], names: readonly string[]) {
  await emptyAwsEnvironment()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const moto = spawn(motoServer, ['-H', '127.0.0.1', '-p', String(port)], {
    // Two secrets, a user, a policy and a key are made before anybody is refused anything.
    env: {...process.env, INITIAL_NO_AUTH_ACTION_COUNT: '5'},
    stdio: 'ignore',
  })
  onTestFinished(async () => {
    moto.kill()
    await once(moto, 'exit')
  })
  await expect
    .poll(
      () =>
        fetch(`${url}/moto-api/data.json`).then(
          ({ok}) => ok,
          () => false,
        ),
      {timeout: 20_000},
    )
    .toBe(true)

  const nobody = {accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'example'}
  const owner = new SecretsManagerClient({endpoint: url, region, credentials: nobody})
  for (const Name of ['myapp-production', 'myapp-staging'])
    await owner.send(new CreateSecretCommand({Name, SecretString: `value of ${Name}`}))
  owner.destroy()
  const iam = async (action: string, more: Readonly<Record<string, string>> = {}): Promise<string> => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=${nobody.accessKeyId}/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0`,
      },
      body: new URLSearchParams({Action: action, Version: '2010-05-08', UserName: 'myapp-ci', ...more}),
    })
    return answer.text()
  }
  await iam('CreateUser')
  await iam('PutUserPolicy', {
    PolicyName: 'envdrift',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{Effect: 'Allow', Action: actions, Resource: '*'}],
    }),
  })
  const key = await iam('CreateAccessKey')
  vi.stubEnv('AWS_ENDPOINT_URL', url)
  vi.stubEnv('AWS_ACCESS_KEY_ID', /<AccessKeyId>(.+?)</.exec(key)?.[1])
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', /<SecretAccessKey>(.+?)</.exec(key)?.[1])
  const provider = await aws.connect({name: 'default', settings: {region}}, testHost())
  onTestFinished(() => provider.close())
  return readAll(
    provider,
    names.map((name) => ({vault: 'default', name})),
  )
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const both = ['myapp-production', 'myapp-staging']
const found = both.map((name) => `found value of ${name}`)

it('reads with the two permissions of the documented policy', async () => {
  const answers = await readAsUserWith(['secretsmanager:GetSecretValue', 'secretsmanager:BatchGetSecretValue'], both)
  expect(answers.map(gist)).toEqual(found)
})

it('reads one by one where the permission for batches is taken away', async () => {
  expect((await readAsUserWith(['secretsmanager:GetSecretValue'], both)).map(gist)).toEqual(found)
})

it('names the permission to read when that is taken away', async () => {
  const answers = await readAsUserWith(
    ['secretsmanager:BatchGetSecretValue', 'secretsmanager:ListSecrets'],
    ['myapp-production'],
  )
  expect(answers.map(gist)).toEqual(['FORBIDDEN'])
  expect(answers[0]).toMatchObject({
    error: {
      message: expect.stringMatching(/refuses secretsmanager:GetSecretValue .*HTTP 403/) as string,
      suggestions: expect.arrayContaining([
        expect.stringContaining('"Action":"secretsmanager:GetSecretValue"'),
      ]) as readonly string[],
    },
  })
})
