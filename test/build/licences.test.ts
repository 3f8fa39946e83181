import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {describe, expect, it, onTestFinished} from 'vitest'

import type {BundledPackage} from '../../scripts/build/bundled-packages.ts'
import {allowedLicences, licenceOf, licensed, noticesText} from '../../scripts/build/licences.ts'

/** A checkout with these packages installed; of each the files, package.json as an object. */
function checkout(packages: Readonly<Record<string, Readonly<Record<string, string | object>>>>) {
  const root = mkdtempSync(join(tmpdir(), 'envdrift-licences-'))
  onTestFinished(() => rmSync(root, {recursive: true, force: true}))
  const all = Object.entries(packages).map(([name, files]): BundledPackage => {
    const path = `node_modules/${name}`
    mkdirSync(join(root, path), {recursive: true})
    for (const [file, text] of Object.entries(files)) {
      writeFileSync(join(root, path, file), typeof text === 'string' ? text : JSON.stringify(text))
    }
    return {name, version: '1.2.3', path, integrity: 'sha512-', imports: []}
  })
  return {root, all}
}

const apache = 'Apache License\nTERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION\n'

describe('a package that is bundled', () => {
  it.each(['GPL-3.0-only', 'AGPL-3.0', 'UNLICENSED', 'SEE LICENSE IN LICENSE', 'MIT AND GPL-2.0', undefined])(
    'under %j stops the build',
    (license) => {
      const {root, all} = checkout({
        good: {'package.json': {license: 'MIT'}, LICENSE: 'MIT'},
        bad: {'package.json': {license}, LICENSE: 'x'},
      })
      expect(() => licensed(root, all)).toThrow(/^Not to be shipped:\n  bad 1\.2\.3: its licence is not on the list/)
    },
  )

  it('without a word of its licence stops the build', () => {
    const {root, all} = checkout({
      bare: {'package.json': {license: 'MIT'}, 'README.md': '# bare\n\n## License\n\nMIT\n'},
    })
    expect(() => licensed(root, all)).toThrow('bare 1.2.3: it carries no text of its licence, MIT')
  })

  it('with an empty file for its licence, or a notice alone, stops the build', () => {
    const {root, all} = checkout({
      empty: {'package.json': {license: 'MIT'}, LICENSE: '\n'},
      noted: {'package.json': {license: 'MIT'}, NOTICE: 'Copyright Somebody'},
    })
    expect(() => licensed(root, all)).toThrow(
      /empty 1\.2\.3: it carries no text.*\n  noted 1\.2\.3: it carries no text/,
    )
  })

  it('may have its licence at the end of its README', () => {
    const words = 'Copyright (c) 2013 Somebody\n\nPermission is hereby granted, free of charge\n'
    const {root, all} = checkout({
      one: {'package.json': {license: 'MIT'}, 'README.md': `# one\n\nLicense\n-------\n\n${words}`},
      two: {'package.json': {license: 'MIT'}, 'readme.md': `# two\n\n## Licence\n\n${words}`},
    })
    expect(licensed(root, all).map(({text}) => text)).toEqual([words.trim(), words.trim()])
  })

  it('may leave the text of Apache-2.0 to another', () => {
    const {root, all} = checkout({
      without: {'package.json': {license: 'Apache-2.0'}},
      with: {'package.json': {license: 'Apache-2.0'}, LICENSE: apache},
    })
    expect(licensed(root, all).map(({text}) => text)).toEqual([apache.trim(), apache.trim()])
  })

  it('has its NOTICE passed on', () => {
    const {root, all} = checkout({
      noted: {'package.json': {license: 'Apache-2.0'}, LICENSE: apache, NOTICE: 'Copyright Somebody'},
    })
    expect(licensed(root, all)[0]?.text).toBe(`${apache.trim()}\n\nCopyright Somebody`)
  })

  it('has its NOTICE passed on beside a text that another has', () => {
    const {root, all} = checkout({
      noted: {'package.json': {license: 'Apache-2.0'}, NOTICE: 'Copyright Somebody'},
      with: {'package.json': {license: 'Apache-2.0'}, LICENSE: apache},
    })
    expect(licensed(root, all)[0]?.text).toBe(`${apache.trim()}\n\nCopyright Somebody`)
  })
})

it.each([
  [{license: '(MIT OR GPL-2.0)'}, 'MIT'],
  [{license: 'GPL-2.0 OR ISC'}, 'ISC'],
  [{licenses: [{type: 'Public Domain'}, {type: 'MIT'}]}, 'MIT'],
  [{license: {type: 'BSD-3-Clause'}}, 'BSD-3-Clause'],
  [{license: 'MIT-0'}, undefined],
  [{}, undefined],
])('of %j takes %j', (packageJson, licence) => {
  expect(licenceOf(packageJson)).toBe(licence)
})

it('notices have each text once, under all that share it', () => {
  const {root, all} = checkout({
    one: {'package.json': {license: 'MIT'}, LICENSE: 'same words'},
    two: {'package.json': {license: 'MIT'}, 'license.md': 'same words\r\n'},
    three: {'package.json': {license: 'ISC'}, LICENCE: 'other words'},
  })
  const text = noticesText(licensed(root, all))
  expect(text.match(/same words/g)).toHaveLength(1)
  expect(text).toContain('one 1.2.3 (MIT)\ntwo 1.2.3 (MIT)\n\nsame words\n')
  expect(text).toContain('three 1.2.3 (ISC)\n\nother words\n')
})

it('the list of allowed licences is the one in docs/dependencies.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/dependencies.md'), 'utf8')
  expect(/not on this list: (.+?)\. Of two/.exec(page)?.[1]?.split(', ')).toEqual(allowedLicences)
})
