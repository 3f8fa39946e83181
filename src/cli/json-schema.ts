import {Ajv, type ErrorObject} from 'ajv'
import addFormats from 'ajv-formats'
import {Ajv2020} from 'ajv/dist/2020.js'

import {onlyOnce, type Violations} from './schema-violations.ts'

/**
 * Compile a JSON Schema: draft-07, or 2020-12 when its `$schema` says so. A string that spells a number, an integer, a
 * boolean or null is accepted as one, since all environment variables are strings. A violation is told by the schema's own
 * words, never by ajv's text about the value.
 *
 * Nothing is fetched: a `$ref` to another document is an error. Throws ajv's own errors. A `pattern` may take for ever, so
 * this belongs into a thread that can be ended: json-schema-thread.ts.
 */
export function compileJsonSchema(schema: object): (values: Readonly<Record<string, string>>) => Violations {
  const draft = '$schema' in schema ? String(schema.$schema) : ''
  const options = {coerceTypes: true, allErrors: true, strict: false, logger: false} as const
  const ajv = draft.includes('2020-12') ? new Ajv2020(options) : new Ajv(options)
  addFormats.default(ajv)
  const check = ajv.compile(schema)
  // A copy: ajv writes coerced values back.
  return (values) => (check({...values}) === true ? [] : onlyOnce((check.errors ?? []).map(violationOf)))
}

function violationOf({keyword, instancePath, params}: ErrorObject): Violations[number] {
  const name = instancePath.split('/')[1]?.replaceAll('~1', '/').replaceAll('~0', '~')
  const {missingProperty, additionalProperty, type, format} = params as Record<string, unknown>
  if (typeof missingProperty === 'string') return {name: missingProperty, rule: 'required'}
  if (typeof additionalProperty === 'string') return {name: additionalProperty, rule: 'not in the schema'}
  const detail = typeof type === 'string' ? type : typeof format === 'string' ? format : undefined
  return {name: name ?? '(all variables)', rule: detail === undefined ? keyword : `${keyword} ${detail}`}
}
