import {inspect} from 'node:util'

import {expect, it} from 'vitest'

import {Secret} from '../../src/core/secret.ts'

const text = 'tok-4f1d-of-the-test'

it.each([
  ['in a template', (secret: Secret) => `${String(secret)}`],
  ['in JSON', (secret: Secret) => JSON.stringify({secret})],
  ['in the console', (secret: Secret) => inspect({secret}, {showHidden: true, depth: 9})],
  ['as an error', (secret: Secret) => String(new Error(String(secret)))],
])('a secret shows a fingerprint %s', (_, show) => {
  const shown = show(new Secret(text))
  expect(shown).toMatch(/‹secret [\da-f]{8}›/)
  expect(shown).not.toContain(text)
})

it('tells equal from different, of any length', () => {
  expect(new Secret(text).equals(new Secret(text))).toBe(true)
  expect(new Secret(text).equals(new Secret(`${text}x`))).toBe(false)
  expect(new Secret('').equals(new Secret('a'))).toBe(false)
})
