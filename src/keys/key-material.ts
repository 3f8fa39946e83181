import {EnvdriftError} from '../core/errors.ts'
import {type KeyName, type SecretRef, writtenName} from '../core/mapping.ts'
import type {Secret} from '../core/secret.ts'
import {printable} from '../core/text.ts'
import {scanAssignments} from './assignments.ts'
import {type PrivateKey, privateKeyOf, samePrivateKeys} from './private-key.ts'

/** What a vault holds under a name: a text, and its fields where the service itself knows fields. */
type Held = {readonly value: Secret; readonly fields?: ReadonlyMap<string, Secret>}

/** What is asked for: by which name, in which secret. For messages. */
type Wanted = {readonly name: KeyName; readonly secretName: string}

/** A name and what is written behind it; `undefined` for what isn't text (a number, a list). */
type Field = {readonly name: string; readonly text: string | undefined}

/** How often one layout may lie in another: JSON, its field, the line in it, and one to spare. */
const maxDepth = 4

/**
 * The private key in what a vault holds, whichever way people stored it: the bare key, `NAME=key` as a keys file has it,
 * a whole keys file, or JSON with the key under its name or under `value`; each with or without quotes, `export`, a
 * trailing comment, a byte-order mark, space around it.
 *
 * A label always counts: text that names another key than `wanted` is refused, and so is text with two answers.
 *
 * @param ref - which secret it is, for messages; with a field, only what that field of it holds counts.
 * @throws EnvdriftError KEY_EMPTY, KEY_BINARY, KEY_MULTILINE, KEY_LABEL, KEY_NOT_FOUND_IN_SECRET or NOT_A_KEY. Messages
 *   hold names that stand in the secret, never values, and no run of hex digits that could be part of a key.
 */
export function parseKeyMaterial(held: Held, name: KeyName, ref: Pick<SecretRef, 'name' | 'field'>): PrivateKey {
  const wanted = {name, secretName: ref.name}
  const text = held.value.reveal()
  if (ref.field === undefined) return keyIn(text, wanted, maxDepth)
  const own = held.fields?.get(ref.field)
  const fields = own === undefined ? fieldsNamed(ref.field, text, wanted) : [{name: ref.field, text: own.reveal()}]
  const inField = {name, secretName: writtenName({...ref, vault: ''})}
  return isLabel(ref.field) ? keyInFields(fields, inField, maxDepth) : onlyKey(fields, inField, maxDepth)
}

/** The fields of that name in a secret that is a JSON object: one, or a few of the same name. */
function fieldsNamed(field: string, text: string, wanted: Wanted): readonly Field[] {
  const content = unquoted(text.replace(/^\ufeff/, '').trim())
  if (content === '') throw problem('KEY_EMPTY', wanted, 'is empty')
  if (!content.startsWith('{') || !isJson(content))
    throw fieldProblem(wanted, field, `is no JSON object, so it has no field ${shownName(field)}`)
  const fields = fieldsOf(content)
  const mine = fields.filter(({name}) => name === field)
  if (mine.length > 0) return mine
  const there = fields.length === 0 ? 'it has none' : `its fields: ${namesOf(fields)}`
  throw fieldProblem(wanted, field, `has no field ${shownName(field)} (${there})`)
}

function fieldProblem({secretName}: Wanted, field: string, what: string): EnvdriftError {
  return new EnvdriftError('KEY_NOT_FOUND_IN_SECRET', `The secret ${printable(secretName)} ${what}`, {
    suggestions: [
      `Check what follows the # in secret_name, or store a JSON object there with the key in its field ${shownName(field)}.`,
    ],
  })
}

function keyIn(text: string, wanted: Wanted, depth: number): PrivateKey {
  const content = unquoted(text.replace(/^\ufeff/, '').trim())
  if (content === '') throw problem('KEY_EMPTY', wanted, 'is empty')
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000e-\u001f\u007f\ufffd]/.test(content)) {
    throw problem('KEY_BINARY', wanted, 'holds binary data, not text')
  }
  if (depth === 0) throw problem('NOT_A_KEY', wanted, 'has a key inside too many layers of quoting')
  if (/^[{[]/.test(content) && isJson(content)) return keyInJson(content, wanted, depth)
  const fields = scanAssignments(content).map(({name, value}) => ({name, text: value}))
  if (fields.some(({name}) => isLabel(name))) return keyInFields(fields, wanted, depth)
  if (/^[{[]/.test(content)) throw problem('NOT_A_KEY', wanted, 'looks like JSON, but is none')
  if (/[\n\r\u2028\u2029]/.test(content)) {
    throw problem('KEY_MULTILINE', wanted, `holds multi-line text without a line ${wanted.name}=…`)
  }
  return bareKey(content, wanted)
}

/** One pair of quotes around the whole; not the outer ones of `"a" "b"`. */
function unquoted(text: string): string {
  const quote = text[0] ?? ''
  const isWhole = /^['"`]/.test(text) && text.length > 1 && text.indexOf(quote, 1) === text.length - 1
  return isWhole ? text.slice(1, -1).trim() : text
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false // the parser's own message quotes the text
  }
}

function keyInJson(json: string, wanted: Wanted, depth: number): PrivateKey {
  if (json.startsWith('['))
    throw problem('KEY_NOT_FOUND_IN_SECRET', wanted, 'holds a JSON list; a JSON object can hold a key')
  const fields = fieldsOf(json)
  if (fields.some(({name}) => isLabel(name))) return keyInFields(fields, wanted, depth)
  const values = fields.filter(({name}) => name === 'value')
  if (values.length > 0) return onlyKey(values, wanted, depth)
  const names = fields.length === 0 ? 'no fields' : `only the fields ${namesOf(fields)}`
  throw problem('KEY_NOT_FOUND_IN_SECRET', wanted, `holds JSON with ${names}, and none is ${wanted.name}`)
}

/** The key under the wanted name, out of lines or JSON fields of which at least one is named like a key. */
function keyInFields(fields: readonly Field[], wanted: Wanted, depth: number): PrivateKey {
  const labelled = fields.filter(({name}) => isLabel(name))
  // dotenvx makes upper-case names of file names in any case, so case can't tell two environments apart
  const mine = labelled.filter(({name}) => name.toUpperCase() === wanted.name.toUpperCase())
  if (mine.length > 0) return onlyKey(mine, wanted, depth)
  throw new EnvdriftError(
    'KEY_LABEL',
    `The secret ${printable(wanted.secretName)} holds ${namesOf(labelled)}, and ${wanted.name} is wanted`,
    {
      suggestions: [
        'Check secret_name, environment and env_file of the mapping: does this secret belong to it?',
        `If the key is right and its label is wrong, store it again as ${wanted.name}=….`,
      ],
    },
  )
}

/** The one key that all of these fields hold. */
function onlyKey(fields: readonly Field[], wanted: Wanted, depth: number): PrivateKey {
  const [key, ...others] = fields.map(({name, text}) => {
    if (text === undefined)
      throw problem('NOT_A_KEY', wanted, `has something else than text in its field ${shownName(name)}`)
    return keyIn(text, wanted, depth - 1)
  }) as [PrivateKey, ...PrivateKey[]]
  if (others.every((other) => samePrivateKeys(other, key))) return key
  throw problem('KEY_NOT_FOUND_IN_SECRET', wanted, `holds ${fields.length} different values for ${wanted.name}`)
}

/**
 * The fields of a JSON object in order. A name that comes twice comes twice: JSON.parse would keep the last and say
 * nothing. An object as a value is given as its JSON text.
 *
 * @param json - an object, known to parse: that is why a pattern can find its strings and brackets.
 */
function fieldsOf(json: string): readonly Field[] {
  const fields: Field[] = []
  let depth = 0
  let name: string | undefined
  let start = 0
  const finish = (end: number) => {
    if (depth !== 1 || name === undefined) return
    const value = JSON.parse(json.slice(start, end)) as unknown
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    fields.push({name, text: typeof value === 'string' ? value : isObject ? json.slice(start, end) : undefined})
    name = undefined
  }
  for (const {0: token, index} of json.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/g)) {
    switch (token) {
      case '{':
      case '[':
        depth += 1
        break
      case '}':
      case ']':
        finish(index)
        depth -= 1
        break
      case ',':
        finish(index)
        break
      case ':':
        if (depth === 1) start = index + 1
        break
      default:
        if (depth === 1) name ??= JSON.parse(token) as string
    }
  }
  return fields
}

function bareKey(content: string, wanted: Wanted): PrivateKey {
  const withoutComment = unquoted(content.replace(/\s#.*$/, '').trim())
  const key = privateKeyOf(withoutComment)
  if (key !== undefined) return key
  throw problem('NOT_A_KEY', wanted, `is not a private key: ${whyNot(withoutComment)}`)
}

/** Says what the text looks like, and nothing of the text itself. */
function whyNot(text: string): string {
  if (/^0[23][\da-f]{64}$|^04[\da-f]{128}$/i.test(text)) return 'it is a public key'
  if (text.startsWith('encrypted:')) return 'it is an encrypted value'
  if (/\\[nrt]/.test(text)) return String.raw`it has a backslash in it, perhaps a "\n" that should be a line end`
  if (/^0x/i.test(text)) return 'the "0x" before it has to go'
  if (text.includes(',')) return `of its ${text.split(',').length} parts at least one isn't 64 hex digits`
  if (/^[\da-f]{64}$/i.test(text)) return 'it is 64 hex digits, and yet no number that secp256k1 allows'
  return `it is ${text.length} characters, and a key is 64 hex digits`
}

/** Looks like the name of a private key, whatever comes behind. */
function isLabel(name: string): boolean {
  return /^DOTENV_PRIVATE_KEY(?:_|$)/i.test(name)
}

/** How many names a message lists, and how long each may be, in characters. */
const [maxNames, maxNameLength] = [12, 60]

function namesOf(fields: readonly Field[]): string {
  const names = [...new Set(fields.map(({name}) => shownName(name)))]
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : ''
  return names.slice(0, maxNames).join(', ') + more
}

/** Somebody may have stored the key as a field's name: runs of hex digits are left out. */
function shownName(name: string): string {
  const masked = printable(name.replaceAll(/[\da-f]{12,}/gi, '…'))
  return masked.length > maxNameLength ? `${masked.slice(0, maxNameLength)}…` : masked
}

function problem(code: EnvdriftError['code'], {name, secretName}: Wanted, what: string): EnvdriftError {
  return new EnvdriftError(code, `The secret ${printable(secretName)} ${what}`, {
    suggestions: [
      `Store the private key there: its 64 hex digits, or a line ${name}=… as it stands in the keys file.`,
      'Check secret_name of the mapping: is this the secret that holds the key?',
    ],
  })
}
