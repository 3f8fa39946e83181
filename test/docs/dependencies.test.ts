import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {expect, it} from 'vitest'

import {pageOf, repository, tableBelow, unquoted} from './pages.ts'

const packageJson = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as Readonly<
  Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Readonly<Record<string, string>>>
>

it.each([
  ['dependencies', '## In the program'],
  ['devDependencies', '## To work on it'],
  ['optionalDependencies', '## The Node that the repository brings'],
] as const)('says of each of the %s what it is for, and names no other', (kind, heading) => {
  const rows = tableBelow(pageOf('docs/dependencies.md'), heading)
  expect(rows.map(([name = '']) => unquoted(name)).toSorted()).toEqual(Object.keys(packageJson[kind]).toSorted())
  expect(rows.filter(([, purpose]) => purpose === '')).toEqual([])
})
