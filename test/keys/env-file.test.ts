import primitives from '@dotenvx/primitives'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'

import {publicKeyOf, scanEnvFile} from '../../src/keys/env-file.ts'
import {isComparable} from './fixtures.ts'

const NAME = 'DOTENV_PUBLIC_KEY_PRODUCTION'
const [P, P2] = [`02${'ab'.repeat(32)}`, `03${'cd'.repeat(32)}`]
const publicKey = (text: string) => publicKeyOf(scanEnvFile(text), 'DOTENV_PRIVATE_KEY_PRODUCTION')

describe('scanEnvFile', () => {
  it('sorts what dotenvx wrote', () => {
    const text = [
      '#/-------------------[DOTENV_PUBLIC_KEY]--------------------/',
      `${NAME}="${P}" # -fk ../../.env.keys`,
      '',
      '# .env.production',
      'A="encrypted:BExyz=="',
      "export B = 'encrypted:BEabc' # b",
      'PORT=8080',
      'REGION_PLAIN=eu',
      'EMPTY=',
      'FROM_1PASSWORD=op://vault/item/field',
      '# C=encrypted:none',
      'A=again',
      'NOTE="one\nD=encrypted:none\n"',
    ].join('\r\n')
    expect(scanEnvFile(text)).toEqual({
      publicKeys: [{name: NAME, value: P, line: 2}],
      encrypted: [
        {name: 'A', ciphertext: 'encrypted:BExyz==', line: 5},
        {name: 'B', ciphertext: 'encrypted:BEabc', line: 6},
      ],
      plain: ['PORT', 'A', 'NOTE'],
      sops: false,
    })
  })

  it('C109 C109a C109b tells a file with nothing encrypted, and names what is plain', () => {
    expect(scanEnvFile('A=1\nB=2\n')).toMatchObject({publicKeys: [], encrypted: [], plain: ['A', 'B']})
    expect(scanEnvFile(`${NAME}="${P}"\nA=1\n`)).toMatchObject({
      publicKeys: [{name: NAME}],
      encrypted: [],
      plain: ['A'],
    })
    expect(scanEnvFile(`${NAME}="${P}"\nA=1\nB=encrypted:x`)).toMatchObject({encrypted: [{name: 'B'}], plain: ['A']})
  })

  it('counts as encrypted what dotenvx does: the prefix in lower case, at the start, quotes off', () => {
    const {encrypted, plain} = scanEnvFile(
      'A=Encrypted:x\nB=xencrypted:y\nC=encrypted:\nD=" encrypted:x"\nE=`encrypted:y`',
    )
    expect(encrypted.map(({name}) => name)).toEqual(['C', 'E'])
    expect(plain).toEqual(['A', 'B', 'D'])
  })

  it.each([
    'A=ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsops_version=3.9.0\n',
    'sops_mac="ENC[AES256_GCM,data:x]"\n',
    'A="ENC[AES256_GCM,data:x]"\n',
  ])('C128 knows a file of SOPS: %j', (text) => {
    expect(scanEnvFile(text).sops).toBe(true)
  })

  it.each([
    `${NAME}="${P}"\nA=1\nsops_version=3.9.0\n`,
    'A=encrypted:abc\nsops_version=3.9.0\n',
    'A=encrypted:abc\nB=ENC[AES256_GCM,data:x]\n',
    '# sops_version=3.9.0\nA=1\n',
    'NOTE=see ENC[x]\n',
  ])('C128 takes no file of dotenvx for one of SOPS, so nobody can switch the check off: %j', (text) => {
    expect(scanEnvFile(text).sops).toBe(false)
  })

  const fragments = [
    [
      NAME,
      'DOTENV_PUBLIC_KEY',
      'A',
      'B_PLAIN',
      '=',
      ': ',
      '\n',
      '\r\n',
      '"',
      "'",
      '`',
      '#',
      ' ',
      'encrypted:abc',
      P,
      'x',
    ],
    ['op://a', 'bw://b', 'A="encrypted:q"\n', 'export ', '\\"', '\u2028', `${NAME}="${P}"\n`, 'C=1\n', 'N="a\n', '"\n'],
  ].flat()
  it('finds the public keys that dotenvx finds, and calls a file all encrypted when dotenvx does, on 10,000 files', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...fragments), {maxLength: 20}), (parts) => {
        const text = parts.join('')
        fc.pre(isComparable(text))
        const {publicKeys, plain} = scanEnvFile(text)
        const lastOfEach = Object.values(Object.fromEntries(publicKeys.map(({name, value}) => [name, value])))
        expect(lastOfEach.toSorted()).toEqual([...primitives.publickeys(text)].toSorted())
        expect(plain.length === 0).toBe(primitives.sealed(text))
      }),
      {numRuns: 10_000},
    )
  })

  it('C134 scans 1 MB of nothing, of quotes and of one line', {timeout: 5000}, () => {
    expect(scanEnvFile('\n'.repeat(1_000_000)).plain).toEqual([])
    expect(scanEnvFile(`A=${'x'.repeat(1_000_000)}`).plain).toEqual(['A'])
    expect(scanEnvFile('a="'.repeat(300_000)).plain).toEqual(['a'])
  })
})

describe('publicKeyOf', () => {
  it('C127 reads the one public key, whatever comments and multi-line values say', () => {
    const text = `# ${NAME}="${P2}"\nNOTE="\n${NAME}=${P2}\n"\n${NAME}="${P}"\n#${NAME}=${P2}\nMORE='\n${NAME}=${P2}\n'\n`
    expect(publicKey(text)).toEqual({name: NAME, value: P, line: 5})
  })

  it.each([
    [`${NAME}="${P}"\nA=1\n${NAME}="${P2}"\n`, /line 1 .*line 3/],
    [`DOTENV_PUBLIC_KEY="${P2}"\n${NAME}="${P}"\n`, /DOTENV_PUBLIC_KEY in line 1 .*PRODUCTION in line 2/],
    [`${NAME}="${P}"\n${NAME}=\n`, /line 1 .*line 2/],
    [`${NAME}="${P}"\n${NAME}="${P}"\nA=1\nexport ${NAME}: ${P2}\n`, /line 1 .*line 4/],
  ])('C127 refuses two public keys that differ, naming both lines: %j', (text, message) => {
    expect(() => publicKey(text)).toThrow(
      expect.objectContaining({
        code: 'PUBLIC_KEYS_DISAGREE',
        message: expect.stringMatching(message) as string,
      }) as Error,
    )
  })

  it('takes lines that say the same for one, and prefers the name that is wanted', () => {
    expect(publicKey(`DOTENV_PUBLIC_KEY=${P}\n${NAME}="${P!.toUpperCase()}"\n`)).toEqual({
      name: NAME,
      value: P,
      line: 2,
    })
    expect(publicKey(`DOTENV_PUBLIC_KEY_STAGING=${P}\n`)?.name).toBe('DOTENV_PUBLIC_KEY_STAGING')
    expect(publicKey('A=1\n')).toBeUndefined()
    expect(publicKey(`${NAME}=\n`)?.value).toBe('')
  })
})
