import {spawnSync} from 'node:child_process'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'

import {expect, it} from 'vitest'

import type {keepHeapSmall} from '../../src/cli/small-heap.ts'

const module = pathToFileURL(join(import.meta.dirname, '../../src/cli/small-heap.ts')).href

/** Bytes of the young generation of a process that read such a configuration, and then keeps 64 MB. */
function youngBytes(configuration: Parameters<typeof keepHeapSmall>[0]): number {
  const script = `
    import {getHeapSpaceStatistics} from 'node:v8'
    import {keepHeapSmall} from ${JSON.stringify(module)}
    keepHeapSmall(${JSON.stringify(configuration)})
    const kept = Array.from({length: 1_000_000}, (_, n) => ({n, text: String(n)}))
    const young = getHeapSpaceStatistics().find(({space_name: name}) => name === 'new_space')
    process.stdout.write(kept.length === 1_000_000 ? String(young.space_size) : '0')
  `
  const {stdout, stderr} = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {encoding: 'utf8'})
  // V8 would speak here of a flag that it doesn't know.
  expect(stderr).toBe('')
  return Number(stdout)
}

it.each([{characters: 1024 * 1024}, {mappings: 10_000}, {names: 20_000}])(
  'keeps the young generation small for %j',
  (configuration) => {
    const bytes = youngBytes(configuration)
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThan(youngBytes({characters: 100 * 1024, mappings: 1000, names: 3000}) / 4)
  },
)
