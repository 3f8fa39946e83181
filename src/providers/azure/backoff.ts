import type {PipelinePolicy, PipelineRequest, PipelineResponse} from '@azure/core-rest-pipeline'

import {tooLongToWait} from '../in-flight.ts'

/**
 * How often the SDK tries a request again. With {@link throttledMs} the waits add up to 12 s, more than the 10 s over which
 * the service counts requests; source: https://learn.microsoft.com/azure/key-vault/general/service-limits
 */
export const maxRetries = 4

/** The SDK's own first wait after a broken connection or a 5xx, in milliseconds; it doubles. A server that is down fails in 3 s. */
export const retryDelayInMs = 200

/** The first wait after a 429 that says nothing of when to come back, in milliseconds; it doubles. */
const throttledMs = 800

/**
 * Completes the SDK's retries: a 429 without Retry-After, which the SDK takes for final, gets one, and a Retry-After that is
 * longer than the call may last ends the call at once.
 *
 * It belongs inside the SDK's retry policy (`perRetry`), which then does the waiting.
 *
 * @throws EnvdriftError THROTTLED.
 */
export function backoffPolicy(place: string, callTimeoutMs: number, onRetry: () => void): PipelinePolicy {
  // The SDK sends one and the same request object again.
  const calls = new WeakMap<PipelineRequest, {readonly startedAt: number; throttled: number; troubled: boolean}>()
  return {
    name: 'envdriftBackoffPolicy',
    sendRequest: async (request, next) => {
      const call = calls.get(request) ?? {startedAt: Date.now(), throttled: 0, troubled: false}
      calls.set(request, call)
      const response = await next(request).catch((error: unknown) => {
        call.troubled = true
        throw error
      })
      call.troubled ||= response.status === 429 || response.status >= 500
      // Only what helped is worth a word; what didn't is an error with its own.
      if (call.troubled && response.status < 400) onRetry()
      if (response.status !== 429 && response.status !== 503) return response

      const leftMs = callTimeoutMs - (Date.now() - call.startedAt)
      const askedMs = retryAfterMs(response)
      if (askedMs !== undefined) {
        if (askedMs > leftMs) throw tooLongToWait(place, askedMs, callTimeoutMs)
      } else if (response.status === 429) {
        // Not all of a run's requests come back at the same moment.
        const waitMs = throttledMs * 2 ** call.throttled++ * (0.9 + Math.random() / 5)
        if (waitMs < leftMs) response.headers.set('retry-after-ms', String(Math.round(waitMs)))
      }
      return response
    },
  }
}

/** What the service asks for, in milliseconds, by the headers that the SDK obeys; `undefined` if it says nothing. */
export function retryAfterMs({headers}: PipelineResponse): number | undefined {
  for (const [header, unitMs] of [
    ['retry-after-ms', 1],
    ['x-ms-retry-after-ms', 1],
    ['retry-after', 1000],
  ] as const) {
    const number = Number(headers.get(header) || NaN)
    if (Number.isFinite(number)) return number * unitMs
  }
  const date = Date.parse(headers.get('retry-after') ?? '')
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}
