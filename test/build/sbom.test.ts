import {describe, expect, it} from 'vitest'

import {pathsOf, type BundledPackage} from '../../scripts/build/bundled-packages.ts'
import {differences, sbomOf} from '../../scripts/build/sbom.ts'

/** SHA-512 of no bytes. Source: `printf '' | sha512sum` */
const hex =
  'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e'

const bundled = (name: string, version: string, path: string, imports: readonly string[] = []): BundledPackage => ({
  name,
  version,
  path,
  imports,
  integrity: `sha512-${Buffer.from(hex, 'hex').toString('base64')}`,
})

const packages = [
  bundled('@azure/identity', '4.14.1', 'node_modules/@azure/identity', ['node_modules/ms']),
  bundled('ms', '2.1.3', 'node_modules/ms'),
  bundled('ms', '2.0.0', 'node_modules/debug/node_modules/ms'),
  bundled('ms', '2.0.0', 'node_modules/other/node_modules/ms'),
]
const document = sbomOf(
  {name: 'envdrift', version: '0.1.0', license: 'MIT'},
  packages.map((of) => ({of, licence: 'MIT', text: ''})),
)

describe('the list of what is bundled', () => {
  it('has each version once, with its address, licence and hash', () => {
    expect(document.components.map(({purl}) => purl)).toEqual([
      'pkg:npm/%40azure/identity@4.14.1',
      'pkg:npm/ms@2.0.0',
      'pkg:npm/ms@2.1.3',
    ])
    expect(document.components[0]).toMatchObject({
      group: '@azure',
      name: 'identity',
      version: '4.14.1',
      licenses: [{license: {id: 'MIT'}}],
      hashes: [{alg: 'SHA-512', content: hex}],
    })
  })

  it('says who imports whom, and what is ours to import', () => {
    expect(document.dependencies).toEqual([
      {ref: 'pkg:npm/envdrift@0.1.0', dependsOn: ['pkg:npm/%40azure/identity@4.14.1', 'pkg:npm/ms@2.0.0']},
      {ref: 'pkg:npm/%40azure/identity@4.14.1', dependsOn: ['pkg:npm/ms@2.1.3']},
      {ref: 'pkg:npm/ms@2.0.0', dependsOn: []},
      {ref: 'pkg:npm/ms@2.1.3', dependsOn: []},
    ])
  })

  it('differs in nothing from what it was made of', () => {
    expect(differences(document, packages)).toEqual([])
  })

  it('is told from a bundle with a package more, one less, and another version', () => {
    const other = [
      bundled('left-pad', '1.3.0', 'node_modules/left-pad'),
      ...packages.slice(1, 3),
      bundled('@azure/identity', '4.14.2', 'x'),
    ]
    expect(differences(document, other)).toEqual([
      'left-pad 1.3.0 is in the bundle, and not listed',
      '@azure/identity 4.14.2 is in the bundle, and not listed',
      '@azure/identity 4.14.1 is listed, and not in the bundle',
    ])
  })
})

it('a package is found where esbuild says that its file lies, the innermost one', () => {
  const inputs = Object.fromEntries(
    [
      'src/cli/main.ts',
      'package.json',
      'node_modules/ms/index.js',
      'node_modules/debug/node_modules/@scope/ms/lib/index.js',
      '../elsewhere/node_modules/far/index.js',
    ].map((path) => [path, {bytesInOutput: 1}]),
  )
  const output = {imports: [], exports: [], bytes: 1, inputs}
  expect(pathsOf({inputs: {}, outputs: {'dist/start.js': output}})).toEqual([
    '../elsewhere/node_modules/far',
    'node_modules/debug/node_modules/@scope/ms',
    'node_modules/ms',
  ])
})
