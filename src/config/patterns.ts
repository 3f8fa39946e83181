import {basename, dirname} from 'node:path/posix'

import {printable} from '../core/text.ts'
import {environmentOfFile, isCompanion} from '../keys/env-file-name.ts'
import type {ConfigPort} from './config-port.ts'
import type {Written, WrittenPattern} from './contents.ts'
import {withSlashes} from './glob-problem.ts'
import type {Remarks} from './mistakes.ts'

/** What a `secret_name` of a pattern may hold in braces. */
const placeholders = ['folder', 'path', 'environment'] as const

type Placeholder = (typeof placeholders)[number]

/**
 * The mappings that `[[vault.sync.patterns]]` stand for: one for each env file that a pattern finds, in the order of the
 * patterns and of the files' paths.
 *
 * Links are not followed, node_modules and .git not looked into, and neither keys files nor examples of env files taken.
 * What is wrong with a pattern goes to `remarks`; so does one that finds nothing, as a warning.
 *
 * @param around.base - the directory that patterns are relative to.
 */
export async function expandPatterns(
  patterns: readonly WrittenPattern[],
  around: {readonly base: string; readonly keysFile: string; readonly port: ConfigPort; readonly remarks: Remarks},
): Promise<readonly Written[]> {
  const expanded: Written[] = []
  for (const one of patterns) expanded.push(...(await mappingsOf(one, around)))
  return expanded
}

async function mappingsOf(
  {pattern, place, line, number}: WrittenPattern,
  {base, keysFile, port, remarks}: Parameters<typeof expandPatterns>[1],
): Promise<readonly Written[]> {
  const {env_files: globs, exclude = [], secret_name: template, ...rest} = pattern
  const at = {place: {...place, path: [...place.path, 'secret_name']}}
  const unknown = template.match(/\{[^{}]*\}/g)?.find((part) => !isPlaceholder(part.slice(1, -1)))
  if (unknown !== undefined) {
    const known = placeholders.map((name) => `{${name}}`).join(', ')
    remarks.mistakes.push({...at, text: `secret_name has ${printable(unknown)}, and a pattern fills in ${known} only`})
    return []
  }
  const found = await port.glob(globs.map(withSlashes), exclude.map(withSlashes), base)
  const files = found.filter((path) => !isLeftOut(basename(path)) && basename(path) !== keysFile).toSorted()
  if (files.length === 0) {
    remarks.warnings.push({
      place,
      ...(line === undefined ? {} : {line}),
      text: emptyPattern({pattern, number}),
    })
  }
  return files.flatMap((path): readonly Written[] => {
    const [name, folder, environment] = [basename(path), dirname(path), environmentOfFile(basename(path))]
    const values: Readonly<Record<Placeholder, string | undefined>> = {
      folder: folder === '.' ? undefined : basename(folder),
      path: folder === '.' ? undefined : folder,
      environment,
    }
    const missing = placeholders.find((one) => template.includes(`{${one}}`) && values[one] === undefined)
    if (missing !== undefined) {
      const why = missing === 'environment' ? 'names no environment' : 'lies in no folder of its own'
      const text = `${printable(path)} ${why} for {${missing}}: exclude it, or give it a pattern or a mapping of its own`
      remarks.mistakes.push({...at, text})
      return []
    }
    const field = placeholders.find((one) => template.includes(`{${one}}`) && values[one]?.includes('#'))
    if (field !== undefined) {
      const text = `${printable(path)} has a # in {${field}}, and in secret_name that begins the name of a field: give it a mapping of its own`
      remarks.mistakes.push({...at, text})
      return []
    }
    const secretName = template.replaceAll(/\{([a-z]+)\}/g, (_, one: string) => values[one as Placeholder] ?? '')
    return [
      {
        kind: 'mapping',
        mapping: {
          ...rest,
          secret_name: secretName,
          folder_path: folder,
          env_file: name,
          ...(environment === undefined ? {} : {environment}),
        },
        place,
        ...(line === undefined ? {} : {line}),
        number,
        fromPattern: true,
      },
    ]
  })
}

/** That a pattern finds nothing, with its line where the words around don't have it. */
export function emptyPattern({pattern, number, line}: Pick<WrittenPattern, 'pattern' | 'number' | 'line'>): string {
  const where = line === undefined ? '' : ` (line ${line})`
  return `pattern ${number}${where} finds no env file: ${pattern.env_files.map((glob) => printable(glob)).join(', ')}`
}

/** Keys files, backups and examples. `vault.env` is an env file like another where somebody's pattern finds it. */
function isLeftOut(name: string): boolean {
  const [, own = '', rest = name] = /^([^.].*)?(\.env(?:\..*)?)$/.exec(name) ?? []
  return /^(?:example|sample|template|schema)$/i.test(own) || isCompanion(rest)
}

const isPlaceholder = (name: string): name is Placeholder => placeholders.some((one) => one === name)
