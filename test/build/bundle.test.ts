import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {expect, it, onTestFinished} from 'vitest'

import {bundleEntries} from '../../scripts/build/bundle.ts'

/** What the bundled module prints. */
async function printed(files: Readonly<Record<string, string>>): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'envdrift-bundle-'))
  onTestFinished(() => rmSync(root, {recursive: true, force: true}))
  writeFileSync(join(root, 'package.json'), '{"type": "module"}')
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text)
  await bundleEntries(root, join(root, 'out'), {
    entries: [{in: 'main.js', out: 'main'}],
    stages: {always: [], either: []},
  })
  return execFileSync(process.execPath, [join(root, 'out/main.js')], {encoding: 'utf8'})
}

it('gives a CommonJS package its folder, and leaves a module the name that it has chosen itself', async () => {
  const text = await printed({
    'main.js': `import {mine} from './module.js'; import theirs from './package.cjs'; console.log(mine, theirs)`,
    'module.js': `const __dirname = 'of my own'; export const mine = __dirname`,
    'package.cjs': `module.exports = typeof require('node:fs').readFileSync + (__dirname === require('node:path').dirname(__filename))`,
  })
  expect(text).toBe('of my own functiontrue\n')
})
