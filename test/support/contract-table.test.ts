import {expect, it} from 'vitest'

import {contractTable} from '../../scripts/contract-table.ts'

const line = (provider: string, situation: string, outcome: string, ms: number, requests: number): string =>
  JSON.stringify({provider, situation, outcome, ms, requests})

it('has a column for each provider, a row for each situation, and a dash where nothing was seen', () => {
  const lines = [
    line('Vault', 'absent', 'absent', 12, 1),
    line('AWS', 'absent', 'absent', 7, 1),
    line('AWS', '429 for ever', 'THROTTLED', 2300, 3),
    '',
  ]
  expect(contractTable(lines)).toBe(
    [
      '| situation | AWS | Vault |',
      '| --- | --- | --- |',
      '| absent | absent; 1 request, 7 ms | absent; 1 request, 12 ms |',
      '| 429 for ever | THROTTLED; 3 requests, 2300 ms | – |',
      '',
    ].join('\n'),
  )
})

it('shows every outcome of a cell that was written twice, and the longest time', () => {
  const lines = [line('AWS', 'clock off', 'found', 5, 1), line('AWS', 'clock off', 'LOGIN_REFUSED', 9, 0)]
  expect(contractTable(lines)).toContain('| found or LOGIN_REFUSED; 1 request, 9 ms |')
})

it('keeps a bar in a name from making a column', () => {
  expect(contractTable([line('A|B', 'absent', 'absent', 1, 1)])).toContain(String.raw`| situation | A\|B |`)
})
