import {extname, resolve} from 'node:path'
import {pathToFileURL} from 'node:url'

import {EnvdriftError} from '../core/errors.ts'
import {printable} from '../core/text.ts'
import {readTextFile, statKind} from '../system/files.ts'
import type {Validate} from '../workflows/prove.ts'
import {onlyOnce} from './schema-violations.ts'

type SchemaFlags = {
  readonly ci: boolean
  readonly schema?: string | undefined
  readonly 'service-dir'?: string | undefined
  readonly 'validate-schema': boolean
  readonly 'allow-schema-code': boolean
}

/** What a Standard Schema exports: https://standardschema.dev, version 1. */
type StandardSchema = {
  readonly '~standard': {readonly validate: (value: unknown) => unknown}
}

type StandardIssue = {
  readonly path?: readonly (PropertyKey | {readonly key: PropertyKey})[]
  readonly [detail: string]: unknown
}

const moduleEndings: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'])

/**
 * The schema of `--schema`, ready to hold variables against; `undefined` without `--validate-schema`.
 *
 * A `.json` file is a JSON Schema (draft-07, or 2020-12 when `$schema` says so). A module is code that runs: only because
 * a person typed its name, and with `--ci` only with `--allow-schema-code`, since a pull request can change the module.
 *
 * @throws EnvdriftError SCHEMA_UNUSABLE, CONFIG_NOT_ALLOWED.
 */
export async function loadSchema(
  flags: SchemaFlags,
  {
    cwd,
    signal,
    limitMs = schemaLimitMs,
  }: {readonly cwd: string; readonly signal: AbortSignal; readonly limitMs?: number},
): Promise<Validate | undefined> {
  if (!flags['validate-schema'] || flags.schema === undefined) return undefined
  const start = resolve(cwd, flags['service-dir'] ?? '.')
  if (extname(flags.schema) === '.json') return jsonSchema(resolve(start, flags.schema), limitMs, signal)
  const [, file = '', name] = /^(.+?)(?::([\w$]+))?$/.exec(flags.schema) ?? []
  if (!moduleEndings.has(extname(file))) {
    throw unusable(flags.schema, 'is neither a .json file nor a module (.ts, .mjs, .js)', [
      'Write the schema as JSON Schema, or name a module and its export: --schema schema.ts:settings. Python classes cannot be loaded.',
    ])
  }
  if (flags.ci && !flags['allow-schema-code']) {
    throw new EnvdriftError(
      'CONFIG_NOT_ALLOWED',
      `--schema ${printable(flags.schema)} is code, and with --ci no code of the repository runs`,
      {
        suggestions: [
          'Use a JSON Schema file.',
          'Or add --allow-schema-code if nobody can change that module without your review.',
        ],
      },
    )
  }
  return moduleSchema(resolve(start, file), name)
}

async function jsonSchema(path: string, limitMs: number, signal: AbortSignal): Promise<Validate> {
  const schema = parseJson(path, await textOf(path))
  const {startJsonSchema} = await import('./json-schema-thread.ts')
  const started = await startJsonSchema(schema as object, {limitMs, signal})
  if (!('check' in started)) throw endOf(started, path, limitMs)
  return async (values) => {
    const answer = await started.check(values)
    if (answer.kind === 'checked') return answer.violations
    throw endOf(answer, path, limitMs)
  }
}

function endOf(
  answer: {readonly kind: 'invalid' | 'late' | 'broken' | 'checked'; readonly why?: unknown},
  path: string,
  limitMs: number,
): EnvdriftError {
  const cause = answer.why
  switch (answer.kind) {
    case 'late':
      return unusable(path, `was not done within ${limitMs / 1000} s`, [
        'Look for a `pattern` that repeats a repetition, such as ^(a+)+$, and write it without the inner one: ^a+$.',
      ])
    case 'broken':
      return unusable(path, 'ended the thread that checks it, for want of memory mostly', ['Make it smaller.'], cause)
    case 'invalid':
    case 'checked':
      return unusable(path, 'is not a valid JSON Schema', ['Check it with a JSON Schema validator.'], cause)
  }
}

async function moduleSchema(path: string, name: string | undefined): Promise<Validate> {
  if ((await statKind(path)) !== 'file') throw missing(path)
  let loaded: Record<string, unknown>
  try {
    loaded = await inTime<Record<string, unknown>>(import(pathToFileURL(path).href), path)
  } catch (error) {
    if (error instanceof EnvdriftError) throw error
    throw unusable(
      path,
      `could not be loaded (${error instanceof Error ? error.name : 'error'})`,
      ['Run it with node to see why.'],
      error,
    )
  }
  const schema = loaded[name ?? 'default']
  if (!isStandardSchema(schema)) {
    throw unusable(path, `has no Standard Schema under the name ${name ?? 'default'}`, [
      'Export one made by zod, valibot or arktype, and name it: --schema file.ts:exportName.',
    ])
  }
  return async (values) => {
    let result: unknown
    try {
      result = await inTime(schema['~standard'].validate({...values}), path)
    } catch (error) {
      if (error instanceof EnvdriftError) throw error
      throw unusable(path, 'threw while it validated', ['Run it with node to see why.'], error)
    }
    const {issues = []} = (result ?? {}) as {issues?: readonly StandardIssue[]}
    return onlyOnce(issues.map((issue) => ({name: nameOf(issue), rule: ruleOf(issue)})))
  }
}

/** How long a schema may take to load, or to validate one service, in milliseconds. */
const schemaLimitMs = 10_000

async function inTime<T>(work: T | Promise<T>, path: string): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () =>
      late.reject(unusable(path, `did not answer within ${schemaLimitMs / 1000} s`, ['Run it with node to see why.'])),
    schemaLimitMs,
  )
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

const isStandardSchema = (value: unknown): value is StandardSchema =>
  (typeof value === 'object' || typeof value === 'function') &&
  value !== null &&
  typeof (value as Partial<StandardSchema>)['~standard']?.validate === 'function'

function nameOf({path}: StandardIssue): string {
  const [first] = path ?? []
  if (first === undefined) return '(all variables)'
  return String(typeof first === 'object' ? first.key : first)
}

/** An issue's `message` may quote the value (valibot's does); what the libraries say of the rule itself doesn't. */
function ruleOf(issue: StandardIssue): string {
  const words = ['code', 'type', 'expected', 'format', 'minimum', 'maximum', 'requirement'].flatMap((key) => {
    const value = issue[key]
    return typeof value === 'string' || typeof value === 'number' ? [String(value)] : []
  })
  return words.length === 0 ? 'violates the schema' : [...new Set(words)].join(' ')
}

async function textOf(path: string): Promise<string> {
  try {
    const text = await readTextFile(path)
    if (text !== undefined) return text
  } catch (error) {
    throw unusable(path, 'could not be read', ['Name a JSON Schema file that can be read.'], error)
  }
  throw missing(path)
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unusable(path, 'is not JSON', ['Check it with a JSON Schema validator.'], error)
  }
}

const missing = (path: string): EnvdriftError =>
  unusable(path, 'does not exist', ['Check --schema; a relative path starts at --service-dir, else where you are.'])

const unusable = (
  path: string,
  what: string,
  suggestions: readonly [string, ...string[]],
  cause?: unknown,
): EnvdriftError => new EnvdriftError('SCHEMA_UNUSABLE', `The schema ${printable(path)} ${what}`, {suggestions, cause})
