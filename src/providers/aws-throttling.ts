import {isOutage, isThrottling, retryAfterMs} from './aws-errors.ts'
import {tooLongToWait} from './in-flight.ts'
import type {Pace} from './pace.ts'

/** The SDK waits for a Retry-After, but at most so much longer than its own backoff says, in milliseconds. */
const waitedBySdkMs = 5_000

/** Any client of the SDK. */
export type ThrottledClient = {
  readonly middlewareStack: {
    // The SDK's own type has a parameter for each of its hundred commands.
    // oxlint-disable-next-line typescript/no-explicit-any
    readonly add: (middleware: (next: any) => any, options: any) => void
  }
}

/**
 * Let a client tell the pace of its vault about every attempt that was throttled, the retried ones too, and honour a
 * Retry-After whole: one that is longer than a call may take ends the call at once.
 */
export function heedThrottling(
  client: ThrottledClient,
  {pace, place, callTimeoutMs}: {readonly pace: Pace; readonly place: string; readonly callTimeoutMs: number},
): void {
  client.middlewareStack.add(
    (next: (args: unknown) => Promise<unknown>) => async (args: unknown) => {
      const mark = pace.mark()
      try {
        return await next(args)
      } catch (error) {
        const isThrottled = isThrottling(error)
        if (!isThrottled && !isOutage(error)) throw error
        if (isThrottled) pace.slowDown(mark)
        const waitMs = retryAfterMs(error)
        if (waitMs !== undefined && waitMs > callTimeoutMs)
          throw tooLongToWait(place, waitMs, callTimeoutMs, isThrottled ? 'THROTTLED' : 'SERVICE_ERROR')
        if (waitMs !== undefined && waitMs > waitedBySdkMs) await pause(waitMs - waitedBySdkMs)
        throw error
      }
    },
    // After the signing, so that it sees each attempt of the retries around it, with its error already read.
    {name: 'envdriftPace', step: 'finalizeRequest', priority: 'low'},
  )
}

/** Does not keep the process alive: the deadline of the call does, as long as somebody waits. */
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref())
