import fc from 'fast-check'
import {expect, it} from 'vitest'

import type {ConfigPort} from '../../src/config/config-port.ts'
import {loadConfig} from '../../src/config/load.ts'
import {variables} from '../../src/config/variables.ts'
import {EnvdriftError} from '../../src/core/errors.ts'
import {specs} from './place.ts'

/** A machine that holds these files and nothing else; ten thousand real ones would only test the disk. */
function portOf(files: Readonly<Record<string, string>>, env: Record<string, string> = {}): ConfigPort {
  return {
    cwd: '/repo',
    home: '/home/dev',
    env,
    userConfigPath: '/home/dev/.config/envdrift/config.toml',
    kind: async (path) => (path in files ? 'file' : path === '/repo/.git' || path === '/repo' ? 'directory' : 'absent'),
    readText: async (path) => files[path],
    glob: async () => [],
    realPath: async (path) => {
      // What Node does, too.
      if (path.includes('\0')) throw new TypeError('The argument must not hold null bytes')
      return path
    },
  }
}

async function outcomeOf(port: ConfigPort, config?: string): Promise<'config' | 'error'> {
  return loadConfig(config === undefined ? {} : {config}, port, specs).then(
    (loaded) => {
      expect(loaded.mappings.length).toBeGreaterThan(0)
      return 'config'
    },
    (error: unknown) => {
      if (!(error instanceof EnvdriftError)) throw error
      // Nothing of a file reaches a terminal as it is.
      // eslint-disable-next-line no-control-regex
      expect(error.message).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]|::/)
      expect(error.suggestions.length).toBeGreaterThan(0)
      return 'error'
    },
  )
}

const sections = 'vault vaults sync mappings provider azure aws hashicorp gcp local path password tool envdrift'
const keys = 'secret_name folder_path environment profile env_file vault_name client patterns url env max_workers'
const more = 'env_keys_filename ephemeral_keys trusted_vaults __proto__ constructor'
const word = fc.constantFrom(...`${sections} ${keys} ${more}`.split(' '))
const scalar = fc.oneof(
  fc.string({unit: 'binary', maxLength: 12}).map((text) => JSON.stringify(text).replaceAll('\u007f', '')),
  fc.constantFrom('"aws"', '"local"', '"azure"', '"https://x.vault.azure.net"', '"a"', '"../.."', '"/"'),
  fc.constantFrom(String.raw`"\u0000"`, '1979-05-27', '[{secret_name = "a", folder_path = "b"}]', '[]', '{}', '[[1]]'),
  fc.constantFrom('true', '1', '-1', '1.5', 'nan', 'inf'),
)
const line = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.array(word, {minLength: 1, maxLength: 3}), scalar)
      .map(([keys, value]) => `${keys.join('.')} = ${value}`),
  },
  fc.array(word, {minLength: 1, maxLength: 4}).map((keys) => `[${keys.join('.')}]`),
  fc.array(word, {minLength: 1, maxLength: 4}).map((keys) => `[[${keys.join('.')}]]`),
  fc.constant('[[vault.sync.mappings]]\nsecret_name = "a"\nfolder_path = "b"'),
  fc.string({unit: 'binary', maxLength: 20}),
)

it('makes a configuration or an error of ours from any text, and nothing else', async () => {
  const seen = {config: 0, error: 0}
  await fc.assert(
    fc.asyncProperty(fc.array(line, {maxLength: 12}), fc.boolean(), async (lines, isUser) => {
      const text = lines.join('\n')
      const plain = '[vault.aws]\n[[vault.sync.mappings]]\nsecret_name = "k"\nfolder_path = "."\n'
      const files = isUser
        ? {'/repo/envdrift.toml': plain, '/home/dev/.config/envdrift/config.toml': text}
        : {'/repo/envdrift.toml': text}
      seen[await outcomeOf(portOf(files))]++
      await outcomeOf(portOf({'/repo/pyproject.toml': text}))
    }),
    {numRuns: 3000},
  )
  // Both ways were taken, or the property says nothing.
  expect(Math.min(seen.config, seen.error)).toBeGreaterThan(50)
})

it('makes a configuration or an error of ours from any pair.txt', async () => {
  const piece = fc.oneof(
    fc.string({unit: 'binary', maxLength: 8}),
    fc.constantFrom('=', '/', '#', ' ', '\n', '\r\n', 'a', 'projects/', '..'),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, {maxLength: 20}),
      fc.constantFrom('azure', 'aws', 'hashicorp', 'gcp', 'local'),
      async (pieces, provider) => {
        const outcome = await outcomeOf(
          portOf({'/repo/pair.txt': pieces.join('')}, {ENVDRIFT_PROVIDER: provider, VAULT_ADDR: 'https://v.example'}),
          'pair.txt',
        )
        expect(['config', 'error']).toContain(outcome)
      },
    ),
    {numRuns: 1000},
  )
})

it('makes a configuration or an error of ours from any variables', async () => {
  const names = variables(specs).map(({name}) => name)
  const text =
    '[vault.hashicorp]\nurl = "https://v.example"\n[[vault.sync.mappings]]\nsecret_name = "k"\nfolder_path = "."\n'
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(
        fc.constantFrom(...names, 'VAULT_ADDR', 'VAULT_SKIP_VERIFY', 'AWS_REGION'),
        fc.oneof(fc.string({unit: 'binary'}), fc.constantFrom('1', 'true', 'https://v.example')),
      ),
      async (env) => {
        expect(['config', 'error']).toContain(await outcomeOf(portOf({'/repo/envdrift.toml': text}, env)))
      },
    ),
    {numRuns: 1000},
  )
})

it('survives nesting that no one writes', async () => {
  const port = portOf({'/repo/envdrift.toml': `vault = ${'['.repeat(100_000)}`})
  expect(await outcomeOf(port)).toBe('error')
})

it('asks the machine as often per mapping for 10,000 mappings as for 100', async () => {
  const calls = async (count: number): Promise<number> => {
    const mappings = Array.from(
      {length: count},
      (_, index) => `[[vault.sync.mappings]]\nsecret_name = "k${index}"\nfolder_path = "s/${index}"\n`,
    )
    let asked = 0
    const port = portOf({'/repo/envdrift.toml': `[vault.aws]\n${mappings.join('')}`})
    const config = await loadConfig({}, {...port, realPath: (path) => (asked++, port.realPath(path))}, specs)
    expect(config.mappings).toHaveLength(count)
    expect(config.mappings.at(-1)?.line).toBe(2 + (count - 1) * 3)
    return asked
  }
  const [few, many] = [await calls(100), await calls(10_000)]
  expect(many / 10_000).toBeLessThanOrEqual(few / 100)
})

it('lists every variable once, with what it sets', () => {
  const listed = variables(specs)
  expect(new Set(listed.map(({name}) => name)).size).toBe(listed.length)
  const expected = 'CONFIG PROVIDER PROFILE TRUSTED_VAULTS VAULT_URL REGION PROJECT_ID VAULT_PATH MAX_WORKERS TIMEOUT'
  const names = listed.map(({name}) => name)
  expect(names).toEqual(expect.arrayContaining(expected.split(' ').map((name) => `ENVDRIFT_${name}`)))
  for (const {name, summary} of listed) {
    expect(name).toMatch(/^ENVDRIFT_[A-Z_]+$/)
    expect(summary.length).toBeGreaterThan(10)
  }
})
