import {readdirSync, readFileSync, statSync} from 'node:fs'
import {createRequire} from 'node:module'
import {dirname, join, posix} from 'node:path'
import {pathToFileURL} from 'node:url'

import {Ajv, type AnySchema} from 'ajv'
import {default as addFormats} from 'ajv-formats'
import {describe, expect, it} from 'vitest'

import {differences, type Sbom} from '../../scripts/build/sbom.ts'
import {repository} from '../docs/pages.ts'
import {installed, textOf} from './installed.ts'
import {rebuild} from './rebuilt.ts'

const files = readdirSync(installed, {recursive: true, withFileTypes: true})
  .filter((one) => one.isFile())
  .map((one) =>
    join(one.parentPath, one.name)
      .slice(installed.length + 1)
      .replaceAll('\\', '/'),
  )
const sbom = JSON.parse(textOf('sbom.cdx.json')) as Sbom
const {packages, files: rebuilt} = await rebuild()

describe('the package', () => {
  it('stands alone: nothing is installed beside it, and nothing of the checkout is within reach', () => {
    expect(readdirSync(join(installed, '..')).filter((name) => !name.startsWith('.'))).toEqual(['envdrift'])
    expect(() => createRequire(join(installed, 'bin/run.js')).resolve('vitest')).toThrow('Cannot find module')
  })

  it('asks npm for nothing, and runs nothing when it is installed', () => {
    const packageJson = JSON.parse(textOf('package.json')) as Readonly<Record<string, unknown>>
    expect(Object.keys(packageJson).filter((name) => /dependencies|scripts|bundle/i.test(name))).toEqual([])
    expect(packageJson).toMatchObject({name: 'envdrift', bin: {envdrift: 'bin/run.js'}, engines: {node: '>=22.18'}})
  })

  it('holds the program, what must be said of it, and nothing else', () => {
    expect(files.filter((file) => !/^dist\/(?:chunks|commands)\//.test(file)).toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'THIRD_PARTY_NOTICES',
      'bin/run.js',
      'dist/help.js',
      'dist/help.json',
      'dist/json-schema-worker.js',
      'dist/oclif.manifest.json',
      'dist/start.js',
      'package.json',
      'sbom.cdx.json',
    ])
    expect(files.filter((file) => /^dist\/(?:chunks|commands)\//.test(file) && !file.endsWith('.js'))).toEqual([])
    expect(files.filter((file) => textOf(file).includes('sourceMappingURL='))).toEqual([])
  })

  it('takes at most 6 MB', () => {
    const bytes = files.reduce((sum, file) => sum + statSync(join(installed, file)).size, 0)
    expect(bytes).toBeLessThan(6_000_000)
    // Blocks on disk, where a file of a few bytes takes 4 KB.
    expect(
      files.reduce((sum, file) => sum + Math.ceil(statSync(join(installed, file)).size / 4096) * 4096, 0),
    ).toBeLessThan(6_000_000)
  })

  it('is what these sources make, to the byte', () => {
    const bundled = files.filter((file) => /^dist\/.*\.js$/.test(file)).map((file) => file.slice('dist/'.length))
    expect(bundled.toSorted()).toEqual(Object.keys(rebuilt).toSorted())
    const different = bundled.filter((file) => !readFileSync(join(installed, 'dist', file)).equals(rebuilt[file]!))
    expect(different).toEqual([])
  })

  it('has no files that import one another: functions are there once their file has run, and not before', () => {
    const bundled = Object.keys(rebuilt)
    const needed = new Map(
      bundled.map((file) => {
        const imports = rebuilt[file]!.toString('utf8').matchAll(/\b(?:import|from)"(\.[^"]+)"/g)
        return [file, [...imports].map(([, path]) => posix.join(posix.dirname(file), path!))]
      }),
    )
    expect(needed.get('start.js')).toContain('chunks/common.js')
    const settled = new Set<string>()
    for (const _ of bundled)
      for (const file of bundled) if (needed.get(file)!.every((path) => settled.has(path))) settled.add(file)
    expect(bundled.filter((file) => !settled.has(file))).toEqual([])
  })

  it('keeps the names of functions, for stack traces', async () => {
    const program = readdirSync(join(installed, 'dist/chunks')).find((name) => name.startsWith('main-'))
    const {main} = (await import(pathToFileURL(join(installed, 'dist/chunks', program!)).href)) as {
      readonly main: () => void
    }
    expect(main.name).toBe('main')
  })
})

describe('sbom.cdx.json', () => {
  it('is what CycloneDX 1.6 says it must be', () => {
    const schemas = join(
      dirname(createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json')),
      'res/schema',
    )
    const ajv = new Ajv({strict: false, validateFormats: true})
    addFormats.default(ajv)
    // Of international addresses only their looser ASCII form is checked.
    ajv.addFormat('iri-reference', true)
    ajv.addFormat('idn-email', true)
    const schemaOf = (name: string): AnySchema =>
      JSON.parse(readFileSync(join(schemas, `${name}.SNAPSHOT.schema.json`), 'utf8')) as AnySchema
    for (const name of ['spdx', 'jsf-0.82']) {
      // The name by which the others refer to it there.
      const url = `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`
      ajv.addSchema({...(schemaOf(name) as object), $id: url})
    }
    const validate = ajv.compile(schemaOf('bom-1.6'))
    expect([validate(sbom), validate.errors]).toEqual([true, null])
    const wrong = {...sbom, components: [{...sbom.components[0], licenses: [{license: {id: 'My-Own'}}]}]}
    expect(validate(wrong)).toBe(false)
  })

  it('lists every package that esbuild takes in, at its version, and no other', () => {
    expect(differences(sbom, packages)).toEqual([])
    expect(sbom.components.length).toBeGreaterThan(150)
  })

  it('has the SDKs at the versions that package.json pins', () => {
    const {dependencies} = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
      readonly dependencies: Readonly<Record<string, string>>
    }
    const listed = sbom.components.map(({purl}) => decodeURIComponent(purl))
    expect(listed).toEqual(
      expect.arrayContaining(Object.entries(dependencies).map(([name, version]) => `pkg:npm/${name}@${version}`)),
    )
  })

  it('says the hash of each archive as package-lock.json has it', () => {
    const {packages: locked} = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<Record<string, {readonly integrity?: string}>>
    }
    const oclif = sbom.components.find(({group, name}) => group === '@oclif' && name === 'core')
    const hex = oclif?.hashes?.[0]?.content ?? ''
    expect(`sha512-${Buffer.from(hex, 'hex').toString('base64')}`).toBe(locked['node_modules/@oclif/core']?.integrity)
  })

  it('leaves no package without somebody that brings it', () => {
    const reached = new Set(sbom.dependencies.flatMap(({dependsOn}) => dependsOn))
    expect(sbom.components.map((one) => one['bom-ref']).filter((ref) => !reached.has(ref))).toEqual([])
  })
})

it('THIRD_PARTY_NOTICES names every package of the list, with its licence', () => {
  const notices = textOf('THIRD_PARTY_NOTICES')
  const lines = new Set(notices.split('\n'))
  const missing = sbom.components
    .map(
      ({group, name, version, licenses}) =>
        `${group === undefined ? '' : `${group}/`}${name} ${version} (${licenses[0]?.license.id})`,
    )
    .filter((line) => !lines.has(line))
  expect(missing).toEqual([])
  expect(notices).toContain('Permission is hereby granted, free of charge')
  expect(notices).toContain('TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION')
})
