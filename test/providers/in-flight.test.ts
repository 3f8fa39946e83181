import {describe, expect, it} from 'vitest'

import {EnvdriftError, type ErrorCode} from '../../src/core/errors.ts'
import type {SecretRef} from '../../src/core/mapping.ts'
import {Secret} from '../../src/core/secret.ts'
import {readEach, readTogether, withDeadline, type Answer} from '../../src/providers/in-flight.ts'
import {makePace} from '../../src/providers/pace.ts'
import type {Fetched} from '../../src/providers/provider.ts'
import {gist} from './contract.ts'

const refs = (count: number): readonly SecretRef[] =>
  Array.from({length: count}, (_, n) => ({vault: 'default', name: `service-${n}`}))

const limits = (over: {maxInFlight?: number; callTimeoutMs?: number; signal?: AbortSignal} = {}) => ({
  place: 'The test vault',
  maxInFlight: 2,
  callTimeoutMs: 20_000,
  signal: new AbortController().signal,
  ...over,
})

const trouble = (code: ErrorCode) => new EnvdriftError(code, `trouble ${code}`, {suggestions: ['Try again.']})
const found = (text: string): Answer => ({kind: 'found', value: new Secret(text)})
const collect = (answers: AsyncIterable<Fetched>) => Array.fromAsync(answers)

/** Settles only if somebody listens to the signal. */
const stuck = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')))
  })

describe('readEach', () => {
  it('gives an answer as soon as it is there, in the order of arrival', async () => {
    const slow = Promise.withResolvers<Answer>()
    const order: string[] = []
    const reading = readEach(
      refs(2),
      ({name}) => (name === 'service-0' ? slow.promise : Promise.resolve(found('b'))),
      limits(),
    )
    for await (const {ref} of reading) {
      order.push(ref.name)
      slow.resolve(found('a'))
    }
    expect(order).toEqual(['service-1', 'service-0'])
  })

  it('answers for all though an adapter fails where none should', async () => {
    const reading = readEach(refs(3), () => Promise.resolve(found('a')), {
      ...limits(),
      placeOf: ({name}) => {
        if (name === 'service-1') throw new TypeError('a bug')
        return name
      },
    })
    expect((await collect(reading)).map(gist).toSorted()).toEqual(['UNEXPECTED', 'found a', 'found a'])
  })

  it('tells trouble of one part of a vault from the others', async () => {
    const asked: string[] = []
    const read = async ({name}: SecretRef) => {
      asked.push(name)
      if (['service-0', 'service-2'].includes(name)) throw trouble('LOGIN_REFUSED')
      return found(name)
    }
    const placeOf = ({name}: SecretRef) => (['service-0', 'service-2'].includes(name) ? 'nowhere' : 'here')
    const answers = await collect(readEach(refs(4), read, {...limits({maxInFlight: 1}), placeOf}))
    expect(answers.map(gist)).toEqual(['LOGIN_REFUSED', 'found service-1', 'LOGIN_REFUSED', 'found service-3'])
    // A second secret of the refused part isn't asked for.
    expect(asked).toEqual(['service-0', 'service-1', 'service-3'])
  })

  it('keeps asking while its reader is busy with an answer', async () => {
    const asked: string[] = []
    const allAsked = Promise.withResolvers<void>()
    const read = async ({name}: SecretRef) => {
      asked.push(name)
      if (asked.length === 6) allAsked.resolve()
      return found(name)
    }
    for await (const _ of readEach(refs(6), read, limits())) await allAsked.promise
    expect(asked).toHaveLength(6)
  })

  it('says TIMEOUT for a call that listens to no signal', async () => {
    const never = new Promise<Answer>(() => {})
    const answers = await collect(readEach(refs(1), () => never, limits({callTimeoutMs: 10})))
    expect(answers.map(gist)).toEqual(['TIMEOUT'])
  })

  it('gives each call its own deadline, from its own start', async () => {
    // Five calls one after the other, each much shorter than the deadline, together longer.
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
    const read = () => pause(300).then(() => found('in time'))
    const answers = await collect(readEach(refs(5), read, limits({maxInFlight: 1, callTimeoutMs: 1200})))
    expect(new Set(answers.map(gist))).toEqual(new Set(['found in time']))
  })

  it.each(['NOT_LOGGED_IN', 'LOGIN_REFUSED'] as const)('asks nobody else after %s', async (code) => {
    let calls = 0
    const read = async () => {
      calls++
      throw trouble(code)
    }
    const answers = await collect(readEach(refs(50), read, limits()))
    expect(new Set(answers.map(gist))).toEqual(new Set([code]))
    expect(answers).toHaveLength(50)
    expect(calls).toBe(2)
  })

  it.each(['UNREACHABLE', 'TIMEOUT', 'TLS_REFUSED'] as const)(
    'asks nobody else after %s from a vault that never answered',
    async (code) => {
      let calls = 0
      const read = async () => {
        calls++
        throw trouble(code)
      }
      const answers = await collect(readEach(refs(50), read, limits()))
      expect(new Set(answers.map(gist))).toEqual(new Set([code]))
      expect(calls).toBe(2)
    },
  )

  it.each([
    ['an answer', async () => ({kind: 'absent'}) as const],
    ['a refusal', () => Promise.reject(trouble('FORBIDDEN'))],
  ])('asks on after UNREACHABLE where %s came before', async (_, first) => {
    const read = async ({name}: SecretRef): Promise<Answer> => {
      if (name === 'service-0') return first()
      if (name === 'service-1') throw trouble('UNREACHABLE')
      return found(name)
    }
    const answers = await collect(readEach(refs(4), read, limits({maxInFlight: 1})))
    expect(answers.slice(1).map(gist)).toEqual(['UNREACHABLE', 'found service-2', 'found service-3'])
  })

  it('stops what is in flight when its reader leaves early', async () => {
    const signals: AbortSignal[] = []
    const read = async ({name}: SecretRef, signal: AbortSignal) => {
      if (name === 'service-0') return found('first')
      signals.push(signal)
      return stuck(signal)
    }
    for await (const answer of readEach(refs(9), read, limits())) {
      expect(gist(answer)).toBe('found first')
      break
    }
    expect(signals.length).toBeGreaterThan(0)
    expect(signals.every(({aborted}) => aborted)).toBe(true)
  })

  it('says UNEXPECTED for a bug in an adapter, and reads the rest', async () => {
    const read = async ({name}: SecretRef) => {
      if (name === 'service-0') throw new TypeError('undefined is not a function')
      return found(name)
    }
    const answers = await collect(readEach(refs(2), read, limits()))
    expect(answers.map(gist).sort()).toEqual(['UNEXPECTED', 'found service-1'])
  })
})

describe('withDeadline', () => {
  it.each([
    ['INTERRUPTED', undefined],
    ['TIMEOUT', new DOMException('The operation timed out', 'TimeoutError')],
    ['TERMINATED', trouble('TERMINATED')],
  ])('ends with %s for a run that was stopped for that reason', async (code, reason) => {
    const run = new AbortController()
    const call = withDeadline(stuck, limits({signal: run.signal}))
    run.abort(reason)
    await expect(call).rejects.toMatchObject({code})
  })

  it('makes no call for a run that is over', async () => {
    let calls = 0
    const call = withDeadline(async () => calls++, limits({signal: AbortSignal.abort()}))
    await expect(call).rejects.toMatchObject({code: 'INTERRUPTED'})
    expect(calls).toBe(0)
  })

  it('passes on what the call gave or threw', async () => {
    await expect(withDeadline(async () => 'answer', limits())).resolves.toBe('answer')
    const thrown = new Error('the service said so')
    await expect(withDeadline(() => Promise.reject(thrown), limits())).rejects.toBe(thrown)
  })
})

describe('readTogether', () => {
  const asAnswers = (chunk: readonly SecretRef[]) => new Map(chunk.map((ref) => [ref, found(`${ref.name} in a batch`)]))
  const alone = async ({name}: SecretRef) => found(`${name} alone`)

  it('reads chunks in one call each, and a chunk of one by itself', async () => {
    const [a, b, c] = refs(3) as readonly [SecretRef, SecretRef, SecretRef]
    const answers = await collect(readTogether([[a, b], [c]], async (chunk) => asAnswers(chunk), alone, limits()))
    expect(answers.map(gist).sort()).toEqual([
      'found service-0 in a batch',
      'found service-1 in a batch',
      'found service-2 alone',
    ])
  })

  it('asks again, one by one, for what a call had no result for', async () => {
    const some = async (chunk: readonly SecretRef[]) => asAnswers(chunk.slice(1))
    const answers = await collect(readTogether([refs(3)], some, alone, limits({maxInFlight: 1})))
    expect(answers.map(gist).sort()).toEqual([
      'found service-0 alone',
      'found service-1 in a batch',
      'found service-2 in a batch',
    ])
  })

  it('fails a whole chunk with what its call threw, and reads the others', async () => {
    const [a, b, c, d] = refs(4) as readonly [SecretRef, SecretRef, SecretRef, SecretRef]
    const read = async (chunk: readonly SecretRef[]) => {
      if (chunk.includes(a)) throw trouble('SERVICE_ERROR')
      return asAnswers(chunk)
    }
    const answers = await collect(
      readTogether(
        [
          [a, b],
          [c, d],
        ],
        read,
        alone,
        limits(),
      ),
    )
    expect(answers.map(gist).sort()).toEqual([
      'SERVICE_ERROR',
      'SERVICE_ERROR',
      'found service-2 in a batch',
      'found service-3 in a batch',
    ])
  })

  it('asks for nothing more when a login was refused', async () => {
    const asked: string[] = []
    const read = async (chunk: readonly SecretRef[]): Promise<never> => {
      asked.push(chunk[0]!.name)
      throw trouble('LOGIN_REFUSED')
    }
    const chunks = [refs(2), refs(4).slice(2), [refs(5)[4]!]]
    const answers = await collect(readTogether(chunks, read, alone, limits({maxInFlight: 1})))
    expect(answers.map(gist)).toEqual(Array.from({length: 5}, () => 'LOGIN_REFUSED'))
    expect(asked).toEqual(['service-0'])
  })

  it('keeps to the pace of the vault', async () => {
    const pace = makePace(8)
    let [running, peakAfter] = [0, 0]
    const read = async ({name}: SecretRef) => {
      running += 1
      if (name === 'service-0') pace.slowDown(pace.mark())
      // Those of the first burst are under way already.
      if (Number(name.slice(8)) >= 8) peakAfter = Math.max(peakAfter, running)
      await new Promise((resolve) => setTimeout(resolve, 2))
      running -= 1
      return found(name)
    }
    expect(await collect(readEach(refs(16), read, {...limits({maxInFlight: 8}), pace}))).toHaveLength(16)
    expect(peakAfter).toBeGreaterThan(0)
    expect(peakAfter).toBeLessThanOrEqual(6)
  })
})
