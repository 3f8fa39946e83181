import {execFile} from 'node:child_process'
import {createRequire} from 'node:module'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'

/**
 * The real dotenvx, both majors, for comparison. Their inner functions are taken by path: nothing here parses with a
 * function that would run what it reads.
 */
const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))
const require = createRequire(import.meta.url)

type DotenvParse = (
  text: string,
  skipExpand?: boolean,
  skipNewlines?: boolean,
  collectAll?: boolean,
) => Record<string, string[]>
const dotenvParse = require(join(modules, 'dotenvx-1/src/lib/helpers/dotenvParse.js')) as DotenvParse

/** Values by name, duplicates included, as 1.51 reads a keys file. */
export const readBy1 = (text: string): Record<string, readonly string[]> => dotenvParse(text, false, false, true)

type ParserOf1 = new (
  text: string,
  key: string | null,
  env: Record<string, string>,
  overload: boolean,
) => {run: () => {parsed: Record<string, string>}}
const Parser1 = require(join(modules, 'dotenvx-1/src/lib/helpers/parse.js')) as ParserOf1

/** Variables as 1.51 hands them to a program. Expands and executes: only for text without a `$` that isn't escaped. */
export function valuesBy1(text: string, key: string | null): Record<string, string> {
  if (/(?<!\\)\$/.test(text)) throw new Error('this text could be executed')
  return new Parser1(text, key, {}, false).run().parsed
}

export const keyNameBy1 = require(join(modules, 'dotenvx-1/src/lib/helpers/guessPrivateKeyName.js')) as (
  file: string,
) => string

export const keyNameBy2 = (file: string): string => {
  const names = require(join(modules, '@dotenvx/dotenvx/src/lib/conventions/keynames.js')) as (file: string) => {
    privateKeyName: string
  }
  return names(file).privateKeyName
}

/** What 2.38 makes of a keys file when it adds a key to it. */
export const keysFileBy2 = (
  keysSrc: string,
  privateKeyName: string,
  privateKeyValue: string,
  comment: string,
): string => {
  const mutate = require(join(modules, '@dotenvx/dotenvx/src/lib/helpers/cryptography/mutateKeysSrc.js')) as (change: {
    keysSrc: string
    privateKeyName: string
    privateKeyValue: string
    comment: string
  }) => {keysSrc: string}
  return mutate({keysSrc, privateKeyName, privateKeyValue, comment}).keysSrc
}

export type Ran = {readonly exitCode: number; readonly stdout: string; readonly stderr: string}

/** One of the real command lines, in a directory, with nothing of our own environment. */
export async function runDotenvx(version: 1 | 2, directory: string, args: readonly string[]): Promise<Ran> {
  const cli = join(modules, version === 1 ? 'dotenvx-1' : '@dotenvx/dotenvx', 'src/cli/dotenvx.js')
  const env = {
    PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
    HOME: join(directory, 'home'),
    CI: 'true',
    DOTENVX_NO_ARMOR: 'true',
    DOTENVX_NO_NATIVE: 'true',
    DOTENVX_NO_1PASSWORD: 'true',
    DOTENVX_NO_BITWARDEN: 'true',
    DOTENVX_NO_OPS: 'true',
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, ...args], {cwd: directory, env}, (error, stdout, stderr) => {
      const exitCode = typeof error?.code === 'number' ? error.code : error === null ? 0 : 1
      resolve({exitCode, stdout, stderr})
    })
  })
}
