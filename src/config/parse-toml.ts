import {parse, TomlError} from 'smol-toml'

import {EnvdriftError} from '../core/errors.ts'
import {printable} from '../core/text.ts'
import type {SourceFile} from './source-file.ts'

export type Table = {readonly [key: string]: unknown}

/**
 * A TOML file as nested tables.
 *
 * @throws EnvdriftError CONFIG_SYNTAX with line and column; it quotes nothing of the file, which may hold a password.
 */
export function parseToml({text, shown}: SourceFile): Table {
  try {
    return parse(text)
  } catch (error) {
    const [where, what] =
      error instanceof TomlError
        ? [`:${error.line}:${error.column}`, error.message.split('\n')[0]!.replace('Invalid TOML document: ', '')]
        : ['', 'it is nested too deeply']
    const guess = guessOf(what)
    throw new EnvdriftError('CONFIG_SYNTAX', `TOML syntax error in ${shown}${where}: ${printable(what)}`, {
      suggestions: [...guess, 'Correct that place; https://toml.io/en/v1.0.0 has the grammar.'] as [string],
    })
  }
}

/** What most often is behind the parser's words. */
function guessOf(what: string): readonly string[] {
  if (/control characters are not allowed|unfinished string|expected comma/.test(what))
    return ['Is a closing quote missing, there or before it?']
  return what === 'invalid value' ? ['Write text in quotes: provider = "local".'] : []
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
