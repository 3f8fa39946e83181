import {execFileSync} from 'node:child_process'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'

import {expect, it} from 'vitest'

const module = pathToFileURL(join(import.meta.dirname, '../../src/cli/small-heap.ts')).href

/** Bytes of the young generation of a process that read a configuration of so many characters, and then keeps 64 MB. */
const youngBytes = (characters: number): number =>
  Number(execFileSync(process.execPath, ['--input-type=module', '--eval', script(characters)], {encoding: 'utf8'}))

const script = (characters: number): string => `
  import {getHeapSpaceStatistics} from 'node:v8'
  import {keepHeapSmall} from ${JSON.stringify(module)}
  keepHeapSmall(${characters} === 0 ? undefined : 'x'.repeat(${characters}))
  const kept = Array.from({length: 1_000_000}, (_, n) => ({n, text: String(n)}))
  const young = getHeapSpaceStatistics().find(({space_name: name}) => name === 'new_space')
  process.stdout.write(kept.length === 1_000_000 ? String(young.space_size) : '0')
`

it('keeps the young generation small for a configuration of thousands of mappings, and for no other', () => {
  const [none, small, large] = [youngBytes(0), youngBytes(100 * 1024), youngBytes(1024 * 1024)]
  expect(large).toBeGreaterThan(0)
  expect(large).toBeLessThan(none / 4)
  expect(large).toBeLessThan(small / 4)
})
