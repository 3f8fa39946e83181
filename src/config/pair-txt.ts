import type {Remark, Remarks} from './mistakes.ts'
import {check, mappingSchema} from './schema.ts'
import type {SourceFile} from './source-file.ts'

/** One line of pair.txt; `name` is all that stands before the `=`. */
export type Pair = {readonly name: string; readonly folder: string; readonly line: number}

/** The lines of a pair.txt: `secret=folder` or `vault/secret=folder`; `#` starts a comment where it starts a line. */
export function readPairs(file: SourceFile, {mistakes}: Remarks): readonly Pair[] {
  const pairs: Pair[] = []
  file.text.split(/\r\n|\n|\r/).forEach((whole, index) => {
    const text = whole.trim()
    if (text === '' || text.startsWith('#')) return
    const line = index + 1
    const wrong = (what: string): void => {
      mistakes.push({place: {file, path: []}, line, text: what} satisfies Remark)
    }
    const equals = text.indexOf('=')
    if (equals === -1) return wrong('there is no "=": write secret-name=folder, or vault/secret-name=folder')
    const name = text.slice(0, equals).trim()
    const folder = text.slice(equals + 1).trim()
    if (name === '') return wrong('there is no secret name before the "="')
    if (name.endsWith('/')) return wrong('there is no secret name between the "/" and the "="')
    if (folder === '') return wrong('there is no folder after the "="')
    if (/\s#|^#/.test(folder))
      return wrong('a comment needs a line of its own: here it would become part of the folder')
    const {issues} = check(mappingSchema.entries.folder_path, folder, 'the folder')
    if (issues !== undefined) return wrong(issues[0]!.text)
    pairs.push({name, folder, line})
  })
  return pairs
}
