import {EnvdriftError, type ErrorCode} from '../core/errors.ts'
import type {SecretRef} from '../core/mapping.ts'
import type {Secret} from '../core/secret.ts'
import {makePace, type Pace} from './pace.ts'
import type {Fetched, Version} from './provider.ts'

export type CallLimits = {
  /** `provider.place`, for messages. */
  readonly place: string
  /** How long one call may take, in milliseconds, the SDK's retries included. */
  readonly callTimeoutMs: number
  /** The run's: Ctrl-C, or a deadline for the whole. */
  readonly signal: AbortSignal
}

export type ReadLimits = CallLimits & {
  /**
   * The part of the vault that a secret lies in (a region, a project), as people know it, where a vault has parts. Trouble of
   * one part says nothing of the others.
   */
  readonly placeOf?: (ref: SecretRef) => string
  /** At most so many calls at once. */
  readonly maxInFlight: number
  /** Of the vault, where the service's throttling is to be heeded by all reads. Left out: `maxInFlight` at all times. */
  readonly pace?: Pace
}

/** What the service said about one secret, when it said something usable. */
export type Answer =
  | {
      readonly kind: 'found'
      readonly value: Secret
      readonly version?: Version
      readonly fields?: ReadonlyMap<string, Secret>
    }
  | {readonly kind: 'absent'}

/** One of these for one secret means the same for all of them: a second try with the same login can't do better. */
const loginCodes: ReadonlySet<ErrorCode> = new Set(['NOT_LOGGED_IN', 'LOGIN_REFUSED'])

/**
 * One of these before the vault has answered anything at all: 500 secrets would otherwise wait for 32 timeouts in a row.
 * After a first answer it is trouble of one call, and the others are still asked.
 */
const nobodyHomeCodes: ReadonlySet<ErrorCode> = new Set([
  'UNREACHABLE',
  'TIMEOUT',
  'TLS_REFUSED',
  'VAULT_SEALED',
  'VAULT_NOT_FOUND',
])

/** What came of one reference, without the reference. */
export type Result = Answer | {readonly kind: 'failed'; readonly error: EnvdriftError}

/**
 * Read every reference once, at most `maxInFlight` at a time; answers come as they arrive, in any order.
 *
 * Each call has its own deadline from the moment it starts. Calls that have not started when the run is cancelled, when a
 * login was refused, or when the vault could not be reached at all, are `failed` without being made.
 *
 * @param readOne - one call; throws EnvdriftError, mapped from the SDK's errors. It should pass its signal to the SDK, but
 *   is left behind if it does not listen.
 */
export const readEach = (
  refs: readonly SecretRef[],
  readOne: (ref: SecretRef, signal: AbortSignal) => Promise<Answer>,
  limits: ReadLimits,
): AsyncGenerator<Fetched, void> =>
  readTogether(
    refs.map((ref) => [ref]),
    () => Promise.resolve(new Map()),
    readOne,
    limits,
  )

/**
 * {@link readEach} for services that read several secrets in one call.
 *
 * @param chunks - what may go into one call; a chunk of one is read with `readOne`.
 * @param readChunk - one call; what it gives no result for is read again with `readOne`. What it throws fails the whole chunk.
 */
export async function* readTogether(
  chunks: readonly (readonly SecretRef[])[],
  readChunk: (refs: readonly SecretRef[], signal: AbortSignal) => Promise<ReadonlyMap<SecretRef, Result>>,
  readOne: (ref: SecretRef, signal: AbortSignal) => Promise<Answer>,
  limits: ReadLimits,
): AsyncGenerator<Fetched, void> {
  const abandoned = new AbortController()
  const signal = AbortSignal.any([limits.signal, abandoned.signal])
  const pace = limits.pace ?? makePace(limits.maxInFlight)
  const queue = chunks.filter((chunk) => chunk.length > 0)
  const total = queue.flat().length
  const answers: Fetched[] = []
  let arrival = Promise.withResolvers<void>()
  let running = 0
  const parts = new Map<string, {readonly place: string; answeredOnce: boolean; hopeless: EnvdriftError | undefined}>()
  const partOf = (ref: SecretRef) => {
    const place = limits.placeOf?.(ref) ?? limits.place
    const part = parts.get(place) ?? {place, answeredOnce: false, hopeless: undefined}
    parts.set(place, part)
    return part
  }

  async function fetch(chunk: readonly SecretRef[]): Promise<readonly Fetched[]> {
    const [first] = chunk as readonly [SecretRef]
    const part = partOf(first)
    const ofCall = {...limits, place: part.place, signal}
    try {
      if (part.hopeless) throw part.hopeless
      if (chunk.length === 1) {
        const answer = await withDeadline((callSignal) => readOne(first, callSignal), ofCall)
        part.answeredOnce = true
        return [{ref: first, ...answer}]
      }
      const results = await withDeadline((callSignal) => readChunk(chunk, callSignal), ofCall)
      part.answeredOnce ||= results.size > 0
      queue.push(...chunk.filter((ref) => !results.has(ref)).map((ref) => [ref]))
      return chunk.flatMap((ref) => {
        const result = results.get(ref)
        return result === undefined ? [] : [{ref, ...result}]
      })
    } catch (cause) {
      const error = asEnvdriftError(cause, `read ${first.name}`)
      const isHopeless = loginCodes.has(error.code) || (!part.answeredOnce && nobodyHomeCodes.has(error.code))
      if (isHopeless) part.hopeless ??= error
      else part.answeredOnce = true
      return chunk.map((ref) => ({ref, kind: 'failed', error}))
    }
  }

  async function run(chunk: readonly SecretRef[]): Promise<void> {
    running += 1
    const begun = pace.begin()
    // A bug of an adapter's must not keep the others waiting for an answer that never comes.
    const fetched = await fetch(chunk).catch((cause: unknown) =>
      chunk.map((ref): Fetched => ({ref, kind: 'failed', error: asEnvdriftError(cause, `read ${ref.name}`)})),
    )
    const isGood = fetched.every(({kind}) => kind !== 'failed')
    running -= 1
    pace.end(!isGood ? 'nothing' : chunk.length > 1 ? 'one' : 'a share of one', begun)
    answers.push(...fetched)
    arrival.resolve()
    startNext()
  }

  function startNext(): void {
    // One of ours may always run: another read of the same vault must not keep this one from ending.
    while (queue.length > 0 && running < limits.maxInFlight && (running === 0 || pace.hasRoom()))
      void run(queue.shift()!)
  }

  startNext()
  try {
    for (let given = 0; given < total; given++) {
      while (answers.length === 0) {
        arrival = Promise.withResolvers()
        await arrival.promise
      }
      yield answers.shift()!
    }
  } finally {
    // The reader may have left its loop early: nobody waits for what is still in flight.
    abandoned.abort()
  }
}

/**
 * Make one call that ends by its deadline or with the run, even if the SDK listens to no signal.
 *
 * @throws EnvdriftError TIMEOUT after `callTimeoutMs`; INTERRUPTED when the run's signal fired (TIMEOUT if a timeout fired
 *   it, or the signal's own reason if that is an EnvdriftError); else what the call threw.
 */
export async function withDeadline<T>(call: (signal: AbortSignal) => Promise<T>, limits: CallLimits): Promise<T> {
  const {place, callTimeoutMs, signal} = limits
  if (signal.aborted) throw interruption(place, signal.reason)

  const stop = new AbortController()
  const stopped = Promise.withResolvers<never>()
  // It may reject when nobody races any more.
  stopped.promise.catch(() => {})
  const end = (error: EnvdriftError) => {
    stopped.reject(error)
    stop.abort(error)
  }
  const onAbort = () => end(interruption(place, signal.reason))
  signal.addEventListener('abort', onAbort, {once: true})
  // Not AbortSignal.timeout: its timer does not keep the process alive, so a silent call could end the run half way.
  const timer = setTimeout(() => end(timeout(place, callTimeoutMs)), callTimeoutMs)

  try {
    return await Promise.race([call(stop.signal), stopped.promise])
  } catch (error) {
    // What an SDK throws because we stopped it says less than why we stopped it.
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

/** What a person reads, once per vault, when a call succeeded or failed only after it was made again. */
export const retryNote = (place: string): string =>
  `${place} was throttled or out of order for a moment; some calls were made again`

/**
 * The service asks us to wait longer than a call may take: it ends at once, since waiting could not help.
 *
 * @param waitMs - what its Retry-After says, in milliseconds.
 * @param trouble - why it does: it throttles us, or something is wrong with it.
 */
export function tooLongToWait(
  place: string,
  waitMs: number,
  callTimeoutMs: number,
  trouble: 'THROTTLED' | 'SERVICE_ERROR' = 'THROTTLED',
): EnvdriftError {
  const isThrottled = trouble === 'THROTTLED'
  const waitS = Math.ceil(waitMs / 1000)
  return new EnvdriftError(
    trouble,
    `${place} is ${isThrottled ? 'throttling us' : 'out of order'} and asks to wait ${waitS} s, which is longer than the ${callTimeoutMs / 1000} s that one call may take`,
    {
      suggestions: [
        `Run the command again in ${waitS} s, or raise timeout under [vault.sync].`,
        ...(isThrottled ? ['A lower max_workers under [vault.sync] asks for less at once.'] : []),
      ],
    },
  )
}

/** Errors of ours as they are; anything else is a bug in an adapter, and says so. `doing` completes "could not …". */
export function asEnvdriftError(error: unknown, doing: string): EnvdriftError {
  if (error instanceof EnvdriftError) return error
  return new EnvdriftError('UNEXPECTED', `envdrift could not ${doing}, for a reason that it does not know`, {
    suggestions: ['This is a bug in envdrift: please report it with the output of the same command with `--verbose`.'],
    cause: error,
  })
}

function timeout(place: string, callTimeoutMs: number): EnvdriftError {
  return new EnvdriftError('TIMEOUT', `${place} did not answer within ${callTimeoutMs / 1000} s`, {
    suggestions: ['Check the network, the proxy and the address of the vault, then run the command again.'],
  })
}

function interruption(place: string, reason: unknown): EnvdriftError {
  if (reason instanceof EnvdriftError) return reason
  if (reason instanceof DOMException && reason.name === 'TimeoutError') {
    return new EnvdriftError('TIMEOUT', `The run's time was up before ${place} answered`, {
      suggestions: ['Check the network, the proxy and the address of the vault, then run the command again.'],
    })
  }
  return new EnvdriftError('INTERRUPTED', `Interrupted before ${place} answered`, {
    suggestions: ['Run the command again.'],
  })
}
