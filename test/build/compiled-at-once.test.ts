import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {expect, it, onTestFinished} from 'vitest'

import {compiledAtOnce} from '../../scripts/build/compiled-at-once.ts'

/** What a module prints. */
const run = (text: string): string =>
  execFileSync(process.execPath, ['--input-type=module', '-e', text], {encoding: 'utf8'})

it.each([
  ['a declaration that is used above it', `console.log(f(1)); function f(x) { return x + 1 }`],
  [
    'one that puts another function in its place',
    `function f() { f = () => 'second'; return 'first' } console.log(f(), f())`,
  ],
  ['one that calls itself', `function f(n) { return n < 2 ? 1 : n * f(n - 1) } console.log(f(5))`],
  [
    'names',
    `const a = () => {}; function b() {} const c = {d: () => {}, e() {}}; console.log(a.name, b.name, c.d.name, c.e.name)`,
  ],
  [
    'async functions and generators',
    `async function f() { return 1 } function* g() { yield 2 } async function* h() { yield 3 } console.log(await f(), [...g()], (await h().next()).value)`,
  ],
  [
    'what a function has that is no arrow',
    `function F(x) { this.x = x; this.n = arguments.length } console.log(new F(1, 2).n, typeof F.prototype)`,
  ],
  [
    'methods and accessors',
    `const o = {m() { return super.toString === Object.prototype.toString }, get g() { return 2 }, set g(x) {}, ['c' + 1]() { return 3 }}; const f = () => o; console.log(f().m(), o.g, o.c1())`,
  ],
  [
    'classes',
    `class A { x = () => this.y; y = 1; static s() { return 2 } #p() { return 3 } q() { return this.#p() } constructor() { this.z = 4 } } console.log(new A().x(), A.s(), new A().q(), new A().z)`,
  ],
  [
    'arrow functions where they may stand',
    `const f = (a, g = () => 1) => a ? () => g() : async () => 2; console.log(f(1)(), await f(0)())`.replace(
      'f(1)()',
      'f(1)()',
    ),
  ],
  [
    'functions that are called at once',
    `(function () { console.log(1) })(), (() => console.log(2))(), !function () { console.log(3) }(); new function () { console.log(4) }()`,
  ],
  [
    'what follows a declaration without a semicolon',
    `let x = 1\nfunction f() {}\n[2].forEach((y) => { x += y })\nconsole.log(x)`,
  ],
  ['what is exported by default', `export default function f() { return 1 } const g = () => f(); console.log(g())`],
  ['characters of several units', `console.log('😀', (() => '😀')()); function f() { return '😀' } console.log(f())`],
])('means the same: %s', (_, text) => {
  const changed = compiledAtOnce(text)
  expect(changed).not.toBe(text)
  const printed = run(text)
  expect(printed).not.toBe('')
  expect(run(changed)).toBe(printed)
})

/** The names of functions that V8 compiles by themselves in a run with a warm compile cache. */
function compiledLate(text: string): readonly string[] {
  const place = mkdtempSync(join(tmpdir(), 'envdrift-compiled-'))
  onTestFinished(() => rmSync(place, {recursive: true, force: true}))
  writeFileSync(join(place, 'called.mjs'), text)
  const log = join(place, 'v8.log')
  for (const _ of ['cold', 'warm']) {
    execFileSync(
      process.execPath,
      ['--log-function-events', '--no-logfile-per-isolate', `--logfile=${log}`, join(place, 'called.mjs')],
      {env: {NODE_COMPILE_CACHE: join(place, 'cache')}},
    )
  }
  const events = readFileSync(log, 'utf8')
    .split('\n')
    .map((line) => line.split(','))
  const script = events.find(([kind, , name]) => kind === 'script-details' && name?.endsWith('called.mjs'))?.[1]
  return events.flatMap(([kind, what, id, , , , , name]) =>
    kind === 'function' && what === 'interpreter' && id === script && name ? [name] : [],
  )
}

it('has functions compiled with their file, and kept, but for those that V8 takes one by one', () => {
  const text = `
    const arrow = () => 1, expression = function () { return 2 }
    const asyncArrow = async () => { const within = () => 3; return within() }
    function declared() { const inner = () => 4; function late() { return 5 } return inner() + late() }
    async function asyncDeclared() { return 6 }
    const object = {method() { return 7 }}
    arrow(), expression(), asyncArrow(), declared(), asyncDeclared(), object.method()`
  expect(compiledLate(text).toSorted()).toEqual(
    ['arrow', 'asyncArrow', 'asyncDeclared', 'declared', 'expression', 'inner', 'late', 'method', 'within'].toSorted(),
  )
  expect(compiledLate(compiledAtOnce(text)).toSorted()).toEqual(['asyncArrow', 'late', 'method', 'within'])
})

it('refuses what is no module', () => {
  expect(() => compiledAtOnce('const a = ;')).toThrow('is no module')
})
