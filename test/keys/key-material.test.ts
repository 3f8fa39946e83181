import assert from 'node:assert/strict'

import fc from 'fast-check'
import {describe, expect, it} from 'vitest'

import {EnvdriftError, type ErrorCode} from '../../src/core/errors.ts'
import {Secret} from '../../src/core/secret.ts'
import {parseKeyMaterial} from '../../src/keys/key-material.ts'
import {newKey} from './fixtures.ts'

const PRODUCTION = 'DOTENV_PRIVATE_KEY_PRODUCTION'
const STAGING = 'DOTENV_PRIVATE_KEY_STAGING'
const K = newKey()
const K2 = newKey()

const parse = (text: string) =>
  parseKeyMaterial({value: new Secret(text)}, PRODUCTION, {name: 'myapp-key'}).text.reveal()

function refusal(text: string): EnvdriftError {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof EnvdriftError) return error
    throw error
  }
  throw new Error('a key came out')
}

/** Names and texts aside: `K` in a test's name would be the key. */
const shown = (text: string) =>
  text
    .replaceAll(K, 'K')
    .replaceAll(K2, 'K2')
    .replaceAll(/[\da-f]{12,}/gi, '…')
const named = (cases: readonly (readonly [string, string])[]) =>
  cases.map(([id, text]) => ({id, text, shown: JSON.stringify(shown(text))}))

describe('parseKeyMaterial', () => {
  it.each(
    named([
      ['C20', K],
      ['C20', `  "${K}"\n`],
      ['C20', `'${K}'`],
      ['C21', `${PRODUCTION}=${K}`],
      ['C21', `${PRODUCTION}="${K}"`],
      ['C21', `${PRODUCTION}='${K}'`],
      ['C21', `${PRODUCTION}=  ${K}  `],
      ['C22', `"${PRODUCTION}=${K}"`],
      ['C28', `{"${PRODUCTION}":"${K}"}`],
      ['C28 C43', `{"username":"a","${PRODUCTION}":"${K}","port":5432,"tags":["a"],"deep":{"${STAGING}":"x"}}`],
      ['C28', JSON.stringify({[PRODUCTION]: K, password: 'p'}, null, 2)],
      ['C29', JSON.stringify({[STAGING]: K2, [PRODUCTION]: K})],
      ['C32', JSON.stringify({value: `${PRODUCTION}=${K}`})],
      ['C32', JSON.stringify({value: K, note: 'rotated in May'})],
      ['C32', JSON.stringify({value: {[PRODUCTION]: K}})],
      ['C33', JSON.stringify({[PRODUCTION]: `${PRODUCTION}=${K}`})],
      ['C33', `${PRODUCTION}=${PRODUCTION}=${K}`],
      ['C35', `#/---!DOTENV_PRIVATE_KEYS!---/\n#/ do not commit /\n\n# .env.production\n${PRODUCTION}="${K}"\n`],
      ['C36', `# .env.production\r\n${PRODUCTION}=${K}\r\n# .env.staging\r\n${STAGING}=${K2}\r\n`],
      ['C40', `[keys]\n${PRODUCTION}=${K}\n`],
      ['C48', `\ufeff${K}`],
      ['C48', `export ${PRODUCTION}=${K}`],
      ['C48', `${PRODUCTION}=${K} # rotated in May`],
      ['C48', `${K} # rotated in May`],
      ['C48', `\ufeffexport ${PRODUCTION} = '${K}' # c\n`],
      ['C48', `dotenv_private_key_production=${K}`],
      ['C21', `${PRODUCTION}: ${K}`],
      ['C36', `${PRODUCTION}=${K}\n${PRODUCTION}=${K.toUpperCase()}\n`],
    ]),
  )('$id takes the key out of $shown', ({text}) => {
    expect(parse(text)).toBe(K)
  })

  it('C45 C46 C47 takes keys by names without a suffix, with a hyphen, with two parts', () => {
    for (const name of ['DOTENV_PRIVATE_KEY', 'DOTENV_PRIVATE_KEY_PRE-PROD', 'DOTENV_PRIVATE_KEY_A_B'] as const) {
      expect(parseKeyMaterial({value: new Secret(`${name}=${K}`)}, name, {name: 's'}).text.reveal()).toBe(K)
      expect(parseKeyMaterial({value: new Secret(JSON.stringify({[name]: K}))}, name, {name: 's'}).text.reveal()).toBe(
        K,
      )
    }
  })

  it('C50 takes a list as it is, without the spaces dotenvx would trip over', () => {
    for (const text of [`${K},${K2}`, `${K}, ${K2}`, `${PRODUCTION}="${K}, ${K2}"\n`, `{"value":"${K},${K2}"}`]) {
      expect(parse(text)).toBe(`${K},${K2}`)
    }
    expect(
      parseKeyMaterial({value: new Secret(`${K},${K2}`)}, PRODUCTION, {name: 's'}).parts.map((part) => part.reveal()),
    ).toEqual([K, K2])
  })

  it('keeps the case in which a key was written', () => {
    expect(parse(K.toUpperCase())).toBe(K.toUpperCase())
  })

  const refusals: readonly (readonly [string, ErrorCode, string, RegExp])[] = [
    ['C24', 'KEY_LABEL', `${STAGING}=${K}`, /STAGING.*PRODUCTION/],
    ['C24', 'KEY_LABEL', `DOTENV_PRIVATE_KEY=${K}`, /DOTENV_PRIVATE_KEY, and .*PRODUCTION/],
    ['C24', 'KEY_LABEL', `"${STAGING}=${K}"`, /STAGING.*PRODUCTION/],
    ['C25', 'NOT_A_KEY', `${PRODUCTION}=YWJj==/def==`, /12 characters/],
    ['C26', 'KEY_EMPTY', `${PRODUCTION}=`, /is empty/],
    ['C26', 'KEY_EMPTY', `${PRODUCTION}=""\n`, /is empty/],
    ['C27', 'KEY_EMPTY', '   ', /is empty/],
    ['C27', 'KEY_EMPTY', '', /is empty/],
    ['C27', 'KEY_EMPTY', '""', /is empty/],
    ['C30', 'KEY_LABEL', JSON.stringify({[STAGING]: K}), /STAGING.*PRODUCTION/],
    ['C30', 'KEY_LABEL', JSON.stringify({[STAGING]: K, value: K2}), /STAGING.*PRODUCTION/],
    ['C31', 'KEY_NOT_FOUND_IN_SECRET', '{"username":"a-user","password":"a-pass"}', /fields username, password/],
    ['C31', 'KEY_NOT_FOUND_IN_SECRET', '{}', /no fields/],
    ['C31', 'KEY_NOT_FOUND_IN_SECRET', JSON.stringify({token: K}), /fields token/],
    ['C33', 'KEY_LABEL', JSON.stringify({[PRODUCTION]: `${STAGING}=${K}`}), /STAGING.*PRODUCTION/],
    ['C33', 'KEY_LABEL', JSON.stringify({value: `${STAGING}=${K}`}), /STAGING.*PRODUCTION/],
    ['C33', 'KEY_LABEL', `${PRODUCTION}=${STAGING}=${K}`, /STAGING.*PRODUCTION/],
    ['C33', 'KEY_NOT_FOUND_IN_SECRET', `{"${PRODUCTION}":"${K}","${PRODUCTION}":"${K2}"}`, /2 different values/],
    ['C33', 'KEY_NOT_FOUND_IN_SECRET', `{"value":"${K}","value":"${K2}"}`, /2 different values/],
    ['C36', 'KEY_NOT_FOUND_IN_SECRET', `${PRODUCTION}=${K}\n${PRODUCTION}=${K2}`, /2 different values/],
    ['C34', 'KEY_NOT_FOUND_IN_SECRET', `["${K}"]`, /JSON list/],
    [
      'C34',
      'NOT_A_KEY',
      `{"${PRODUCTION}":1234}`,
      /something else than text in its field DOTENV_PRIVATE_KEY_PRODUCTION/,
    ],
    ['C34', 'NOT_A_KEY', `{"${PRODUCTION}":null}`, /something else than text/],
    ['C34', 'NOT_A_KEY', '{broken', /looks like JSON/],
    ['C34', 'NOT_A_KEY', `{"${PRODUCTION}": "${K}",}`, /looks like JSON/],
    ['C34', 'NOT_A_KEY', `{\n"${PRODUCTION}": "${K}",\n}`, /looks like JSON/],
    [
      'C37',
      'KEY_LABEL',
      `${STAGING}=${K}\nDOTENV_PRIVATE_KEY_CI=${K2}\n`,
      /STAGING, DOTENV_PRIVATE_KEY_CI.*PRODUCTION/,
    ],
    ['C39', 'KEY_MULTILINE', `# production\n${K}\n`, /multi-line/],
    ['C39', 'KEY_MULTILINE', '-----BEGIN X-----\nabc\n-----END X-----', /multi-line/],
    ['C41', 'KEY_BINARY', '\u0000\u0001\u0002', /binary/],
    ['C41', 'KEY_BINARY', `\ufffd\ufffd${K}`, /binary/],
    ['C48', 'NOT_A_KEY', `${K}\\n`, /backslash/],
    ['C48', 'NOT_A_KEY', `${PRODUCTION}=${K}\\n`, /backslash/],
    ['C49', 'NOT_A_KEY', 'hello', /5 characters/],
    ['C49', 'NOT_A_KEY', 'abc123', /6 characters/],
    ['C49', 'NOT_A_KEY', `02${K}`, /public key/],
    ['C49', 'NOT_A_KEY', 'encrypted:BEXyz', /encrypted value/],
    ['C49', 'NOT_A_KEY', `0x${K}`, /0x/],
    ['C49', 'NOT_A_KEY', `OTHER=${K}`, /70 characters/],
    ['C49', 'NOT_A_KEY', K.slice(1), /63 characters/],
    ['C49', 'NOT_A_KEY', '0'.repeat(64), /no number that secp256k1 allows/],
    ['C49', 'NOT_A_KEY', 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', /secp256k1/],
    ['C50', 'NOT_A_KEY', `${K},`, /2 parts/],
    ['C50', 'NOT_A_KEY', `${K},hello`, /2 parts/],
    ['C50', 'NOT_A_KEY', `${K};${K2}`, /129 characters/],
    ['C34', 'NOT_A_KEY', '{"value":{"value":{"value":{"value":{"value":"x"}}}}}', /too many layers/],
  ]
  it.each(refusals.map(([id, code, text, message]) => ({id, code, text, message, shown: JSON.stringify(shown(text))})))(
    '$id refuses $shown with $code',
    ({code, text, message}) => {
      const error = refusal(text)
      expect(error.code).toBe(code)
      expect(error.message).toMatch(message)
      expect(error.message).toContain('myapp-key')
      expect(error.suggestions.length).toBeGreaterThan(0)
    },
  )

  it('C31 shows names safely: on one line, short, and without what could be a key', () => {
    const {message} = refusal(
      JSON.stringify({[K]: 'x', [`key-${K2}`]: 'y', 'a\u001b[31m\n::error::b': 'z', ['n'.repeat(200)]: 1}),
    )
    expect(message).not.toMatch(/[\da-f]{12}/i)
    expect(message).toContain(String.raw`a\x1b[31m\n:\:error:\:b`)
    expect(message.length).toBeLessThan(300)
    const labels = refusal(`DOTENV_PRIVATE_KEY_${K}=${K2}`)
    expect(labels.code).toBe('KEY_LABEL')
    expect(labels.message).not.toMatch(/[\da-f]{12}/i)
  })

  it('C31 lists a dozen names and counts the rest', () => {
    const {message} = refusal(
      JSON.stringify(Object.fromEntries(Array.from({length: 40}, (_, i) => [`field${i}`, 'x']))),
    )
    expect(message).toContain('field11 and 28 more')
  })

  const pieces = [
    [
      K,
      K2,
      K.slice(0, 40),
      PRODUCTION,
      STAGING,
      'DOTENV_PRIVATE_KEY',
      '=',
      ':',
      ' ',
      '\n',
      '"',
      "'",
      '`',
      '{',
      '}',
      '[',
    ],
    [']', ',', '"value"', '"value":', '\\', '\\n', '#', 'export ', '\ufeff', '\0', '\ufffd', '0x', 'encrypted:'],
    [`"${PRODUCTION}":`, `"${K}"`, `${PRODUCTION}=${K}\n`, `${STAGING}=${K2}\n`, `{"value":"${K}"}`],
  ].flat()
  it('gives out one of the keys that stand in the text, or an error without key text, whatever is stored', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), {maxLength: 14}), (parts) => {
        const text = parts.join('')
        let out: string
        try {
          out = parse(text)
        } catch (error) {
          if (!(error instanceof EnvdriftError)) throw error
          assert.doesNotMatch(`${error.message} ${error.suggestions.join(' ')}`, /[\da-f]{12}/i)
          assert.equal(error.cause, undefined)
          return
        }
        // every part stands in the text by itself, not as a piece of longer hex
        for (const part of out.split(',')) expect(text).toMatch(new RegExp(`(?<![\\da-f])${part}(?![\\da-f])`, 'i'))
      }),
      {numRuns: 20_000},
    )
  })

  it('never gives out the value of another label', () => {
    const labels = fc.constantFrom(
      'DOTENV_PRIVATE_KEY',
      STAGING,
      'DOTENV_PRIVATE_KEY_PRODUCTION_EU',
      'DOTENV_PRIVATE_KEY_P',
    )
    const wraps = fc.constantFrom(
      (name: string, key: string) => `${name}=${key}`,
      (name: string, key: string) => `export ${name} = "${key}" # c\n`,
      (name: string, key: string) => JSON.stringify({[name]: key}),
      (name: string, key: string) => JSON.stringify({[name]: key, value: key}),
      (name: string, key: string) => JSON.stringify({value: `${name}=${key}`}),
      (name: string, key: string) => `# x\n${name}: '${key}'\nOTHER=1\n`,
      (name: string, key: string) => `"${name}=${key}"`,
    )
    fc.assert(
      fc.property(labels, wraps, (label, wrap) => {
        expect(refusal(wrap(label, K)).code).toBe('KEY_LABEL')
      }),
    )
  })
})

describe('a field of a secret', () => {
  const inField = (text: string, field: string, fields?: Readonly<Record<string, string>>) => {
    const own = Object.entries(fields ?? {}).map(([name, value]) => [name, new Secret(value)] as const)
    return parseKeyMaterial(
      {value: new Secret(text), ...(fields !== undefined && {fields: new Map(own)})},
      PRODUCTION,
      {name: 'team/app', field},
    ).text.reveal()
  }
  const refusalOf = (...given: Parameters<typeof inField>): EnvdriftError => {
    try {
      inField(...given)
    } catch (error) {
      if (error instanceof EnvdriftError) return error
      throw error
    }
    throw new Error('a key came out')
  }

  it('gives its key, and no other field of the same JSON', () => {
    const json = JSON.stringify({auth: K, pay: K2})
    expect(inField(json, 'auth')).toBe(K)
    expect(inField(json, 'pay')).toBe(K2)
  })

  it('may hold any layout that a whole secret may: a line of a keys file, JSON, quotes', () => {
    for (const held of [`${PRODUCTION}="${K}"`, JSON.stringify({[PRODUCTION]: K}), `'${K}'`, {[PRODUCTION]: K}])
      expect(inField(JSON.stringify({auth: held, pay: K2}), 'auth')).toBe(K)
  })

  it('is never guessed: a field that is missing is an error, though another would fit', () => {
    const error = refusalOf(JSON.stringify({[PRODUCTION]: K, value: K}), 'auth')
    expect(error.code).toBe('KEY_NOT_FOUND_IN_SECRET')
    expect(error.message).toBe(`The secret team/app has no field auth (its fields: ${PRODUCTION}, value)`)
  })

  it('is spelt exactly: neither case nor what every object has', () => {
    expect(refusalOf(JSON.stringify({Auth: K}), 'auth').code).toBe('KEY_NOT_FOUND_IN_SECRET')
    expect(refusalOf(JSON.stringify({auth: K}), 'toString').code).toBe('KEY_NOT_FOUND_IN_SECRET')
    expect(refusalOf(JSON.stringify({auth: K}), '__proto__').code).toBe('KEY_NOT_FOUND_IN_SECRET')
  })

  it('counts its label: a field named after another key is refused', () => {
    const error = refusalOf(JSON.stringify({[STAGING]: K}), STAGING)
    expect(error.code).toBe('KEY_LABEL')
    expect(inField(JSON.stringify({[PRODUCTION]: K, [STAGING]: K2}), PRODUCTION)).toBe(K)
  })

  it('that comes twice with two values is refused', () => {
    expect(refusalOf(`{"auth": "${K}", "auth": "${K2}"}`, 'auth').code).toBe('KEY_NOT_FOUND_IN_SECRET')
    expect(inField(`{"auth": "${K}", "auth": "${K}"}`, 'auth')).toBe(K)
  })

  it.each([
    ['no JSON', K, 'KEY_NOT_FOUND_IN_SECRET'],
    ['a JSON list', `["${K}"]`, 'KEY_NOT_FOUND_IN_SECRET'],
    ['nothing', '', 'KEY_EMPTY'],
    ['a number in it', '{"auth": 12}', 'NOT_A_KEY'],
    ['null in it', '{"auth": null}', 'NOT_A_KEY'],
    ['an empty text in it', '{"auth": ""}', 'KEY_EMPTY'],
  ])('is refused in a secret with %s', (_, text, code) => {
    const error = refusalOf(text, 'auth')
    expect(error.code).toBe(code)
    expect(error.message).not.toContain(K)
  })

  it("is the service's own where it has fields, and that of JSON text below", () => {
    expect(inField(K, 'value', {value: K})).toBe(K)
    expect(inField(JSON.stringify({auth: K}), 'auth', {value: JSON.stringify({auth: K})})).toBe(K)
    expect(inField(JSON.stringify({auth: K, pay: K2}), 'pay', {auth: K, pay: K2})).toBe(K2)
  })
})
