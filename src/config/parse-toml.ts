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
    throw new EnvdriftError('CONFIG_SYNTAX', `TOML syntax error in ${shown}${where}: ${printable(what)}`, {
      suggestions: ['Correct that place; https://toml.io/en/v1.0.0 has the grammar.'],
    })
  }
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
