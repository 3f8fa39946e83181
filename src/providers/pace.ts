/** How many calls may be under way to one vault: fewer when it throttles, one by one more again. */
export type Pace = {
  /** May another call start now? */
  readonly hasRoom: () => boolean
  /** @returns where we stand, to be given to {@link Pace.end}. */
  readonly begin: () => number
  /**
   * Ends a call that {@link Pace.begin} began; `raise` is by how much more may be under way from now on. A call that began
   * before the last slowing down raises nothing: what ends of a burst would undo within a round what the burst brought about.
   */
  readonly end: (raise: 'one' | 'a share of one' | 'nothing', begun: number) => void
  /** Where we stand, to be given to {@link Pace.slowDown}: taken before each attempt of a call. */
  readonly mark: () => number
  /**
   * The service throttled an attempt: half of what is under way may be, at least one. Attempts that were sent before the
   * last slowing down change nothing: a burst of refusals is one refusal.
   */
  readonly slowDown: (mark: number) => void
}

/**
 * Additive increase and multiplicative decrease, as TCP has it.
 *
 * @param limit - most calls at once; where it starts.
 */
export function makePace(limit: number): Pace {
  let [allowed, running, slowings] = [limit, 0, 0]
  return {
    hasRoom: () => running < Math.floor(allowed),
    begin() {
      running += 1
      return slowings
    },
    end(raise, begun) {
      running -= 1
      if (begun !== slowings) return
      // As many shares as there are calls at once make one: a round of them.
      const more = raise === 'one' ? 1 : raise === 'nothing' ? 0 : 1 / allowed
      allowed = Math.min(limit, allowed + more)
    },
    mark: () => slowings,
    slowDown(mark) {
      if (mark !== slowings) return
      slowings += 1
      allowed = Math.max(1, Math.floor(Math.min(allowed, running) / 2))
    },
  }
}
