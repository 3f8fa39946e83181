import {describe, expect, it} from 'vitest'

import {EnvdriftError} from '../../src/core/errors.ts'
import {errorDocument, exitCodeOf, worstReason} from '../../src/core/report.ts'

describe('exit codes', () => {
  it.each([
    ['ok', 0, 0],
    ['drift', 1, 3],
    ['config', 1, 4],
    ['auth', 1, 5],
    ['not-found', 1, 6],
    ['unreachable', 1, 7],
    ['decryption', 1, 8],
    ['file', 1, 9],
    ['error', 1, 1],
    ['usage', 2, 2],
    ['interrupted', 130, 130],
    ['terminated', 143, 143],
  ] as const)('%s is %d, and %d in detail', (reason, plain, detailed) => {
    expect([exitCodeOf(reason, false), exitCodeOf(reason, true)]).toEqual([plain, detailed])
  })

  it('takes the gravest of several reasons', () => {
    expect(worstReason(['drift', 'decryption', 'file', 'not-found', 'unreachable', 'auth', 'config'])).toBe('config')
    expect(worstReason(['drift', 'decryption', 'file'])).toBe('file')
    expect(worstReason(['drift', 'decryption'])).toBe('decryption')
    expect(worstReason([])).toBe('ok')
  })
})

it('an error document has the message, which JSON.stringify would drop, and no cause', () => {
  const error = new EnvdriftError('DIFFERS', 'It differs', {suggestions: ['Look.'], cause: new Error('token=abc')})
  expect(JSON.parse(JSON.stringify(errorDocument(error)))).toEqual({
    code: 'DIFFERS',
    message: 'It differs',
    suggestions: ['Look.'],
  })
})
