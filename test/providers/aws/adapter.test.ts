import {execFile} from 'node:child_process'
import {mkdir, writeFile} from 'node:fs/promises'
import {createServer as createHttpsServer} from 'node:https'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {DescribeSecretCommand, SecretsManagerClient} from '@aws-sdk/client-secrets-manager'
import {describe, expect, it, onTestFinished, vi} from 'vitest'

import {Secret} from '../../../src/core/secret.ts'
import {exampleCredentials} from '../../fakes/aws.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {ref, signal} from '../aws-asking.ts'
import {emptyAwsEnvironment} from '../aws-environment.ts'
import {everythingOf, gist, readAll} from '../contract.ts'
import {connect, failureOf, listen, readOne, start} from './asking.ts'
import type {AwsBed} from './bed.ts'

describe('region', () => {
  async function startWithRegions(): Promise<AwsBed> {
    const bed = await start()
    for (const region of ['us-east-1', 'eu-west-1', 'eu-central-1', 'ap-south-1', 'sa-east-1']) {
      bed.fake.put('myapp-production', `in ${region}`, region)
    }
    await mkdir(join(bed.home, '.aws'))
    await writeFile(join(bed.home, '.aws/config'), '[default]\nregion = sa-east-1\n')
    return bed
  }

  it.each([
    ['the setting', {region: 'eu-west-1'}, {AWS_REGION: 'eu-central-1', AWS_DEFAULT_REGION: 'ap-south-1'}, 'eu-west-1'],
    ['AWS_REGION', {}, {AWS_REGION: 'eu-central-1', AWS_DEFAULT_REGION: 'ap-south-1'}, 'eu-central-1'],
    ['AWS_DEFAULT_REGION', {}, {AWS_DEFAULT_REGION: 'ap-south-1'}, 'ap-south-1'],
    ['the profile', {}, {}, 'sa-east-1'],
    ['us-east-1 where nobody names one', {}, {AWS_CONFIG_FILE: '/nonexistent'}, 'us-east-1'],
  ])('C102 comes from %s', async (_, settings, variables, region) => {
    await startWithRegions()
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
    const provider = await connect(settings)
    expect(provider.place).toBe(`AWS Secrets Manager in ${region}`)
    expect(gist(await readOne(provider))).toBe(`found in ${region}`)
  })

  it('C12 is named, with the secret, in what to do about an absent one', async () => {
    await start()
    const provider = await connect({region: 'eu-west-1'})
    expect(gist(await readOne(provider))).toBe('absent')
    expect(provider.remedies(ref('myapp-production'))).toEqual([
      'Check that secret_name myapp-production and the region eu-west-1 are right: `aws secretsmanager list-secrets --region eu-west-1`. Another region is named with region in [vault.aws], --region or AWS_REGION.',
      'Store it there: `aws secretsmanager create-secret --name myapp-production --secret-string file://KEY_FILE --region eu-west-1`.',
      'If it is there without a value: `aws secretsmanager put-secret-value --secret-id myapp-production --secret-string file://KEY_FILE --region eu-west-1`.',
    ])
  })

  it('C12 is named for a version that is not there, which no command can store', async () => {
    await start()
    const provider = await connect({region: 'eu-west-1'})
    const [version, place, ...rest] = provider.remedies(ref('myapp-production', 'RELEASE'))
    expect(version).toContain('secret_version RELEASE')
    expect(place).toContain('the region eu-west-1 are right')
    expect(rest).toEqual([])
  })

  it('C12 names no command that takes an ARN for a name', async () => {
    await start()
    const provider = await connect({region: 'eu-west-1'})
    const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:myapp-production-AbCdEf'
    expect(provider.remedies(ref(arn)).slice(1)).toEqual([
      'An ARN is for AWS to give: store it by its name, in the account of that ARN, and set secret_name to the name or to the ARN that AWS shows then.',
      `If it is there without a value: \`aws secretsmanager put-secret-value --secret-id ${arn} --secret-string file://KEY_FILE --region eu-west-1\`.`,
    ])
  })

  it('C12 is said to be only the default where nothing names one', async () => {
    await start()
    const provider = await connect({})
    expect(gist(await readOne(provider))).toBe('absent')
    expect(provider.remedies(ref('myapp-production'))[0]).toContain(
      'the region us-east-1, the default, as nothing names another, are right',
    )
    const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:myapp-production'
    expect(provider.remedies(ref(arn))[0]).toContain('the region eu-west-1 are right')
  })
})

describe('credentials', () => {
  it('are those of the profile that the settings name, whatever the environment holds', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'value')
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAUNKNOWNEXAMPLE00')
    await mkdir(join(bed.home, '.aws'))
    const {accessKeyId, secretAccessKey} = exampleCredentials
    const profile = `[myapp]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`
    await writeFile(join(bed.home, '.aws/credentials'), profile)
    const provider = await connect({region: 'us-east-1', profile: 'myapp'})
    expect(gist(await readOne(provider))).toBe('found value')
    expect(await provider.whoami(signal)).toEqual({
      who: 'arn:aws:iam::123456789012:user/myapp-ci',
      credential: 'profile myapp',
      until: 'unknown',
      principal: 'arn:aws:iam::123456789012:user/myapp-ci',
    })
  })

  it('of a web identity are named with their role and their end', async () => {
    await start({login: 'web identity'})
    expect(await (await connect()).whoami(signal)).toEqual({
      who: 'arn:aws:sts::123456789012:assumed-role/myapp-ci/envdrift',
      credential: 'web identity token file',
      until: expect.any(Date),
      principal: 'arn:aws:iam::123456789012:role/myapp-ci',
    })
  })

  it('that are nowhere are NOT_LOGGED_IN, with the ways to log in', async () => {
    const bed = await start()
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    const error = await failureOf(await connect())
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.suggestions.join('\n')).toMatch(/aws sso login.*AWS_ACCESS_KEY_ID/s)
    expect(bed.fake.requests()).toEqual([])
  })

  it('of a profile that does not exist are NOT_LOGGED_IN, with its name', async () => {
    await start()
    const error = await failureOf(await connect({region: 'us-east-1', profile: 'myapp'}))
    expect(error).toMatchObject({code: 'NOT_LOGGED_IN', message: expect.stringContaining('no profile myapp')})
    expect(error.suggestions[0]).toContain('aws configure sso --profile myapp')
  })

  it('whose web identity token file is missing are NOT_LOGGED_IN, with its path and the variable that names it', async () => {
    await start({login: 'web identity'})
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', '/nonexistent/token')
    const error = await failureOf(await connect())
    expect(error).toMatchObject({code: 'NOT_LOGGED_IN', message: expect.stringContaining('/nonexistent/token')})
    expect(error.suggestions[0]).toContain('AWS_WEB_IDENTITY_TOKEN_FILE')
  })

  it.each(['AccessDenied', 'InvalidIdentityToken', 'ExpiredTokenException'])(
    'that STS refuses with %s are LOGIN_REFUSED, never FORBIDDEN',
    async (type) => {
      const bed = await start({login: 'web identity'})
      bed.fake.reject({type, status: type === 'AccessDenied' ? 403 : 400})
      expect((await failureOf(await connect())).code).toBe('LOGIN_REFUSED')
    },
  )

  it.each([
    ['instance', {AWS_EC2_METADATA_DISABLED: undefined}, 'AWS_EC2_METADATA_SERVICE_ENDPOINT'],
    ['container', {}, 'AWS_CONTAINER_CREDENTIALS_FULL_URI'],
  ])('from a silent %s metadata address are no hang', async (_, variables, address) => {
    await emptyAwsEnvironment()
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
    vi.stubEnv(address, `http://127.0.0.1:${await listen()}`)
    const error = await failureOf(await connect({region: 'us-east-1'}, {callTimeoutMs: 300}))
    expect(error.code).toBe('TIMEOUT')
  })

  it('are asked for once by 16 reads at the same time', async () => {
    const bed = await start({login: 'web identity'})
    const refs = Array.from({length: 16}, (_, n) => ref(`service-${n}`))
    for (const {name} of refs) await bed.seed(name, 'value')
    bed.fake.delay(20)
    await readAll(await connect(), refs)
    expect(bed.logins()).toBe(1)
  })

  it('of two kinds at once bring no word of the SDK onto our streams, and the process ends by itself', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'value')
    await mkdir(join(bed.home, '.aws'))
    await writeFile(
      join(bed.home, '.aws/credentials'),
      '[default]\naws_access_key_id = AKIAUNKNOWNEXAMPLE00\naws_secret_access_key = x\n',
    )
    vi.stubEnv('AWS_PROFILE', 'default')
    const script = `
      const {provider} = await import(${JSON.stringify(import.meta.resolve('../../../src/providers/aws/index.ts'))})
      const host = {env: process.env, home: process.env.HOME, maxInFlight: 4, callTimeoutMs: 20_000}
      const {read, close} = await provider.connect({name: 'default', settings: {region: 'us-east-1'}}, host)
      const refs = [{vault: 'default', name: 'myapp-production'}]
      for await (const {kind, error} of read(refs, new AbortController().signal)) console.log(kind, error?.code)
      await close()
    `
    const {stdout, stderr} = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
    expect({stdout, stderr}).toEqual({stdout: 'failed LOGIN_REFUSED\n', stderr: ''})
  })
})

describe('answers', () => {
  it.each([
    ['AccessDeniedException', 400, 'FORBIDDEN'],
    ['DecryptionFailure', 400, 'FORBIDDEN'],
    ['ExpiredTokenException', 400, 'LOGIN_REFUSED'],
    ['UnrecognizedClientException', 400, 'LOGIN_REFUSED'],
    ['InvalidClientTokenId', 403, 'LOGIN_REFUSED'],
    ['MissingAuthenticationTokenException', 403, 'LOGIN_REFUSED'],
    ['InvalidRequestException', 400, 'SECRET_DELETED'],
    ['ThrottlingException', 400, 'THROTTLED'],
    ['TooManyRequestsException', 429, 'THROTTLED'],
    ['InternalServiceError', 500, 'SERVICE_ERROR'],
    ['ServiceUnavailable', 503, 'SERVICE_ERROR'],
    ['SomethingNew', 502, 'SERVICE_ERROR'],
    ['SomethingNew', 401, 'FORBIDDEN'],
    ['SomethingNew', 403, 'FORBIDDEN'],
    ['ValidationException', 400, 'BAD_REQUEST'],
    ['InvalidParameterException', 400, 'BAD_REQUEST'],
    ['SomethingNew', 400, 'BAD_REQUEST'],
    ['SomethingNew', 404, 'BAD_REQUEST'],
  ])('%s with %i is %s', async (type, status, code) => {
    const bed = await start()
    bed.fake.fail({type, status}, Infinity)
    expect((await failureOf(await connect())).code).toBe(code)
  })

  it('ResourceNotFoundException is an absence with any status, as moto gives 404', async () => {
    const bed = await start()
    bed.fake.fail({type: 'ResourceNotFoundException', status: 404}, 1)
    expect(gist(await readOne(await connect()))).toBe('absent')
  })

  it('for a name that no secret can have are CONFIG_INVALID, without a request', async () => {
    const bed = await start()
    expect((await failureOf(await connect(), 'myapp production')).code).toBe('CONFIG_INVALID')
    expect(bed.fake.requests()).toEqual([])
  })

  it('a version or stage that is not there is an absence', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'value')
    const provider = await connect()
    expect(gist(await readOne(provider, 'myapp-production', 'RELEASE'))).toBe('absent')
    expect(gist(await readOne(provider, 'myapp-production', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'))).toBe('absent')
  })

  it('a secret without a value is an absence', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', undefined)
    expect(gist(await readOne(await connect()))).toBe('absent')
  })

  it('a denial in XML, as moto gives it, is FORBIDDEN', async () => {
    const bed = await start()
    const xml =
      '<ErrorResponse><Error><Code>AccessDenied</Code><Message>User is not authorized</Message></Error></ErrorResponse>'
    bed.fake.answer(403, 'text/xml', xml)
    expect((await failureOf(await connect())).code).toBe('FORBIDDEN')
  })

  it.each([
    ['a web page', 200, 'text/html', '<html>Welcome to the guest network</html>'],
    ['a web page that is not found', 404, 'text/html', '<html>404</html>'],
    ['an object with neither string nor binary', 200, 'application/x-amz-json-1.1', '{"Name":"myapp-production"}'],
    ['an object with a date that is none', 200, 'application/x-amz-json-1.1', '{"CreatedDate":"yesterday"}'],
  ])('%s is BAD_RESPONSE, never an absence', async (_, status, type, body) => {
    const bed = await start()
    bed.fake.answer(status, type, body)
    expect((await failureOf(await connect())).code).toBe('BAD_RESPONSE')
  })

  it('that are broken bring nothing of their text into an error or its cause', async () => {
    const bed = await start()
    bed.fake.answer(200, 'application/x-amz-json-1.1', '{"SecretString": 3f8a61c09b7d4e25a1f0c6d8e9b27435}')
    const error = await failureOf(await connect())
    expect(error.code).toBe('BAD_RESPONSE')
    expect(everythingOf(error)).not.toContain('3f8a61c09b7d')
  })

  it('that refuse a signature mention key and clock, and quote no header that AWS quotes', async () => {
    const bed = await start()
    const message =
      'The request signature we calculated does not match. The Canonical String should have been: x-amz-security-token:IQoJb3JpZ2luX2VjEXAMPLE'
    bed.fake.fail({type: 'InvalidSignatureException', message}, Infinity)
    const error = await failureOf(await connect())
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(error.suggestions.join('\n')).toMatch(/clock.*AWS_SECRET_ACCESS_KEY/s)
    expect(everythingOf(error)).not.toContain('IQoJb3JpZ2luX2VjEXAMPLE')
  })

  it.each([
    [-10, 'ahead of'],
    [10, 'behind'],
  ])('of a machine whose clock is off by %i minutes are read all the same, with a word on it', async (minutes, how) => {
    const bed = await start()
    bed.fake.put('myapp-production', 'value')
    bed.fake.skew(minutes * 60_000)
    const warn = vi.fn<(message: string) => void>()
    const provider = await connect({region: 'us-east-1'}, {warn})
    expect(gist(await readOne(provider))).toBe('found value')
    expect(gist(await readOne(provider))).toBe('found value')
    expect(warn.mock.calls).toEqual([
      [
        `The clock of this machine is 10 minutes ${how} that of AWS Secrets Manager in us-east-1: set it right. Calls that were refused for it were made again`,
      ],
    ])
  })

  it('that deny quote AWS, made printable', async () => {
    const bed = await start()
    const message = 'User: arn:aws:iam::123456789012:user/ci is not authorized\n::error::planted'
    bed.fake.fail({type: 'AccessDeniedException', message}, Infinity)
    const error = await failureOf(await connect())
    expect(error.message).toContain(String.raw`user/ci is not authorized\n:\:error:\:planted`)
  })

  it('that fail for a KMS key name kms:Decrypt', async () => {
    const bed = await start()
    bed.fake.fail({type: 'DecryptionFailure'}, Infinity)
    expect((await failureOf(await connect())).suggestions.join('\n')).toContain('kms:Decrypt')
  })

  it.each([
    ['text', 'DOTENV_PRIVATE_KEY=línea\n'],
    ['text with a byte order mark', '\uFEFFDOTENV_PRIVATE_KEY=x'],
  ])('C41 of binary that is UTF-8 are %s', async (_, text) => {
    const bed = await start()
    bed.fake.put('myapp-production', Buffer.from(text))
    expect(gist(await readOne(await connect()))).toBe(`found ${text}`)
  })

  it('for a stage are that version, for a name with slashes and an ARN the same secret', async () => {
    const bed = await start()
    bed.fake.put('team/myapp/production', 'one')
    bed.fake.put('team/myapp/production', 'two')
    const provider = await connect()
    expect(gist(await readOne(provider, 'team/myapp/production', 'AWSPREVIOUS'))).toBe('found one')
    const arn = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:team/myapp/production'
    expect(gist(await readOne(provider, arn))).toBe('found two')
  })

  it('are tried for three times, whatever AWS_MAX_ATTEMPTS says', async () => {
    const bed = await start()
    vi.stubEnv('AWS_MAX_ATTEMPTS', '10')
    bed.fake.fail({type: 'ServiceUnavailable', status: 503}, Infinity)
    await failureOf(await connect())
    expect(bed.reads()).toHaveLength(3)
  })
})

describe('the network', () => {
  it('that resets every connection is UNREACHABLE', async () => {
    const bed = await start()
    bed.fake.reset()
    const error = await failureOf(await connect())
    expect(error).toMatchObject({code: 'UNREACHABLE', message: expect.stringContaining('ECONNRESET')})
    expect(error.suggestions[0]).toContain('us-east-1')
  })

  it('with a certificate that nobody trusts is TLS_REFUSED', async () => {
    await start()
    const {certificate, key} = await serverCertificate(['localhost'])
    const port = await listen(createHttpsServer({cert: certificate, key}))
    const error = await failureOf(await connect({region: 'us-east-1', endpoint_url: `https://127.0.0.1:${port}`}))
    expect(error.code).toBe('TLS_REFUSED')
    expect(error.suggestions[0]).toContain('NODE_EXTRA_CA_CERTS')
  })

  it('is that of endpoint_url rather than of AWS_ENDPOINT_URL', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'value')
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
    expect(gist(await readOne(await connect({region: 'us-east-1', endpoint_url: bed.fake.url})))).toBe('found value')
  })

  it('that is down for the login is UNREACHABLE, too', async () => {
    const bed = await start({login: 'web identity'})
    await bed.stop()
    expect((await failureOf(await connect())).code).toBe('UNREACHABLE')
  })
})

describe('earlier versions', () => {
  it('are AWSPREVIOUS, then those without a label, newest first', async () => {
    const bed = await start()
    for (const value of ['one', 'two', 'three', 'four']) bed.fake.put('myapp-production', value)
    const values: string[] = []
    for await (const {value} of (await connect()).earlier(ref('myapp-production'), 10, signal))
      values.push(value.reveal())
    expect(values).toEqual(['three', 'two', 'one'])
  })

  it('need no more than the permission to read where one is enough', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'one')
    bed.fake.put('myapp-production', 'two')
    const values: string[] = []
    for await (const {value} of (await connect()).earlier(ref('myapp-production'), 1, signal))
      values.push(value.reveal())
    expect(values).toEqual(['one'])
    expect(bed.fake.requests().map(({operation}) => operation)).toEqual(['GetSecretValue'])
  })

  it('end silently where they are refused', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'one')
    bed.fake.forbid('myapp-production')
    const versions = await Array.fromAsync((await connect()).earlier(ref('myapp-production'), 5, signal))
    expect(versions).toEqual([])
  })
})

describe('writing', () => {
  it('that is denied ends there, and makes no second secret', async () => {
    const bed = await start()
    bed.fake.forbid('myapp-production')
    const writing = (await connect()).write(ref('myapp-production'), new Secret('new-value'), 'any', signal)
    const error: unknown = await writing.catch((caught: unknown) => caught)
    expect(error).toMatchObject({code: 'FORBIDDEN'})
    expect(everythingOf(error)).not.toContain('new-value')
    expect(bed.fake.requests().map(({operation}) => operation)).toEqual(['PutSecretValue'])
  })

  it('fills a secret that was made without a value, as Terraform makes them', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', undefined)
    const provider = await connect()
    await provider.write(ref('myapp-production'), new Secret('first'), 'absent', signal)
    expect(gist(await readOne(provider))).toBe('found first')
  })

  it.each(['absent', 'any'])(
    'over a secret that waits for its deletion, expecting %s, is refused',
    async (expected) => {
      const bed = await start()
      bed.fake.put('myapp-production', 'value')
      bed.fake.remove('myapp-production')
      const writing = (await connect()).write(ref('myapp-production'), new Secret('new'), expected, signal)
      await expect(writing).rejects.toMatchObject({
        code: 'SECRET_DELETED',
        suggestions: [expect.stringContaining('aws secretsmanager restore-secret --secret-id myapp-production')],
      })
    },
  )

  it('over a version leaves labels as a put would, in success and in conflict', async () => {
    const bed = await start()
    const provider = await connect()
    const one = await provider.write(ref('myapp-production'), new Secret('one'), 'absent', signal)
    const two = await provider.write(ref('myapp-production'), new Secret('two'), one, signal)
    const late = provider.write(ref('myapp-production'), new Secret('late'), one, signal)
    await expect(late).rejects.toMatchObject({code: 'VERSION_CONFLICT'})
    const client = new SecretsManagerClient({region: 'us-east-1', endpoint: bed.fake.url})
    onTestFinished(() => client.destroy())
    const {VersionIdsToStages} = await client.send(new DescribeSecretCommand({SecretId: 'myapp-production'}))
    expect(VersionIdsToStages).toEqual({[two]: ['AWSCURRENT'], [one]: ['AWSPREVIOUS']})
  })

  it('over a version of a secret that is not there is VERSION_CONFLICT', async () => {
    await start()
    const version = 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'
    const writing = (await connect()).write(ref('myapp-production'), new Secret('new'), version, signal)
    await expect(writing).rejects.toMatchObject({code: 'VERSION_CONFLICT'})
  })

  it('more than 65,536 bytes is BAD_REQUEST, without the value', async () => {
    await start()
    const writing = (await connect()).write(ref('myapp-production'), new Secret('k'.repeat(65_537)), 'any', signal)
    const error: unknown = await writing.catch((caught: unknown) => caught)
    expect(error).toMatchObject({code: 'BAD_REQUEST'})
    expect(everythingOf(error)).not.toContain('kkkk')
  })

  it('to a silent service is TIMEOUT', async () => {
    const bed = await start()
    bed.fake.silence()
    const provider = await connect({region: 'us-east-1'}, {callTimeoutMs: 300})
    await expect(provider.write(ref('myapp-production'), new Secret('new'), 'any', signal)).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
  })
})
