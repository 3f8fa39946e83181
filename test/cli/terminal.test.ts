import {expect, it} from 'vitest'

import {widthOf} from '../../src/cli/terminal.ts'

it.each([
  ['a terminal that reports no columns', {isTTY: true, columns: 0}, {}, 80],
  ['a terminal that does not know', {isTTY: true}, {}, 80],
  ['a terminal', {isTTY: true, columns: 132}, {}, 132],
  ['COLUMNS over the terminal', {isTTY: true, columns: 132}, {COLUMNS: '60'}, 60],
  ['a COLUMNS that is none', {isTTY: true, columns: 132}, {COLUMNS: '0'}, 132],
  ['a pipe', {columns: 0}, {}, Infinity],
])('%s wraps at a width that can be read', (_, stream, env, width) => {
  expect(widthOf(stream, env)).toBe(width)
})
