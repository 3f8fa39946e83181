import {setTimeout as sleep} from 'node:timers/promises'

/** VAULT_RATE_LIMIT, `rate[:burst]`: requests a second, and how many may go at once after a pause. */
export type RateLimit = {readonly perSecond: number; readonly burst: number}

/**
 * @returns `undefined` for anything else, for a burst of nothing, and for rates below 0.1: a request would wait for longer
 *   than a call may take.
 */
export function rateLimitOf(text: string): RateLimit | undefined {
  const [, rate = '', burst] = /^(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})(?::(\d{1,6}))?$/.exec(text) ?? []
  const perSecond = Number(rate)
  // Vault's client takes a rate below 1 without a burst for no limit at all: it rounds to a burst of 0, and forgets the error.
  const limit = {perSecond, burst: burst === undefined ? Math.max(1, Math.floor(perSecond)) : Number(burst)}
  return rate !== '' && perSecond >= 0.1 && limit.burst > 0 ? limit : undefined
}

/** Waits for the turn of one request; rejects with the signal. */
export type Turn = (signal: AbortSignal) => Promise<void>

/** Turns of requests to one vault, so that they keep within the limit; without one they never wait. */
export function takeTurns(limit: RateLimit | undefined): Turn {
  if (limit === undefined) return () => Promise.resolve()
  const waitMs = waits(limit)
  return async (signal) => {
    const ms = waitMs(performance.now())
    if (ms > 0) await sleep(ms, undefined, {signal})
  }
}

/** How long each request has to wait, in milliseconds, by when it asks: a bucket that fills as fast as requests may go. */
export function waits({perSecond, burst}: RateLimit): (nowMs: number) => number {
  const everyMs = 1000 / perSecond
  let fullAgainMs = -Infinity
  return (nowMs) => {
    const from = Math.max(nowMs, fullAgainMs)
    fullAgainMs = from + everyMs
    return Math.max(0, from - (burst - 1) * everyMs - nowMs)
  }
}
