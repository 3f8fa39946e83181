import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {afterAll, describe, expect, it} from 'vitest'

import {checkDecryption, decryptValues} from '../../src/keys/decryption.ts'
import {publicKeyOf, scanEnvFile} from '../../src/keys/env-file.ts'
import {readKey, withKey} from '../../src/keys/keys-file.ts'
import {publicKeysOf} from '../../src/keys/private-key.ts'
import {runDotenvx} from './dotenvx.ts'
import {keyOf, newKey} from './fixtures.ts'

const NAME = 'DOTENV_PRIVATE_KEY_PRODUCTION'
const PLAIN = `HELLO="World of values"\nEMPTY=\nexport PORT=8080 # http\nMULTI="one\ntwo"\n`

const directories: string[] = []
afterAll(() => {
  for (const directory of directories) rmSync(directory, {recursive: true})
})

function newDirectory(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-dotenvx-'))
  directories.push(directory)
  mkdirSync(join(directory, 'home'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

/** An env file encrypted by the real thing, with the keys file that it wrote. */
async function encryptedBy(version: 1 | 2): Promise<{readonly env: string; readonly keys: string}> {
  const directory = newDirectory({'.env.production': PLAIN})
  const {exitCode, stderr} = await runDotenvx(version, directory, ['encrypt', '-f', '.env.production'])
  expect({exitCode, stderr}).toMatchObject({exitCode: 0})
  return {
    env: readFileSync(join(directory, '.env.production'), 'utf8'),
    keys: readFileSync(join(directory, '.env.keys'), 'utf8'),
  }
}

const encrypted = {1: encryptedBy(1), 2: encryptedBy(2)}

async function helloBy(version: 1 | 2, env: string, keys: string): Promise<string> {
  const directory = newDirectory({'.env.production': env, '.env.keys': keys})
  return (await runDotenvx(version, directory, ['get', 'HELLO', '-f', '.env.production'])).stdout.trim()
}

async function helloByBoth(env: string, keys: string): Promise<{readonly '1.51': string; readonly '2.38': string}> {
  const [one, two] = await Promise.all([helloBy(1, env, keys), helloBy(2, env, keys)])
  return {'1.51': one, '2.38': two}
}

describe.each([1, 2] as const)('a file that dotenvx wrote (major version %i)', (version) => {
  it(
    'C106 is opened by us: its key read, its public key the pair, every value as it was',
    {timeout: 60_000},
    async () => {
      const {env, keys} = await encrypted[version]
      const key = readKey(keys, NAME)?.value
      expect(key).toBeDefined()
      const scan = scanEnvFile(env)
      expect(publicKeyOf(scan, NAME)?.value).toBe((await publicKeysOf(key!))[0])
      expect(scan.plain).toEqual([])
      expect(await checkDecryption(scan, key!)).toEqual({kind: 'passed', values: scan.encrypted.length})
      expect((await decryptValues(env, key)).values).toEqual({
        HELLO: 'World of values',
        EMPTY: '',
        PORT: '8080',
        MULTI: 'one\ntwo',
      })
      expect(await checkDecryption(scan, keyOf(newKey()))).toMatchObject({kind: 'failed'})
    },
  )

  it(
    'C01 has a keys file as withKey writes it, but for the line of the header that 1.x lacks',
    {timeout: 60_000},
    async () => {
      const {keys} = await encrypted[version]
      const ours = withKey(undefined, NAME, readKey(keys, NAME)!.value!, '.env.production')
      expect(keys).toBe(version === 2 ? ours : ours.replace(/^.*ARMORED.*\n/m, ''))
      expect(withKey(keys, NAME, readKey(keys, NAME)!.value!, '.env.production')).toBe(keys)
    },
  )
})

describe('a keys file that withKey wrote', () => {
  const other = `DOTENV_PRIVATE_KEY_STAGING="${newKey()}" # ours\n`
  const stale = newKey()
  const before = {
    new: undefined,
    'appended C16': `# mine\n${other}`,
    'appended without a line end C71': other.trimEnd(),
    'replaced C70': `${other}  export ${NAME} = "${stale}" # old\n# end\n`,
    'replaced in CRLF C72': `${other}${NAME}='${stale}'\n# end\n`.replaceAll('\n', '\r\n'),
    'one of three lines C74': `${NAME}=${stale}\n${other}${NAME}="${newKey()}"\n${NAME}=${newKey()} # three\n`,
    'empty value C17': `${NAME}=\n${other}`,
    'a byte-order mark C75': `\ufeff${NAME}=\`${stale}\`\n`,
  }
  it.each(Object.entries(before))('makes 1.51 and 2.38 decrypt: %s', {timeout: 60_000}, async (_, text) => {
    const {env, keys} = await encrypted[1]
    const key = readKey(keys, NAME)!.value!
    const written = withKey(text, NAME, key, '.env.production')
    expect(await helloByBoth(env, written)).toEqual({'1.51': 'World of values', '2.38': 'World of values'})
  })

  it('C50 makes both decrypt with a list, wrong key first', {timeout: 60_000}, async () => {
    const {env, keys} = await encrypted[2]
    const list = keyOf(`${stale},${readKey(keys, NAME)!.value!.text.reveal()}`)
    const written = withKey(undefined, NAME, list, '.env.production')
    expect(await helloByBoth(env, written)).toEqual({'1.51': 'World of values', '2.38': 'World of values'})
  })

  it('opens nothing for either with another key in it', {timeout: 60_000}, async () => {
    const {env} = await encrypted[2]
    const written = withKey(undefined, NAME, keyOf(stale), '.env.production')
    const hello = await helloByBoth(env, written)
    expect(hello['1.51']).not.toContain('World')
    expect(hello['2.38']).not.toContain('World')
  })
})

it('runs no $(command) that dotenvx would run', {timeout: 60_000}, async () => {
  const directory = newDirectory({'.env.production': "HELLO='$(touch canary)'\n"})
  const paths = ['.env.production', '.env.keys', 'canary'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  await runDotenvx(2, directory, ['encrypt', '-f', '.env.production'])
  const text = readFileSync(paths[0], 'utf8').replaceAll("'", '"')
  const key = readKey(readFileSync(paths[1], 'utf8'), NAME)!.value!
  expect(await checkDecryption(scanEnvFile(text), key)).toEqual({kind: 'passed', values: 1})
  expect((await decryptValues(text, key)).values['HELLO']).toBe('$(touch canary)')
  expect(existsSync(paths[2])).toBe(false)
  // the canary is alive: the same text makes dotenvx run it
  writeFileSync(paths[0], text)
  await runDotenvx(1, directory, ['get', '-f', '.env.production'])
  expect(existsSync(paths[2])).toBe(true)
})
