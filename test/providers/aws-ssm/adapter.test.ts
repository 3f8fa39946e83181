import {describe, expect, it, vi} from 'vitest'

import type {SecretRef} from '../../../src/core/mapping.ts'
import {Secret} from '../../../src/core/secret.ts'
import {ref, signal} from '../aws-asking.ts'
import {leadAwsTo} from '../aws-environment.ts'
import {gist, readAll} from '../contract.ts'
import {connect, start} from './asking.ts'
import type {SsmBed} from './bed.ts'

const refs = (count: number): readonly SecretRef[] => Array.from({length: count}, (_, n) => ref(`/team/service-${n}`))
const all = (count: number): readonly string[] => refs(count).map(({name}) => `found value of ${name}`)

/** A bed with so many parameters, each with its own name for a value. */
async function startWith(count: number): Promise<SsmBed> {
  const bed = await start()
  for (const {name} of refs(count)) bed.fake.put(name, `value of ${name}`)
  return bed
}

const calls = (bed: SsmBed): readonly string[] =>
  bed.fake.requests().map(({operation, ids, secret}) => `${operation} ${ids.join(' ') || secret}`)

describe('many parameters', () => {
  it('are read ten at a time, a lone one by the same call, and nothing besides', async () => {
    const bed = await startWith(21)
    expect((await readAll(await connect(), refs(21))).map(gist)).toEqual(all(21))
    expect(bed.fake.requests().map(({operation, ids}) => [operation, ids.length])).toEqual([
      ['GetParameters', 10],
      ['GetParameters', 10],
      ['GetParameters', 1],
    ])
  })

  it('are at most maxInFlight calls at once', async () => {
    const bed = await startWith(80)
    bed.fake.delay(20)
    const provider = await connect({region: 'us-east-1'}, {maxInFlight: 3})
    expect((await readAll(provider, refs(80))).map(gist)).toEqual(all(80))
    expect(Math.max(...bed.fake.requests().map(({inFlight}) => inFlight))).toBe(3)
  })

  it('with pinned versions are a call of their own, and each gets its own version', async () => {
    const bed = await startWith(1)
    bed.fake.put('/team/service-0', 'second')
    bed.fake.put('/team/service-0', 'third')
    bed.fake.label('/team/service-0', 2, 'stable')
    const of = (version?: string): SecretRef => ref('/team/service-0', version)
    const answers = await readAll(await connect(), [of('1'), of(), of('stable'), of('3')])
    expect(answers.map(gist)).toEqual(['found value of /team/service-0', 'found third', 'found second', 'found third'])
    expect(answers.map((answer) => answer.kind === 'found' && answer.version)).toEqual(['1', '3', '2', '3'])
    expect(calls(bed).toSorted()).toEqual([
      'GetParameters /team/service-0',
      'GetParameters /team/service-0:1 /team/service-0:stable /team/service-0:3',
    ])
  })

  it('of another account are named by ARN, and read where they lie', async () => {
    const bed = await startWith(1)
    const proxy = await leadAwsTo(bed.fake)
    bed.fake.put('/shared/key', 'theirs', {region: 'eu-west-1', owner: '210987654321'})
    const arn = 'arn:aws:ssm:eu-west-1:210987654321:parameter/shared/key'
    const answers = await readAll(await connect(), [ref(arn), ref(arn, '1'), ...refs(1)])
    expect(answers.map(gist)).toEqual(['found theirs', 'found theirs', ...all(1)])
    expect([...new Set(proxy.hosts())].toSorted()).toEqual([
      'ssm.eu-west-1.amazonaws.com:443',
      'ssm.us-east-1.amazonaws.com:443',
    ])
  })
})

it.each(['{"Parameters":[null,1,"/team/key"]}', '{"Parameters":{"Name":"/team/key"}}', '{"Parameters":null}', '[]'])(
  'parameters are asked for alone where the answer for all is %s',
  async (body) => {
    const bed = await startWith(3)
    bed.fake.answer(200, 'application/x-amz-json-1.1', body, 'GetParameters')
    expect((await readAll(await connect(), refs(3))).map(gist)).toEqual(all(3))
    expect(calls(bed).filter((call) => call.startsWith('GetParameter '))).toHaveLength(3)
  },
)

it('a parameter is not there because another account has one of its name', async () => {
  const bed = await start()
  bed.fake.put('/team/key', 'theirs', {owner: '210987654321'})
  const arn = 'arn:aws:ssm:us-east-1:210987654321:parameter/team/key'
  const answers = await readAll(await connect(), [ref('/team/key'), ref(arn), ref('/team/other')])
  expect(answers.map(gist)).toEqual(['absent', 'found theirs', 'absent'])
})

it('a region that can not be reached says nothing of the others', async () => {
  const bed = await startWith(1)
  // Its certificate is for other regions.
  await leadAwsTo(bed.fake)
  const elsewhere = ref('arn:aws:ssm:eu-west-2:123456789012:parameter/team/key')
  const provider = await connect({region: 'us-east-1'}, {maxInFlight: 1})
  expect((await readAll(provider, [elsewhere, ...refs(1)])).map(gist)).toEqual(['TLS_REFUSED', ...all(1)])
})

it.each([[[0, 1]], [[1, 0]]])(
  'another account’s parameter of the same name is never taken for ours (in the order %j)',
  async (order) => {
    const bed = await start()
    const theirs = 'arn:aws:ssm:us-east-1:210987654321:parameter/team/key'
    bed.fake.put('/team/key', 'ours')
    bed.fake.put('/team/key', 'theirs', {owner: '210987654321'})
    const wanted = [ref('/team/key'), ref(theirs), ref('/team/key', '1'), ref(theirs, '1')]
    const asked = [...order, ...order.map((n) => n + 2)].map((n) => wanted[n]!)
    expect((await readAll(await connect(), asked)).map(gist)).toEqual(
      asked.map(({name}) => (name === theirs ? 'found theirs' : 'found ours')),
    )
  },
)

describe('what GetParameters lists as invalid', () => {
  it('is absent only when GetParameter says so, of a parameter and of a version', async () => {
    const bed = await startWith(2)
    const wanted = [...refs(2), ref('/team/missing'), ref('/team/service-0', '9'), ref('/team/service-1', 'stable')]
    expect((await readAll(await connect(), wanted)).map(gist)).toEqual([...all(2), 'absent', 'absent', 'absent'])
    expect(calls(bed).filter((call) => call.startsWith('GetParameter '))).toEqual([
      'GetParameter /team/missing',
      'GetParameter /team/service-0:9',
      'GetParameter /team/service-1:stable',
    ])
  })

  it('is FORBIDDEN where we may not ask GetParameter, and says what to allow', async () => {
    const bed = await start()
    bed.fake.forbid('/team/missing', 'no policy', ['GetParameter'])
    const [answer] = await readAll(await connect(), [ref('/team/missing')])
    expect(answer).toMatchObject({
      kind: 'failed',
      error: {
        code: 'FORBIDDEN',
        suggestions: [expect.stringContaining('"Action":["ssm:GetParameters","ssm:GetParameter"]'), expect.anything()],
      },
    })
  })
})

it('versions are not mixed up by a server that leaves out which one an answer is for', async () => {
  const bed = await startWith(1)
  bed.fake.put('/team/service-0', 'second')
  bed.fake.label('/team/service-0', 1, 'stable')
  bed.fake.leaveOutSelectors()
  const wanted = ['1', undefined, 'stable', '2'].map((version) => ref('/team/service-0', version))
  const [first] = all(1)
  expect((await readAll(await connect(), wanted)).map(gist)).toEqual([first, 'found second', first, 'found second'])
})

describe('one parameter that fails a call of ten', () => {
  it.each([
    ['no policy', /^We may not read \/team\/service-2: AWS refuses ssm:GetParameters/],
    ['kms', /^AWS may not use the KMS key of \/team\/service-2 for us/],
    ['kms in other words', /^AWS may not use the KMS key of \/team\/service-2 for us/],
    ['kms key disabled', /^AWS may not use the KMS key of \/team\/service-2 for us/],
  ] as const)('by %s is FORBIDDEN for itself, and the others are found', async (why, message) => {
    const bed = await startWith(4)
    bed.fake.forbid('/team/service-2', why)
    const answers = await readAll(await connect(), refs(4))
    expect(answers.map(gist)).toEqual([...all(2), 'FORBIDDEN', all(4)[3]])
    expect(answers[2]).toMatchObject({error: {message: expect.stringMatching(message)}})
  })

  it('by an outage is not asked for alone: the service has trouble, not the parameter', async () => {
    const bed = await startWith(3)
    bed.fake.fail({type: 'InternalServerError', status: 500}, Infinity)
    const answers = await readAll(await connect(), refs(3))
    expect(new Set(answers.map(gist))).toEqual(new Set(['SERVICE_ERROR']))
    expect(calls(bed)).toHaveLength(3)
  })
})

describe('a parameter that is not encrypted', () => {
  it.each(['String', 'StringList'] as const)('is read, and warned of: %s', async (type) => {
    const bed = await startWith(1)
    bed.fake.put('plain-key', 'in clear', {type})
    const warn = vi.fn<(message: string) => void>()
    const provider = await connect({region: 'us-east-1'}, {warn})
    expect((await readAll(provider, [ref('plain-key'), ...refs(1)])).map(gist)).toEqual(['found in clear', ...all(1)])
    expect(warn.mock.calls).toEqual([[expect.stringMatching(new RegExp(`^plain-key is not encrypted: .* ${type} `))]])
    expect(warn.mock.calls[0]![0]).not.toContain('in clear')
  })
})

describe('throttling', () => {
  it('of all that is in flight halves what is under way', async () => {
    const bed = await startWith(200)
    bed.fake.delay(15)
    bed.fake.fail({type: 'ThrottlingException'}, 4)
    const provider = await connect({region: 'us-east-1'}, {maxInFlight: 4})
    expect((await readAll(provider, refs(200))).map(gist)).toEqual(all(200))
    const firsts = bed.fake.requests().map(({ids}) => ids[0])
    expect(firsts).toHaveLength(24)
    expect(firsts.slice(4, 6).filter((id) => !firsts.slice(0, 4).includes(id))).toEqual([])
  })
})

it('calls that were made again are told, with the region', async () => {
  const bed = await startWith(2)
  bed.fake.fail({type: 'InternalServerError', status: 500}, 1)
  const warn = vi.fn<(message: string) => void>()
  const provider = await connect({region: 'us-east-1'}, {warn})
  expect((await readAll(provider, refs(2))).map(gist)).toEqual(all(2))
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/^AWS SSM Parameter Store in us-east-1 was .* made again$/)]])
})

describe('earlier versions', () => {
  it('come newest first from all pages, without the current one', async () => {
    const bed = await start()
    bed.fake.pageSize(2)
    for (const value of ['one', 'two', 'three', 'four', 'five']) bed.fake.put('/team/key', value)
    const seen: string[] = []
    for await (const {version, value} of (await connect()).earlier(ref('/team/key'), 3, signal))
      seen.push(`${version} ${value.reveal()}`)
    expect(seen).toEqual(['4 four', '3 three', '2 two'])
  })

  it('are none, without an error, where the history is denied', async () => {
    const bed = await start()
    bed.fake.put('/team/key', 'one')
    bed.fake.put('/team/key', 'two')
    bed.fake.forbid('/team/key', 'no policy', ['GetParameterHistory'])
    const seen: unknown[] = []
    for await (const version of (await connect()).earlier(ref('/team/key'), 3, signal)) seen.push(version)
    expect(seen).toEqual([])
  })
})

describe('writing', () => {
  const write = async (expected: string, name = '/team/key'): Promise<string> =>
    (await connect()).write(ref(name), new Secret('new value'), expected, signal)

  it.each(['any', '1'])('over %s keeps the KMS key that the parameter has', async (expected) => {
    const bed = await start()
    bed.fake.put('/team/key', 'old', {kmsKey: 'alias/myapp'})
    expect(await write(expected)).toBe('2')
    expect(bed.fake.kmsKeyOf('/team/key')).toBe('alias/myapp')
  })

  it('over any is refused, and changes nothing, where the key can not be looked up', async () => {
    const bed = await start()
    bed.fake.put('/team/key', 'old', {kmsKey: 'alias/myapp'})
    bed.fake.forbid('/team/key', 'no policy', ['GetParameterHistory'])
    await expect(write('any')).rejects.toMatchObject({code: 'FORBIDDEN'})
    expect((await readAll(await connect(), [ref('/team/key')])).map(gist)).toEqual(['found old'])
  })

  it('over any is refused, and changes nothing, where the pages of its history never end', async () => {
    const bed = await start()
    bed.fake.put('/team/key', 'old', {kmsKey: 'alias/myapp'})
    // No version on a page leaves the token where it was.
    bed.fake.pageSize(0)
    await expect(write('any')).rejects.toMatchObject({code: 'BAD_RESPONSE'})
    expect(calls(bed)).toEqual(['GetParameterHistory /team/key', 'GetParameterHistory /team/key'])
    expect((await readAll(await connect(), [ref('/team/key')])).map(gist)).toEqual(['found old'])
  })

  it('a new one makes it encrypted', async () => {
    const bed = await start()
    const warn = vi.fn<(message: string) => void>()
    expect(await write('absent')).toBe('1')
    await readAll(await connect({region: 'us-east-1'}, {warn}), [ref('/team/key')])
    expect(warn).not.toHaveBeenCalled()
    expect(calls(bed)).toEqual(['PutParameter /team/key', 'GetParameters /team/key'])
  })

  it('a version that came in between is told, with the number of ours', async () => {
    const bed = await start()
    bed.fake.put('/team/key', 'old')
    bed.fake.delay(100)
    const writing = write('1')
    await expect.poll(() => bed.fake.requests().map(({operation}) => operation)).toContain('PutParameter')
    bed.fake.put('/team/key', 'theirs')
    await expect(writing).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
      message: expect.stringContaining('was written as version 3, over one that somebody else wrote'),
    })
  })

  it.each([
    ['one that is not encrypted', 'plain', 'BAD_REQUEST'],
    ['another account’s', 'arn:aws:ssm:us-east-1:210987654321:parameter/shared/key', 'BAD_REQUEST'],
  ])('%s is refused', async (_, name, code) => {
    const bed = await start()
    bed.fake.put('plain', 'old', {type: 'String'})
    await expect(write('any', name)).rejects.toMatchObject({code})
  })

  it('while somebody else writes is a conflict', async () => {
    const bed = await start()
    bed.fake.fail({type: 'TooManyUpdates'}, Infinity, 'PutParameter')
    await expect(write('absent')).rejects.toMatchObject({code: 'VERSION_CONFLICT'})
  })

  it('more than a standard parameter holds is refused in the words of AWS', async () => {
    await start()
    const provider = await connect()
    const writing = provider.write(ref('/team/key'), new Secret('x'.repeat(4097)), 'absent', signal)
    await expect(writing).rejects.toMatchObject({code: 'BAD_REQUEST', message: expect.stringContaining('4096')})
  })
})

it('what is not there is said to be missed in a region that is only the default, where nothing names one', async () => {
  await start()
  const {remedies} = await connect({})
  expect(remedies(ref('/team/key'))[0]).toContain('the region us-east-1, the default, as nothing names another, are')
  const arn = 'arn:aws:ssm:eu-west-1:123456789012:parameter/team/key'
  expect(remedies(ref(arn))[0]).toContain('the region eu-west-1 are right')
})

it('what is not there comes with the lines that store it and look for it', async () => {
  await start()
  const {remedies} = await connect({region: 'eu-west-1'})
  const check =
    'Check that secret_name /team/key and the region eu-west-1 are right: `aws ssm describe-parameters --region eu-west-1`. Another region is named with region in [vault.aws-ssm], --region or AWS_REGION.'
  expect(remedies(ref('/team/key'))).toEqual([
    check,
    'Store it there: `aws ssm put-parameter --type SecureString --name /team/key --value file://KEY_FILE --region eu-west-1`.',
  ])
  // Nothing that is stored now becomes a version of before.
  expect(remedies(ref('/team/key', '3'))).toEqual([
    'Check secret_version 3: `aws ssm get-parameter-history --name /team/key --region eu-west-1`.',
    check,
  ])
})
