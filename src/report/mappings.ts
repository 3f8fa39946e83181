import type {EnvdriftError} from '../core/errors.ts'
import {writtenName} from '../core/mapping.ts'
import type {Mapping} from '../core/plan.ts'
import {errorDocument, reasonOf, shownMessage, worstReason, type Output, type Result} from '../core/report.ts'
import {printable} from '../core/text.ts'
import {shownPath} from './shown-path.ts'

/** What `envdrift mappings` has found out. */
export type MappingsReport = {
  readonly config: string
  /** Absolute; paths are shown relative to it. */
  readonly base: string
  readonly total: number
  readonly rows: readonly {
    readonly mapping: Mapping
    readonly origin: {
      readonly kind: 'mapping' | 'pattern'
      readonly number: number
      readonly line: number | undefined
    }
    readonly error: EnvdriftError | undefined
  }[]
}

/** What `envdrift mappings` prints, and its `--json` document (schema: docs/schemas/mappings.schema.json). */
export const mappingsResult = (report: MappingsReport): Result => ({
  reason: worstReason(report.rows.flatMap(({error}) => (error === undefined ? [] : [reasonOf(error)]))),
  document: document(report),
  outputs: ({quiet, width}) => [
    ...lines(report, quiet, width),
    ...(quiet || report.rows.length === report.total
      ? []
      : [{to: 'stderr', text: `${report.rows.length} of ${report.total} mappings\n`} as const]),
  ],
})

/**
 * Columns: env file, key, secret, vault, where it is written. One line each, for grep; two where the terminal is too narrow
 * for one of them.
 */
function lines({rows, base}: MappingsReport, quiet: boolean, width: number): readonly Output[] {
  const cells = rows
    .filter(({error}) => !quiet || error !== undefined)
    .map(({mapping, origin, error}) => ({
      columns: [
        mapping.envFile === undefined ? printable(`${mapping.folderPath}/`) : shownPath(mapping.envFile, base),
        mapping.key,
        printable(writtenName(mapping.ref)),
        printable(mapping.ref.vault),
        `${origin.kind} ${origin.line === undefined ? origin.number : `in line ${origin.line}`}`,
      ],
      error,
    }))
  const widths = [0, 1, 2, 3].map((column) =>
    cells.reduce((widest, {columns}) => Math.max(widest, columns[column]!.length), 0),
  )
  const aligned = (columns: readonly string[]): string =>
    columns.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  const isNarrow = cells.some(({columns}) => aligned(columns).length > width)
  return cells.map(({columns, error}) => ({
    to: 'stdout',
    text: [
      ...(isNarrow ? [columns.slice(0, 2).join('  '), `    ${columns.slice(2).join('  ')}`] : [aligned(columns)]),
      ...(error === undefined ? [] : [`    Error: ${shownMessage(error)}`, ...error.suggestions.map(arrow)]),
      '',
    ].join('\n'),
  }))
}

const arrow = (suggestion: string): string => `    → ${printable(suggestion)}`

const document = ({config, base, total, rows}: MappingsReport): Readonly<Record<string, unknown>> => ({
  config: printable(config),
  base: printable(base),
  total,
  mappings: rows.map(({mapping, origin, error}) => ({
    folder: printable(mapping.folderPath),
    envFile: mapping.envFile === undefined ? null : shownPath(mapping.envFile, base),
    keysFile: shownPath(mapping.keysFile, base),
    key: mapping.key,
    secret: printable(writtenName(mapping.ref)),
    vault: printable(mapping.ref.vault),
    version: mapping.ref.version === undefined ? null : printable(mapping.ref.version),
    environment: mapping.environment ?? null,
    origin: {kind: origin.kind, number: origin.number, line: origin.line ?? null},
    ...(error === undefined ? {} : {error: {...errorDocument(error), exitReason: reasonOf(error)}}),
  })),
})
