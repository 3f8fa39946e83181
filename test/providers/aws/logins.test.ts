import {rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {describe, expect, it, vi} from 'vitest'

import {Secret} from '../../../src/core/secret.ts'
import {account, exampleCredentials} from '../../fakes/aws.ts'
import {ref, signal} from '../aws-asking.ts'
import {emptyAwsEnvironment} from '../aws-environment.ts'
import {everythingOf, gist, readAll} from '../contract.ts'
import {connect, failureOf, listen, readOne, start} from './asking.ts'
import type {AwsBed} from './bed.ts'

const reader = `arn:aws:iam::${account}:role/myapp-reader`
const deployer = `arn:aws:iam::${account}:role/team/myapp-deployer`
const device = `arn:aws:iam::${account}:mfa/ada`
const keys = `aws_access_key_id = ${exampleCredentials.accessKeyId}\naws_secret_access_key = ${exampleCredentials.secretAccessKey}\n`

/** A bed without a login, with one secret. */
async function startWithout(): Promise<AwsBed> {
  const bed = await start({login: 'none'})
  bed.fake.put('myapp-production', 'value')
  return bed
}

const operations = (bed: AwsBed): readonly string[] => bed.fake.requests().map(({operation}) => operation)

describe('a role of the settings', () => {
  it('is assumed once with the login that there is, under a session name of ours', async () => {
    const bed = await start()
    for (const name of ['one', 'two', 'three']) bed.fake.put(name, `value of ${name}`)
    bed.fake.role(reader)
    const provider = await connect({region: 'us-east-1', role_arn: reader, batch: 'off'})
    const answers = await readAll(provider, [ref('one'), ref('two'), ref('three')])
    expect(answers.map(gist)).toEqual(['found value of one', 'found value of two', 'found value of three'])
    expect(operations(bed)).toEqual(['AssumeRole', 'GetSecretValue', 'GetSecretValue', 'GetSecretValue'])
    expect(bed.fake.requests()[0]!.session).toBe('envdrift')
    expect(await provider.whoami(signal)).toEqual({
      who: `arn:aws:sts::${account}:assumed-role/myapp-reader/envdrift`,
      credential: 'role_arn with environment variables',
      until: expect.any(Date),
      principal: reader,
    })
  })

  it('gets the external id that it asks for', async () => {
    const bed = await startWithout()
    await bed.writeConfig(`[default]\n${keys}`)
    bed.fake.role(reader, {externalId: 'myapp-4711'})
    const settings = {region: 'us-east-1', role_arn: reader}
    expect(gist(await readOne(await connect({...settings, external_id: 'myapp-4711'})))).toBe('found value')
    const error = await failureOf(await connect(settings))
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(error.suggestions.join('\n')).toContain('external_id')
  })

  it('that may not be assumed is LOGIN_REFUSED, with both policies that it takes', async () => {
    await start()
    const error = await failureOf(await connect({region: 'us-east-1', role_arn: deployer}))
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(error.message).toContain(deployer)
    expect(error.suggestions[0]).toContain('--role-name myapp-deployer')
    expect(error.suggestions[1]).toContain('aws iam put-user-policy --user-name myapp-ci')
    expect(error.suggestions[1]).toContain(deployer)
  })
})

describe('a profile', () => {
  it('that assumes a role by way of another role reads with the last', async () => {
    const bed = await startWithout()
    bed.fake.role(reader)
    bed.fake.role(deployer)
    await bed.writeConfig(
      `[profile base]\n${keys}[profile reader]\nrole_arn = ${reader}\nsource_profile = base\n[profile deployer]\nrole_arn = ${deployer}\nsource_profile = reader\n`,
    )
    const provider = await connect({region: 'us-east-1', profile: 'deployer'})
    expect(gist(await readOne(provider))).toBe('found value')
    expect(operations(bed)).toEqual(['AssumeRole', 'AssumeRole', 'GetSecretValue'])
    expect(bed.fake.requests().map(({session}) => session)).toEqual(['envdrift', 'envdrift', ''])
    const {who, credential} = await provider.whoami(signal)
    expect(who).toBe(`arn:aws:sts::${account}:assumed-role/myapp-deployer/envdrift`)
    expect(credential).toBe('profile deployer')
  })

  it('that names its session keeps that name', async () => {
    const bed = await startWithout()
    bed.fake.role(reader)
    await bed.writeConfig(
      `[profile base]\n${keys}[profile reader]\nrole_arn = ${reader}\nsource_profile = base\nrole_session_name = ada\n`,
    )
    expect(gist(await readOne(await connect({region: 'us-east-1', profile: 'reader'})))).toBe('found value')
    expect(bed.fake.requests()[0]!.session).toBe('ada')
  })

  it('whose role takes its credentials from the environment is read with those', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'value')
    bed.fake.role(reader)
    await bed.writeConfig(`[profile reader]\nrole_arn = ${reader}\ncredential_source = Environment\n`)
    expect(gist(await readOne(await connect({region: 'us-east-1', profile: 'reader'})))).toBe('found value')
    expect(operations(bed)).toEqual(['AssumeRole', 'GetSecretValue'])
  })

  it('of AWS_PROFILE counts where the settings name none', async () => {
    const bed = await startWithout()
    await bed.writeConfig(`[profile base]\n${keys}`)
    vi.stubEnv('AWS_PROFILE', 'base')
    const provider = await connect()
    expect(gist(await readOne(provider))).toBe('found value')
    expect((await provider.whoami(signal)).credential).toBe('profile base')
  })

  it('with a program for its credentials runs it, and says its name when it fails', async () => {
    const bed = await startWithout()
    const {accessKeyId, secretAccessKey} = exampleCredentials
    const answer = JSON.stringify({Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey})
    await writeFile(join(bed.home, 'answer.json'), answer)
    const node = `${process.execPath} -e`
    await bed.writeConfig(
      `[profile good]\ncredential_process = ${node} "process.stdout.write(require('fs').readFileSync('${join(bed.home, 'answer.json')}'))"\n[profile bad]\ncredential_process = ${node} "console.error('hunter2-myapp'); process.exit(1)"\n`,
    )
    const provider = await connect({region: 'us-east-1', profile: 'good'})
    expect(gist(await readOne(provider))).toBe('found value')
    expect((await provider.whoami(signal)).credential).toBe('credential_process of profile good')
    const error = await failureOf(await connect({region: 'us-east-1', profile: 'bad'}))
    expect(error).toMatchObject({code: 'NOT_LOGGED_IN', message: expect.stringContaining('credential_process')})
    expect(everythingOf(error)).not.toContain('hunter2-myapp')
  })
})

describe('a role that wants a one-time code', () => {
  async function startWithDevice(): Promise<AwsBed> {
    const bed = await startWithout()
    bed.fake.role(reader, {mfaSerial: device, mfaCode: '123456'})
    await bed.writeConfig(
      `[profile base]\n${keys}[profile reader]\nrole_arn = ${reader}\nsource_profile = base\nmfa_serial = ${device}\n`,
    )
    return bed
  }
  const settings = {region: 'us-east-1', profile: 'reader'}

  it('is refused where nobody can be asked, before anything is sent', async () => {
    const bed = await startWithDevice()
    const error = await failureOf(await connect(settings))
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.message).toContain(device)
    expect(error.message).toContain(reader)
    expect(error.suggestions.join('\n')).toContain('web identity (OIDC)')
    expect(bed.fake.requests()).toEqual([])
  })

  it('is read with the code that a person gives, who is asked once and may take longer than a call', async () => {
    const bed = await startWithDevice()
    for (const name of ['one', 'two', 'three']) bed.fake.put(name, name)
    const questions: string[] = []
    const ask = async (question: string) => {
      questions.push(question)
      await new Promise((resolve) => {
        setTimeout(resolve, 700)
      })
      return new Secret('123456')
    }
    const provider = await connect({...settings, batch: 'off'}, {ask, callTimeoutMs: 500})
    const answers = await readAll(provider, [ref('one'), ref('two'), ref('three')])
    expect(answers.map(gist)).toEqual(['found one', 'found two', 'found three'])
    expect(questions).toEqual([`One-time code of ${device} for ${reader}`])
    expect(bed.fake.requests()[0]!.session).toBe('envdrift')
  })

  it('is LOGIN_REFUSED for a wrong code, without the code, and asks no second time', async () => {
    const bed = await startWithDevice()
    let asked = 0
    const ask = () => Promise.resolve(new Secret(`65432${asked++}`))
    const error = await failureOf(await connect(settings, {ask}))
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(everythingOf(error)).not.toContain('654320')
    expect([asked, operations(bed)]).toEqual([1, ['AssumeRole']])
  })

  it('is NOT_LOGGED_IN when no code is given', async () => {
    await startWithDevice()
    const error = await failureOf(await connect(settings, {ask: () => Promise.resolve(undefined)}))
    expect(error).toMatchObject({code: 'NOT_LOGGED_IN', message: expect.stringContaining('nobody gave one')})
  })

  it('whose source profile is no login either is said as that, and is no crash', async () => {
    const bed = await startWithDevice()
    await bed.writeConfig(
      `[profile base]\nsso_session = team\nsso_account_id = ${account}\nsso_role_name = Reader\n[sso-session team]\nsso_region = us-east-1\nsso_start_url = https://team.example/start\n[profile reader]\nrole_arn = ${reader}\nsource_profile = base\nmfa_serial = ${device}\n`,
    )
    const error = await failureOf(await connect(settings))
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.suggestions[0]).toContain('aws sso login --profile base')
  })
})

describe('single sign-on', () => {
  /** A profile `team`, and a token for it in the cache where the AWS CLI keeps it. */
  async function startWithSso({
    token,
    role = 'Reader',
    expiresInMs = 3_600_000,
  }: {
    readonly token?: string
    readonly role?: string
    readonly expiresInMs?: number
  }): Promise<AwsBed> {
    const bed = await startWithout()
    await bed.writeConfig(
      `[profile team]\nsso_session = team\nsso_account_id = ${account}\nsso_role_name = ${role}\n[sso-session team]\nsso_region = us-east-1\nsso_start_url = https://team.example/start\n`,
    )
    await bed.writeSsoToken('team', {accessToken: token ?? bed.fake.ssoToken, expiresInMs})
    return bed
  }
  const settings = {region: 'us-east-1', profile: 'team'}

  it('reads with the token that `aws sso login` has left', async () => {
    const bed = await startWithSso({})
    const provider = await connect(settings)
    expect(gist(await readOne(provider))).toBe('found value')
    expect(operations(bed)).toEqual(['GetRoleCredentials', 'GetSecretValue'])
    const arn = `arn:aws:sts::${account}:assumed-role/AWSReservedSSO_Reader_0123456789abcdef/ada@example.com`
    expect(await provider.whoami(signal)).toMatchObject({who: arn, credential: 'SSO profile team', principal: arn})
  })

  it.each([
    ['a token that has run out', {expiresInMs: -1000}],
    ['a token that the portal does not know', {token: 'sso-unknown'}],
  ])('with %s is NOT_LOGGED_IN, with the command that logs in', async (_, options) => {
    const bed = await startWithSso(options)
    const error = await failureOf(await connect(settings))
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.message).toContain('single sign-on of the profile team')
    expect(error.suggestions[0]).toBe('Log in with `aws sso login --profile team`.')
    expect(everythingOf(error)).not.toContain(bed.fake.ssoToken)
    expect(everythingOf(error)).not.toContain('sso-unknown')
  })

  it('without a token is NOT_LOGGED_IN, without a request', async () => {
    const bed = await startWithSso({})
    await rm(join(bed.home, '.aws/sso'), {recursive: true})
    const error = await failureOf(await connect(settings))
    expect(error.suggestions[0]).toBe('Log in with `aws sso login --profile team`.')
    expect(bed.fake.requests()).toEqual([])
  })

  it('of a role that is not ours is LOGIN_REFUSED, not a missing login', async () => {
    await startWithSso({role: 'NotAssigned'})
    const error = await failureOf(await connect(settings))
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(error.message).toContain('NotAssigned')
  })

  it('whose portal can not be reached is UNREACHABLE, not a missing login', async () => {
    await startWithSso({})
    vi.stubEnv('AWS_ENDPOINT_URL_SSO', 'http://127.0.0.1:1')
    const error = await failureOf(await connect(settings))
    expect(error.code).toBe('UNREACHABLE')
  })

  it('whose portal is out of order is SERVICE_ERROR', async () => {
    const bed = await startWithSso({})
    bed.fake.answer(503, 'text/plain', 'out of order')
    expect((await failureOf(await connect(settings))).code).toBe('SERVICE_ERROR')
  })
})

describe('the role of a container or a machine', () => {
  it('is had from the endpoint of a container', async () => {
    const bed = await startWithout()
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${bed.fake.url}/container/credentials`)
    vi.stubEnv('AWS_CONTAINER_AUTHORIZATION_TOKEN', bed.fake.containerToken)
    const provider = await connect()
    expect(gist(await readOne(provider))).toBe('found value')
    expect(await provider.whoami(signal)).toMatchObject({
      who: `arn:aws:sts::${account}:assumed-role/myapp-runner/task`,
      credential: 'ECS task role',
      principal: `arn:aws:iam::${account}:role/myapp-runner`,
    })
  })

  it('is had from the metadata of a machine, by a session of version 2', async () => {
    const bed = await startWithout()
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined)
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', bed.fake.url)
    const provider = await connect()
    expect(gist(await readOne(provider))).toBe('found value')
    expect(operations(bed)).toEqual(['MetadataToken', 'MetadataRole', 'MetadataCredentials', 'GetSecretValue'])
    expect((await provider.whoami(signal)).credential).toBe('EC2 instance role')
  })

  it('from metadata that are silent is NOT_LOGGED_IN in the end, long before the deadline', async () => {
    await emptyAwsEnvironment()
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined)
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', `http://127.0.0.1:${await listen()}`)
    expect((await failureOf(await connect())).code).toBe('NOT_LOGGED_IN')
  })

  it('that a container refuses is NOT_LOGGED_IN, with the variable that led there', async () => {
    const bed = await startWithout()
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${bed.fake.url}/container/credentials`)
    vi.stubEnv('AWS_CONTAINER_AUTHORIZATION_TOKEN', 'container-unknown')
    const error = await failureOf(await connect())
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.message).toContain('AWS_CONTAINER_CREDENTIALS_FULL_URI')
    expect(everythingOf(error)).not.toContain('container-unknown')
  })
})

describe('who we are', () => {
  it('is said by the key alone where STS can not be asked', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'value')
    vi.stubEnv('AWS_ENDPOINT_URL_STS', 'http://127.0.0.1:1')
    expect(await (await connect()).whoami(signal)).toEqual({
      who: 'access key …MPLE',
      credential: 'environment variables',
      until: 'unknown',
    })
  })

  it('is never asked by a read', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'value')
    await readOne(await connect())
    expect(operations(bed)).toEqual(['GetSecretValue'])
  })

  it('is asked where the secrets are, for an emulator that the settings name', async () => {
    const bed = await start()
    vi.stubEnv('AWS_ENDPOINT_URL', undefined)
    const provider = await connect({region: 'us-east-1', endpoint_url: bed.fake.url})
    expect((await provider.whoami(signal)).who).toBe(`arn:aws:iam::${account}:user/myapp-ci`)
  })
})

it('every request carries our name and version, those of STS and single sign-on too', async () => {
  const bed = await start()
  bed.fake.put('myapp-production', 'value')
  bed.fake.role(reader)
  const provider = await connect({region: 'us-east-1', role_arn: reader}, {version: '1.2.3'})
  await readOne(provider)
  await provider.whoami(signal)
  expect(operations(bed)).toEqual(['AssumeRole', 'GetSecretValue', 'GetCallerIdentity'])
  for (const {userAgent} of bed.fake.requests()) expect(userAgent).toMatch(/(?:^| )envdrift\/1\.2\.3(?: |$)/)
})
