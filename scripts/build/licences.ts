import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

import type {BundledPackage} from './bundled-packages.ts'

/** Licences that let us ship the package inside ours, with their text beside it; docs/dependencies.md names them, too. */
export const allowedLicences = ['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']

/** A package with what its authors ask for. */
export type Licensed = {
  readonly of: BundledPackage
  /** SPDX identifier, one of {@link allowedLicences}. */
  readonly licence: string
  /** The licence's words, and those of a NOTICE file. */
  readonly text: string
}

type PackageJson = {
  /** An SPDX expression; in old packages an object, or several to choose from. */
  readonly license?: Named | readonly Named[]
  readonly licenses?: Named | readonly Named[]
}
type Named = string | {readonly type: string}

/**
 * Each package with its licence.
 *
 * @throws Error that names every package whose licence isn't on the list, or whose licence's text is nowhere to be found.
 */
export function licensed(root: string, packages: readonly BundledPackage[]): readonly Licensed[] {
  const found = packages.map((of) => {
    const folder = join(root, of.path)
    const licence = licenceOf(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageJson)
    return {of, licence, text: ownTextIn(folder), notices: textsOf(folder, /^notice(?:[.-]|$)/i)}
  })
  // Some packages of Apache-2.0 leave its text out, which is always the same; their authors' names are on the package.
  const apache = found.find(
    ({licence, text}) => licence === 'Apache-2.0' && text?.includes('TERMS AND CONDITIONS'),
  )?.text
  const whole = found.map(({of, licence, text, notices}) => {
    const own = text ?? (licence === 'Apache-2.0' ? apache : undefined)
    return {of, licence, text: own === undefined ? undefined : [own, ...notices].join('\n\n')}
  })
  const wrong = whole.flatMap(({of, licence, text}) => {
    const name = `${of.name} ${of.version}`
    if (licence === undefined) return [`${name}: its licence is not on the list in scripts/build/licences.ts`]
    return text === undefined ? [`${name}: it carries no text of its licence, ${licence}`] : []
  })
  if (wrong.length > 0) throw new Error(`Not to be shipped:\n  ${wrong.join('\n  ')}`)
  return whole as readonly Licensed[]
}

/** The allowed licence that a package.json names; `undefined` when there is none. */
export function licenceOf({license, licenses}: PackageJson): string | undefined {
  return [license ?? licenses ?? []]
    .flat()
    .flatMap((named) => choicesIn(typeof named === 'string' ? named : named.type))
    .find((one) => allowedLicences.includes(one))
}

/** `(MIT OR Apache-2.0)` are two; what is more complicated is for a person to look at. */
const choicesIn = (expression: string): readonly string[] => expression.replace(/^\((.*)\)$/, '$1').split(' OR ')

function ownTextIn(folder: string): string | undefined {
  const texts = textsOf(folder, /^(?:licen[cs]e|copying)(?:[.-]|$)/i)
  const sections = textsOf(folder, /^readme(?:\.|$)/i).flatMap((readme) => licenceIn(readme)?.trim() ?? [])
  const all = texts.length > 0 ? texts : sections.slice(0, 1)
  return all.length === 0 ? undefined : all.join('\n\n')
}

/** What stands in the files of such a name; an empty one says nothing. */
const textsOf = (folder: string, name: RegExp): readonly string[] =>
  readdirSync(folder)
    .filter((one) => name.test(one))
    .toSorted()
    .map((one) => readFileSync(join(folder, one), 'utf8').replaceAll('\r\n', '\n').trim())
    .filter((text) => text !== '')

/** The words of the MIT licence under a heading of a README; `undefined` where only its name is. */
function licenceIn(readme: string): string | undefined {
  const section = /^#*[ \t]*licen[cs]e[ \t]*\n(?:[-=]+\n)?(?<words>[\s\S]*)/im.exec(readme)?.groups?.['words']
  return section?.includes('Permission is hereby granted') === true ? section : undefined
}

/** The text of THIRD_PARTY_NOTICES: each licence once, under the names of the packages that have it word for word. */
export function noticesText(all: readonly Licensed[]): string {
  const groups = Map.groupBy(all, ({text}) => text)
  const chapters = [...groups].map(([text, members]) => {
    const names = new Set(members.map(({of, licence}) => `${of.name} ${of.version} (${licence})`))
    return `${[...names].join('\n')}\n\n${text}\n`
  })
  return [`envdrift contains these packages, under the licences that follow their names.\n`, ...chapters].join(
    `\n${'-'.repeat(80)}\n\n`,
  )
}
