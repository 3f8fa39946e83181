import type {Validate} from '../workflows/prove.ts'

/** Variables that break a schema, and by which rule. */
export type Violations = Awaited<ReturnType<Validate>>

/**
 * Each rule once for a variable, and of patterns and limits only that they don't hold: a schema that tries a value letter by
 * letter would else have it spelt out in the log.
 */
export const onlyOnce = (violations: Violations): Violations => [
  ...new Map(violations.map((one) => [JSON.stringify([one.name, one.rule.split(' ')[0]]), one])).values(),
]
