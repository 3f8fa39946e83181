import type {EnvdriftError, ExitReason} from './errors.ts'
import type {Mapping, Sight, SkipReason} from './plan.ts'
import {reasonOf, worstReason} from './report.ts'

/** What came of one mapping's decryption check. Names are names of variables, never values. */
export type DecryptionResult =
  | {readonly kind: 'passed'; readonly values: number}
  | {readonly kind: 'failed'; readonly names: readonly string[]; readonly why?: string}
  | {readonly kind: 'skipped'; readonly why: string}

/** What came of one service's schema validation: variable and rule, never the value. */
export type SchemaResult =
  | {readonly kind: 'valid'}
  | {readonly kind: 'violated'; readonly violations: readonly {readonly name: string; readonly rule: string}[]}
  | {readonly kind: 'failed'; readonly error: EnvdriftError}
  | {readonly kind: 'skipped'; readonly why: string}

/** Records of what happened to one mapping. */
export type Outcome = {
  readonly mapping: Mapping
  readonly decryption?: DecryptionResult
  readonly schema?: SchemaResult
  readonly warning?: string
  /** Names of values that dotenvx would encrypt and didn't, in a file that has encrypted ones; when something is checked. */
  readonly notEncrypted?: readonly string[]
} & (
  | {readonly status: 'created'}
  | {readonly status: 'updated'; readonly backup: string | undefined}
  | {readonly status: 'skipped'; readonly reason: SkipReason}
  | {readonly status: 'ephemeral'}
  | {readonly status: 'error'; readonly error: EnvdriftError; readonly local?: Sight; readonly vault?: Sight}
)

/** Encrypted env files of the repository, and those that no mapping names; paths relative to the repository. */
export type Coverage = {readonly total: number; readonly uncovered: readonly string[]; readonly required: boolean}

export type SyncReport = {
  /** Absolute path of the configuration, and of the directory that rows are relative to. */
  readonly config: string
  readonly base: string
  readonly mode: 'sync' | 'verify'
  readonly checkDecryption: boolean
  readonly validateSchema: boolean
  /** How many mappings the configuration has for this run; `--filter` and `--shard` may have left fewer. */
  readonly total: number
  /** In the order of the configuration. */
  readonly outcomes: readonly Outcome[]
  /** `undefined` outside a git repository: there is nothing to look through. */
  readonly coverage: Coverage | undefined
}

/** Everything that makes this run a failure, as exit reasons; empty when all is well. */
function* troubles({outcomes, coverage}: SyncReport): Generator<ExitReason> {
  for (const outcome of outcomes) {
    if (outcome.status === 'error') yield reasonOf(outcome.error)
    if (outcome.decryption?.kind === 'failed') yield 'decryption'
    if (outcome.schema?.kind === 'violated') yield 'error'
    if (outcome.schema?.kind === 'failed') yield reasonOf(outcome.schema.error)
  }
  if (coverage?.required === true && coverage.uncovered.length > 0) yield 'drift'
}

export const exitReasonOf = (report: SyncReport): ExitReason => worstReason(troubles(report))
