import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {
  BatchGetSecretValueCommand,
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  type BatchGetSecretValueCommandInput,
  type SecretsManagerClientConfig,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import {AssumeRoleCommand, STSClient, type AssumeRoleCommandInput} from '@aws-sdk/client-sts'
import {describe, expect, it, onTestFinished, vi} from 'vitest'

import {exampleCredentials, startAwsFake, type AwsFake} from '../../fakes/aws.ts'
import {emptyAwsEnvironment} from '../aws-environment.ts'
import {startAwsBed} from './bed.ts'

/** The unchanged SDK, with its own defaults, against a fake of this test; stopped with it. */
async function start(over: SecretsManagerClientConfig = {}): Promise<{fake: AwsFake; client: SecretsManagerClient}> {
  const {fake, stop} = await startAwsBed()
  onTestFinished(stop)
  // Without the bed's gate before it.
  vi.stubEnv('AWS_ENDPOINT_URL', fake.url)
  return {fake, client: clientWith({region: 'us-east-1', ...over})}
}

function clientWith(config: SecretsManagerClientConfig): SecretsManagerClient {
  const client = new SecretsManagerClient(config)
  onTestFinished(() => client.destroy())
  return client
}

const read = (client: SecretsManagerClient, SecretId = 'myapp-production') =>
  client.send(new GetSecretValueCommand({SecretId}))

describe('addresses', () => {
  it.each(['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_SECRETS_MANAGER'])('is where %s points', async (variable) => {
    await emptyAwsEnvironment()
    const fake = await startAwsFake()
    onTestFinished(fake.stop)
    fake.put('myapp-production', 'by variable')
    vi.stubEnv(variable, fake.url)
    const answer = await read(clientWith({region: 'us-east-1', credentials: exampleCredentials}))
    expect(answer.SecretString).toBe('by variable')
  })

  // Of AWS_PROFILE's only: the SDK does not look at it for a profile that is named in code.
  it('is where the endpoint_url of the profile in AWS_PROFILE points', async () => {
    const home = await emptyAwsEnvironment()
    const fake = await startAwsFake()
    onTestFinished(fake.stop)
    fake.put('myapp-production', 'by profile')
    await mkdir(join(home, '.aws'))
    await writeFile(join(home, '.aws/config'), `[profile myapp]\nendpoint_url = ${fake.url}\n`)
    vi.stubEnv('AWS_PROFILE', 'myapp')
    const answer = await read(clientWith({region: 'us-east-1', credentials: exampleCredentials}))
    expect(answer.SecretString).toBe('by profile')
  })

  it('refuses the connection when it is down', async () => {
    const {fake, client} = await start()
    await fake.stop()
    await expect(read(client)).rejects.toMatchObject({code: 'ECONNREFUSED'})
  })
})

describe('batches', () => {
  it('answers 200 with an error for each id that is missing, removed or denied', async () => {
    const {fake, client} = await start()
    fake.put('myapp-production', 'here')
    fake.put('myapp-staging', 'removed')
    fake.remove('myapp-staging')
    fake.put('myapp-review', 'denied')
    fake.forbid('myapp-review')
    const SecretIdList = ['myapp-production', 'myapp-staging', 'myapp-review', 'myapp-missing']
    const answer = await client.send(new BatchGetSecretValueCommand({SecretIdList}))
    expect(answer.$metadata.httpStatusCode).toBe(200)
    expect(answer.SecretValues?.map(({SecretString}) => SecretString)).toEqual(['here'])
    expect(answer.Errors).toEqual([
      {SecretId: 'myapp-staging', ErrorCode: 'InvalidRequestException', Message: expect.any(String)},
      {SecretId: 'myapp-review', ErrorCode: 'AccessDeniedException', Message: expect.any(String)},
      {SecretId: 'myapp-missing', ErrorCode: 'ResourceNotFoundException', Message: expect.any(String)},
    ])
  })

  it('takes 20 ids and refuses 21', async () => {
    const {client} = await start()
    const batchOf = (count: number) =>
      client.send(new BatchGetSecretValueCommand({SecretIdList: Array.from({length: count}, (_, n) => `service-${n}`)}))
    expect((await batchOf(20)).Errors).toHaveLength(20)
    await expect(batchOf(21)).rejects.toMatchObject({name: 'ValidationException'})
  })
})

describe('what the API reference says of a batch', () => {
  const batch = async (input: BatchGetSecretValueCommandInput) => {
    const {client} = await start()
    return client.send(new BatchGetSecretValueCommand(input))
  }

  it.each([
    ['filters beside ids', {SecretIdList: ['one'], Filters: [{Key: 'name', Values: ['one']}]}],
    ['neither', {}],
    ['a size of the page beside ids', {SecretIdList: ['one'], MaxResults: 5}],
  ] as const)('refuses %s', async (_, input) => {
    await expect(batch(input as BatchGetSecretValueCommandInput)).rejects.toMatchObject({
      name: 'InvalidParameterException',
    })
  })

  it.each([
    [{SecretIdList: []}, 'ValidationException'],
    [{SecretIdList: ['one'], NextToken: '7'}, 'InvalidNextTokenException'],
  ])('refuses %j with %s', async (input, name) => {
    await expect(batch(input)).rejects.toMatchObject({name})
  })
})

describe('places', () => {
  it('refuses a signature for a region that there is none of', async () => {
    const {client} = await start({region: 'eu-nowhere-9'})
    await expect(read(client)).rejects.toMatchObject({name: 'InvalidSignatureException'})
  })

  it('finds a secret of another account by its ARN only', async () => {
    const {fake, client} = await start()
    fake.put('shared', 'theirs', 'us-east-1', '210987654321')
    const arn = 'arn:aws:secretsmanager:us-east-1:210987654321:secret:shared'
    expect((await read(client, arn)).SecretString).toBe('theirs')
    await expect(read(client, 'shared')).rejects.toMatchObject({name: 'ResourceNotFoundException'})
  })

  it('refuses a name that no secret can have', async () => {
    const {client} = await start()
    await expect(read(client, 'myapp production')).rejects.toMatchObject({name: 'ValidationException'})
  })
})

describe('roles', () => {
  const reader = 'arn:aws:iam::123456789012:role/myapp-reader'
  const assume = async (input: Partial<AssumeRoleCommandInput>) => {
    const {fake} = await start()
    fake.role(reader, {externalId: 'myapp-4711'})
    const client = new STSClient({region: 'us-east-1'})
    onTestFinished(() => client.destroy())
    return client.send(new AssumeRoleCommand({RoleArn: reader, RoleSessionName: 'test', ...input}))
  }

  it('are given to who brings what they ask for', async () => {
    const {AssumedRoleUser} = await assume({ExternalId: 'myapp-4711'})
    expect(AssumedRoleUser?.Arn).toBe('arn:aws:sts::123456789012:assumed-role/myapp-reader/test')
  })

  it.each([
    ['without the external id', {}, 'AccessDenied'],
    ['with another external id', {ExternalId: 'other'}, 'AccessDenied'],
    ['that nobody made', {RoleArn: 'arn:aws:iam::123456789012:role/other'}, 'AccessDenied'],
    ['under a name with a space', {ExternalId: 'myapp-4711', RoleSessionName: 'a b'}, 'ValidationError'],
  ])('%s are refused', async (_, input, name) => {
    await expect(assume(input)).rejects.toMatchObject({name})
  })
})

describe('refusals', () => {
  it.each(['AccessDeniedException', 'ExpiredTokenException', 'ThrottlingException'])(
    'answers %s, which has no class in the SDK, as 400 with that name',
    async (type) => {
      const {fake, client} = await start({maxAttempts: 1})
      fake.fail({type}, Infinity)
      await expect(read(client)).rejects.toMatchObject({name: type, $metadata: {httpStatusCode: 400}})
    },
  )

  it('sees three attempts of a client that it throttles for ever', async () => {
    const {fake, client} = await start()
    fake.fail({type: 'ThrottlingException'}, Infinity)
    await expect(read(client)).rejects.toMatchObject({name: 'ThrottlingException', $metadata: {attempts: 3}})
    expect(fake.requests()).toHaveLength(3)
  })

  it('answers ResourceNotFoundException with 400 for a missing secret', async () => {
    const {client} = await start()
    await expect(read(client)).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      $metadata: {httpStatusCode: 400},
    })
  })

  it('answers InvalidRequestException for a secret that waits for its deletion', async () => {
    const {fake, client} = await start()
    fake.put('myapp-production', 'value')
    await client.send(new DeleteSecretCommand({SecretId: 'myapp-production'}))
    await expect(read(client)).rejects.toMatchObject({name: 'InvalidRequestException'})
    const creating = client.send(new CreateSecretCommand({Name: 'myapp-production', SecretString: 'again'}))
    await expect(creating).rejects.toMatchObject({name: 'InvalidRequestException'})
  })
})

describe('logins', () => {
  it('is never asked by a client without credentials', async () => {
    const {fake, client} = await start()
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    await expect(read(client)).rejects.toMatchObject({
      name: 'CredentialsProviderError',
      message: 'Could not load credentials from any providers',
    })
    expect(fake.requests()).toEqual([])
  })

  it('is never asked by a client whose web identity token file is missing', async () => {
    const {fake, client} = await start()
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', '/nonexistent/token')
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/myapp-ci')
    await expect(read(client)).rejects.toMatchObject({code: 'ENOENT'})
    expect(fake.requests()).toEqual([])
  })

  it('is never asked by a client without a region', async () => {
    const {client} = await start()
    const lost = clientWith({})
    await expect(read(lost)).rejects.toThrow('Region is missing')
    await expect(client.config.region()).resolves.toBe('us-east-1')
  })

  it.each([
    ['an unknown access key', {accessKeyId: 'AKIAUNKNOWNEXAMPLE00'}, 'UnrecognizedClientException'],
    ['another secret access key', {secretAccessKey: 'not-the-one-that-belongs-to-it'}, 'InvalidSignatureException'],
    ['a session token that was never given out', {sessionToken: 'made-up'}, 'UnrecognizedClientException'],
  ])('refuses %s', async (_, wrong, name) => {
    const {fake, client} = await start({credentials: {...exampleCredentials, ...wrong}})
    fake.put('myapp-production', 'value')
    await expect(read(client)).rejects.toMatchObject({name})
  })

  it('refuses a request whose body was changed after it was signed', async () => {
    const {fake, client} = await start()
    fake.put('myapp-production', 'value')
    client.middlewareStack.add(
      (next) => (args) => {
        const request = args.request as {body: unknown}
        request.body = Buffer.from('{"SecretId":"myapp-production"}')
        return next(args)
      },
      {step: 'deserialize', priority: 'low'},
    )
    await expect(read(client, 'myapp-elsewhere1')).rejects.toMatchObject({name: 'InvalidSignatureException'})
  })

  it('refuses a request without a signature', async () => {
    const {fake} = await start()
    const answer = await fetch(fake.url, {
      method: 'POST',
      headers: {'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.GetSecretValue'},
      body: '{"SecretId":"myapp-production"}',
    })
    expect([answer.status, answer.headers.get('x-amzn-errortype')]).toEqual([
      400,
      'MissingAuthenticationTokenException',
    ])
    expect(await answer.json()).toMatchObject({__type: 'MissingAuthenticationTokenException'})
  })

  it('refuses a signature that is ten minutes old, and tells its clock, by which the SDK corrects itself', async () => {
    const {fake, client} = await start()
    fake.put('myapp-production', 'value')
    fake.skew(10 * 60_000)
    expect((await read(client)).SecretString).toBe('value')
    expect(fake.requests()).toHaveLength(2)
  })

  it('gives out a role’s credentials for a web identity token, and knows them again', async () => {
    const bed = await startAwsBed({login: 'web identity'})
    onTestFinished(bed.stop)
    bed.fake.put('myapp-production', 'for the role')
    const client = clientWith({region: 'us-east-1'})
    expect((await read(client)).SecretString).toBe('for the role')
    expect((await client.config.credentials()).sessionToken).toBeTruthy()
    expect(bed.fake.requests().map(({operation}) => operation)).toEqual(['AssumeRoleWithWebIdentity', 'GetSecretValue'])
  })

  it('says to whom a signed GetCallerIdentity belongs', async () => {
    const {fake, client} = await start()
    const {host, hostname, port} = new URL(fake.url)
    const signer = await client.config.signer({
      name: 'sigv4',
      signingName: 'sts',
      signingRegion: 'us-east-1',
      properties: {},
    })
    const signed = await signer.sign({
      method: 'POST',
      protocol: 'http:',
      hostname,
      port: Number(port),
      path: '/',
      query: {},
      headers: {host, 'content-type': 'application/x-www-form-urlencoded'},
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
    })
    const answer = await fetch(fake.url, {method: 'POST', headers: signed.headers, body: signed.body as string})
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('<Arn>arn:aws:iam::123456789012:user/myapp-ci</Arn>')
    const unsigned = await fetch(fake.url, {method: 'POST', body: new URLSearchParams({Action: 'GetCallerIdentity'})})
    expect(unsigned.status).toBe(400)
  })
})

describe('secrets', () => {
  it('keeps those of each region apart', async () => {
    const {fake, client} = await start()
    fake.put('myapp-production', 'in Ireland', 'eu-west-1')
    await expect(read(client)).rejects.toMatchObject({name: 'ResourceNotFoundException'})
    expect((await read(clientWith({region: 'eu-west-1'}))).SecretString).toBe('in Ireland')
  })

  it('finds a secret by name, ARN, and ARN without its random end', async () => {
    const {fake, client} = await start()
    fake.put('myapp/production', 'value')
    const {ARN} = await client.send(new DescribeSecretCommand({SecretId: 'myapp/production'}))
    expect(ARN).toMatch(/^arn:aws:secretsmanager:us-east-1:123456789012:secret:myapp\/production-.{6}$/)
    for (const id of ['myapp/production', ARN!, ARN!.slice(0, -7)])
      expect((await read(client, id)).SecretString).toBe('value')
  })

  it.each([
    ['with a name outside the grammar', {Name: 'my app', SecretString: 'x'}],
    ['with an empty value', {Name: 'myapp', SecretString: ''}],
    ['larger than 65,536 bytes', {Name: 'myapp', SecretString: 'é'.repeat(32_769)}],
    ['with binary larger than 65,536 bytes', {Name: 'myapp', SecretBinary: Buffer.alloc(65_537)}],
  ])('refuses a secret %s', async (_, input) => {
    const {client} = await start()
    await expect(client.send(new CreateSecretCommand(input))).rejects.toMatchObject({name: 'ValidationException'})
  })

  it('holds 65,536 bytes', async () => {
    const {client} = await start()
    await client.send(new CreateSecretCommand({Name: 'myapp', SecretString: 'é'.repeat(32_768)}))
    expect((await read(client, 'myapp')).SecretString).toBe('é'.repeat(32_768))
  })

  it('moves AWSCURRENT to a new version and AWSPREVIOUS to the one before', async () => {
    const {client} = await start()
    const {VersionId: one} = await client.send(new CreateSecretCommand({Name: 'myapp', SecretString: 'one'}))
    const {VersionId: two} = await client.send(new PutSecretValueCommand({SecretId: 'myapp', SecretString: 'two'}))
    const {VersionId: three} = await client.send(new PutSecretValueCommand({SecretId: 'myapp', SecretString: 'three'}))
    const {VersionIdsToStages} = await client.send(new DescribeSecretCommand({SecretId: 'myapp'}))
    expect(VersionIdsToStages).toEqual({[three!]: ['AWSCURRENT'], [two!]: ['AWSPREVIOUS']})
    const list = (IncludeDeprecated: boolean) =>
      client.send(new ListSecretVersionIdsCommand({SecretId: 'myapp', IncludeDeprecated}))
    expect((await list(false)).Versions?.map(({VersionId}) => VersionId)).toEqual([two, three])
    expect((await list(true)).Versions?.map(({VersionId}) => VersionId)).toEqual([one, two, three])
  })

  it('takes the same token and value twice for one write, and another value for a conflict', async () => {
    const {client} = await start()
    const ClientRequestToken = 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'
    const create = (SecretString: string) =>
      client.send(new CreateSecretCommand({Name: 'myapp', SecretString, ClientRequestToken}))
    expect((await create('one')).VersionId).toBe(ClientRequestToken)
    expect((await create('one')).VersionId).toBe(ClientRequestToken)
    await expect(create('two')).rejects.toMatchObject({name: 'ResourceExistsException'})
  })

  it('moves a label only from the version that is named', async () => {
    const {client} = await start()
    const {VersionId: one} = await client.send(new CreateSecretCommand({Name: 'myapp', SecretString: 'one'}))
    const staged = new PutSecretValueCommand({SecretId: 'myapp', SecretString: 'two', VersionStages: ['PENDING']})
    const {VersionId: two} = await client.send(staged)
    const move = (RemoveFromVersionId?: string) =>
      client.send(
        new UpdateSecretVersionStageCommand({
          SecretId: 'myapp',
          VersionStage: 'AWSCURRENT',
          MoveToVersionId: two,
          RemoveFromVersionId,
        }),
      )
    expect((await read(client, 'myapp')).SecretString).toBe('one')
    await expect(move()).rejects.toMatchObject({name: 'InvalidParameterException'})
    await expect(move(two)).rejects.toMatchObject({name: 'InvalidParameterException'})
    await move(one)
    expect((await read(client, 'myapp')).SecretString).toBe('two')
  })

  it('counts what it answers at once', async () => {
    const {fake, client} = await start()
    for (const n of [1, 2, 3]) fake.put(`service-${n}`, 'value')
    fake.delay(100)
    await Promise.all([1, 2, 3].map((n) => read(client, `service-${n}`)))
    expect(fake.peak()).toBe(3)
    expect(fake.requests().map(({inFlight}) => inFlight)).toEqual([1, 2, 3])
  })
})
