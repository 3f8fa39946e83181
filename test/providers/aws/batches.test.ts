import {randomUUID} from 'node:crypto'

import {describe, expect, it, vi} from 'vitest'

import type {SecretRef} from '../../../src/core/mapping.ts'
import {ref} from '../aws-asking.ts'
import {leadAwsTo} from '../aws-environment.ts'
import {gist, readAll} from '../contract.ts'
import {connect, start} from './asking.ts'
import type {AwsBed} from './bed.ts'

const names = (count: number): readonly string[] => Array.from({length: count}, (_, n) => `service-${n}`)
const refs = (count: number): readonly SecretRef[] => names(count).map((name) => ref(name))

/** A bed with so many secrets, each with its own name for a value. */
async function startWith(count: number): Promise<AwsBed> {
  const bed = await start()
  for (const name of names(count)) bed.fake.put(name, `value of ${name}`)
  return bed
}

const all = (count: number): readonly string[] => names(count).map((name) => `found value of ${name}`)
const operations = (bed: AwsBed): readonly string[] => bed.fake.requests().map(({operation}) => operation)

describe('many secrets', () => {
  it('are read twenty at a time, and a lone one by itself', async () => {
    const bed = await startWith(41)
    expect((await readAll(await connect(), refs(41))).map(gist)).toEqual(all(41))
    expect(bed.fake.requests().map(({operation, ids}) => [operation, ids.length])).toEqual([
      ['BatchGetSecretValue', 20],
      ['BatchGetSecretValue', 20],
      ['GetSecretValue', 0],
    ])
  })

  it('are read one by one where batch is off', async () => {
    const bed = await startWith(3)
    expect((await readAll(await connect({region: 'us-east-1', batch: 'off'}), refs(3))).map(gist)).toEqual(all(3))
    expect(operations(bed)).toEqual(['GetSecretValue', 'GetSecretValue', 'GetSecretValue'])
  })

  it('come with the version that a single read gives', async () => {
    await startWith(2)
    const provider = await connect()
    const together = await readAll(provider, refs(2))
    const [alone] = await readAll(provider, refs(1))
    expect(alone).toMatchObject({kind: 'found', version: expect.any(String)})
    expect(together[0]).toEqual(alone)
  })

  it('by name, by ARN and by an ARN without its last letters may be one and the same, and share no batch', async () => {
    const bed = await startWith(2)
    const arn = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:service-0'
    const answers = await readAll(await connect(), [ref('service-0'), ref(arn), ref('service-1')])
    expect(answers.map(gist)).toEqual([
      'found value of service-0',
      'found value of service-0',
      'found value of service-1',
    ])
    expect(operations(bed).toSorted()).toEqual(['BatchGetSecretValue', 'GetSecretValue'])
  })

  it('that come in pages are fetched to the last', async () => {
    const bed = await startWith(20)
    bed.fake.pageSize(8)
    expect((await readAll(await connect(), refs(20))).map(gist)).toEqual(all(20))
    expect(operations(bed)).toEqual(['BatchGetSecretValue', 'BatchGetSecretValue', 'BatchGetSecretValue'])
  })

  it.each([
    ['an empty token on its last page', () => '', 1],
    ['the same token on each page', () => 'again', 2],
    ['a new token on each page', randomUUID, 25],
  ])('whose batch has %s are asked for alone where it ends without them', async (_, tokenOf, batches) => {
    const bed = await startWith(20)
    bed.fake.pageSize(12)
    bed.fake.pageTokens(tokenOf)
    expect((await readAll(await connect(), refs(20))).map(gist)).toEqual(all(20))
    expect(operations(bed).filter((one) => one === 'BatchGetSecretValue')).toHaveLength(batches)
    const alone = bed.fake.requests().flatMap(({operation, secret}) => (operation === 'GetSecretValue' ? secret : []))
    expect(alone.toSorted()).toEqual(names(20).slice(12).toSorted())
  })

  it.each([
    ['[null, 1, "service-1"]', '{"SecretValues":[null,1,"service-1"]}'],
    ['no list', '{"SecretValues":{"Name":"service-0"}}'],
    ['nothing', '{"SecretValues":null,"Errors":null}'],
    ['no object at all', '[]'],
  ])('whose batch holds %s are asked for alone', async (_, body) => {
    const bed = await startWith(3)
    bed.fake.answer(200, 'application/x-amz-json-1.1', body, 'BatchGetSecretValue')
    expect((await readAll(await connect(), refs(3))).map(gist)).toEqual(all(3))
    expect(operations(bed).filter((one) => one === 'GetSecretValue')).toHaveLength(3)
  })

  it.each(['auto', 'off'])('are told to have been asked for again, with the region: batch %s', async (batch) => {
    const bed = await startWith(2)
    bed.fake.fail({type: 'InternalServiceError', status: 500}, 1)
    const warn = vi.fn<(message: string) => void>()
    const provider = await connect({region: 'us-east-1', batch}, {warn})
    expect((await readAll(provider, refs(2))).map(gist)).toEqual(all(2))
    expect(warn.mock.calls).toEqual([[expect.stringMatching(/^AWS Secrets Manager in us-east-1 was .* made again$/)]])
  })

  it('with a pinned version are read by themselves, beside a batch of the others', async () => {
    const bed = await startWith(3)
    bed.fake.put('service-2', 'newer')
    const wanted = [ref('service-0'), ref('service-1'), ref('service-2', 'AWSPREVIOUS')]
    expect((await readAll(await connect(), wanted)).map(gist)).toEqual(all(3))
    expect(operations(bed).toSorted()).toEqual(['BatchGetSecretValue', 'GetSecretValue'])
  })

  it('that a batch can not give are asked for alone, and say why by themselves', async () => {
    const bed = await startWith(5)
    bed.fake.forbid('service-0')
    bed.fake.remove('service-1')
    bed.fake.put('empty', undefined)
    bed.fake.put('bytes', Buffer.from([0xff, 0xfe]))
    const wanted = [...refs(5), ref('missing'), ref('empty'), ref('bytes')]
    expect((await readAll(await connect(), wanted)).map(gist)).toEqual([
      'FORBIDDEN',
      'SECRET_DELETED',
      ...all(5).slice(2),
      'absent',
      'absent',
      'KEY_BINARY',
    ])
    const alone = bed.fake.requests().flatMap(({operation, secret}) => (operation === 'GetSecretValue' ? secret : []))
    expect(alone.toSorted()).toEqual(['empty', 'missing', 'service-0', 'service-1'])
  })

  it.each(['ResourceNotFoundException', 'InvalidRequestException'])(
    'whose batch fails as a whole with %s, as some servers have it, are read one by one; the next batch is tried',
    async (type) => {
      const bed = await startWith(40)
      bed.fake.fail({type}, 1, 'BatchGetSecretValue')
      expect((await readAll(await connect({region: 'us-east-1'}, {maxInFlight: 1}), refs(40))).map(gist)).toEqual(
        all(40),
      )
      expect(operations(bed).filter((one) => one === 'BatchGetSecretValue')).toHaveLength(2)
      expect(operations(bed).filter((one) => one === 'GetSecretValue')).toHaveLength(20)
    },
  )

  it('whose batch is out of order for good fail with that, and are not asked for one by one', async () => {
    const bed = await startWith(3)
    bed.fake.fail({type: 'InternalServiceError', status: 500}, Infinity, 'BatchGetSecretValue')
    const answers = await readAll(await connect(), refs(3))
    expect(answers.map(gist)).toEqual(['SERVICE_ERROR', 'SERVICE_ERROR', 'SERVICE_ERROR'])
    expect(operations(bed)).not.toContain('GetSecretValue')
  })

  it('of two regions are two batches, each asked where its secrets lie', async () => {
    const bed = await startWith(2)
    const proxy = await leadAwsTo(bed.fake)
    const arns = ['one', 'two'].map((name) => ref(bed.fake.put(name, `${name} in Ireland`, 'eu-west-1')))
    const answers = await readAll(await connect(), [...refs(2), ...arns])
    expect(answers.map(gist)).toEqual([...all(2), 'found one in Ireland', 'found two in Ireland'])
    expect(
      bed.fake
        .requests()
        .map(({operation, region}) => `${operation} ${region}`)
        .toSorted(),
    ).toEqual(['BatchGetSecretValue eu-west-1', 'BatchGetSecretValue us-east-1'])
    expect(proxy.hosts().toSorted()).toEqual([
      'secretsmanager.eu-west-1.amazonaws.com:443',
      'secretsmanager.us-east-1.amazonaws.com:443',
    ])
  })
})

describe('an identity that may not read in batches', () => {
  it('reads one by one, says so once where --verbose asks, and remembers it', async () => {
    const bed = await startWith(60)
    bed.fake.forbidBatches()
    const [verbose, warn] = [vi.fn<(message: string) => void>(), vi.fn<(message: string) => void>()]
    const provider = await connect({region: 'us-east-1'}, {maxInFlight: 2, verbose, warn})
    expect((await readAll(provider, refs(60))).map(gist)).toEqual(all(60))
    // Both that were under way at once; the third was not tried.
    expect(operations(bed).filter((one) => one === 'BatchGetSecretValue')).toHaveLength(2)
    expect(verbose.mock.calls).toEqual([[expect.stringContaining('secretsmanager:BatchGetSecretValue')]])
    expect(warn).not.toHaveBeenCalled()
    await readAll(provider, refs(5))
    expect(operations(bed).filter((one) => one === 'BatchGetSecretValue')).toHaveLength(2)
  })

  it.each([
    ['UnknownOperationException', 400],
    ['InternalFailure', 501],
  ])('is the same as a server that does not know the call (%s, %i)', async (type, status) => {
    const bed = await startWith(3)
    bed.fake.fail({type, status}, Infinity, 'BatchGetSecretValue')
    expect((await readAll(await connect(), refs(3))).map(gist)).toEqual(all(3))
  })
})

describe('throttling', () => {
  it('of all that is in flight lets nothing new start until less than half of it is, and then grows to the limit again', async () => {
    const bed = await startWith(600)
    bed.fake.delay(15)
    bed.fake.fail({type: 'ThrottlingException'}, 16)
    const provider = await connect({region: 'us-east-1', batch: 'off'}, {maxInFlight: 16})
    expect((await readAll(provider, refs(600))).map(gist)).toEqual(all(600))
    const requests = bed.fake.requests()
    const burst = requests.slice(0, 16).map(({secret}) => secret)
    expect(new Set(burst).size).toBe(16)
    // Nine of the sixteen have to end before seven are left.
    expect(requests.slice(16, 25).filter(({secret}) => !burst.includes(secret))).toEqual([])
    const inFlight = requests.map((request) => request.inFlight)
    expect(Math.max(...inFlight)).toBe(16)
    expect(Math.max(...inFlight.slice(-200))).toBeGreaterThan(12)
  })

  it('of batches is heeded in the same way', async () => {
    const bed = await startWith(200)
    bed.fake.delay(15)
    bed.fake.fail({type: 'ThrottlingException'}, 4, 'BatchGetSecretValue')
    const provider = await connect({region: 'us-east-1'}, {maxInFlight: 4})
    expect((await readAll(provider, refs(200))).map(gist)).toEqual(all(200))
    const firsts = bed.fake.requests().map(({ids}) => ids[0])
    expect(firsts).toHaveLength(14)
    // Two may be under way: three of the four have to end before a new one begins.
    expect(new Set(firsts.slice(4, 6)).size).toBe(2)
    expect(firsts.slice(4, 6).filter((id) => !firsts.slice(0, 4).includes(id))).toEqual([])
  })

  it('is not undone by batches that were under way when it came', async () => {
    const bed = await startWith(280)
    bed.fake.fail({type: 'ThrottlingException'}, 8)
    const provider = await connect({region: 'us-east-1'}, {maxInFlight: 8})
    const reading = readAll(provider, refs(280))
    await expect.poll(() => bed.fake.requests().length, {interval: 1}).toBe(8)
    // Longer than the SDK waits: all eight are on their way again before the first of them is answered.
    bed.fake.delay(600)
    expect((await reading).map(gist)).toEqual(all(280))
    const requests = bed.fake.requests()
    const burst = requests.slice(0, 8).map(({ids}) => ids[0])
    const others = requests.filter(({ids}) => !burst.includes(ids[0]))
    // Four may be under way until the first of these ends, and five from then on.
    expect(others).toHaveLength(6)
    expect(Math.max(...others.slice(0, 4).map(({inFlight}) => inFlight))).toBeLessThanOrEqual(4)
  })

  it('is known to the other reads of the same vault', async () => {
    const bed = await startWith(8)
    const provider = await connect({region: 'us-east-1', batch: 'off'}, {maxInFlight: 8})
    bed.fake.delay(15)
    bed.fake.fail({type: 'ThrottlingException'}, 8)
    await readAll(provider, refs(8))
    const before = bed.fake.requests().length
    await readAll(provider, refs(8))
    const next = bed.fake.requests().slice(before)
    expect(next).toHaveLength(8)
    expect(Math.max(...next.map(({inFlight}) => inFlight))).toBeLessThan(8)
  })
})
