import {expect, it} from 'vitest'

import {errorCodes, type ExitReason} from '../../src/core/errors.ts'
import {exitCodeOf, worstReason} from '../../src/core/report.ts'
import {pageOf, pages, tableBelow, tablesOf, unquoted} from './pages.ts'

it('docs/errors.md has every code with its exitReason, each once, and no other', () => {
  const rows = tablesOf(pageOf('docs/errors.md')).map(([code = '', reason = '']) => [unquoted(code), reason])
  expect(Object.fromEntries(rows)).toEqual(errorCodes)
  expect(rows).toHaveLength(Object.keys(errorCodes).length)
})

it('docs/errors.md says of every code what it means, and of all but signals what to do', () => {
  const rows = tablesOf(pageOf('docs/errors.md'))
  const silent = rows.filter(([, , meaning = '']) => !meaning.endsWith('.'))
  const helpless = rows.filter(([, , , remedy = '']) => !remedy.endsWith('.'))
  expect(silent).toEqual([])
  expect(helpless.map(([code = '']) => unquoted(code))).toEqual(['INTERRUPTED', 'TERMINATED'])
})

it('names no error code anywhere that the program does not have', () => {
  const ofProviders = pages.filter(({path}) => path.startsWith('docs/providers/'))
  const named = ofProviders.flatMap((page) =>
    tableBelow(page, '## What errors mean').map(([code = '']) => unquoted(code)),
  )
  expect(named.filter((code) => !Object.hasOwn(errorCodes, code))).toEqual([])
  expect(named.length).toBeGreaterThan(20)
})

const exitCodes = pageOf('docs/exit-codes.md')

it('docs/exit-codes.md has every exitReason with both of its codes', () => {
  const reasons: readonly ExitReason[] = [...new Set<ExitReason>(['ok', ...Object.values(errorCodes)])]
  const rows = tableBelow(exitCodes, '## With --detailed-exitcode').map(
    ([reason = '', code, detailed]) => [unquoted(reason), [Number(code), Number(detailed)]] as const,
  )
  expect(rows).toHaveLength(reasons.length)
  expect(Object.fromEntries(rows)).toEqual(
    Object.fromEntries(reasons.map((reason) => [reason, [exitCodeOf(reason, false), exitCodeOf(reason, true)]])),
  )
})

it('docs/exit-codes.md has the order in which reasons win', () => {
  const [, list = ''] = /the first in this order counts: (.+)\.$/m.exec(exitCodes.text) ?? []
  const order = list.split(', ').map(unquoted) as ExitReason[]
  expect(order.toSorted()).toEqual([...new Set(Object.values(errorCodes))].toSorted())
  order.forEach((reason, index) => expect(worstReason(order.slice(index).toReversed())).toBe(reason))
})
