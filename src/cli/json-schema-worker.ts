import {parentPort, workerData} from 'node:worker_threads'

import {compileJsonSchema} from './json-schema.ts'
import type {Violations} from './schema-violations.ts'

/** What the thread answers: first whether the schema can be used, then one answer for each set of values. */
export type Answer =
  | {readonly kind: 'ready'}
  | {readonly kind: 'invalid'; readonly why: string}
  | {readonly kind: 'checked'; readonly violations: Violations}

// Entry of a thread of its own, started by json-schema-thread.ts.
const answer = (text: Answer): void => parentPort?.postMessage(text)

try {
  const check = compileJsonSchema(workerData as object)
  parentPort?.on('message', (values: Readonly<Record<string, string>>) =>
    answer({kind: 'checked', violations: check(values)}),
  )
  answer({kind: 'ready'})
} catch (error) {
  answer({kind: 'invalid', why: error instanceof Error ? error.message : 'unknown'})
}
