import {readFileSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {describe, expect, it} from 'vitest'

import {registry} from '../../src/providers/registry.ts'
import {envdrift, program, runInWorkspace, type RunOptions} from '../support/run-envdrift.ts'
import {makeWorkspace} from '../support/workspace.ts'
import {installed} from './installed.ts'
import {rebuild} from './rebuilt.ts'
import {openShop} from './shop.ts'

/** Names every module on stderr as it is loaded, however it is. */
const tell = `data:text/javascript,import{registerHooks}from'node:module';registerHooks({load(url,context,next){process.stderr.write('LOADED '+url+'\\n');return next(url,context)}})`

const {packagesIn} = await rebuild()

/** Packages that only one provider is there for. `local` needs none. */
const sdks: Readonly<Record<string, RegExp>> = {
  azure: /^@azure\/|^@typespec\//,
  aws: /^@aws-sdk\/|^@smithy\//,
  hashicorp: /^node-vault$|^axios$/,
  gcp: /^@google-cloud\/|^google-|^@grpc\//,
}

/** Whose SDK a provider uses that has none of its own name. */
const familyOf = (provider: string): string => provider.split('-')[0]!

/** What a run of the installed program loads: files below dist, and the packages in them. */
async function loadedBy(
  words: readonly string[],
  options: RunOptions,
): Promise<{readonly code: number | null; readonly files: readonly string[]; readonly packages: readonly string[]}> {
  const [node, entry] = program
  const {code, stderr} = await runInWorkspace([node, '--import', tell, entry, ...words], options)
  const below = join(installed, 'dist/')
  const files = [...stderr.matchAll(/^LOADED (file:\S+)$/gm)]
    .map(([, url]) => fileURLToPath(url!))
    .filter((path) => path.startsWith(below))
    .map((path) => path.slice(below.length).replaceAll('\\', '/'))
  return {code, files, packages: [...new Set(files.flatMap((file) => packagesIn(file)))]}
}

type Manifest = {
  readonly commands: Readonly<Record<string, {readonly args: Readonly<Record<string, {readonly required?: boolean}>>}>>
}

const {commands} = JSON.parse(readFileSync(join(installed, 'dist/oclif.manifest.json'), 'utf8')) as Manifest

/** The commands that ask the vaults of a configuration. Whatever else there is, a commit hook first of all, does without. */
const online: readonly string[] = ['sync']

/** Words of a command line that is right. */
const lineOf = (id: string): readonly string[] => [
  ...id.split(':'),
  ...Object.values(commands[id]!.args).flatMap(({required}) => (required === true ? ['a-secret'] : [])),
]

const clouds = Object.keys(registry).filter((name) => name !== 'local')

/** What a vault needs in a configuration. */
const needed: Readonly<Record<string, string>> = {
  azure: 'vault_url = "https://myvault.vault.azure.net/"',
  hashicorp: 'url = "https://vault.example.com"',
  gcp: 'project_id = "my-project"',
}

/** A vault in this cloud, and a service that takes its key from there. */
const tableOf = (cloud: string): string => `
[vaults.of-${cloud}]
provider = "${cloud}"
${needed[cloud] ?? ''}
[[vault.sync.mappings]]
secret_name = "myapp-key"
folder_path = "services/${cloud}"
vault_name = "of-${cloud}"`

const isOfSdk = (name: string): boolean => Object.values(sdks).some((sdk) => sdk.test(name))

describe('what the installed program loads', () => {
  it.each(['--version', '--help', '-h', '', 'sync --help', 'sync -h', 'vault set --help'])(
    'for "%s" is its entry: no package, so no SDK and no oclif',
    async (line) => {
      const words = line === '' ? [] : line.split(' ')
      const {files, packages} = await loadedBy(words, {cwd: makeWorkspace().root})
      expect(files).toContain('start.js')
      const bytes = files.reduce((sum, file) => sum + statSync(join(installed, 'dist', file)).size, 0)
      expect(bytes).toBeLessThan(9_000)
      expect(packages).toEqual([])
    },
  )

  it.each(['snyc', 'sync --nope', 'vault list --nope'])('for the mistake "%s" is no SDK', async (line) => {
    const {packages} = await loadedBy(line.split(' '), {cwd: makeWorkspace().root})
    expect(packages).toContain('@oclif/core')
    expect(packages.filter(isOfSdk)).toEqual([])
  })

  it.each(Object.keys(commands).filter((id) => !online.includes(id)))(
    'for a run of %s is no SDK, though the configuration names a vault in each cloud',
    async (id) => {
      const {workspace, env} = await openShop('local')
      const tables = clouds.map((name) => tableOf(name))
      workspace.write('envdrift.toml', [workspace.read('envdrift.toml'), ...tables].join('\n'))
      for (const name of clouds) workspace.write(`services/${name}/README`, '')
      const given = {...env, ENVDRIFT_VAULT_NEW_PASSWORD: 'another horse battery staple'}
      await envdrift(['vault', 'set', 'a-secret'], {cwd: workspace.root, env, stdin: 'a value'})
      const {code, packages} = await loadedBy(lineOf(id), {cwd: workspace.root, env: given, stdin: 'a value'})
      // There is a vault already.
      expect(code).toBe(id === 'vault:init' ? 1 : 0)
      expect(packages.filter(isOfSdk)).toEqual([])
    },
  )

  it.each(Object.keys(registry))('for a sync with %s is its SDK, and nobody else’s', async (provider) => {
    const {workspace, env} = await openShop(provider)
    const {files, packages} = await loadedBy(['sync', '--verify', '--ci', '-p', provider], {cwd: workspace.root, env})
    const families = Object.keys(sdks).filter((family) => packages.some((name) => sdks[family]!.test(name)))
    expect(families).toEqual(Object.keys(sdks).filter((family) => family === familyOf(provider)))
    expect(packages).not.toContain('ajv')
    // Each costs half a millisecond; as esbuild splits the program, a sync with AWS takes 55. Here it takes 7, Azure 9.
    expect(files.length).toBeLessThan(10)
  })
})
