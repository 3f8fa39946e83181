import {globSync, readFileSync} from 'node:fs'
import {join, sep} from 'node:path'

/** The root of the repository. */
export const repository = join(import.meta.dirname, '../..')

/** A text of the repository for people, by its path from the root, with slashes. */
export type Page = {readonly path: string; readonly text: string}

/** A fenced block. */
export type Block = {
  readonly page: string
  /** 1-based, of the fence. */
  readonly line: number
  readonly language: string
  readonly text: string
  /** What the comment right above the fence says, or nothing. */
  readonly mark: string
}

export const pageOf = (path: string): Page => ({path, text: readFileSync(join(repository, path), 'utf8')})

/** Everything that people read: the pages at the root, in docs and in examples. */
export const pages: readonly Page[] = [
  'README.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  ...globSync('{docs,examples}/**/*.md', {cwd: repository}).map((path) => path.split(sep).join('/')),
]
  .toSorted()
  .map(pageOf)

export const blocksOf = ({path, text}: Page): readonly Block[] =>
  [...text.matchAll(/(?:^<!-- (.+) -->\n)?^```(\w*)\n([^]*?)^```$/gm)].map((match) => {
    const [, mark = '', language = '', inside = ''] = match
    const line = text.slice(0, match.index).split('\n').length + (mark === '' ? 0 : 1)
    return {page: path, line, language, text: inside, mark}
  })

export const blocks: readonly Block[] = pages.flatMap(blocksOf)

/** All fenced blocks in a language, for `it.each`: with a name that tells where the block is. */
export const blocksIn = (...languages: readonly string[]): readonly (Block & {readonly name: string})[] =>
  blocks
    .filter(({language}) => languages.includes(language))
    .map((block) => ({...block, name: `${block.page}:${block.line}`}))

/**
 * Rows of the first table below a heading, cells trimmed, without header and rule. A cell keeps its backticks.
 *
 * @throws Error when there is no such heading, or no table below it.
 */
export function tableBelow({path, text}: Page, heading: string): readonly (readonly string[])[] {
  const from = text.indexOf(`\n${heading}\n`)
  if (from === -1) throw new Error(`${path} has no ${heading}`)
  const [table] = /(?:^\|.*\|\n)+/m.exec(text.slice(from)) ?? []
  if (table === undefined) throw new Error(`${path} has no table below ${heading}`)
  return rowsOf(table)
}

/** Rows of all tables of a page, without headers and rules. */
export const tablesOf = ({text}: Page): readonly (readonly string[])[] =>
  [...text.matchAll(/(?:^\|.*\|\n)+/gm)].flatMap(([table]) => rowsOf(table))

const rowsOf = (table: string): readonly (readonly string[])[] =>
  table
    .trimEnd()
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll(String.raw`\|`, '|')),
    )

/** A text between backticks, without them. */
export const unquoted = (cell: string): string => cell.replace(/^`(.*)`$/, '$1')
