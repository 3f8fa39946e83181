/* What a person reads, for each code and situation: messages.golden.txt holds the texts, written as prose and reviewed as such. */
import {expect, it, onTestFinished, vi} from 'vitest'

import type {EnvdriftError} from '../../../src/core/errors.ts'
import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {account, exampleCredentials} from '../../fakes/aws.ts'
import {ref, signal} from '../aws-asking.ts'
import {startConnectProxy} from '../aws-connect-proxy.ts'
import {commonSituations} from '../aws-situations.ts'
import {everythingOf} from '../contract.ts'
import {asRead, claimWhole, failureInSync, goldenTexts} from '../golden.ts'
import {connect, start} from './asking.ts'
import type {AwsBed} from './bed.ts'

const texts = goldenTexts(import.meta.dirname)

const reader = `arn:aws:iam::${account}:role/myapp-reader`
const keys = `aws_access_key_id = ${exampleCredentials.accessKeyId}\naws_secret_access_key = ${exampleCredentials.secretAccessKey}\n`
const sso = `[profile team]\nsso_session = team\nsso_account_id = ${account}\nsso_role_name = Reader\n[sso-session team]\nsso_region = eu-west-1\nsso_start_url = https://team.example/start\n`
const eu = {region: 'eu-west-1'} as const

/** What `sync` would say of a secret: a refusal names who was refused. */
const reading = (settings: Settings = {}, host: Partial<Host> = {}, name = 'myapp-key'): Promise<EnvdriftError> =>
  failureInSync(ref(name), () => connect({...eu, ...settings}, {callTimeoutMs: 5000, ...host}))

async function writing(expected: string, settings: Settings = {}): Promise<EnvdriftError> {
  const provider = await connect({...eu, ...settings})
  return provider.write(ref('myapp-key'), new Secret('the-new-value'), expected, signal).then(
    () => expect.unreachable('it was written'),
    (error: unknown) => error as EnvdriftError,
  )
}

type Situation = (bed: AwsBed) => Promise<EnvdriftError>

/** Logged in by keys in the environment. */
const situations: Readonly<Record<string, Situation>> = {
  'FORBIDDEN: a user has no policy for the secret': (bed) => {
    bed.fake.forbid('myapp-key')
    return reading()
  },
  'FORBIDDEN: a role of the settings has no policy for the secret': (bed) => {
    bed.fake.role(reader)
    bed.fake.forbid('myapp-key')
    return reading({role_arn: reader})
  },
  'FORBIDDEN: a secret of another account': (bed) => {
    bed.fake.put('shared-key', 'theirs', 'eu-west-1', '210987654321')
    bed.fake.forbid('shared-key')
    return reading({}, {}, 'arn:aws:secretsmanager:eu-west-1:210987654321:secret:shared-key')
  },
  'FORBIDDEN: an explicit deny': (bed) => {
    bed.fake.forbid('myapp-key', 'explicit deny')
    return reading()
  },
  'FORBIDDEN: the permissions boundary of a user': (bed) => {
    bed.fake.fail(
      {
        type: 'AccessDeniedException',
        message: `User: arn:aws:iam::${account}:user/myapp-ci is not authorized to perform: secretsmanager:GetSecretValue on resource: myapp-key because no permissions boundary allows the secretsmanager:GetSecretValue action`,
      },
      Infinity,
    )
    return reading()
  },
  'FORBIDDEN: the KMS key of the secret': (bed) => {
    bed.fake.forbid('myapp-key', 'kms')
    return reading()
  },
  'FORBIDDEN: the KMS key is disabled': (bed) => {
    bed.fake.fail(
      {
        type: 'DecryptionFailure',
        message: "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
      },
      Infinity,
    )
    return reading()
  },
  'FORBIDDEN: the default KMS key of another account': (bed) => {
    bed.fake.fail(
      {
        type: 'InvalidRequestException',
        message:
          "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
      },
      Infinity,
    )
    return reading()
  },
  'FORBIDDEN: a denial that says nothing, as emulators give it': (bed) => {
    bed.fake.fail({type: 'SomethingElse', status: 403}, Infinity)
    return reading()
  },
  'FORBIDDEN: writing': (bed) => {
    bed.fake.forbid('myapp-key')
    return writing('any')
  },
  'LOGIN_REFUSED: unknown keys': (bed) => {
    bed.fake.reject({
      type: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    })
    return reading()
  },
  'LOGIN_REFUSED: unknown keys in China': (bed) => {
    bed.fake.reject({
      type: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    })
    return reading({region: 'cn-north-1'})
  },
  'LOGIN_REFUSED: a session that has ended': (bed) => {
    bed.fake.reject({type: 'ExpiredTokenException', message: 'The security token included in the request is expired'})
    return reading()
  },
  'LOGIN_REFUSED: a secret access key that lost a character': () => {
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', exampleCredentials.secretAccessKey.slice(1))
    return reading()
  },
  'LOGIN_REFUSED: a role that does not trust us': () => reading({role_arn: reader}),
  'LOGIN_REFUSED: a one-time code that is wrong': async (bed) => {
    bed.fake.role(reader, {mfaSerial: `arn:aws:iam::${account}:mfa/ada`, mfaCode: '123456'})
    await bed.writeConfig(
      `[profile base]\n${keys}[profile team]\nrole_arn = ${reader}\nsource_profile = base\nmfa_serial = arn:aws:iam::${account}:mfa/ada\n`,
    )
    return reading({profile: 'team'}, {ask: () => Promise.resolve(new Secret('654321'))})
  },
  'LOGIN_REFUSED: a web identity whose token no role takes': async (bed) => {
    await logInByWebIdentity(bed)
    bed.fake.reject({
      type: 'AccessDenied',
      status: 403,
      message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity',
    })
    return reading()
  },
  'LOGIN_REFUSED: single sign-on gives no such role': async (bed) => {
    await bed.writeConfig(sso.replace('Reader', 'NotAssigned'))
    await ssoToken(bed)
    return reading({profile: 'team'})
  },
  'NOT_LOGGED_IN: nothing is there to log in with': () => {
    logOut()
    return reading()
  },
  'NOT_LOGGED_IN: a profile that does not exist': () => reading({profile: 'team'}),
  'NOT_LOGGED_IN: single sign-on was never done, or has run out': async (bed) => {
    await bed.writeConfig(sso)
    return reading({profile: 'team'})
  },
  'NOT_LOGGED_IN: a profile without credentials': async (bed) => {
    await bed.writeConfig('[profile team]\nregion = eu-west-1\n')
    return reading({profile: 'team'})
  },
  'NOT_LOGGED_IN: a profile whose program fails': async (bed) => {
    await bed.writeConfig('[profile team]\ncredential_process = /bin/false\n')
    return reading({profile: 'team'})
  },
  'NOT_LOGGED_IN: a profile whose login with the browser has run out': async (bed) => {
    await bed.writeConfig(`[profile team]\nlogin_session = arn:aws:iam::${account}:user/ada\n`)
    return reading({profile: 'team'})
  },
  'NOT_LOGGED_IN: the file of a web identity is gone': async (bed) => {
    await logInByWebIdentity(bed)
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', '/nonexistent/token')
    return reading()
  },
  'NOT_LOGGED_IN: a container without a role': (bed) => {
    logOut()
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${bed.fake.url}/container/credentials`)
    return reading({}, {callTimeoutMs: 20_000})
  },
  'NOT_LOGGED_IN: a role that wants a one-time code, in CI': async (bed) => {
    await bed.writeConfig(
      `[profile base]\n${keys}[profile team]\nrole_arn = ${reader}\nsource_profile = base\nmfa_serial = arn:aws:iam::${account}:mfa/ada\n`,
    )
    return reading({profile: 'team'})
  },
  'SECRET_DELETED: the secret waits for its deletion': (bed) => {
    bed.fake.put('myapp-key', 'value', 'eu-west-1')
    bed.fake.remove('myapp-key')
    return reading()
  },
  'SECRET_DELETED: writing over it': (bed) => {
    bed.fake.put('myapp-key', 'value', 'eu-west-1')
    bed.fake.remove('myapp-key')
    return writing('any')
  },
  'VERSION_CONFLICT: it exists already': (bed) => {
    bed.fake.put('myapp-key', 'value', 'eu-west-1')
    return writing('absent')
  },
  'VERSION_CONFLICT: another version is current': (bed) => {
    bed.fake.put('myapp-key', 'value', 'eu-west-1')
    return writing('f81d4fae-7dec-11d0-a765-00a0c91e6bf6')
  },
  'KEY_BINARY: bytes that are no text': (bed) => {
    bed.fake.put('myapp-key', Buffer.from([0xff, 0xfe]), 'eu-west-1')
    return reading()
  },
  'CONFIG_INVALID: a name that no secret can have': () => reading({}, {}, 'myapp key'),
  'CONFIG_INVALID: a proxy that is none': () => {
    vi.stubEnv('AWS_ENDPOINT_URL', undefined)
    vi.stubEnv('HTTPS_PROXY', 'socks5://ada:hunter2-myapp@127.0.0.1:1')
    return reading()
  },
  'BAD_REQUEST: AWS finds fault with the request': (bed) => {
    bed.fake.fail({type: 'InvalidParameterException', message: 'The parameter name or value is invalid.'}, Infinity)
    return reading()
  },
  'UNREACHABLE: the portal of single sign-on': async (bed) => {
    await bed.writeConfig(sso)
    await ssoToken(bed)
    vi.stubEnv('AWS_ENDPOINT_URL_SSO', 'http://127.0.0.1:1')
    return reading({profile: 'team'})
  },
  'UNREACHABLE: a proxy that wants a login': () => throughProxy({login: 'ada:hunter2-myapp'}),
  'UNREACHABLE: a proxy that lets nobody through': () => throughProxy({status: 403}),
  'TIMEOUT: a login that takes too long': async (bed) => {
    await logInByWebIdentity(bed)
    bed.fake.silence()
    return reading({}, {callTimeoutMs: 1000})
  },
  ...commonSituations(reading),
}

function logOut(): void {
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined)
}

async function logInByWebIdentity(bed: AwsBed): Promise<void> {
  logOut()
  vi.stubEnv('AWS_ROLE_ARN', reader)
  vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', await bed.writeFile('web-identity-token', bed.fake.webIdentityToken))
}

/** As `aws sso login` leaves it. */
async function ssoToken(bed: AwsBed): Promise<void> {
  await bed.writeSsoToken('team', {accessToken: bed.fake.ssoToken, expiresInMs: 3_600_000})
}

async function throughProxy(options: Parameters<typeof startConnectProxy>[0]): Promise<EnvdriftError> {
  const proxy = await startConnectProxy(options)
  onTestFinished(proxy.stop)
  vi.stubEnv('AWS_ENDPOINT_URL', undefined)
  vi.stubEnv('HTTPS_PROXY', proxy.url)
  return reading()
}

/** The block of an error; what differs from run to run stands as a fixed word. */
const shown = (error: EnvdriftError): string => asRead(error).replaceAll(/(secret:[\w-]+?)-[0-9a-f]{6}\b/g, '$1-SUFFIX')

it.each(Object.entries(situations))('%s', async (title, provoke) => {
  const bed = await start()
  const error = await provoke(bed)
  expect(`${error.code}: `).toBe(title.slice(0, error.code.length + 2))
  expect(shown(error)).toBe(texts.get(title))
  for (const secret of [...bed.fake.credentials(), 'hunter2-myapp', 'the-new-value']) {
    expect(everythingOf(error)).not.toContain(secret)
  }
})

claimWhole(texts, Object.keys(situations), {
  sources: ['aws/*.ts', 'aws-*.ts'],
  moreThan: 10,
  neverRaised: ['INTERRUPTED'],
})
