import {Ajv, type ValidateFunction} from 'ajv'
import addFormats from 'ajv-formats'
import {Ajv2020} from 'ajv/dist/2020.js'

/**
 * Compile a JSON Schema: draft-07, or 2020-12 when its `$schema` says so. A string that spells a number, an integer, a
 * boolean or null is accepted as one, since all environment variables are strings.
 *
 * Nothing is fetched: a `$ref` to another document is an error. Throws ajv's own errors.
 */
export function compileJsonSchema(schema: object): ValidateFunction {
  const draft = '$schema' in schema ? String(schema.$schema) : ''
  const options = {coerceTypes: true, allErrors: true, strict: false, logger: false} as const
  const ajv = draft.includes('2020-12') ? new Ajv2020(options) : new Ajv(options)
  addFormats.default(ajv)
  return ajv.compile(schema)
}
