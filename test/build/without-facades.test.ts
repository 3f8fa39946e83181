import {execFileSync} from 'node:child_process'

import {transformSync} from 'esbuild'
import {expect, it} from 'vitest'

import {withoutFacades} from '../../scripts/build/without-facades.ts'

/** What a module prints, written as the bundle is and changed. */
function run(lines: readonly string[]): string {
  const {code} = transformSync(lines.join('\n'), {minifyWhitespace: true, format: 'esm'})
  return execFileSync(process.execPath, ['--input-type=module', '-e', withoutFacades(code)], {encoding: 'utf8'}).trim()
}

it.each([
  [`import fs from 'node:fs'; console.log(typeof fs.readFileSync)`, 'function'],
  [`import * as fs from 'fs'; console.log(typeof fs.readFileSync)`, 'function'],
  [`import {join, sep as separator} from 'node:path'; console.log(join('a', 'b') === 'a' + separator + 'b')`, 'true'],
  [`import path, {join} from 'node:path'; console.log(path.join === join)`, 'true'],
  [`import process from 'node:process'; console.log(process.argv.length > 0)`, 'true'],
  [`const {default: util, inspect} = await import('node:util'); console.log(util.inspect === inspect)`, 'true'],
  [`console.log(typeof require('node:fs').readFileSync)`, 'function'],
])('means the same as %s', (text, printed) => {
  expect(run([text])).toBe(printed)
})

it("leaves what isn't Node's own", () => {
  const text = `import{a}from"./chunks/a.js";import b from"b";import("./c.js");import("c");`
  expect(withoutFacades(text)).toBe(text)
})

it('loads nothing that nobody asked for', () => {
  const loaded = `console.log(process.moduleLoadList.some((name) => name.includes('undici')))`
  expect(
    run([`import * as http from 'node:http'`, `if (typeof http.request !== 'function') throw new Error()`, loaded]),
  ).toBe('false')
})
