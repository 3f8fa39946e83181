import {SSMClient, GetParametersCommand, GetParameterCommand, PutParameterCommand} from '@aws-sdk/client-ssm'
import {expect, it, onTestFinished} from 'vitest'

import {startSsmFake, type SsmFake} from '../../fakes/aws-ssm.ts'
import {exampleCredentials} from '../../fakes/aws.ts'
import {emptyAwsEnvironment} from '../aws-environment.ts'

async function start(secretAccessKey: string = exampleCredentials.secretAccessKey) {
  await emptyAwsEnvironment()
  const fake = await startSsmFake()
  const client = new SSMClient({
    endpoint: fake.url,
    region: 'us-east-1',
    credentials: {...exampleCredentials, secretAccessKey},
  })
  onTestFinished(async () => {
    client.destroy()
    await fake.stop()
  })
  return {fake, client} satisfies {fake: SsmFake; client: SSMClient}
}

it('checks signatures for Parameter Store', async () => {
  const {client} = await start('not-the-secret-access-key')
  await expect(client.send(new GetParameterCommand({Name: 'myapp'}))).rejects.toMatchObject({
    name: 'InvalidSignatureException',
  })
})

it('refuses more than ten names in a call', async () => {
  const {client} = await start()
  const Names = Array.from({length: 11}, (_, n) => `myapp-${n}`)
  await expect(client.send(new GetParametersCommand({Names}))).rejects.toMatchObject({name: 'ValidationException'})
})

it('gives a ciphertext to those who do not ask for the value in clear', async () => {
  const {fake, client} = await start()
  fake.put('myapp', 'the value')
  const {Parameter} = await client.send(new GetParameterCommand({Name: 'myapp'}))
  expect(Parameter?.Value).not.toContain('the value')
})

it.each([
  ['team/myapp', 'ValidationException'],
  ['awsTest', 'ValidationException'],
  ['/team/my app', 'ValidationException'],
  [`/${'a/'.repeat(15)}b`, 'HierarchyLevelLimitExceededException'],
])('makes no parameter named %j', async (Name, name) => {
  const {client} = await start()
  const put = client.send(new PutParameterCommand({Name, Value: 'x', Type: 'SecureString'}))
  await expect(put).rejects.toMatchObject({name})
})

it('holds 4096 bytes in a standard parameter and 8192 in an advanced one', async () => {
  const {client} = await start()
  const put = (bytes: number, Tier: 'Standard' | 'Advanced') =>
    client.send(
      new PutParameterCommand({
        Name: `myapp-${bytes}-${Tier}`,
        Value: 'x'.repeat(bytes),
        Type: 'SecureString',
        Tier,
      }),
    )
  await expect(put(4096, 'Standard')).resolves.toMatchObject({Version: 1})
  await expect(put(4097, 'Standard')).rejects.toMatchObject({name: 'ValidationException'})
  await expect(put(8192, 'Advanced')).resolves.toMatchObject({Version: 1})
  await expect(put(8193, 'Advanced')).rejects.toMatchObject({name: 'ValidationException'})
})
