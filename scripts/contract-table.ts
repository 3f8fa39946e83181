/**
 * `node scripts/contract-table.ts FILE`: what the contract suite saw, as a table of Markdown: a column for each provider, a
 * row for each situation, and in a cell what came of it, the requests it took and the time.
 *
 * FILE is what ENVDRIFT_CONTRACT_TABLE named while tests ran. A cell that several tests wrote shows each outcome once, and
 * the longest time.
 */
import {readFileSync} from 'node:fs'
import {pathToFileURL} from 'node:url'

/** A line of the file. */
type Seen = {
  readonly provider: string
  readonly situation: string
  readonly outcome: string
  readonly ms: number
  /** Requests for secrets that the service saw. */
  readonly requests: number
}

/** @param lines - one JSON document each; empty ones are left out. */
export function contractTable(lines: readonly string[]): string {
  const seen = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Seen)
  const providers = [...new Set(seen.map(({provider}) => provider))].toSorted()
  const bySituation = Map.groupBy(seen, ({situation}) => situation)
  const rows = [...bySituation].map(([situation, all]) => {
    const cells = providers.map((name) => cell(all.filter(({provider}) => provider === name)))
    return [situation, ...cells]
  })
  const head = ['situation', ...providers]
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(escaped).join(' | ')} |\n`).join('')
}

function cell(all: readonly Seen[]): string {
  if (all.length === 0) return '–'
  const outcomes = [...new Set(all.map(({outcome}) => outcome))].join(' or ')
  const requests = Math.max(...all.map(({requests: one}) => one))
  const ms = Math.max(...all.map(({ms: one}) => one))
  return `${outcomes}; ${requests} ${requests === 1 ? 'request' : 'requests'}, ${ms} ms`
}

const escaped = (text: string): string => text.replaceAll('|', String.raw`\|`)

const [, program = '', file] = process.argv
if (import.meta.url === pathToFileURL(program).href) {
  if (file === undefined) throw new Error('Usage: node scripts/contract-table.ts FILE')
  process.stdout.write(contractTable(readFileSync(file, 'utf8').split('\n')))
}
