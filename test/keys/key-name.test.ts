import fc from 'fast-check'
import {describe, expect, it} from 'vitest'

import {EnvdriftError} from '../../src/core/errors.ts'
import {
  isKeyName,
  keyNameOfEnvironment,
  keyNameOfFile,
  keyNameOfPublicKey,
  publicKeyName,
} from '../../src/keys/key-name.ts'
import {keyNameBy1, keyNameBy2} from './dotenvx.ts'

function nameOrRefusal(file: string): string {
  try {
    return keyNameOfFile(file)
  } catch (error) {
    if (error instanceof EnvdriftError) return 'refused'
    throw error
  }
}

describe('keyNameOfFile', () => {
  it.each([
    ['.env', 'DOTENV_PRIVATE_KEY'],
    ['.env.production', 'DOTENV_PRIVATE_KEY_PRODUCTION'],
    ['.env.ci.local', 'DOTENV_PRIVATE_KEY_CI_LOCAL'],
    ['.env.production.eu.local', 'DOTENV_PRIVATE_KEY_PRODUCTION_EU'],
    ['.env.Production', 'DOTENV_PRIVATE_KEY_PRODUCTION'],
    ['.env.txt', 'DOTENV_PRIVATE_KEY'],
    ['.env.production.txt', 'DOTENV_PRIVATE_KEY_PRODUCTION'],
    ['.env1', 'DOTENV_PRIVATE_KEY_DEVELOPMENT1'],
    ['.envrc', 'DOTENV_PRIVATE_KEY_DEVELOPMENTRC'],
    ['.env.my-env', 'DOTENV_PRIVATE_KEY_MY-ENV'],
    ['production.env', 'DOTENV_PRIVATE_KEY_PRODUCTIONDEVELOPMENT'],
    ['config.env.production', 'DOTENV_PRIVATE_KEY_PRODUCTION'],
    ['secrets.txt', 'DOTENV_PRIVATE_KEY_SECRETS.TXT'],
    ['.dev.vars', 'DOTENV_PRIVATE_KEY_VARS'],
    ['env', 'DOTENV_PRIVATE_KEY_ENV'],
    ['services/api/.env.staging', 'DOTENV_PRIVATE_KEY_STAGING'],
  ])('C45 C46 C60 names the key of %s as dotenvx does', (file, name) => {
    expect(keyNameOfFile(file)).toBe(name)
  })

  const words = ['', 'env', 'Prod', 'eu', 'local', 'txt', 'a-b', 'a_b', '1', 'env1', 'App']
  const names = words.flatMap((a) => words.flatMap((b) => words.map((c) => [a, b, c].join('.'))))
  const files = [...new Set([...names, ...names.map((name) => `.env.${name}`), ...names.map((name) => `.env${name}`)])]

  it('agrees with dotenvx 2.38 on thousands of file names, and with 1.51 but for .txt', () => {
    let compared = 0
    for (const file of files) {
      const theirs = keyNameBy2(file)
      // deviation: for `.env.` and the like 2.38 names the key `DOTENV_PRIVATE_KEY_`; nothing names it so, and we refuse
      expect([file, nameOrRefusal(file)]).toEqual([file, isKeyName(theirs) ? theirs : 'refused'])
      // deviation of 1.51 from 2.38: it doesn't drop `.txt` behind `.env…`
      const by1 = file.toLowerCase().endsWith('.txt') ? theirs : keyNameBy1(file)
      expect([file, by1]).toEqual([file, theirs])
      compared += 1
    }
    expect(compared).toBeGreaterThan(2000)
  })

  it('agrees with dotenvx 2.38 on arbitrary names, or refuses', () => {
    fc.assert(
      fc.property(fc.string({unit: fc.constantFrom(...'.aZ9_- /éßİ\n$='.split(''))}), (file) => {
        const theirs = keyNameBy2(file)
        expect(nameOrRefusal(file)).toBe(isKeyName(theirs) ? theirs : 'refused')
      }),
      {numRuns: 3000},
    )
  })

  it.each(['.env.my env', '.env.prod\nEVIL', '.env.ü', '.env.a=b'])(
    'refuses %j, whose key no line of a keys file could hold',
    (file) => {
      expect(() => keyNameOfFile(file)).toThrow(expect.objectContaining({code: 'CONFIG_INVALID'}) as Error)
    },
  )
})

it('C47 C53 names the key of an environment after the file .env.E', () => {
  expect(keyNameOfEnvironment('staging')).toBe('DOTENV_PRIVATE_KEY_STAGING')
  expect(keyNameOfEnvironment('a.b')).toBe('DOTENV_PRIVATE_KEY_A_B')
  expect(keyNameOfEnvironment('pre-prod')).toBe('DOTENV_PRIVATE_KEY_PRE-PROD')
})

it.each(['', 'x y', 'a/b', '../x'])('C99 refuses the environment %j', (environment) => {
  expect(() => keyNameOfEnvironment(environment)).toThrow(expect.objectContaining({code: 'CONFIG_INVALID'}) as Error)
})

it('goes from private names to public ones and back', () => {
  expect(publicKeyName('DOTENV_PRIVATE_KEY')).toBe('DOTENV_PUBLIC_KEY')
  expect(publicKeyName('DOTENV_PRIVATE_KEY_CI_LOCAL')).toBe('DOTENV_PUBLIC_KEY_CI_LOCAL')
  expect(keyNameOfPublicKey('DOTENV_PUBLIC_KEY_CI_LOCAL')).toBe('DOTENV_PRIVATE_KEY_CI_LOCAL')
  expect(keyNameOfPublicKey('DOTENV_PUBLIC_KEY')).toBe('DOTENV_PRIVATE_KEY')
  expect(keyNameOfPublicKey('DOTENV_PUBLIC_KEYS')).toBeUndefined()
  expect(keyNameOfPublicKey('API_KEY')).toBeUndefined()
})
