import {describe, expect, it} from 'vitest'

import {makePace, type Pace} from '../../src/providers/pace.ts'

/** Begins calls until there is no room for another; the marks of those that were begun. */
function fill(pace: Pace): readonly number[] {
  const begun: number[] = []
  while (pace.hasRoom()) begun.push(pace.begin())
  return begun
}

/** Ends these calls, each with the same word. */
function endAll(pace: Pace, begun: readonly number[], raise: Parameters<Pace['end']>[0] = 'nothing'): void {
  for (const mark of begun) pace.end(raise, mark)
}

describe('makePace', () => {
  it('starts at the limit', () => {
    expect(fill(makePace(16))).toHaveLength(16)
  })

  it('halves what is under way, once for a burst of refusals', () => {
    const pace = makePace(16)
    const begun = fill(pace)
    const mark = pace.mark()
    for (let n = 0; n < 16; n++) pace.slowDown(mark)
    endAll(pace, begun)
    expect(fill(pace)).toHaveLength(8)
  })

  it('halves what is under way, not what might have been', () => {
    const pace = makePace(16)
    const begun = Array.from({length: 4}, () => pace.begin())
    pace.slowDown(pace.mark())
    endAll(pace, begun)
    expect(fill(pace)).toHaveLength(2)
  })

  it('halves again for what was sent after the last time, and never below one', () => {
    const pace = makePace(4)
    const begun = fill(pace)
    for (let n = 0; n < 5; n++) pace.slowDown(pace.mark())
    endAll(pace, begun)
    expect(fill(pace)).toHaveLength(1)
  })

  it('grows by nothing that began before it slowed down', () => {
    const pace = makePace(8)
    const begun = fill(pace)
    pace.slowDown(pace.mark())
    endAll(pace, begun, 'one')
    expect(fill(pace)).toHaveLength(4)
  })

  it('allows one more for each batch that ended, up to the limit', () => {
    const pace = makePace(4)
    const begun = fill(pace)
    pace.slowDown(pace.mark())
    endAll(pace, begun)
    const [first, second] = fill(pace)
    pace.end('one', first!)
    // Three may be under way, and one is.
    const more = fill(pace)
    expect(more).toHaveLength(2)
    endAll(pace, [second!, ...more], 'one')
    expect(fill(pace)).toHaveLength(4)
  })

  it('allows one more for a round of single calls', () => {
    const pace = makePace(8)
    const begun = fill(pace)
    pace.slowDown(pace.mark())
    endAll(pace, begun)
    const round = fill(pace)
    expect(round).toHaveLength(4)
    // Not quite one: each share is of what was allowed by then.
    endAll(pace, round, 'a share of one')
    const next = fill(pace)
    expect(next).toHaveLength(4)
    endAll(pace, next, 'a share of one')
    expect(fill(pace)).toHaveLength(5)
  })
})
