import {basename} from 'node:path'

import {EnvdriftError} from '../core/errors.ts'
import type {KeyName} from '../core/mapping.ts'
import {Secret} from '../core/secret.ts'
import {printable} from '../core/text.ts'
import {type Assignment, scanAssignments} from './assignments.ts'
import {type PrivateKey, privateKeyOf} from './private-key.ts'

/** What a keys file says under one name. */
export type KeyEntry = {
  /** The key, or `undefined` where the value is none: empty, cut short, a list with spaces, … dotenvx can't use it either. */
  readonly value: PrivateKey | undefined
  /** The value as it stands there, quotes off. */
  readonly raw: Secret
  /** 1-based line of the assignment that counts. */
  readonly line: number
  /** How many more lines have the name. */
  readonly duplicates: number
  /** Some of them hold something else: dotenvx 1.x uses the last one, 2.x any that fits, so they want to be made one. */
  readonly duplicatesDisagree: boolean
}

/**
 * What a keys file holds under a name, read as dotenvx reads it; of several lines the last, as dotenvx 1.x does.
 *
 * @returns `undefined` when no line has the name. A line with nothing behind its `=` is an entry, with an empty `raw`.
 */
export function readKey(text: string, name: KeyName): KeyEntry | undefined {
  const lines = scanAssignments(text).filter((assignment) => assignment.name === name)
  const last = lines.at(-1)
  if (last === undefined) return undefined
  return {
    value: usableKeyOf(last.value),
    raw: new Secret(last.value),
    line: last.line,
    duplicates: lines.length - 1,
    duplicatesDisagree: lines.some(({value}) => value.toLowerCase() !== last.value.toLowerCase()),
  }
}

/** dotenvx trims around the value and splits at commas, no more: a list with spaces in it opens nothing. */
function usableKeyOf(value: string): PrivateKey | undefined {
  return /[^\da-f,]/i.test(value.trim()) ? undefined : privateKeyOf(value)
}

/** How dotenvx 2.38.2 starts a keys file (`mutateKeysSrc.js`). 1.x leaves out the fourth line, and reads past it. */
const header = `#/------------------!DOTENV_PRIVATE_KEYS!-------------------/
#/ private decryption keys. DO NOT commit to source control /
#/     [how it works](https://dotenvx.com/encryption)       /
#/          ⛨ ARMORED KEYS: \`dotenvx armor up\`              /
#/----------------------------------------------------------/
`

/**
 * The whole text of a keys file after one key was set in it.
 *
 * A new or empty file starts with dotenvx's header. A name that isn't there yet is appended below a comment that names
 * its env file. A name that is there keeps its line, and only the value's own bytes change; further lines of the name go,
 * but for their comments. Every other byte stays.
 *
 * @param text - `undefined` when there is no file.
 * @param envFileName - of the env file that the key opens, for the comment: `.env.production`.
 * @throws EnvdriftError FILE_UNWRITABLE when quotes that don't pair would make another line of the file mean something
 *   else afterwards.
 */
export function withKey(text: string | undefined, name: KeyName, key: PrivateKey, envFileName: string): string {
  const given = text ?? ''
  // only an added key needs the last line to end; done first, since that end makes an assignment of `NAME:`
  const base = scanAssignments(given).some((assignment) => assignment.name === name) ? given : ended(given)
  const before = scanAssignments(base)
  const [first, ...duplicates] = before.filter((assignment) => assignment.name === name)
  const after =
    first === undefined ? appended(base, name, key, envFileName) : replaced(removed(base, duplicates), first, key)
  if (meansTheSame(before, after, name, key)) return after
  throw new EnvdriftError(
    'FILE_UNWRITABLE',
    `The keys file can't be changed safely: setting ${name} would change what other lines mean`,
    {
      suggestions: [
        'Look in the keys file for a quote without its partner, or for a name with a colon and its value on the next line, and mend it by hand.',
      ],
    },
  )
}

function ended(text: string): string {
  return /(?:^\ufeff?|[\r\n])$/.test(text) ? text : text + eolOf(text)
}

function eolOf(text: string): string {
  if (text.includes('\r\n')) return '\r\n'
  return text.includes('\r') && !text.includes('\n') ? '\r' : '\n'
}

function appended(text: string, name: KeyName, key: PrivateKey, envFileName: string): string {
  const eol = eolOf(text)
  const start = /^\ufeff?$/.test(text) ? text + header : text
  // the name stands in a comment, where a line break or a quote could reach other lines
  const comment = printable(basename(envFileName)).replaceAll(/['"`]/g, '?')
  return `${start}${eol}# ${comment}${eol}${name}=${key.text.reveal()}${eol}`
}

function replaced(
  text: string,
  {separator, afterSeparator, valueStart, valueEnd, quote}: Assignment,
  key: PrivateKey,
): string {
  const value = key.text.reveal()
  // A quote that nobody closed goes with the value.
  const staysQuoted = quote !== '' && text.charAt(valueStart - 1) === quote
  // `NAME:` takes the whole next line for its value if that isn't empty; what a person put there may be another key
  if (separator === ':' && !staysQuoted && /[\r\n]/.test(text.slice(afterSeparator - 1, valueStart))) {
    const colon = text.lastIndexOf(':', afterSeparator - 1) + 1
    return `${text.slice(0, colon)} ${value}${text.slice(colon)}`
  }
  return text.slice(0, valueStart) + value + text.slice(valueEnd)
}

function removed(text: string, assignments: readonly Assignment[]): string {
  let result = ''
  let kept = 0
  for (const {start, end} of assignments) {
    let indented = start
    while (indented > kept && /[^\S\r\n]/.test(text.charAt(indented - 1))) indented -= 1
    result += text.slice(kept, indented)
    const rest = /[^\S\r\n]*(?:\r\n|[\r\n])?/y
    rest.lastIndex = end
    kept = end + (rest.exec(text)?.[0].length ?? 0)
  }
  return result + text.slice(kept)
}

/** Does `after` hold the key once, and every other assignment of `before` as it was? */
function meansTheSame(before: readonly Assignment[], after: string, name: KeyName, key: PrivateKey): boolean {
  const assignments = scanAssignments(after)
  const [mine, ...more] = assignments.filter((assignment) => assignment.name === name)
  const others = assignments.filter((assignment) => assignment.name !== name)
  const wanted = before.filter((assignment) => assignment.name !== name)
  return (
    mine?.value === key.text.reveal() &&
    more.length === 0 &&
    others.length === wanted.length &&
    others.every(({name: other, value}, index) => other === wanted[index]?.name && value === wanted[index].value)
  )
}
