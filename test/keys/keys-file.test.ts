import assert from 'node:assert/strict'

import primitives from '@dotenvx/primitives'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'

import {EnvdriftError} from '../../src/core/errors.ts'
import type {KeyName} from '../../src/core/mapping.ts'
import {readKey, withKey} from '../../src/keys/keys-file.ts'
import {samePrivateKeys} from '../../src/keys/private-key.ts'
import {keysFileBy2, readBy1} from './dotenvx.ts'
import {isComparable, keyOf, newKey} from './fixtures.ts'

const PRODUCTION: KeyName = 'DOTENV_PRIVATE_KEY_PRODUCTION'
const STAGING: KeyName = 'DOTENV_PRIVATE_KEY_STAGING'
const K = newKey()
const K2 = newKey()

const set = (text: string | undefined, key = K) => withKey(text, PRODUCTION, keyOf(key), '.env.production')

/** `undefined` where withKey refuses to write. */
function textOrRefusal(text: string, key: string): string | undefined {
  try {
    return set(text, key)
  } catch (error) {
    if (error instanceof EnvdriftError && error.code === 'FILE_UNWRITABLE') return undefined
    throw error
  }
}

describe('readKey', () => {
  const lines = [
    `${PRODUCTION}=${K}`,
    `${PRODUCTION}="${K}"`,
    `${PRODUCTION}='${K}'`,
    `${PRODUCTION}=\`${K}\``,
    `export ${PRODUCTION}=${K}`,
    `  \t${PRODUCTION}=${K}`,
    `${PRODUCTION} = ${K}`,
    `${PRODUCTION}=${K} # rotated in May`,
    `${PRODUCTION}=${K}#c`,
    `${PRODUCTION}: ${K}`,
    `\ufeff${PRODUCTION}=${K}`,
    `OTHER=1\r\n${PRODUCTION}=${K}\r\nMORE=2\r\n`,
    `OTHER=1\r${PRODUCTION}=${K}\rMORE=2`,
    `${PRODUCTION}=${K.toUpperCase()}`,
    `NOTE="two\n${PRODUCTION}=no\nlines"\n${PRODUCTION}=${K}\n`,
  ]
  it.each(lines.map((text) => ({text, shown: JSON.stringify(text.replaceAll(/[\da-f]{12,}/gi, 'K'))})))(
    'C75 reads the key in $shown',
    ({text}) => {
      const entry = readKey(text, PRODUCTION)
      expect(entry?.value).toBeDefined()
      expect(samePrivateKeys(entry!.value!, keyOf(K))).toBe(true)
      expect(entry).toMatchObject({duplicates: 0, duplicatesDisagree: false})
    },
  )

  it.each(['', '# only a comment', `${STAGING}=x`, `#${PRODUCTION}=x`, `X${PRODUCTION}=x`, `N="\n${PRODUCTION}=x\n"`])(
    'C15 finds nothing in %j',
    (text) => {
      expect(readKey(text, PRODUCTION)).toBeUndefined()
    },
  )

  it.each([`${PRODUCTION}=`, `${PRODUCTION}=""`, `${PRODUCTION}=   # c`])(
    'C17 tells empty from absent in %j',
    (text) => {
      const entry = readKey(text, PRODUCTION)
      expect(entry?.value).toBeUndefined()
      expect(entry?.raw.reveal()).toBe('')
    },
  )

  it('gives no key where dotenvx would not get one: cut, prefixed, a list with spaces', () => {
    for (const value of [K.slice(1), `0x${K}`, `${K}, ${K2}`, 'hello', `${K},`, `"${K}`]) {
      const entry = readKey(`${PRODUCTION}=${value}\n`, PRODUCTION)
      expect(entry).toBeDefined()
      expect(entry?.value).toBeUndefined()
    }
  })

  it('C50 reads a list, part by part', () => {
    expect(readKey(`${PRODUCTION}=${K},${K2}`, PRODUCTION)?.value?.parts.map((part) => part.reveal())).toEqual([K, K2])
  })

  it('C74 takes the last of several lines, and says whether they disagree', () => {
    const different = readKey(`${PRODUCTION}=${K2}\n${PRODUCTION}=${K}\n`, PRODUCTION)
    expect(different?.value?.text.reveal()).toBe(K)
    expect(different).toMatchObject({duplicates: 1, duplicatesDisagree: true, line: 2})
    const same = readKey(`${PRODUCTION}=${K}\n${PRODUCTION}="${K.toUpperCase()}"\n`, PRODUCTION)
    expect(same).toMatchObject({duplicates: 1, duplicatesDisagree: false})
  })
})

describe('withKey', () => {
  it('C01 starts a new file as dotenvx 2.38 does, byte for byte', () => {
    expect(set(undefined)).toBe(keysFileBy2('', PRODUCTION, K, '.env.production'))
    expect(set(undefined)).toMatch(/^#\/-+!DOTENV_PRIVATE_KEYS!-+\/\n(#\/.*\n){4}\n# \.env\.production\n.*\n$/)
  })

  it('C84 starts an empty file in the same way', () => {
    expect(set('')).toBe(set(undefined))
    expect(set('\ufeff')).toBe(`\ufeff${set(undefined)}`)
  })

  it('C16 appends as dotenvx 2.38 does, byte for byte', () => {
    const text = `# mine\n\n${STAGING}=${K2}\n`
    expect(set(text)).toBe(`${text}\n# .env.production\n${PRODUCTION}=${K}\n`)
    expect(set(text)).toBe(keysFileBy2(text, PRODUCTION, K, '.env.production'))
  })

  it('C71 ends the last line first where it has no end', () => {
    expect(set(`${STAGING}=${K2}`)).toBe(`${STAGING}=${K2}\n\n# .env.production\n${PRODUCTION}=${K}\n`)
    expect(set('old keys:')).toBe(`old keys:\n\n# .env.production\n${PRODUCTION}=${K}\n`)
    expect(set('keys:')).toBe(`keys:\n\n# .env.production\n${PRODUCTION}=${K}\n`)
    expect(set(`${PRODUCTION}:`)).toBe(`${PRODUCTION}: ${K}\n`)
  })

  it('C72 appends with the line ends of the file', () => {
    expect(set(`${STAGING}=1\r\n`)).toBe(`${STAGING}=1\r\n\r\n# .env.production\r\n${PRODUCTION}=${K}\r\n`)
    expect(set(`${STAGING}=1\r`)).toBe(`${STAGING}=1\r\r# .env.production\r${PRODUCTION}=${K}\r`)
  })

  const forms = [
    [`${PRODUCTION}=`, ''],
    [`${PRODUCTION}="`, '"'],
    [`${PRODUCTION}='`, "' # rotated in May"],
    [`${PRODUCTION} = \``, '`\t# c'],
    [`  export ${PRODUCTION}=`, '   # c'],
    [`\texport\t${PRODUCTION} =  `, ''],
    [`${PRODUCTION}: `, ''],
    [`${PRODUCTION}: "`, '"'],
  ] as const
  it.each(
    forms.flatMap(([before, after]) =>
      ['\n', '\r\n', '\r'].map((eol) => ({before, after, eol, shown: JSON.stringify(eol)})),
    ),
  )('C70 C72 changes only the value of $before…$after, where lines end in $shown', ({before, after, eol}) => {
    const around = (value: string) =>
      ['\ufeff#/ header', '', 'OTHER=1', `${before}${value}${after}`, '# .env.staging', `${STAGING}="${K2}"`, ''].join(
        eol,
      )
    for (const old of [K2, 'hello', `${K2},${K2}`, K2.toUpperCase()]) expect(set(around(old))).toBe(around(K))
  })

  it.each([
    [`${PRODUCTION}=`, `${PRODUCTION}=<key>`],
    [`${PRODUCTION}=\nOTHER=1`, `${PRODUCTION}=<key>\nOTHER=1`],
    [`${PRODUCTION}=  # c\n`, `${PRODUCTION}=<key>  # c\n`],
    [`${PRODUCTION}=#c\n`, `${PRODUCTION}=<key>#c\n`],
    [`${PRODUCTION}=""\n`, `${PRODUCTION}="<key>"\n`],
    [`${PRODUCTION}: \nOTHER=1\n`, `${PRODUCTION}: <key>\nOTHER=1\n`],
    [`${PRODUCTION}:\nhello\n`, `${PRODUCTION}: <key>\nhello\n`],
    [`${PRODUCTION}="unclosed\nOTHER=1\n`, `${PRODUCTION}=<key>\nOTHER=1\n`],
    [`${PRODUCTION}="two\nlines" # c\nOTHER=1\n`, `${PRODUCTION}="<key>" # c\nOTHER=1\n`],
  ])('C17 C70 sets the key in %j', (text, expected) => {
    expect(set(text)).toBe(expected.replace('<key>', K))
  })

  it('C74 makes one line of several, in the place of the first, and keeps their comments', () => {
    const text = `# a\n${PRODUCTION}="${K2}" # one\n# b\n  export ${PRODUCTION}=x\n${STAGING}=s\n${PRODUCTION}=y # three\n# c`
    expect(set(text)).toBe(`# a\n${PRODUCTION}="${K}" # one\n# b\n${STAGING}=s\n# three\n# c`)
    const crlf = `${PRODUCTION}=x\r\n${PRODUCTION}=${K}\r\nOTHER=1\r\n`
    expect(set(crlf)).toBe(`${PRODUCTION}=${K}\r\nOTHER=1\r\n`)
  })

  it('C03 leaves a file that holds the key as it is', () => {
    for (const text of [set(undefined), set(`A=1\r\n${PRODUCTION}='${K2}' # c\r\n`)]) expect(set(text)).toBe(text)
  })

  it('C50 writes a list without spaces', () => {
    expect(set(`${PRODUCTION}="x"\n`, `${K}, ${K2}`)).toBe(`${PRODUCTION}="${K},${K2}"\n`)
  })

  it('writes behind the colon what would stand on the next line without quotes, so that it stays there', () => {
    expect(set(`${PRODUCTION}:\n"`)).toBe(`${PRODUCTION}: ${K}\n"`)
    expect(set(`${PRODUCTION}: ${K}\n"`)).toBe(`${PRODUCTION}: ${K}\n"`)
    expect(set(`${PRODUCTION}:\n"x"\n`)).toBe(`${PRODUCTION}:\n"${K}"\n`)
  })

  it('keeps a file name in its comment, whatever the name holds', () => {
    const text = withKey("A='open\n", PRODUCTION, keyOf(K), "dir/.env.x'\nEVIL=1")
    expect(text).toBe(`A='open\n\n# .env.x?\\nEVIL=1\n${PRODUCTION}=${K}\n`)
  })

  it.each([
    // as it stands, `"` in the key's line keeps A from reaching the quote of B; without it A would take all in
    `A="open\n${PRODUCTION}=x"y\nB=1"\n`,
    // to dotenvx the second line is the value of the first; a person meant two
    `${PRODUCTION}:\n${STAGING}=another-key\n`,
  ])('refuses to write where another line would come to mean something else: %j', (text) => {
    expect(readKey(text, PRODUCTION)).toBeDefined()
    expect(() => set(text)).toThrow(expect.objectContaining({code: 'FILE_UNWRITABLE'}) as Error)
  })

  const fragments = [
    [PRODUCTION, STAGING, 'OTHER', '=', ' = ', ': ', ':', '\n', '\r\n', '\r', '\n\n', ' ', '\t', '#', ' # c', "'", '"'],
    ['`', '\\"', '\\', '\u2028', '\u2029', '\ufeff', '\0', 'é', '\ud83d\ude00', 'export ', K2, K2.toUpperCase()],
    [`${PRODUCTION}=${K2}\n`, `${PRODUCTION}="${K2}"\r\n`, `${STAGING}='${K2}' # c\n`, '"v"', 'N="a\nb"\n'],
  ].flat()
  const texts = fc
    .array(fc.oneof({weight: 9, arbitrary: fc.constantFrom(...fragments)}, fc.string({unit: 'binary'})), {
      maxLength: 20,
    })
    .map((parts) => parts.join(''))
    .filter(isComparable)
  const keys = fc.constantFrom(K, `${K},${K2}`)

  it('writes what readKey and both dotenvx read, once, and leaves every other name as it was, on any text', () => {
    let refused = 0
    let runs = 0
    fc.assert(
      fc.property(texts, keys, (text, key) => {
        runs += 1
        const after = textOrRefusal(text, key)
        if (after === undefined) {
          refused += 1
          return
        }
        expect(readKey(after, PRODUCTION)).toMatchObject({duplicates: 0, duplicatesDisagree: false})
        expect(readKey(after, PRODUCTION)?.value?.text.reveal()).toBe(key)
        const [by1, by2] = [readBy1(after), primitives.scan(after).scanned]
        expect(by1[PRODUCTION]).toEqual([key])
        expect(by2[PRODUCTION]).toEqual([key])
        // deviation, and theirs: a last line `NAME:` is an assignment once a line end follows it
        const given = readKey(text, PRODUCTION) === undefined ? `${text}\n` : text
        const others = {...primitives.scan(given).scanned, [PRODUCTION]: [key]}
        expect(by2).toEqual(others)
        expect(set(after, key)).toBe(after)
      }),
      {numRuns: 15_000},
    )
    // only texts with quotes that don't pair
    expect(refused).toBeLessThan(runs / 20)
  })

  it('changes one stretch of bytes and no other where the name stands once, on any text', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const entry = readKey(text, PRODUCTION)
        const after = textOrRefusal(text, K)
        fc.pre((entry?.duplicates ?? 0) === 0 && after !== undefined)
        const at = after!.indexOf(K)
        const [head, tail] = [after!.slice(0, at), after!.slice(at + K.length)]
        // behind `NAME:` with its value on the next line, a space comes along
        const kept = text.startsWith(head) ? head : head.slice(0, -1)
        const gone = text.slice(kept.length, entry === undefined ? undefined : text.length - tail.length)
        assert.ok(entry === undefined ? after!.startsWith(text) : text === kept + gone + tail)
        // what is gone is the old value; where escapes were resolved in it, it can't be compared
        const value = /[\\\u2028\u2029]/.test(gone) || kept !== head ? gone : (entry?.raw.reveal() ?? '')
        assert.ok(entry === undefined || gone.replaceAll(/\r\n?/g, '\n') === value.replaceAll(/\r\n?/g, '\n'))
      }),
      {numRuns: 10_000},
    )
  })

  it('C134 drops a duplicate behind 1 MB of spaces in linear time', {timeout: 5000}, () => {
    const text = `${PRODUCTION}=x\n#${' '.repeat(1_000_000)}y\n  ${PRODUCTION}=z\n`
    expect(set(text)).toBe(`${PRODUCTION}=${K}\n#${' '.repeat(1_000_000)}y\n`)
  })

  it('C134 sets a key in a file of 1 MiB of duplicates, quotes and blank lines', {timeout: 10_000}, () => {
    for (const filler of [`${PRODUCTION}=x\n`, 'a="x\n', '\n', "'", `${PRODUCTION}=`, `\t${PRODUCTION}='x' # c\r\n`]) {
      const text = filler.repeat(Math.floor(1_000_000 / filler.length))
      expect(readKey(set(text), PRODUCTION)?.value?.text.reveal()).toBe(K)
    }
  })
})
