import {Worker} from 'node:worker_threads'

import type {Answer} from './json-schema-worker.ts'

type Message = Answer | {readonly kind: 'late'} | {readonly kind: 'broken'; readonly why: unknown}

/** How checking ended: with an answer; after the limit; or with the end of the thread, for want of memory mostly. */
type Checked = Extract<Message, {kind: 'checked' | 'late' | 'broken'}>

export type JsonSchemaThread = {
  /** Values in the order in which they were given; after `late` or `broken` the thread is gone, and says so again. */
  readonly check: (values: Readonly<Record<string, string>>) => Promise<Checked>
}

/** How much memory the thread may take, in MiB, so that a hostile schema ends it and not the whole run. */
const memoryMb = 512

// The build puts the thread's entry above its chunks.
const entry = import.meta.url.endsWith('.ts')
  ? new URL('json-schema-worker.ts', import.meta.url)
  : new URL('../json-schema-worker.js', import.meta.url)

/**
 * Compile a JSON Schema in a thread of its own: a `pattern` such as `^(a+)+$` takes longer than the universe lasts, and
 * nothing but the end of its thread stops a regular expression. (An engine without backtracking knows no look-ahead, which
 * schemas use.)
 *
 * @param limitMs - for the compilation and for each set of values, in milliseconds.
 * @throws the reason of `signal`.
 */
export async function startJsonSchema(
  schema: object,
  {limitMs, signal}: {readonly limitMs: number; readonly signal: AbortSignal},
): Promise<JsonSchemaThread | Exclude<Message, {kind: 'ready'}>> {
  signal.throwIfAborted()
  // Nothing of ours is in its reach but the schema and the values.
  const worker = new Worker(entry, {
    workerData: schema,
    env: {},
    execArgv: [],
    resourceLimits: {maxOldGenerationSizeMb: memoryMb},
  })
  // It may also fail while it is ended, where nobody waits.
  worker.on('error', () => {})
  let end: Message | undefined

  const answered = async (): Promise<Message> => {
    if (end !== undefined) return end
    const {promise, resolve, reject} = Promise.withResolvers<Message>()
    const timer = setTimeout(() => resolve({kind: 'late'}), limitMs)
    const abort = (): void => reject(signal.reason as Error)
    const broken = (why: unknown): void => resolve({kind: 'broken', why})
    signal.addEventListener('abort', abort)
    worker.once('message', resolve).once('error', broken).once('exit', broken)
    try {
      const message = await promise
      if (message.kind === 'late' || message.kind === 'broken') end = message
      return message
    } catch (error) {
      end = {kind: 'broken', why: error}
      throw error
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      worker.off('message', resolve).off('error', broken).off('exit', broken)
      if (end !== undefined) void worker.terminate()
    }
  }

  const first = await answered()
  if (first.kind !== 'ready') return first
  let turn: Promise<unknown> = Promise.resolve()
  return {
    check: (values) => {
      const mine = turn.then(async () => {
        if (end === undefined) worker.postMessage(values)
        return (await answered()) as Checked
      })
      turn = mine.catch(() => {})
      return mine
    },
  }
}
