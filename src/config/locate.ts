import type {AST} from 'toml-eslint-parser'
import {parseTOML} from 'toml-eslint-parser'

import type {Place} from './mistakes.ts'
import type {SourceFile} from './source-file.ts'

type Position = {readonly line: number; readonly column: number}
type Keys = readonly (string | number)[]

const positions = new WeakMap<SourceFile, ReadonlyMap<string, Position>>()

/**
 * Where a key stands in its file; where it is missing, its table.
 *
 * @returns line and column from 1, or `undefined` where the parser with positions can't follow.
 */
export function locate({file, path}: Place): Position | undefined {
  if (!positions.has(file)) positions.set(file, positionsIn(file.text))
  const known = positions.get(file)!
  for (let length = path.length; length > 0; length--) {
    const position = known.get(JSON.stringify(path.slice(0, length)))
    if (position !== undefined) return position
  }
  return undefined
}

/** Parts of a key, tables included. */
const deepest = 16

function positionsIn(text: string): ReadonlyMap<string, Position> {
  const found = new Map<string, Position>()
  const note = (path: Keys, {loc}: AST.TOMLNode): void => {
    const id = JSON.stringify(path)
    if (!found.has(id)) found.set(id, {line: loc.start.line, column: loc.start.column + 1})
  }
  const namesOf = (key: AST.TOMLKey): string[] =>
    key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value))
  const value = (path: Keys, node: AST.TOMLContentNode): void => {
    switch (node.type) {
      case 'TOMLArray':
        node.elements.forEach((element, index) => {
          note([...path, index], element)
          value([...path, index], element)
        })
        break
      case 'TOMLInlineTable':
        for (const pair of node.body) keyValue(path, pair)
        break
      case 'TOMLValue':
        break
    }
  }
  const keyValue = (path: Keys, node: AST.TOMLKeyValue): void => {
    const names = namesOf(node.key)
    // None of ours lies so deep; each further part would copy all those before it.
    if (path.length + names.length > deepest) return
    names.forEach((_, index) => note([...path, ...names.slice(0, index + 1)], node.key))
    value([...path, ...names], node.value)
  }
  try {
    const parsed = parseTOML(text).body[0].body
    for (const node of parsed) {
      if (node.type === 'TOMLKeyValue') keyValue([], node)
      else {
        if (node.resolvedKey.length > deepest) continue
        note(node.resolvedKey, node.key)
        for (const pair of node.body) keyValue(node.resolvedKey, pair)
      }
    }
    // A table without a header of its own, and a list of tables, stand where a header first speaks of them.
    for (const node of parsed) {
      if (node.type !== 'TOMLTable' || node.resolvedKey.length > deepest) continue
      node.resolvedKey.forEach((_, index) => note(node.resolvedKey.slice(0, index), node.key))
    }
  } catch {
    // The two parsers disagree about a corner of the grammar. The mistake is told all the same, only without its line.
  }
  return found
}
