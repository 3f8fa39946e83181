import {globSync, readFileSync} from 'node:fs'
import {builtinModules} from 'node:module'
import {join, posix} from 'node:path'

import {describe, expect, it} from 'vitest'

/** One import statement or expression; `typeOnly` leaves nothing behind at run time. */
type Import = {readonly to: string; readonly typeOnly: boolean; readonly dynamic: boolean}

/** Who may import whom inside `src/`: `values` at run time, `types` in `import type` only. A folder may import itself. */
const layers: Readonly<Record<string, {readonly values: readonly string[]; readonly types?: readonly string[]}>> = {
  core: {values: [], types: ['keys']},
  keys: {values: ['core']},
  report: {values: ['core']},
  config: {values: ['core', 'keys']},
  system: {values: ['core']},
  rclone: {values: ['core', 'system']},
  vault: {values: ['core', 'keys', 'system', 'rclone']},
  stores: {values: ['core', 'keys', 'system', 'rclone']},
  providers: {values: ['core', 'keys', 'system', 'rclone']},
  workflows: {values: ['core', 'keys', 'config'], types: ['providers', 'stores', 'vault']},
  cli: {values: ['core', 'keys', 'report', 'config', 'system', 'rclone', 'vault', 'stores', 'providers', 'workflows']},
  commands: {values: ['cli', 'workflows'], types: ['core']},
}

/** Folders without side effects, and the Node modules that only compute. Timers let others run in a long computation. */
const pureFolders = ['core', 'keys', 'report', 'config', 'workflows']
const pureModules = ['node:buffer', 'node:crypto', 'node:path', 'node:path/posix', 'node:util', 'node:timers/promises']

/**
 * Who may import which package: the SDK of a cloud belongs to its providers alone, so that `-p aws` loads no Azure.
 * `providers/aws` is that folder, and `providers/aws-*` what all providers of AWS share: files and folders.
 */
const packages: readonly (readonly [name: RegExp, folders: readonly string[]])[] = [
  [/^@azure\//, ['providers/azure']],
  [/^@aws-sdk\/|^@smithy\//, ['providers/aws', 'providers/aws-*']],
  [/^https-proxy-agent$/, ['providers/tunnel-*', 'providers/hashicorp']],
  [/^node-vault$/, ['providers/hashicorp']],
  [/^@google-cloud\/|^google-gax$|^google-auth-library$/, ['providers/gcp']],
  [/^@dotenvx\/primitives$/, ['keys']],
  [/^smol-toml$|^toml-eslint-parser$/, ['config']],
  [/^valibot$/, ['config', 'vault']],
  [/^ignore$/, ['system']],
  [/^picomatch$/, ['config', 'system']],
  [/^ajv(?:-formats)?(?:\/|$)/, ['cli']],
  [/^@oclif\/core(?:\/|$)/, ['cli', 'commands']],
  [/^boxen$|^chalk$|^wrap-ansi$/, ['report', 'cli']],
]

const src = join(import.meta.dirname, '../src')

/** Imports of a source text: static and dynamic, of values and of types. */
function importsOf(text: string): readonly Import[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|[\s;{}])\/\/.*$/gm, '')
  const statements = [...code.matchAll(/^\s*(import|export)\b(\s+type\b)?(?:[^'";]*?\bfrom)?\s*['"]([^'"]+)['"]/gm)]
  const expressions = [...code.matchAll(/\b(?:import|require|import\.meta\.resolve)\s*\(\s*['"`]([^'"`]+)['"`]/g)]
  return [
    ...statements.map(([, , type, to = '']) => ({to, typeOnly: type !== undefined, dynamic: false})),
    ...expressions.map(([, to = '']) => ({to, typeOnly: false, dynamic: true})),
  ]
}

/**
 * What is wrong with a file's imports, one sentence each.
 *
 * @param file - relative to `src/`, with slashes.
 */
function violations(file: string, text: string): readonly string[] {
  const folder = file.split('/')[0] ?? ''
  const row = layers[folder]
  if (row === undefined) return [`${file}: src/${folder} has no row in the table`]
  return importsOf(text).flatMap((one) => {
    const wrong = one.to.startsWith('.') ? wrongFile(file, folder, one) : wrongPackage(file, folder, one)
    return wrong === undefined ? [] : [`${file} imports ${one.to}: ${wrong}`]
  })
}

function wrongFile(file: string, folder: string, {to, typeOnly, dynamic}: Import): string | undefined {
  const path = posix.join(posix.dirname(file), to)
  // Its version and its oclif table are the program's own.
  if (path === '../package.json' && folder === 'cli') return undefined
  if (path.startsWith('..')) return 'it lies outside src'
  const target = path.split('/')[0] ?? ''
  const [provider, otherProvider] = [providerOf(file), providerOf(path)]
  if (provider !== undefined && otherProvider !== undefined && provider !== otherProvider)
    return 'a provider never imports a sibling'
  if (
    folder === 'providers' &&
    provider === undefined &&
    otherProvider !== undefined &&
    !dynamic &&
    !path.endsWith('/spec.ts')
  ) {
    return 'a provider is loaded when it is used, by import(…)'
  }
  if (provider === 'local' && target === 'vault') return undefined
  if (folder === target) return undefined
  const row = layers[folder]
  if (row?.values.includes(target) === true || (typeOnly && row?.types?.includes(target) === true)) return undefined
  return `${folder} may not import ${typeOnly ? 'types' : 'values'} of ${target}`
}

function wrongPackage(file: string, folder: string, {to, typeOnly}: Import): string | undefined {
  if (builtinModules.includes(to)) return `write node:${to}`
  if (to.startsWith('node:')) {
    return typeOnly || !pureFolders.includes(folder) || pureModules.includes(to) ? undefined : `${folder} only computes`
  }
  const owners = packages.find(([name]) => name.test(to))?.[1]
  if (owners === undefined) return 'the package has no row in the table'
  const isOwner = (owner: string): boolean =>
    owner.endsWith('*') ? file.startsWith(owner.slice(0, -1)) : file.startsWith(`${owner}/`)
  return owners.some(isOwner) ? undefined : `only ${owners.join(', ')} may`
}

/** `providers/aws/index.ts` → `aws`; `undefined` for what all providers share. */
const providerOf = (path: string): string | undefined => /^providers\/([^/]+)\//.exec(path)?.[1]

const files = globSync('**/*.ts', {cwd: src})
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => !file.endsWith('.d.ts'))

it('imports only point where the table allows', () => {
  expect(files.flatMap((file) => violations(file, readFileSync(join(src, file), 'utf8')))).toEqual([])
})

it('sees the imports of every folder, so that the test above can fail', () => {
  const seen = (file: string): readonly string[] => importsOf(readFileSync(join(src, file), 'utf8')).map(({to}) => to)
  expect(seen('system/files.ts')).toEqual(expect.arrayContaining(['node:fs/promises', '../core/errors.ts']))
  expect(seen('providers/registry.ts')).toEqual(
    expect.arrayContaining(['./aws/spec.ts', './aws/index.ts', './provider.ts']),
  )
})

/** What loading a file loads with it: files of `src/` and packages. */
function loadedWith(
  file: string,
  textOf: (path: string) => string,
  seen: Set<string> = new Set([file]),
): ReadonlySet<string> {
  for (const {to, typeOnly, dynamic} of importsOf(textOf(file))) {
    if (typeOnly || dynamic || to.startsWith('node:')) continue
    const target = to.startsWith('.') ? posix.join(posix.dirname(file), to) : to
    if (seen.has(target)) continue
    seen.add(target)
    if (to.startsWith('.')) loadedWith(target, textOf, seen)
  }
  return seen
}

it('reading the registry and every spec in it loads no package: each command does that', () => {
  const loaded = [...loadedWith('providers/registry.ts', (path) => readFileSync(join(src, path), 'utf8'))]
  expect(loaded).toContain('providers/aws/spec.ts')
  expect(loaded.filter((path) => !path.endsWith('.ts'))).toEqual([])
})

it('finds a package behind a spec, and not behind what is loaded later', () => {
  const texts: Readonly<Record<string, string>> = {
    'a/one.ts': `import {two} from './two.ts'\nimport type {T} from 'types'`,
    'a/two.ts': `import {S} from '@aws-sdk/client-secrets-manager'\nexport const load = () => import('later')`,
  }
  expect([...loadedWith('a/one.ts', (path) => texts[path] ?? '')]).toEqual([
    'a/one.ts',
    'a/two.ts',
    '@aws-sdk/client-secrets-manager',
  ])
})

it('pure folders read neither the process nor the network', () => {
  const impure = files
    .filter((file) => pureFolders.includes(file.split('/')[0] ?? ''))
    .filter((file) =>
      /^(?!\s*(?:\*|\/\/|\/\*)).*(?:\bprocess\.|\bfetch\(|\bglobalThis\.)/m.test(readFileSync(join(src, file), 'utf8')),
    )
  expect(impure).toEqual([])
})

describe('a planted violation is found:', () => {
  it.each([
    ['core/x.ts', `import {readTextFile} from '../system/files.ts'`, 'core may not import values of system'],
    ['core/x.ts', `import {keyName} from '../keys/key-name.ts'`, 'core may not import values of keys'],
    ['core/x.ts', `import fs from 'node:fs'`, 'core only computes'],
    ['report/x.ts', `const {spawn} = await import('node:child_process')`, 'report only computes'],
    ['keys/x.ts', `import {readFile} from 'fs/promises'`, 'write node:fs/promises'],
    ['config/x.ts', `import {\n  a,\n  b,\n} from '../system/files.ts'`, 'config may not import values of system'],
    ['system/x.ts', `export * from '../keys/key-name.ts'`, 'system may not import values of keys'],
    [
      'workflows/x.ts',
      `import {registry} from '../providers/registry.ts'`,
      'workflows may not import values of providers',
    ],
    ['workflows/x.ts', `import type {Run} from '../cli/main.ts'`, 'workflows may not import types of cli'],
    ['cli/x.ts', `import '../commands/sync.ts'`, 'cli may not import values of commands'],
    ['cli/x.ts', `const {SecretClient} = await import('@azure/keyvault-secrets')`, 'only providers/azure may'],
    [
      'providers/registry.ts',
      `const sdk = await import('@aws-sdk/client-sts')`,
      'only providers/aws, providers/aws-* may',
    ],
    ['providers/aws-shared.ts', `import {provider} from './aws/index.ts'`, 'loaded when it is used'],
    ['providers/aws-ssm/x.ts', `import {spec} from '../aws/spec.ts'`, 'a provider never imports a sibling'],
    ['commands/x.ts', `import {EnvdriftError} from '../core/errors.ts'`, 'commands may not import values of core'],
    ['providers/aws/x.ts', `import {login} from '../azure/login.ts'`, 'a provider never imports a sibling'],
    ['providers/aws/x.ts', `import type {Login} from '../azure/login.ts'`, 'a provider never imports a sibling'],
    ['providers/aws/x.ts', `import {open} from '../../vault/vault.ts'`, 'providers may not import values of vault'],
    ['providers/registry.ts', `import {provider} from './aws/index.ts'`, 'loaded when it is used'],
    ['vault/x.ts', `import {provider} from '../providers/local/index.ts'`, 'vault may not import values of providers'],
    ['keys/x.ts', `import {parse} from '@dotenvx/dotenvx'`, 'has no row in the table'],
    ['helpers/x.ts', '', 'src/helpers has no row in the table'],
    ['cli/x.ts', `import x from '../../test/support/workspace.ts'`, 'outside src'],
  ])('%s: %s', (file, text, what) => {
    expect(violations(file, text)).toEqual([expect.stringContaining(what)])
  })
})

it.each([
  ['core/x.ts', `import type {KeyName} from '../keys/key-name.ts'`],
  ['workflows/x.ts', `import type {Provider} from '../providers/provider.ts'`],
  ['providers/local/x.ts', `import {openVault} from '../../vault/vault.ts'`],
  ['providers/aws/x.ts', `import {inFlight} from '../in-flight.ts'`],
  ['providers/aws-shared.ts', `const {STSClient} = await import('@aws-sdk/client-sts')`],
  [
    'providers/aws-ssm/x.ts',
    `import {SSMClient} from '@aws-sdk/client-ssm'\nimport {connection} from '../aws-shared.ts'`,
  ],
  ['providers/registry.ts', `import {spec} from './aws/spec.ts'\nexport const load = () => import('./aws/index.ts')`],
  ['core/x.ts', `// import fs from 'node:fs'\n/** import fs from 'node:fs' */`],
])('%s may say: %s', (file, text) => {
  expect(violations(file, text)).toEqual([])
})
