import {expect, it} from 'vitest'

import {unexpected} from '../../src/cli/command-line-error.ts'

it('a bug is told by its name and its place, never by its text, which may quote a secret', () => {
  const {code, message} = unexpected(new RangeError('token=hvs.canary\n    and a second line'))
  expect(code).toBe('UNEXPECTED')
  expect(message).toMatch(/^A bug in envdrift: RangeError\n {4}at .*command-line-error\.test\.ts/)
  expect(message).not.toContain('canary')
  expect(unexpected('hvs.canary').message).toBe('A bug in envdrift: string')
})
