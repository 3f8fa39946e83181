import {globSync, readFileSync} from 'node:fs'
import {basename, join} from 'node:path'

import {expect, it} from 'vitest'

import cases from './cases.json' with {type: 'json'}

/** Cases that no test names, each with the reason. A number leaves this list with its test. */
const withoutTest: Readonly<Record<string, string>> = {}

/**
 * Numbers that the names of tests begin with, in a source text: `it('C20 C21 reads …', …)`, or the first cell of a row of
 * `it.each`, alone or with words behind it. A number elsewhere in a name, in a comment or alone in a string doesn't count.
 */
function numbersNamedIn(text: string): readonly string[] {
  const code = text.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '')
  const names = code.matchAll(/[([,]\s*['"`]((?:[A-Z]\d+[a-z]?[ ,]+)+)\S|\[\s*'([A-Z]\d+[a-z]?(?: [A-Z]\d+[a-z]?)*)',/g)
  return [...names].flatMap(([, withWords, alone]) =>
    (withWords ?? alone ?? '').split(/[ ,]+/).filter((number) => number !== ''),
  )
}

const named = new Set(
  globSync('**/*.test.ts', {cwd: import.meta.dirname})
    .filter((file) => basename(file) !== basename(import.meta.filename))
    .flatMap((file) => numbersNamedIn(readFileSync(join(import.meta.dirname, file), 'utf8'))),
)

it('every case is named by a test, or excused with a reason', () => {
  const missing = Object.entries(cases).filter(([number]) => !named.has(number) && withoutTest[number] === undefined)
  expect(missing.map(([number, situation]) => `${number}: ${situation}`)).toEqual([])
})

it('nothing is excused that has a test, or is no case', () => {
  const idle = Object.entries(withoutTest).filter(
    ([number, why]) => named.has(number) || !(number in cases) || why.length < 20,
  )
  expect(idle).toEqual([])
})

it.each([
  [`it('C20 C21 reads it', () => {})`, ['C20', 'C21']],
  [`it.each([1])('C14a, V5 does %s', () => {})`, ['C14a', 'V5']],
  [`it.each([\n  ['C48 a mark', 1],\n])('%s', () => {})`, ['C48']],
  [`it.each(['C70 a', 'C71 b'])('%s', () => {})`, ['C70', 'C71']],
  [`it(\n  'C66 names the folder', () => {})`, ['C66']],
  [`it('reads C20', () => {})`, []],
  [`// it('C20 reads it', () => {})`, []],
  [`const number = 'C20'`, []],
  [`it.each([\n  ['C20', text],\n])('$0 $1', () => {})`, ['C20']],
  [`it('C20', () => {})`, []],
])('finds the numbers in %j', (text, numbers) => {
  expect(numbersNamedIn(text)).toEqual(numbers)
})
