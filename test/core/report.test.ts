import {describe, expect, it} from 'vitest'

import {EnvdriftError} from '../../src/core/errors.ts'
import {errorDocument, exitCodeOf, shownMessage, worstReason} from '../../src/core/report.ts'

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
    ['corrupt', 1, 9],
    ['unknown-format', 1, 9],
    ['newer-format', 1, 9],
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

it('C133 an error document has no line break, no escape and no CI command in it', () => {
  const error = new EnvdriftError('DIFFERS', '::error::\u001B[31m', {suggestions: ['Look at a\nb.', '##vso[x]']})
  expect(errorDocument(error)).toEqual({
    code: 'DIFFERS',
    message: String.raw`:\:error:\:\x1b[31m`,
    suggestions: [String.raw`Look at a\nb.`, String.raw`#\#vso[x]`],
  })
})

it('only what we did not expect keeps its lines, which are those of the stack', () => {
  const bug = new EnvdriftError('UNEXPECTED', 'A bug: Error\n    at ::error::x', {suggestions: ['Report it.']})
  expect(shownMessage(bug)).toBe('A bug: Error\n    at :\\:error:\\:x')
  expect(shownMessage(new EnvdriftError('DIFFERS', 'a\nb', {suggestions: ['Look.']}))).toBe(String.raw`a\nb`)
})
