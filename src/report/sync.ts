import {basename} from 'node:path'

import boxen from 'boxen'

import {EnvdriftError} from '../core/errors.ts'
import {writtenName} from '../core/mapping.ts'
import {exitReasonOf, type DecryptionResult, type Outcome, type SchemaResult, type SyncReport} from '../core/outcome.ts'
import {partsOf} from '../core/parts.ts'
import type {Sight, SkipReason} from '../core/plan.ts'
import {errorDocument, reasonOf, shownMessage, type Output, type Result, type Style} from '../core/report.ts'
import {firstFew, printable, shortened} from '../core/text.ts'
import {errorOutputs, warningOutput} from './errors.ts'
import {paint} from './paint.ts'
import {shownPath, withShownPaths} from './shown-path.ts'
import {wrapped} from './wrapped.ts'

/** What `envdrift sync` prints, and its `--json` document (schema: docs/schemas/sync.schema.json). */
export const syncResult = (report: SyncReport): Result => ({
  reason: exitReasonOf(report),
  // Of thousands of rows, it is made only for who wants it.
  get document() {
    return document(report)
  },
  outputs: (style) => [
    ...sharedErrors(report, style),
    ...rows(report, style),
    ...(style.quiet ? [] : [summary(report, style)]),
    ...coverageWarnings(report, style),
  ],
})

const icons = {created: '+', updated: '~', skipped: '=', ephemeral: '-', error: 'x'} as const

/** A row for each mapping, its details indented below it. `--quiet` leaves only what is wrong. */
function rows(report: SyncReport, style: Style): readonly Output[] {
  const {outcomes} = report
  const uses = new Map<string, number>()
  for (const {mapping} of outcomes) uses.set(mapping.folderPath, (uses.get(mapping.folderPath) ?? 0) + 1)
  const explained = new Set(sharedOf(outcomes).keys())
  const manyVaults = new Set(outcomes.map(({mapping}) => mapping.ref.vault)).size > 1
  const seen = outcomes.filter((outcome) => !style.quiet || isBad(outcome))
  const textOf = (outcome: Outcome): string =>
    row(outcome, {style, alone: uses.get(outcome.mapping.folderPath) === 1, manyVaults, explained})
  return partsOf(seen, rowsAtOnce).map((some) => ({to: 'stdout', text: some.map(textOf).join('')}))
}

/** So many rows are written together: each write is a call of the system. */
const rowsAtOnce = 100

type Around = {
  readonly style: Style
  /** Only one mapping has this folder, so the folder says which row this is. */
  readonly alone: boolean
  /** The run has more than one vault, so each row says its own. */
  readonly manyVaults: boolean
  /** What was said of whole vaults, so that their rows need not say it again. */
  readonly explained: ReadonlySet<string>
}

function row(outcome: Outcome, {style, alone, manyVaults, explained}: Around): string {
  const {mapping, status} = outcome
  const color = paint(style.color)
  const tint = {
    created: color.green,
    updated: color.yellow,
    skipped: color.dim,
    ephemeral: color.cyan,
    error: color.red,
  }[status]
  const parts = [
    ...(alone
      ? []
      : [
          shown(writtenName(mapping.ref)),
          mapping.environment === undefined ? mapping.key : shown(mapping.environment),
        ]),
    ...(manyVaults ? [`vault ${shown(mapping.ref.vault)}`] : []),
  ]
  const which = parts.length === 0 ? '' : ` (${parts.join(', ')})`
  const why = outcome.status === 'skipped' ? skipWord(outcome.reason) : ''
  // The icon stays with the path, however long that is.
  const head = wrapped(`${shown(mapping.folderPath)}${which} - ${tint(status)}${why}`, style.width - 4, 0)
  const lines: string[] = []
  if (outcome.status === 'updated' && outcome.backup !== undefined)
    lines.push(`    Backup: ${shownPath(outcome.backup, style.cwd)}`)
  if (outcome.status === 'error') {
    const isExplained = explained.has(explanationOf(outcome.mapping, outcome.error))
    lines.push(
      isExplained
        ? `    Error: ${outcome.error.code}, explained above (on stderr)`
        : `    Error: ${withShownPaths(shownMessage(outcome.error), style.cwd)}`,
    )
    if (outcome.local) lines.push(`    Local:  ${sightText(outcome.local)}`)
    if (outcome.vault) lines.push(`    Vault:  ${sightText(outcome.vault)}`)
    if (!isExplained)
      lines.push(...outcome.error.suggestions.map((text) => `    → ${withShownPaths(printable(text), style.cwd)}`))
  }
  if (outcome.decryption) lines.push(...decryptionLines(outcome.decryption, style))
  if (outcome.notEncrypted) lines.push(...plainLines(outcome.notEncrypted, style))
  if (outcome.schema) lines.push(...schemaLines(outcome.schema))
  if (style.verbose) lines.push(...verboseLines(outcome, style))
  const details = lines.map((line) => `${wrapped(shortened(line, maxLine), style.width, 6)}\n`)
  return `  ${tint(icons[status])} ${head.replaceAll('\n', '\n    ')}\n${details.join('')}`
}

const isBad = ({status, decryption, schema}: Outcome): boolean =>
  status === 'error' || decryption?.kind === 'failed' || schema?.kind === 'violated' || schema?.kind === 'failed'

function skipWord(reason: SkipReason): string {
  switch (reason.kind) {
    case 'in-sync':
      return ''
    case 'declined':
      return ' (declined)'
    case 'no-access':
      return ' (no access; required in CI)'
    case 'sops':
      return ' (managed by SOPS)'
    case 'matches-public-key':
      return ` (matches the public key in ${printable(basename(reason.envFile))})`
  }
}

const shown = (name: string): string => shortened(printable(name))

/** A line of a row, in characters; a list of names may be longer than a single one. */
const maxLine = 4_000

/** So many names or rules of one row are listed; `--json` has them all. */
const maxListed = 50

const andMore = (left: number): string => `and ${left} more`

/** What people see of a key. A long version (AWS's are UUIDs) is shown by its start, as a commit is. */
export function sightText({fingerprint, version}: Sight): string {
  if (version === undefined) return fingerprint
  return `${fingerprint} (version ${printable(version.length > 12 ? `${version.slice(0, 8)}…` : version)})`
}

function decryptionLines(result: DecryptionResult, style: Style): readonly string[] {
  const color = paint(style.color)
  switch (result.kind) {
    case 'passed':
      return [`    Decryption: ${color.green('PASSED')}`]
    case 'failed': {
      const names = listed(result.names)
      return [`    Decryption: ${color.red('FAILED')} (${result.why ?? `the key does not open ${names}`})`]
    }
    case 'skipped':
      return [`    Decryption: skipped (${result.why})`]
  }
}

const plainLines = (names: readonly string[], {verbose}: Style): readonly string[] => [
  `    Not encrypted: ${count(names.length, 'value')}${verbose ? ` (${listed(names)})` : ''}`,
]

const listed = (names: readonly string[]): string => firstFew(names.map(shown), maxListed, andMore).join(', ')

function schemaLines(result: SchemaResult): readonly string[] {
  switch (result.kind) {
    case 'valid':
      return ['    Schema: valid']
    case 'violated':
      return [
        `    Schema: ${count(result.violations.length, 'violation')}`,
        ...firstFew(
          result.violations.map(({name, rule}) => `      ${shown(name)}: ${shown(rule)}`),
          maxListed,
          (left) => `      ${andMore(left)}`,
        ),
      ]
    case 'failed':
      return [
        `    Schema: ${shownMessage(result.error)}`,
        ...result.error.suggestions.map((text) => `    → ${printable(text)}`),
      ]
    case 'skipped':
      return [`    Schema: skipped (${result.why})`]
  }
}

function verboseLines({mapping, warning}: Outcome, {cwd}: Style): readonly string[] {
  return [
    `    Secret: ${shown(writtenName(mapping.ref))}${mapping.ref.vault === 'default' ? '' : ` in the vault ${shown(mapping.ref.vault)}`}`,
    `    Key: ${mapping.key} in ${shownPath(mapping.keysFile, cwd)}`,
    `    Env file: ${mapping.envFile === undefined ? 'none' : shownPath(mapping.envFile, cwd)}`,
    ...(warning === undefined ? [] : [`    Warning: ${withShownPaths(printable(warning), cwd)}`]),
  ]
}

/** The panel of the original, 40 columns wide: within what the narrowest terminal shows. */
function summary(report: SyncReport, style: Style): Output {
  const {outcomes, checkDecryption, coverage} = report
  const counts = countsOf(outcomes)
  const lines = [
    `Services processed: ${outcomes.length}${isPart(report) ? ` of ${report.total}` : ''}`,
    `Created: ${counts.created}`,
    `Updated: ${counts.updated}`,
    `Skipped: ${counts.skipped}`,
    ...(counts.ephemeral > 0 ? [`Ephemeral: ${counts.ephemeral}`] : []),
    `Errors: ${counts.errors}`,
    ...(checkDecryption ? ['', 'Decryption Tests:', `  Passed: ${counts.passed}`, `  Failed: ${counts.failed}`] : []),
    ...(report.validateSchema
      ? ['', 'Schema Validation:', `  Valid: ${counts.valid}`, `  Invalid: ${counts.invalid}`]
      : []),
  ]
  const panel = boxen(lines.join('\n'), {
    title: 'Sync Summary',
    titleAlignment: 'center',
    borderStyle: 'round',
    padding: {left: 1, right: 1},
    width: Math.min(40, style.width),
  })
  const color = paint(style.color)
  const verdict = verdictOf(report)
  const tinted = exitReasonOf(report) === 'ok' ? color.green(verdict) : color.red(verdict)
  const covered =
    coverage === undefined
      ? []
      : [
          `${coverage.total - coverage.uncovered.length} of ${count(coverage.total, 'encrypted env file')} ${coverage.total === 1 ? 'is' : 'are'} covered`,
        ]
  return {
    to: 'stdout',
    text: `\n${panel}\n${[tinted, ...covered].map((line) => wrapped(line, style.width, 2)).join('\n')}\n`,
  }
}

/** One line for who reads nothing else; it says "all" only of what really was compared. */
function verdictOf(report: SyncReport): string {
  const {outcomes, mode} = report
  const bad = outcomes.filter(isBad).length
  if (bad > 0) return `${bad} of ${count(outcomes.length, 'service')} failed`
  if (exitReasonOf(report) !== 'ok') return 'Not every encrypted env file is covered'
  const left = outcomes.filter(
    ({status, ...one}) => status === 'skipped' && 'reason' in one && leftAlone.has(one.reason.kind),
  ).length
  if (left > 0) return `${outcomes.length - left} of ${count(outcomes.length, 'service')} in sync, ${left} left alone`
  if (outcomes.length === 0)
    return `None of the ${count(report.total, 'service')} is in this shard: the others check them`
  if (isPart(report)) return `All of these ${outcomes.length} of ${count(report.total, 'service')} are in sync`
  return mode === 'verify' ? 'All services are in sync' : 'All services synced successfully'
}

/** `--filter` or `--shard` left some mappings to other runs. */
const isPart = ({outcomes, total}: SyncReport): boolean => outcomes.length < total

const leftAlone: ReadonlySet<SkipReason['kind']> = new Set(['declined', 'no-access', 'sops'])

function countsOf(
  outcomes: readonly Outcome[],
): Readonly<
  Record<'created' | 'updated' | 'skipped' | 'ephemeral' | 'errors' | 'passed' | 'failed' | 'valid' | 'invalid', number>
> {
  const number = (is: (outcome: Outcome) => boolean): number => outcomes.filter(is).length
  return {
    created: number(({status}) => status === 'created'),
    updated: number(({status}) => status === 'updated'),
    skipped: number(({status}) => status === 'skipped'),
    ephemeral: number(({status}) => status === 'ephemeral'),
    errors: number(({status}) => status === 'error'),
    passed: number(({decryption}) => decryption?.kind === 'passed'),
    failed: number(({decryption}) => decryption?.kind === 'failed'),
    valid: number(({schema}) => schema?.kind === 'valid'),
    invalid: number(({schema}) => schema?.kind === 'violated' || schema?.kind === 'failed'),
  }
}

function coverageWarnings({coverage}: SyncReport, style: Style): readonly Output[] {
  if (coverage === undefined) return []
  const say = (path: string): readonly Output[] =>
    coverage.required
      ? errorOutputs(notCovered(path), style)
      : [warningOutput(`${path} is encrypted, but no mapping names it: nothing checks its key`, style)]
  const left = coverage.uncovered.length - maxListed
  return [
    ...coverage.uncovered.slice(0, maxListed).flatMap(say),
    ...(left > 0 ? [warningOutput(`and ${left} more encrypted env files that no mapping names`, style)] : []),
  ]
}

const notCovered = (path: string): EnvdriftError =>
  new EnvdriftError('NOT_COVERED', `${path} is encrypted, but no mapping names it (coverage is required)`, {
    suggestions: ['Add a mapping with its folder to the configuration, or remove the file.'],
  })

/**
 * Trouble that a whole vault has (nobody is logged in, no answer) is explained once, on stderr; the rows of that vault say
 * only that it is that.
 */
const wholeVault: ReadonlySet<string> = new Set([
  'NOT_LOGGED_IN',
  'LOGIN_REFUSED',
  'UNREACHABLE',
  'TIMEOUT',
  'TLS_REFUSED',
  'VAULT_SEALED',
  'VAULT_NOT_FOUND',
  'VAULT_WRONG_PASSWORD',
  'VAULT_PASSWORD_MISSING',
  'VAULT_CORRUPT',
  'NOT_A_VAULT',
  'VAULT_TOO_NEW',
])

/** Each trouble of a whole vault once, in the order of the rows. */
function sharedOf(outcomes: readonly Outcome[]): ReadonlyMap<string, EnvdriftError> {
  const first = new Map<string, EnvdriftError>()
  const once = new Map<string, EnvdriftError>()
  for (const outcome of outcomes) {
    if (outcome.status !== 'error' || !wholeVault.has(outcome.error.code)) continue
    const kind = JSON.stringify([outcome.mapping.ref.vault, outcome.error.code])
    if (first.has(kind)) continue
    first.set(kind, outcome.error)
    once.set(explanationOf(outcome.mapping, outcome.error), outcome.error)
  }
  return once
}

/** Two rows whose messages differ need an explanation each. */
const explanationOf = ({ref}: Outcome['mapping'], {code, message}: EnvdriftError): string =>
  JSON.stringify([ref.vault, code, message])

const sharedErrors = ({outcomes}: SyncReport, style: Style): readonly Output[] =>
  [...sharedOf(outcomes).values()].flatMap((error) => errorOutputs(error, style))

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

function document(report: SyncReport): Readonly<Record<string, unknown>> {
  const {outcomes, coverage, mode, config, base} = report
  return {
    ok: exitReasonOf(report) === 'ok',
    mode,
    config: printable(config),
    base: printable(base),
    summary: {services: outcomes.length, total: report.total, ...countsOf(outcomes)},
    rows: outcomes.map((outcome) => rowDocument(outcome, report)),
    coverage:
      coverage === undefined
        ? null
        : {
            total: coverage.total,
            covered: coverage.total - coverage.uncovered.length,
            uncovered: coverage.uncovered.map((path) => printable(path)),
            required: coverage.required,
          },
  }
}

function rowDocument(outcome: Outcome, report: SyncReport): Readonly<Record<string, unknown>> {
  const {mapping, status, decryption, schema, warning} = outcome
  return {
    folder: printable(mapping.folderPath),
    vault: printable(mapping.ref.vault),
    secret: printable(writtenName(mapping.ref)),
    environment: mapping.environment ?? null,
    key: mapping.key,
    keysFile: shownPath(mapping.keysFile, report.base),
    envFile: mapping.envFile === undefined ? null : shownPath(mapping.envFile, report.base),
    status,
    ...(outcome.status === 'skipped' ? {reason: outcome.reason.kind} : {}),
    ...(outcome.status === 'updated' && outcome.backup !== undefined
      ? {backup: shownPath(outcome.backup, report.base)}
      : {}),
    ...(outcome.status === 'error'
      ? {
          error: {...errorDocument(outcome.error), exitReason: reasonOf(outcome.error)},
          local: outcome.local ?? null,
          vaultValue: outcome.vault ?? null,
        }
      : {}),
    ...(outcome.notEncrypted === undefined ? {} : {notEncrypted: outcome.notEncrypted.map((name) => printable(name))}),
    ...(decryption === undefined ? {} : {decryption: decryptionDocument(decryption)}),
    ...(schema === undefined ? {} : {schema: schemaDocument(schema)}),
    ...(warning === undefined ? {} : {warning: printable(warning)}),
  }
}

function decryptionDocument(result: DecryptionResult): Readonly<Record<string, unknown>> {
  switch (result.kind) {
    case 'passed':
      return {status: 'passed', values: result.values}
    case 'failed':
      return {
        status: 'failed',
        names: result.names.map((name) => printable(name)),
        why: result.why ?? 'the key does not open these values',
      }
    case 'skipped':
      return {status: 'skipped', why: result.why}
  }
}

function schemaDocument(result: SchemaResult): Readonly<Record<string, unknown>> {
  switch (result.kind) {
    case 'valid':
      return {status: 'valid'}
    case 'violated':
      return {
        status: 'violated',
        violations: result.violations.map(({name, rule}) => ({name: printable(name), rule: printable(rule)})),
      }
    case 'failed':
      return {status: 'failed', error: errorDocument(result.error)}
    case 'skipped':
      return {status: 'skipped', why: result.why}
  }
}
