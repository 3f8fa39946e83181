import {isAbsolute, join, resolve} from 'node:path'

import type {ProviderSpec, SettingSpec, SettingValue} from '../core/provider-spec.ts'
import {printable} from '../core/text.ts'
import {closest} from './closest.ts'
import type {ProviderSpecs} from './config.ts'
import type {MistakeCode, Place, Remarks} from './mistakes.ts'
import type {Pair} from './pair-txt.ts'
import {readPairs} from './pair-txt.ts'
import type {Table} from './parse-toml.ts'
import {isTable, parseToml} from './parse-toml.ts'
import type {MappingWritten, PatternWritten, SyncKey, SyncWritten} from './schema.ts'
import {
  check,
  laterMappingKeys,
  mappingKeys,
  mappingSchema,
  patternKeys,
  patternSchema,
  syncSettings,
} from './schema.ts'
import type {SourceFile} from './source-file.ts'
import {variableOf} from './variables.ts'

/** The settings of one provider's table, as far as they are well-formed, each with its place. */
export type VaultTable = {
  readonly provider: string
  readonly settings: Readonly<Record<string, SettingValue>>
  readonly place: Place
  /** Something in it was wrong, and was said: what is missing now may only be missing because of that. */
  readonly broken: boolean
}

/** One mapping with where it stands. A line of pair.txt has its `name` not yet taken apart. */
export type Written = {
  readonly place: Place
  readonly line?: number
  /** From 1: of the mapping, or of the pattern that it comes from. */
  readonly number: number
  /** A mapping that was written down wins over it. */
  readonly fromPattern?: true
} & ({readonly kind: 'mapping'; readonly mapping: MappingWritten} | {readonly kind: 'pair'; readonly pair: Pair})

/** One `[[vault.sync.patterns]]` with where it stands. */
export type WrittenPattern = {
  readonly place: Place
  readonly line?: number
  readonly number: number
  readonly pattern: PatternWritten
}

/** What one file says, checked for shape and for who may set what. */
export type Contents = {
  readonly file: SourceFile
  readonly provider: string | undefined
  /** `[vault.PROVIDER]` by provider. */
  readonly tables: ReadonlyMap<string, VaultTable>
  /** `[vaults.NAME]` by name. */
  readonly named: ReadonlyMap<string, VaultTable>
  readonly sync: SyncWritten
  /** `undefined`: the file has no list of mappings. Broken ones are left out, and said. */
  readonly mappings: readonly Written[] | undefined
  readonly patterns: readonly WrittenPattern[]
  readonly trustedVaults: readonly string[] | undefined
}

/** Sections of the Python tool of the same name: they are its business, and no reason for a warning. */
const foreignSections: readonly string[] = [
  'envdrift',
  'guard',
  'guardian',
  'encryption',
  'validation',
  'partial_encryption',
  'git_hook_check',
  'precommit',
]

/** In pyproject.toml that tool keeps its `[envdrift]` section right in `[tool.envdrift]`. */
const foreignKeysInPyproject: readonly string[] = ['schema', 'environments', 'env_file_pattern']

/** Sections that a later version has. */
const laterSections: readonly string[] = ['cryptosync']

type Reading = Remarks & {
  readonly file: SourceFile
  readonly specs: ProviderSpecs
  readonly userConfigPath: string | undefined
}

/** Reads one file. Mistakes and warnings go to `remarks`. @throws EnvdriftError CONFIG_SYNTAX */
export function readContents(
  file: SourceFile,
  specs: ProviderSpecs,
  userConfigPath: string | undefined,
  remarks: Remarks,
): Contents {
  const reading: Reading = {...remarks, file, specs, userConfigPath}
  return file.format === 'pair' ? contentsOfPairs(reading) : contentsOfToml(reading)
}

function contentsOfPairs(reading: Reading): Contents {
  const {file} = reading
  const mappings = readPairs(file, reading).map((pair, index): Written => ({
    kind: 'pair',
    pair,
    place: {file, path: []},
    line: pair.line,
    number: index + 1,
  }))
  return {
    file,
    provider: undefined,
    tables: new Map(),
    named: new Map(),
    sync: {},
    mappings,
    patterns: [],
    trustedVaults: undefined,
  }
}

function contentsOfToml(reading: Reading): Contents {
  const {file, specs} = reading
  const {own, top} = ownPart(reading)

  const vault = table(own, at(top, 'vault'), reading) ?? {}
  const vaultPlace = at(top, 'vault')
  const tables = new Map<string, VaultTable>()
  for (const [provider, spec] of Object.entries(specs)) {
    if (vault[provider] === undefined) continue
    const place = at(vaultPlace, provider)
    const written = table(vault, place, reading)
    tables.set(
      provider,
      written === undefined ? brokenTable(provider, place) : readTable(written, provider, spec, place, reading),
    )
  }
  warnUnknown(vault, ['provider', 'sync', ...Object.keys(specs)], vaultPlace, 'vault', reading)

  const isBare = own['mappings'] !== undefined
  const syncPlace = isBare ? top : at(vaultPlace, 'sync')
  const nested = table(vault, at(vaultPlace, 'sync'), reading) ?? {}
  if (isBare && nested['mappings'] !== undefined) {
    wrong(reading, at(top, 'mappings'), 'mappings stand in two places: keep those of [vault.sync]')
  }
  const sync = isBare ? {...nested, ...own} : nested
  const syncKeys = [...Object.keys(syncSettings), 'mappings', 'patterns']
  warnUnknown(nested, syncKeys, at(vaultPlace, 'sync'), 'vault.sync', reading)
  for (const section of laterSections) {
    if (own[section] !== undefined) refuseLater(reading, at(top, section), `[${section}]`)
  }
  warnUnknown(
    own,
    [
      'vault',
      'vaults',
      'trusted_vaults',
      ...laterSections,
      ...foreignSections,
      ...(isBare ? syncKeys : []),
      ...(file.format === 'pyproject' ? foreignKeysInPyproject : []),
    ],
    top,
    '',
    reading,
  )

  return {
    file,
    provider: readProvider(vault['provider'], at(vaultPlace, 'provider'), reading),
    tables,
    named: readNamed(own, at(top, 'vaults'), reading),
    sync: readSync(sync, syncPlace, reading),
    mappings:
      sync['mappings'] === undefined ? undefined : readMappings(sync['mappings'], at(syncPlace, 'mappings'), reading),
    patterns: sync['patterns'] === undefined ? [] : readPatterns(sync['patterns'], at(syncPlace, 'patterns'), reading),
    trustedVaults: readTrusted(own['trusted_vaults'], at(top, 'trusted_vaults'), reading),
  }
}

/** The part of the file that is ours: all of it, or `[tool.envdrift]`. */
function ownPart(reading: Reading): {readonly own: Table; readonly top: Place} {
  const {file} = reading
  const whole = parseToml(file)
  const bottom: Place = {file, path: []}
  if (file.format !== 'pyproject') return {own: whole, top: bottom}
  const tool = table(whole, at(bottom, 'tool'), reading) ?? {}
  const top = at(at(bottom, 'tool'), 'envdrift')
  if (tool['envdrift'] === undefined)
    wrong(reading, top, 'there is no [tool.envdrift] in this file: add it, or name another file')
  return {own: table(tool, top, reading) ?? {}, top}
}

/** @returns the provider, or `undefined` when none is named or (said) it is none. */
function readProvider(value: unknown, place: Place, reading: Reading): string | undefined {
  if (value === undefined) return undefined
  const problem = providerProblem(value, reading.specs)
  if (problem === undefined) return value as string
  wrong(reading, place, problem)
  return undefined
}

/** What is wrong with the name of a provider, as a sentence; `undefined`: nothing. */
export function providerProblem(value: unknown, specs: ProviderSpecs): string | undefined {
  const providers = Object.keys(specs)
  if (typeof value === 'string' && providers.includes(value)) return undefined
  const list = providers.join(', ')
  if (typeof value !== 'string') return `provider must be text in quotes: one of ${list}`
  const near = closest(value.trim(), providers)
  return `provider "${printable(value)}" is not one of ${list}${near === undefined ? '' : `: did you mean "${near}"?`}`
}

function readNamed(own: Table, place: Place, reading: Reading): ReadonlyMap<string, VaultTable> {
  const named = new Map<string, VaultTable>()
  for (const [name, value] of Object.entries(table(own, place, reading) ?? {})) {
    const here = at(place, name)
    if (name === 'default') {
      wrong(reading, here, 'the name "default" is taken: it means the vault of [vault]; choose another')
      continue
    }
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
      wrong(
        reading,
        here,
        `the vault name "${printable(name)}" may hold letters, digits, dots, hyphens and underscores only`,
      )
      continue
    }
    if (!isTable(value)) {
      wrong(reading, here, `[vaults.${name}] must be a table`)
      continue
    }
    const {provider, ...rest} = value
    if (provider === undefined) {
      for (const key of Object.keys(rest).filter((one) => closest(one, ['provider']) !== undefined))
        reading.warnings.push({place: at(here, key), ...unknownKey(key, ['provider'], `[vaults.${name}]`)})
      wrong(reading, here, `[vaults.${name}] has no provider: add one of ${Object.keys(reading.specs).join(', ')}`)
      continue
    }
    const known = readProvider(provider, at(here, 'provider'), reading)
    if (known !== undefined) named.set(name, readTable(rest, known, reading.specs[known]!, here, reading))
  }
  return named
}

function readTable(written: Table, provider: string, spec: ProviderSpec, place: Place, reading: Reading): VaultTable {
  const before = reading.mistakes.length
  const settings: Record<string, SettingValue> = {}
  for (const [key, value] of Object.entries(written)) {
    const here = at(place, key)
    const setting = Object.hasOwn(spec.settings, key) ? spec.settings[key] : undefined
    if (spec.later?.includes(key) === true) refuseLater(reading, here, `${key} of ${spec.title}`)
    else if (setting !== undefined) {
      const read = readSetting(value, key, setting, provider, here, reading)
      if (read !== undefined) settings[key] = read
    }
  }
  warnUnknown(written, [...Object.keys(spec.settings), ...(spec.later ?? [])], place, tableName(place), reading)
  return {provider, settings, place, broken: reading.mistakes.length > before}
}

const brokenTable = (provider: string, place: Place): VaultTable => ({provider, settings: {}, place, broken: true})

/** @returns the value, trimmed and with paths made absolute, or `undefined` when it is wrong (said). */
function readSetting(
  value: unknown,
  key: string,
  setting: SettingSpec,
  provider: string,
  place: Place,
  reading: Reading,
): SettingValue | undefined {
  if (reading.file.origin === 'repository' && setting.trust === 'machine') {
    const variable = variableOf(provider, key, setting)
    const where = [printable(reading.userConfigPath ?? 'your user file'), ...(variable === undefined ? [] : [variable])]
    return wrong(
      reading,
      place,
      `${key} may not be set by a file that a pull request can change: set it in ${where.join(' or ')}`,
      'CONFIG_NOT_ALLOWED',
    )
  }
  switch (setting.type) {
    case 'boolean':
      return typeof value === 'boolean' ? value : wrong(reading, place, `${key} must be true or false, without quotes`)
    case 'integer':
      if (typeof value !== 'number' || !Number.isInteger(value))
        return wrong(reading, place, `${key} must be a whole number, without quotes`)
      return oneOf(value, key, setting, place, reading)
    case 'strings':
      return Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === 'string' && part !== '')
        ? (value as readonly string[])
        : wrong(reading, place, `${key} must be a list of texts in quotes, like ["program", "argument"]`)
    case 'table':
      return readSettingTable(value, key, setting, provider, place, reading)
    case 'string':
    case 'path': {
      if (typeof value !== 'string') return wrong(reading, place, `${key} must be text in quotes`)
      const trimmed = value.trim()
      if (trimmed === '') return wrong(reading, place, `${key} is empty: give it a value, or remove it`)
      if (trimmed.includes('\0')) return wrong(reading, place, `${key} must not hold a NUL character`)
      return setting.type === 'path'
        ? resolve(reading.file.base, trimmed)
        : oneOf(trimmed, key, setting, place, reading)
    }
  }
}

function oneOf(
  value: string | number,
  key: string,
  {oneOf: allowed, later}: SettingSpec,
  place: Place,
  reading: Reading,
): SettingValue | undefined {
  if (allowed === undefined || allowed.includes(value)) return value
  if (later?.includes(String(value)) === true)
    return refuseLater(reading, place, `${key} = "${printable(String(value))}"`)
  return wrong(reading, place, `${key} must be one of ${allowed.join(', ')}`)
}

function readSettingTable(
  value: unknown,
  key: string,
  {keys = {}, later = []}: SettingSpec,
  provider: string,
  place: Place,
  reading: Reading,
): SettingValue | undefined {
  const example = Object.keys(keys).join(', ')
  if (!isTable(value)) return wrong(reading, place, `${key} must be a table with one of ${example}`)
  const found: Record<string, SettingValue> = {}
  let isBroken = false
  for (const [inner, written] of Object.entries(value)) {
    const here = at(place, inner)
    const setting = Object.hasOwn(keys, inner) ? keys[inner] : undefined
    const read =
      setting !== undefined
        ? readSetting(written, inner, setting, provider, here, reading)
        : later.includes(inner)
          ? refuseLater(reading, here, `${inner} of ${key}`)
          : wrong(reading, here, `${key} has no key "${printable(inner)}": use one of ${example}`)
    if (read === undefined) isBroken = true
    else found[inner] = read
  }
  if (isBroken) return undefined
  return Object.keys(found).length === 1 ? found : wrong(reading, place, `${key} must have exactly one of ${example}`)
}

function readSync(sync: Table, place: Place, reading: Reading): SyncWritten {
  const found: Record<string, unknown> = {}
  for (const [key, {schema}] of Object.entries(syncSettings)) {
    if (sync[key] === undefined) continue
    const checked = check(schema, sync[key], key)
    if (checked.issues === undefined) found[key] = checked.output
    else wrong(reading, at(place, key), checked.issues[0]!.text)
  }
  return found
}

/** Reads one key of `[vault.sync]` from the text of a variable. @returns `undefined` when it is wrong (said). */
export function readSyncVariable(key: SyncKey, name: string, text: string, {mistakes}: Remarks): unknown {
  const {schema, kind} = syncSettings[key]
  const value = kind === 'number' ? Number(text) : kind === 'boolean' ? (booleanOf(text) ?? text) : text
  const checked = check(schema, value, name)
  if (checked.issues === undefined) return checked.output
  mistakes.push({text: checked.issues[0]!.text.replace(', without quotes', '')})
  return undefined
}

/** Reads a setting of a provider from a flag or a variable. @returns `undefined` when it is wrong (said). */
export function readSettingText(
  setting: SettingSpec,
  name: string,
  text: string,
  cwd: string,
  {mistakes}: Remarks,
): SettingValue | undefined {
  const value = setting.type === 'integer' ? Number(text) : setting.type === 'boolean' ? booleanOf(text) : text
  if (value === undefined) mistakes.push({text: `${name} must be true or false`})
  else if (typeof value === 'number' && !Number.isInteger(value))
    mistakes.push({text: `${name} must be a whole number`})
  else if (setting.later?.includes(text) === true)
    mistakes.push({
      code: 'NOT_THERE_YET',
      text: `${name} = ${printable(text)} is not there yet: a later version has it`,
    })
  else if (typeof value !== 'boolean' && setting.oneOf !== undefined && !setting.oneOf.includes(value))
    mistakes.push({text: `${name} must be one of ${setting.oneOf.join(', ')}`})
  else if (setting.type === 'path') return isAbsolute(text) ? text : join(cwd, text)
  else return value
  return undefined
}

function booleanOf(text: string): boolean | undefined {
  const lower = text.toLowerCase()
  return ['true', '1'].includes(lower) ? true : ['false', '0'].includes(lower) ? false : undefined
}

function readMappings(value: unknown, place: Place, reading: Reading): readonly Written[] | undefined {
  if (!Array.isArray(value))
    return wrong(reading, place, 'mappings must be a list of tables, each [[vault.sync.mappings]]')
  const lines = headerLines(place, value.length)
  const found: Written[] = []
  const unknown = new Map<string, {readonly place: Place; count: number}>()
  value.forEach((one: unknown, index) => {
    const here = at(place, index)
    const checked = check(mappingSchema, one, `mapping ${index + 1}`)
    if (checked.issues !== undefined) {
      for (const {path, text} of checked.issues) wrong(reading, {file: place.file, path: [...here.path, ...path]}, text)
    }
    if (!isTable(one)) return
    for (const key of Object.keys(one)) {
      if (laterMappingKeys.includes(key)) refuseLater(reading, at(here, key), `${key} of a mapping`)
      else if (!mappingKeys.includes(key)) {
        const seen = unknown.get(key)
        if (seen === undefined) unknown.set(key, {place: at(here, key), count: 1})
        else seen.count++
      }
    }
    if (checked.issues !== undefined) return
    const line = lines?.[index]
    found.push({
      kind: 'mapping',
      mapping: checked.output,
      place: here,
      number: index + 1,
      ...(line === undefined ? {} : {line}),
    })
  })
  for (const [key, {place: first, count}] of unknown) {
    const more = count === 1 ? '' : ` (and in ${count - 1} more mappings)`
    const {text, ...meaning} = unknownKey(key, mappingKeys, 'a mapping')
    reading.warnings.push({place: first, text: text + more, ...meaning})
  }
  return found
}

function readPatterns(value: unknown, place: Place, reading: Reading): readonly WrittenPattern[] {
  if (!Array.isArray(value)) {
    wrong(reading, place, 'patterns must be a list of tables, each [[vault.sync.patterns]]')
    return []
  }
  const lines = headerLines(place, value.length)
  return value.flatMap((one: unknown, index) => {
    const here = at(place, index)
    if (isTable(one)) warnUnknown(one, patternKeys, here, 'vault.sync.patterns', reading)
    const checked = check(patternSchema, one, `pattern ${index + 1}`)
    if (checked.issues !== undefined) {
      for (const {path, text} of checked.issues) wrong(reading, {file: place.file, path: [...here.path, ...path]}, text)
      return []
    }
    const line = lines?.[index]
    return [{place: here, number: index + 1, pattern: checked.output, ...(line === undefined ? {} : {line})}]
  })
}

/**
 * Lines of the `[[vault.sync.mappings]]` headers, by a look at the text alone: a parser with positions would take longer
 * than all the rest. `undefined` when their number isn't that of the mappings (inline tables, a header inside a text).
 */
function headerLines({file, path}: Place, count: number): readonly number[] | undefined {
  const {text} = file
  const keys = path.join(String.raw`[ \t]*\.[ \t]*`)
  const header = new RegExp(String.raw`(?<![^\n])[ \t]*\[\[[ \t]*${keys}[ \t]*\]\]`, 'g')
  const lines: number[] = []
  let line = 1
  let counted = 0
  for (const {index} of text.matchAll(header)) {
    for (let end = text.indexOf('\n', counted); end !== -1 && end < index; end = text.indexOf('\n', counted)) {
      line += 1
      counted = end + 1
    }
    lines.push(line)
  }
  return lines.length === count ? lines : undefined
}

function readTrusted(value: unknown, place: Place, reading: Reading): readonly string[] | undefined {
  if (value === undefined) return undefined
  if (reading.file.origin === 'repository') {
    return wrong(
      reading,
      place,
      `trusted_vaults may not be set by a file that a pull request can change: set it in ${printable(reading.userConfigPath ?? 'your user file')} or ENVDRIFT_TRUSTED_VAULTS`,
      'CONFIG_NOT_ALLOWED',
    )
  }
  if (!Array.isArray(value) || !value.every((one): one is string => typeof one === 'string' && isAddress(one)))
    return wrong(reading, place, 'trusted_vaults must be a list of addresses, like ["https://vault.example.com:8200"]')
  return value
}

/** Could it be the address of a vault: http or https, with a host? */
export function isAddress(text: string): boolean {
  return /^https?:$/.test(URL.parse(text.trim())?.protocol ?? '')
}

/** The table at a place, `undefined` when there is none or (said) it isn't one. */
function table(parent: Table, place: Place, reading: Reading): Table | undefined {
  const value = parent[String(place.path.at(-1))]
  if (value === undefined || isTable(value)) return value
  return wrong(reading, place, `${tableName(place)} must be a table: [${tableName(place)}]`)
}

function warnUnknown(written: Table, known: readonly string[], place: Place, section: string, reading: Reading): void {
  for (const key of Object.keys(written)) {
    if (known.includes(key)) continue
    const where = section === '' ? 'a configuration' : `[${section}]`
    reading.warnings.push({place: at(place, key), ...unknownKey(key, known, where)})
  }
}

function unknownKey(key: string, known: readonly string[], where: string): {readonly text: string; meant?: string} {
  const near = closest(key, known)
  const said = `unknown key "${printable(key.slice(0, 80))}" in ${where}`
  return near === undefined
    ? {text: `${said}: it has no effect`}
    : {text: `${said}: did you mean ${near}?`, meant: near}
}

const at = ({file, path}: Place, key: string | number): Place => ({file, path: [...path, key]})

const tableName = ({path}: Place): string => printable(path.join('.'))

/** Notes a mistake. @returns nothing, so that a reader can end with it. */
function wrong({mistakes}: Remarks, place: Place, text: string, code?: MistakeCode): undefined {
  mistakes.push({place, text, ...(code === undefined ? {} : {code})})
  return undefined
}

function refuseLater(
  remarks: Remarks,
  place: Place,
  what: string,
  instead = 'remove it until a later version has it',
): undefined {
  return wrong(remarks, place, `${what} is not there yet: ${instead}`, 'NOT_THERE_YET')
}
