import {createHash} from 'node:crypto'
import {readdirSync, readFileSync} from 'node:fs'

import {assert, asyncProperty, dictionary, string, uint8Array} from 'fast-check'
import {describe, expect, it} from 'vitest'

import {EnvdriftError} from '../../src/core/errors.ts'
import {Secret} from '../../src/core/secret.ts'
import {canonicalJson, type Json} from '../../src/vault/canonical-json.ts'
import {
  createVault,
  openVault,
  readHeader,
  reopenVault,
  seal,
  withNewPassword,
  type OpenVault,
} from '../../src/vault/container.ts'
import {bytesOf, findEntry, withValue} from '../../src/vault/payload.ts'

const path = 'vault.enc'
const password = new Secret('correct horse battery staple')
const device = 'd0'.repeat(16)
const now = new Date('2026-11-21T09:30:00.000Z')
/** The least that a vault may ask for: 16 MiB, some 30 ms. */
const cost = {N: 2 ** 14, r: 8, p: 1}

const create = (): Promise<OpenVault> => createVault(password, {device, now, cost})
const put = (vault: OpenVault, name: string, value: Uint8Array | string): OpenVault => ({
  ...vault,
  payload: withValue(vault.payload, name, Buffer.from(value), {device, now}),
})
const sealed = (vault: OpenVault, parent?: string): Buffer =>
  seal(vault, {path, device, now, ...(parent !== undefined && {parent})})

/** The code of the error that opening these bytes ends in, or what came out. */
async function codeOf(bytes: Buffer, secret: Secret = password): Promise<string> {
  try {
    const {payload} = await openVault({path, bytes}, secret)
    return `opened with ${Object.keys(payload.entries).length} entries`
  } catch (error) {
    return error instanceof EnvdriftError ? error.code : String(error)
  }
}

/** The same file with another header, as somebody without the password would write it. */
function withHeader(bytes: Buffer, change: (header: Record<string, Json>) => Json): Buffer {
  const end = bytes.indexOf('\n', 17)
  const header = JSON.parse(Buffer.from(bytes.toString('latin1', 17, end), 'base64url').toString()) as Record<
    string,
    Json
  >
  const line = Buffer.from(canonicalJson(change(header))).toString('base64url')
  return Buffer.concat([bytes.subarray(0, 17), Buffer.from(`${line}\n`), bytes.subarray(end + 1)])
}

const withHeaderLine = (bytes: Buffer, line: string): Buffer =>
  Buffer.concat([bytes.subarray(0, 17), Buffer.from(`${line}\n`), bytes.subarray(bytes.indexOf('\n', 17) + 1)])

describe('vectors made by an independent program', () => {
  const folder = new URL('vectors/', import.meta.url)
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  type Vector = {
    readonly password: string
    readonly vault: string
    readonly expected: {readonly [name: string]: readonly (string | null)[]}
  }

  it.each(files)('opens %s and finds every version', async (name) => {
    const vector = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Vector
    const {payload} = await openVault(
      {path: name, bytes: Buffer.from(vector.vault, 'base64')},
      new Secret(vector.password),
    )
    const found = Object.keys(payload.entries).map((entryName) => {
      const entry = findEntry(payload, entryName)!
      const hashes = [entry, ...entry.history].map((version) =>
        version.deleted ? null : createHash('sha256').update(bytesOf(version)).digest('hex'),
      )
      return [entryName, hashes]
    })
    expect(new Map(found as [string, unknown][])).toEqual(new Map(Object.entries(vector.expected)))
  })

  it('has some', () => expect(files.length).toBeGreaterThanOrEqual(3))

  it('keeps every field of a later version that it does not know', async () => {
    const vector = JSON.parse(readFileSync(new URL('later.json', folder), 'utf8')) as Vector
    const secret = new Secret(vector.password)
    const first = await openVault({path, bytes: Buffer.from(vector.vault, 'base64')}, secret)
    const again = await openVault({path, bytes: sealed(put(first, 'myapp-staging', 'new'))}, secret)
    expect(again.header).toMatchObject({
      comment: {b: [1, null], a: 'ü'},
      wraps: [{kind: 'recovery', words: 24}, {}, {}],
    })
    expect(again.payload).toMatchObject({conflicts: {z: 1, a: 2}, entries: {'myapp-production': {note: 'kept'}}})
  })
})

describe('seal and open', () => {
  it('V3 gives back every name and every byte', async () => {
    const vault = await create()
    const names = string({unit: 'binary', minLength: 1, maxLength: 40})
    await assert(
      asyncProperty(dictionary(names, uint8Array({maxLength: 6000}), {noNullPrototype: true}), async (values) => {
        const filled = Object.entries(values).reduce((one, [name, value]) => put(one, name, value), vault)
        const opened = reopenVault({path, bytes: sealed(filled)}, vault.key)!
        expect(Object.keys(opened.payload.entries).toSorted()).toEqual(Object.keys(values).toSorted())
        for (const [name, value] of Object.entries(values))
          expect(bytesOf(findEntry(opened.payload, name)!).equals(value)).toBe(true)
      }),
      {numRuns: 200},
    )
  })

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('keeps an entry named %s', async (name) => {
    const vault = await create()
    expect(findEntry(vault.payload, name)).toBeUndefined()
    const {payload} = await openVault({path, bytes: sealed(put(vault, name, 'value'))}, password)
    expect(bytesOf(findEntry(payload, name)!).toString()).toBe('value')
  })

  it('V4 never gives the same bytes twice, and neither name nor value can be found in them', async () => {
    const vault = put(await create(), 'myapp-production', 'a-value-to-look-for')
    const [one, two] = [sealed(vault), sealed(vault)]
    expect(one.subarray(-4096).equals(two.subarray(-4096))).toBe(false)
    for (const bytes of [one, two]) {
      const header = JSON.stringify(readHeader({path, bytes}))
      for (const text of [bytes.toString('latin1'), header]) {
        expect(text).not.toContain('a-value-to-look-for')
        expect(text).not.toContain('myapp-production')
      }
    }
  })

  it('gives away the size in steps of 4 KiB only', async () => {
    const vault = await create()
    const headerOf = (bytes: Buffer) => bytes.indexOf('\n', 17) + 1
    const sizes = ['', 'x'.repeat(10), 'x'.repeat(3000), 'x'.repeat(4000)].map((value) => {
      const bytes = sealed(put(vault, 'myapp-production', value))
      return bytes.length - headerOf(bytes) - 12 - 16
    })
    expect(sizes).toEqual([4096, 4096, 4096, 8192])
  })

  it('counts generations, names the parent, and remembers 64 ancestors', async () => {
    let vault = await create()
    const ids: string[] = []
    for (let gen = 1; gen <= 70; gen++) {
      const bytes = sealed(vault, ids.at(-1))
      vault = reopenVault({path, bytes}, vault.key)!
      expect(vault.header.gen).toBe(gen)
      expect(vault.header.parents).toEqual(ids.slice(-1))
      ids.push(createHash('sha256').update(bytes).digest('hex'))
    }
    expect(vault.header.recent).toEqual(ids.slice(-65, -1).toReversed())
  })

  it('has a header that can be synchronised later', async () => {
    const bytes = sealed(await create())
    expect(readHeader({path, bytes})).toEqual({
      vault_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      gen: 1,
      parents: [],
      recent: [],
      device,
      created: '2026-11-21T09:30:00.000Z',
      modified: '2026-11-21T09:30:00.000Z',
      cipher: 'A256GCM',
      hkdf_salt: expect.stringMatching(/^[\w-]{43}$/),
      wraps: [
        {
          id: expect.stringMatching(/^[0-9a-f]{16}$/),
          kind: 'password',
          kdf: {name: 'scrypt', N: 16384, r: 8, p: 1, salt: expect.stringMatching(/^[\w-]{43}$/)},
          nonce: expect.stringMatching(/^[\w-]{16}$/),
          key: expect.stringMatching(/^[\w-]{64}$/),
        },
      ],
      crit: [],
    })
  })

  it('derives the key of a new vault at N=2^17, r=8, p=1', async () => {
    const vault = await createVault(password, {device, now})
    expect(vault.header.wraps).toMatchObject([{kdf: {N: 131072, r: 8, p: 1}}])
  })

  it('opens under the new password only after the password was changed, with a new data key', async () => {
    const before = put(await create(), 'myapp-production', 'value')
    const next = new Secret('another')
    const after = await withNewPassword({path, vault: before}, next, cost)
    expect(after.key.dek.equals(before.key.dek)).toBe(false)
    const bytes = sealed(after)
    expect(await codeOf(bytes)).toBe('VAULT_WRONG_PASSWORD')
    expect(await codeOf(bytes, next)).toBe('opened with 1 entries')
    expect(reopenVault({path, bytes}, before.key)).toBeUndefined()
  })

  it('refuses to grow beyond 16 MiB', async () => {
    let vault = await create()
    for (let n = 0; n < 17; n++) vault = put(vault, `service-${n}`, Buffer.alloc(2 ** 20, 'x'))
    expect(() => sealed(vault)).toThrow(expect.objectContaining({code: 'FILE_TOO_LARGE'}))
  })
})

describe('what does not open', () => {
  it('V5 V6 tells a wrong password from damage', async () => {
    const bytes = sealed(put(await create(), 'myapp-production', 'value'))
    const wrong = await openVault({path, bytes}, new Secret('wrong')).catch((error: unknown) => error)
    bytes[bytes.length - 100]! ^= 1
    const damaged = await openVault({path, bytes}, password).catch((error: unknown) => error)
    expect(wrong).toMatchObject({code: 'VAULT_WRONG_PASSWORD', message: 'Wrong password for the vault vault.enc'})
    expect(damaged).toMatchObject({
      code: 'VAULT_CORRUPT',
      message: 'The vault vault.enc is damaged: the password is right, but what it protects was changed',
    })
  })

  it('V6 refuses every byte flipped, wherever it is', {timeout: 120_000}, async () => {
    const vault = put(await create(), 'myapp-production', 'value')
    const good = sealed(vault)
    const opened: number[] = []
    for (let position = 0; position < good.length; position++) {
      const bytes = Buffer.from(good)
      bytes[position]! ^= 1
      try {
        // With the data key at hand only a flip in the wraps needs the slow way.
        if (reopenVault({path, bytes}, vault.key) === undefined) await openVault({path, bytes}, password)
        opened.push(position)
      } catch (error) {
        if (!(error instanceof EnvdriftError)) throw error
      }
    }
    expect(opened).toEqual([])
  })

  it('V6 says what kind of damage it is, by the place', async () => {
    const good = sealed(await create())
    const flipped = (position: number) => {
      const bytes = Buffer.from(good)
      bytes[position]! ^= 1
      return bytes
    }
    const payloadStart = good.indexOf('\n', 17) + 1
    expect(await codeOf(flipped(3))).toBe('NOT_A_VAULT')
    expect(await codeOf(flipped(payloadStart))).toBe('VAULT_CORRUPT')
    expect(await codeOf(flipped(payloadStart + 100))).toBe('VAULT_CORRUPT')
    expect(await codeOf(flipped(good.length - 1))).toBe('VAULT_CORRUPT')
    const otherWrap = withHeader(good, (header) => {
      const [wrap] = header['wraps'] as {key: string}[]
      const key = `${wrap!.key.startsWith('A') ? 'B' : 'A'}${wrap!.key.slice(1)}`
      return {...header, wraps: [{...wrap, key}]}
    })
    expect(await codeOf(otherWrap)).toBe('VAULT_WRONG_PASSWORD')
  })

  it('V6 refuses a file cut off at any length, or with bytes too many', async () => {
    const vault = put(await create(), 'myapp-production', 'x'.repeat(5000))
    const good = sealed(vault)
    for (let length = 0; length < good.length; length++)
      expect(() => reopenVault({path, bytes: good.subarray(0, length)}, vault.key)).toThrow(EnvdriftError)
    for (const more of [1, 4096])
      expect(() => reopenVault({path, bytes: Buffer.concat([good, Buffer.alloc(more)])}, vault.key)).toThrow(
        EnvdriftError,
      )
  })

  it.each<[string, (header: Record<string, Json>) => Json, string]>([
    ['generation', (header) => ({...header, gen: 99}), 'VAULT_CORRUPT'],
    ['device', (header) => ({...header, device: 'ee'.repeat(16)}), 'VAULT_CORRUPT'],
    ['parents', (header) => ({...header, parents: ['ab'.repeat(32)]}), 'VAULT_CORRUPT'],
    ['vault id', (header) => ({...header, vault_id: '00'.repeat(16)}), 'VAULT_WRONG_PASSWORD'],
    ['field more', (header) => ({...header, comment: 'hello'}), 'VAULT_CORRUPT'],
    ['wrap more', (header) => ({...header, wraps: [...(header['wraps'] as Json[]), {kind: 'x'}]}), 'VAULT_CORRUPT'],
    ['scrypt N', (header) => withKdf(header, {N: 2 ** 15}), 'VAULT_WRONG_PASSWORD'],
    ['scrypt salt', (header) => withKdf(header, {salt: 'A'.repeat(43)}), 'VAULT_WRONG_PASSWORD'],
    ['wrap id', (header) => withWrap(header, {id: '00'.repeat(8)}), 'VAULT_WRONG_PASSWORD'],
  ])('V7 refuses a header edited to another %s', async (_, change, code) => {
    expect(await codeOf(withHeader(sealed(await create()), change))).toBe(code)
  })

  it.each([
    {N: 2 ** 13},
    {N: 2 ** 21},
    {N: 2 ** 14 + 1},
    {N: 0},
    {N: -(2 ** 14)},
    {r: 7},
    {r: 17},
    {p: 0},
    {p: 9},
    {N: 2 ** 20, r: 8},
    {N: 2 ** 19, r: 16},
  ])('V7 refuses scrypt with %j before it derives anything', async (kdf) => {
    const bytes = withHeader(sealed(await create()), (header) => withKdf(header, kdf))
    const error = await openVault({path, bytes}, password).catch((caught: unknown) => caught)
    expect(error).toMatchObject({code: 'VAULT_CORRUPT', message: expect.stringContaining('scrypt with N=')})
  })

  it('V7 refuses wraps that together cost minutes, before it derives anything', async () => {
    const costly = (header: Record<string, Json>, times: number): Json => {
      const {wraps} = withKdf(header, {N: 2 ** 17, p: 3}) as {wraps: Json[]}
      return {...header, wraps: Array.from({length: times}, () => wraps[0]!)}
    }
    const bytes = sealed(await create())
    const error = await openVault({path, bytes: withHeader(bytes, (header) => costly(header, 6))}, password).catch(
      (caught: unknown) => caught,
    )
    expect(error).toMatchObject({code: 'VAULT_CORRUPT', message: expect.stringContaining('more work with scrypt')})
    expect(await codeOf(withHeader(bytes, (header) => costly(header, 1)))).toBe('VAULT_WRONG_PASSWORD')
  })

  it.each<[string, (header: Record<string, Json>) => Json]>([
    ['cipher', (header) => ({...header, cipher: 'XC20P'})],
    ['critical field', (header) => ({...header, crit: ['conflicts'], conflicts: true})],
    ['key derivation', (header) => withKdf(header, {name: 'argon2id', memory: 65536})],
  ])('V9 calls a vault with an unknown %s newer, not damaged', async (_, change) => {
    expect(await codeOf(withHeader(sealed(await create()), change))).toBe('VAULT_TOO_NEW')
  })

  it('V9 calls another format number newer', async () => {
    const bytes = sealed(await create())
    bytes.write('9', 15)
    const error = await openVault({path, bytes}, password).catch((caught: unknown) => caught)
    expect(error).toMatchObject({code: 'VAULT_TOO_NEW', message: expect.stringContaining('newer version')})
  })

  it.each([
    ['a pass-cli vault', '{"metadata":{"version":2},"data":""}'],
    ['an HTML page', '<!doctype html>\n'],
    ['format 0', 'ENVDRIFT-VAULT/0\n'],
    ['a padded format number', 'ENVDRIFT-VAULT/01\n'],
    ['another line end', 'ENVDRIFT-VAULT/1\r\n'],
  ])('says NOT_A_VAULT for %s', async (_, text) => {
    expect(await codeOf(Buffer.from(text))).toBe('NOT_A_VAULT')
  })

  it('refuses every other spelling of the same header', async () => {
    const good = sealed(await create())
    const line = good.toString('latin1', 17, good.indexOf('\n', 17))
    const json = Buffer.from(line, 'base64url').toString()
    const encode = (text: string) => Buffer.from(text).toString('base64url')
    expect(await codeOf(withHeaderLine(good, line))).toBe('opened with 0 entries')
    for (const other of [
      `${line}=`,
      ` ${line}`,
      `${line}\r`,
      Buffer.from(json).toString('base64'),
      encode(` ${json}`),
      encode(json.replace('{', '{"gen":1,')),
      encode(json.replace('"gen":1', '"gen":1.0')),
      encode(json.replace('"device"', '"d\\u0065vice"')),
      encode(`${'['.repeat(30_000)}${']'.repeat(30_000)}`),
      encode('null'),
      '',
    ])
      expect([other.slice(0, 20), await codeOf(withHeaderLine(good, other))]).toEqual([
        other.slice(0, 20),
        'VAULT_CORRUPT',
      ])
  })

  it('never prints the password or a value', async () => {
    const bytes = sealed(put(await create(), 'myapp-production', 'a-value-to-look-for'))
    const wrong = await openVault({path, bytes}, new Secret('not-the-password')).catch((error: unknown) => error)
    expect(JSON.stringify(wrong)).not.toContain('not-the-password')
    expect(String((wrong as Error).stack)).not.toContain('not-the-password')
  })
})

const withWrap = (header: Record<string, Json>, change: Record<string, Json>): Json => ({
  ...header,
  wraps: (header['wraps'] as Record<string, Json>[]).map((wrap) => ({...wrap, ...change})),
})

const withKdf = (header: Record<string, Json>, change: Record<string, Json>): Json => ({
  ...header,
  wraps: (header['wraps'] as {kdf: Record<string, Json>}[]).map((wrap) => ({...wrap, kdf: {...wrap.kdf, ...change}})),
})
