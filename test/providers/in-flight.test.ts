import {describe, expect, it} from 'vitest'

import {EnvdriftError, type ErrorCode} from '../../src/core/errors.ts'
import type {SecretRef} from '../../src/core/mapping.ts'
import {Secret} from '../../src/core/secret.ts'
import {readEach, withDeadline, type Answer} from '../../src/providers/in-flight.ts'
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
