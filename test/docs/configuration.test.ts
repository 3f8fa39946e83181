import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

import {describe, expect, it} from 'vitest'

import {laterMappingKeys, mappingKeys, syncSettings} from '../../src/config/schema.ts'
import {variableOf, variableOfSync, variables} from '../../src/config/variables.ts'
import type {SettingSpec} from '../../src/core/provider-spec.ts'
import {pageOf, pages, repository, tableBelow, tablesOf, unquoted} from './pages.ts'
import {specs} from './program.ts'

const page = pageOf('docs/configuration.md')

it('names every key of [vault.sync], its variable, and what it sets', () => {
  expect(tableBelow(page, '## [vault.sync]')).toEqual(
    Object.entries(syncSettings).map(([name, {summary}]) => [`\`${name}\``, `\`${variableOfSync(name)}\``, summary]),
  )
})

it('names every key of a mapping, and those that come later', () => {
  const rows = tableBelow(page, '## [[vault.sync.mappings]]')
  expect(rows.map(([name = '']) => unquoted(name)).toSorted()).toEqual(mappingKeys.toSorted())
  for (const later of laterMappingKeys) expect(page.text).toContain(`\`${later}\` is refused`)
})

it('names every variable that a configuration is read from, and what it sets', () => {
  expect(tableBelow(page, '## Variables')).toEqual(variables(specs).map(({name, summary}) => [`\`${name}\``, summary]))
})

it('names every ENVDRIFT_ variable of the program, and none that the program does not know', () => {
  const sources = globSync('src/**/*.ts', {cwd: repository}).map((path) => readFileSync(join(repository, path), 'utf8'))
  const inSources = new Set(sources.join('\n').match(/(?<=')ENVDRIFT_[A-Z_]+(?=')/g))
  // A label of a version in AWS.
  inSources.delete('ENVDRIFT_STAGED')
  const known = new Set([...inSources, ...variables(specs).map(({name}) => name)])
  const rows = tablesOf(page).flatMap(([cell = '']) => /^`(ENVDRIFT_[A-Z_]+)`$/.exec(cell)?.[1] ?? [])
  expect(rows.toSorted()).toEqual([...known].toSorted())
  // Of the tests themselves.
  for (const name of [
    'ENVDRIFT_TEST_VAULT_BIN',
    'ENVDRIFT_SERVERS_DIR',
    'ENVDRIFT_CONTRACT_TABLE',
    'ENVDRIFT_BENCH_DIR',
  ])
    known.add(name)
  const named = pages.flatMap(({text}) => text.match(/\bENVDRIFT_[A-Z_]+[A-Z]\b/g) ?? [])
  expect(named.filter((name) => !known.has(name))).toEqual([])
})

describe.each(Object.entries(specs))('the page of %s', (id, {settings}) => {
  const own = pageOf(`docs/providers/${id}.md`)

  it('names every setting, who may set it, its variable, and what it sets', () => {
    const rowOf = (name: string, setting: SettingSpec, variable: string | undefined) => [
      `\`${name}\``,
      setting.trust === 'repository' ? 'yes' : 'no',
      variable === undefined ? '' : `\`${variable}\``,
      setting.summary,
    ]
    const expected = Object.entries(settings).flatMap(([name, setting]) => [
      rowOf(name, setting, variableOf(id, name, setting)),
      ...Object.entries(setting.keys ?? {}).map(([key, inner]) => rowOf(`${name}.${key}`, inner, undefined)),
    ])
    expect(tableBelow(own, '## Settings')).toEqual(expected)
  })

  it('has what every provider page has', () => {
    const headings = [...own.text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    expect(headings).toEqual([
      'From nothing to a green check',
      'Logging in',
      'Settings',
      'Least privilege',
      'What errors mean',
      'What was tested',
    ])
    expect(own.text).toContain(`(../../examples/${id}/README.md)`)
  })
})

// Of Vault there is a real server, and the embedded vault is its own.
const clouds = Object.keys(specs).filter((id) => !['hashicorp', 'local'].includes(id))

it.each(clouds)('says that %s was not verified against the real service', (id) => {
  expect(pageOf(`docs/providers/${id}.md`).text).toMatch(
    /Tested against a fake that speaks the protocol.*; not verified against the real service/,
  )
})

// Those of HashiCorp Vault are the logins that its page says are not there.
it.each(['aws', 'azure', 'gcp', 'local'])('names the settings of %s that come later', (id) => {
  for (const name of specs[id]!.later ?? []) expect(pageOf(`docs/providers/${id}.md`).text).toContain(`\`${name}\``)
})
