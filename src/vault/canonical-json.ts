/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | {readonly [key: string]: Json}

/**
 * The one spelling of a JSON value: keys sorted by UTF-16 code unit, no blanks, numbers and strings as ECMAScript writes
 * them. Source: RFC 8785.
 */
export function canonicalJson(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, one]) => `${JSON.stringify(key)}:${canonicalJson(one)}`).join(',')}}`
}

/**
 * Reads UTF-8 JSON in its canonical spelling only, so that one value has one encoding: no blanks, no doubled keys, no
 * `1e0` for `1`, no escapes that aren't needed.
 *
 * @returns `undefined` for everything else.
 */
export function parseCanonicalJson(bytes: Uint8Array): Json | undefined {
  try {
    const text = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes)
    const value = JSON.parse(text) as Json
    return canonicalJson(value) === text ? value : undefined
  } catch {
    // Not UTF-8, not JSON, or nested so deep that the stack ends: each is "not a value that we wrote".
    return undefined
  }
}

const isArray = (value: object): value is readonly Json[] => Array.isArray(value)
