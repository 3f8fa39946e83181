import {describe, expect, it} from 'vitest'

import {makePace, type Pace} from '../../src/providers/pace.ts'

/** Begins calls until there is no room for another. */
function fill(pace: Pace): number {
  let begun = 0
  for (; pace.hasRoom(); begun++) pace.begin()
  return begun
}

describe('makePace', () => {
  it('starts at the limit', () => {
    expect(fill(makePace(16))).toBe(16)
  })

  it('halves what is under way, once for a burst of refusals', () => {
    const pace = makePace(16)
    fill(pace)
    const mark = pace.mark()
    for (let n = 0; n < 16; n++) pace.slowDown(mark)
    for (let n = 0; n < 16; n++) pace.end('nothing')
    expect(fill(pace)).toBe(8)
  })

  it('halves what is under way, not what might have been', () => {
    const pace = makePace(16)
    for (let n = 0; n < 4; n++) pace.begin()
    pace.slowDown(pace.mark())
    for (let n = 0; n < 4; n++) pace.end('nothing')
    expect(fill(pace)).toBe(2)
  })

  it('halves again for what was sent after the last time, and never below one', () => {
    const pace = makePace(4)
    fill(pace)
    for (let n = 0; n < 5; n++) pace.slowDown(pace.mark())
    for (let n = 0; n < 4; n++) pace.end('nothing')
    expect(fill(pace)).toBe(1)
  })

  it('allows one more for each batch that ended, up to the limit', () => {
    const pace = makePace(4)
    fill(pace)
    pace.slowDown(pace.mark())
    pace.end('one')
    for (let n = 0; n < 3; n++) pace.end('nothing')
    expect(fill(pace)).toBe(3)
    for (let n = 0; n < 3; n++) pace.end('one')
    expect(fill(pace)).toBe(4)
  })

  it('allows one more for a round of single calls', () => {
    const pace = makePace(8)
    fill(pace)
    pace.slowDown(pace.mark())
    for (let n = 0; n < 8; n++) pace.end('nothing')
    expect(fill(pace)).toBe(4)
    for (let n = 0; n < 3; n++) pace.end('a share of one')
    expect(fill(pace)).toBe(3)
    for (let n = 0; n < 2; n++) pace.end('a share of one')
    expect(fill(pace)).toBe(3)
  })
})
