/*
 * What a person reads, for each code and situation: messages.golden.txt holds the texts, written as prose and reviewed as
 * such. Those of logins are the same for all services of AWS, and stand in test/providers/aws.
 */
import {expect, it, vi} from 'vitest'

import type {EnvdriftError} from '../../../src/core/errors.ts'
import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {account} from '../../fakes/aws.ts'
import {ref, signal} from '../aws-asking.ts'
import {commonSituations} from '../aws-situations.ts'
import {everythingOf} from '../contract.ts'
import {asRead, claimWhole, failureInSync, goldenTexts} from '../golden.ts'
import {connect, start} from './asking.ts'
import type {SsmBed} from './bed.ts'

const texts = goldenTexts(import.meta.dirname)

const reader = `arn:aws:iam::${account}:role/myapp-reader`
const key = '/team/myapp/key'
const eu = {region: 'eu-west-1'} as const

/** What `sync` would say of a parameter: a refusal names who was refused. */
const reading = (settings: Settings = {}, host: Partial<Host> = {}, name = key): Promise<EnvdriftError> =>
  failureInSync(ref(name), () => connect({...eu, ...settings}, {callTimeoutMs: 5000, ...host}))

async function writing(expected: string, name = key): Promise<EnvdriftError> {
  const provider = await connect(eu)
  return provider.write(ref(name), new Secret('the-new-value'), expected, signal).then(
    () => expect.unreachable('it was written'),
    (error: unknown) => error as EnvdriftError,
  )
}

type Situation = (bed: SsmBed) => Promise<EnvdriftError>

const situations: Readonly<Record<string, Situation>> = {
  'FORBIDDEN: a user has no policy for the parameter': (bed) => {
    bed.fake.forbid(key)
    return reading()
  },
  'FORBIDDEN: a role of the settings has no policy for the parameter': (bed) => {
    bed.fake.role(reader)
    bed.fake.forbid(key)
    return reading({role_arn: reader})
  },
  'FORBIDDEN: AWS does not say which parameter, as for one that is not there': (bed) => {
    bed.fake.fail(
      {
        type: 'AccessDeniedException',
        message: `User: arn:aws:iam::${account}:user/myapp-ci is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:eu-west-1:${account}:* because no identity-based policy allows the ssm:GetParameter action`,
      },
      Infinity,
      'GetParameter',
    )
    return reading()
  },
  'FORBIDDEN: a parameter of another account': (bed) => {
    bed.fake.put('/shared/key', 'theirs', {...eu, owner: '210987654321'})
    bed.fake.forbid('/shared/key')
    return reading({}, {}, 'arn:aws:ssm:eu-west-1:210987654321:parameter/shared/key')
  },
  'FORBIDDEN: the KMS key of the parameter': (bed) => {
    bed.fake.forbid(key, 'kms')
    return reading()
  },
  'FORBIDDEN: the KMS key is disabled': (bed) => {
    bed.fake.forbid(key, 'kms key disabled')
    return reading()
  },
  'FORBIDDEN: writing': (bed) => {
    bed.fake.forbid(key, 'no policy', ['PutParameter'])
    return writing('absent')
  },
  'FORBIDDEN: writing with a KMS key': (bed) => {
    bed.fake.fail(
      {
        type: 'AccessDeniedException',
        message: `User: arn:aws:iam::${account}:user/myapp-ci is not authorized to perform: kms:Encrypt on resource: arn:aws:kms:eu-west-1:${account}:key/1234abcd because no identity-based policy allows the kms:Encrypt action (Service: AWSKMS)`,
      },
      Infinity,
      'PutParameter',
    )
    return writing('absent')
  },
  'LOGIN_REFUSED: a session that has ended': (bed) => {
    bed.fake.reject({type: 'ExpiredTokenException', message: 'The security token included in the request is expired'})
    return reading()
  },
  'NOT_LOGGED_IN: nothing is there to log in with': () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined)
    return reading()
  },
  'VERSION_CONFLICT: it exists already': (bed) => {
    bed.fake.put(key, 'value', eu)
    return writing('absent')
  },
  'VERSION_CONFLICT: another version is current': (bed) => {
    bed.fake.put(key, 'value', eu)
    return writing('7')
  },
  'VERSION_CONFLICT: somebody else wrote in between': async (bed) => {
    bed.fake.put(key, 'value', eu)
    bed.fake.delay(100)
    const error = writing('1')
    await expect.poll(() => bed.fake.requests().map(({operation}) => operation)).toContain('PutParameter')
    bed.fake.put(key, 'theirs', eu)
    return error
  },
  'VERSION_CONFLICT: somebody else is writing': (bed) => {
    bed.fake.fail({type: 'TooManyUpdates'}, Infinity, 'PutParameter')
    return writing('absent')
  },
  'CONFIG_INVALID: a name that no parameter can have': () => reading({}, {}, 'team/myapp/key'),
  'BAD_REQUEST: AWS finds fault with the request': (bed) => {
    bed.fake.fail({type: 'ValidationException', message: 'Parameter name must be a fully qualified name.'}, Infinity)
    return reading()
  },
  'BAD_REQUEST: writing over one that is not encrypted': (bed) => {
    bed.fake.put(key, 'value', {...eu, type: 'String'})
    return writing('any')
  },
  'BAD_REQUEST: writing to another account': () =>
    writing('any', 'arn:aws:ssm:eu-west-1:210987654321:parameter/shared/key'),
  ...commonSituations(reading),
}

it.each(Object.entries(situations))('%s', async (title, provoke) => {
  const bed = await start()
  const error = await provoke(bed)
  expect(`${error.code}: `).toBe(title.slice(0, error.code.length + 2))
  expect(asRead(error)).toBe(texts.get(title))
  for (const secret of [...bed.fake.credentials(), 'the-new-value']) expect(everythingOf(error)).not.toContain(secret)
})

claimWhole(texts, Object.keys(situations), {
  sources: ['aws-ssm/*.ts', 'aws-*.ts'],
  moreThan: 10,
  neverRaised: ['INTERRUPTED'],
})
