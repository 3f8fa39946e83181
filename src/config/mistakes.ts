import type {ErrorCode} from '../core/errors.ts'
import {EnvdriftError} from '../core/errors.ts'
import type {SourceFile} from './source-file.ts'

/** What a mistake can be; all of them together are raised as the gravest. */
export type MistakeCode = Extract<
  ErrorCode,
  'CONFIG_NOT_ALLOWED' | 'VAULT_ADDRESS_CONFLICT' | 'CONFIG_INVALID' | 'NOT_THERE_YET'
>

/** A place in a configuration file: keys and indices from its top. */
export type Place = {readonly file: SourceFile; readonly path: readonly (string | number)[]}

/** A mistake or a warning. `text` is safe to print, says what is wrong and what to do. */
export type Remark = {
  readonly text: string
  readonly place?: Place | undefined
  readonly line?: number
  readonly code?: MistakeCode
  /** Of an unknown key: the one that it most likely is. */
  readonly meant?: string
}

/** What a reading collects, so that all of it can be said at once. */
export type Remarks = {readonly mistakes: Remark[]; readonly warnings: Remark[]}

/** More lines than this help nobody. */
const maxShown = 50

/** The code of the whole when several apply: what touches trust comes first. */
const precedence: readonly MistakeCode[] = [
  'CONFIG_NOT_ALLOWED',
  'VAULT_ADDRESS_CONFLICT',
  'CONFIG_INVALID',
  'NOT_THERE_YET',
]

/**
 * @throws EnvdriftError with all the mistakes, each with its line and column; nothing when there are none. What would only
 *   have been a warning comes before the general advice. A mistyped key whose right name a mistake speaks of is what
 *   probably is wrong, and comes first of all.
 */
export async function throwMistakes({mistakes, warnings}: Remarks): Promise<void> {
  if (mistakes.length === 0) return
  const codes = new Set(mistakes.map(({code = 'CONFIG_INVALID'}) => code))
  const code = precedence.find((one) => codes.has(one)) ?? 'CONFIG_INVALID'
  const typos = code === 'CONFIG_INVALID' ? warnings.filter((one) => explains(one, mistakes)) : []
  const consequences = mistakes.filter((one) => !typos.includes(one))
  const lines = [...(await describe(typos)), ...(await describe(consequences))]
  const rest = lines.length > maxShown ? [`and ${lines.length - maxShown} more`] : []
  const advice = suggestionFor(code)
  const others = await describe(warnings.filter((one) => !typos.includes(one) && !mistakes.includes(one)))
  const [first, ...further] = [...others.slice(0, maxShown), advice]
  throw new EnvdriftError(
    code,
    lines.length === 1
      ? lines[0]!
      : [`${lines.length} mistakes in the configuration:`, ...lines.slice(0, maxShown), ...rest].join('\n  '),
    {suggestions: [first, ...further]},
  )
}

/** Is this a mistyped key, and does a mistake speak of what it should have been? */
const explains = ({meant}: Remark, mistakes: readonly Remark[]): boolean =>
  meant !== undefined && mistakes.some(({text}) => text.toLowerCase().includes(meant.toLowerCase()))

/** The unknown keys that should have been one of these. */
export const typosOf = (wanted: readonly string[], {warnings}: Remarks): readonly Remark[] =>
  warnings.filter(({meant}) => meant !== undefined && wanted.includes(meant))

/** Each remark as `file:line:column: text`, or as much of that as is known, in the order of the file. */
export async function describe(remarks: readonly Remark[]): Promise<readonly string[]> {
  const located: {readonly at: string; readonly line: number; readonly column: number; readonly text: string}[] = []
  for (const {text, place, line} of remarks) {
    if (place === undefined) located.push({at: '', line: 0, column: 0, text})
    else if (line !== undefined) located.push({at: `${place.file.shown}:${line}:1: `, line, column: 1, text})
    else {
      // Loaded only now: most runs have nothing to complain about.
      const {locate} = await import('./locate.ts')
      const found = locate(place)
      const where = found === undefined ? '' : `:${found.line}:${found.column}`
      located.push({at: `${place.file.shown}${where}: `, line: found?.line ?? 0, column: found?.column ?? 0, text})
    }
  }
  return located.toSorted((a, b) => a.line - b.line || a.column - b.column).map(({at, text}) => at + text)
}

function suggestionFor(code: MistakeCode): string {
  switch (code) {
    case 'CONFIG_NOT_ALLOWED':
      return 'A pull request can change files of the repository, so some settings belong to the machine: docs/configuration.md, "Who may set what".'
    case 'VAULT_ADDRESS_CONFLICT':
      return 'No token was sent. Find out which address is right before you change either.'
    case 'NOT_THERE_YET':
      return 'Remove the setting until a later version has it; it is refused because ignoring it would mislead.'
    case 'CONFIG_INVALID':
      return 'Correct these places; docs/configuration.md lists every setting.'
  }
}
