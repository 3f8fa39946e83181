import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs'

import {describe, expect, it} from 'vitest'

import {plantKey} from '../../support/planted-keys.ts'
import {makeProject, production, type ProjectOptions} from '../../support/project.ts'
import {encryptEnvFile} from '../../support/workspace.ts'

const keysFile = 'svc/.env.keys'

/** One key, one service, these files in its folder; `"PUBLIC"` in a text stands for the key's public half. */
async function makeService(
  files: Readonly<Record<string, string>>,
  mapping: Readonly<Record<string, string | boolean>> = {},
  more: ProjectOptions = {},
) {
  const key = plantKey()
  const project = await makeProject({
    mappings: [{secret_name: 'myapp-key', folder_path: 'svc', ...mapping}],
    secrets: {'myapp-key': key.privateKey},
    files: Object.fromEntries(
      Object.entries(files).map(([name, text]) => [`svc/${name}`, text.replaceAll('"PUBLIC"', `"${key.publicKey}"`)]),
    ),
    ...more,
  })
  return {...project, key, line: (name: string) => `${name}=${key.privateKey}\n`}
}

describe('which env file, and which key name', () => {
  it('C53 is that of the environment', async () => {
    const {sync, workspace, line} = await makeService({'.env.staging': 'A=encrypted:xyz\n'}, {environment: 'staging'})
    expect(await sync()).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toContain(`# .env.staging\n${line('DOTENV_PRIVATE_KEY_STAGING')}`)
  })

  it('C54 is that of the profile, and mappings without one run as well', async () => {
    const key = plantKey()
    const {sync, workspace} = await makeProject({
      mappings: [
        {secret_name: 'local-key', folder_path: 'svc', profile: 'local'},
        {secret_name: 'other-key', folder_path: 'other'},
      ],
      secrets: {'local-key': key.privateKey, 'other-key': key.privateKey},
      files: {'svc/.env.local': 'A=encrypted:xyz\n', 'other/.env.production': 'A=encrypted:xyz\n'},
    })
    const run = await sync(['--profile', 'local'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('Services processed: 2')
    expect(workspace.read(keysFile)).toContain(`DOTENV_PRIVATE_KEY_LOCAL=${key.privateKey}\n`)
    expect(workspace.exists('other/.env.keys')).toBe(true)
  })

  it('C55 is that of the environment where a profile has both', async () => {
    const {sync, workspace, line} = await makeService(
      {'.env.staging': 'A=encrypted:xyz\n', '.env.local': 'A=encrypted:xyz\n'},
      {profile: 'local', environment: 'staging'},
    )
    expect(await sync(['--profile', 'local'])).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toContain(line('DOTENV_PRIVATE_KEY_STAGING'))
  })

  it.each([[[]], [['--profile', 'nobody']]])(
    'C56 is nobody’s when every mapping has another profile (%j)',
    async (flags) => {
      const {sync, vault} = await makeService({'.env.local': 'A=encrypted:xyz\n'}, {profile: 'local'})
      const run = await sync(flags)
      expect(run.code).toBe(1)
      expect(run.stderr).toContain('[ERROR]')
      expect(run.stdout).toBe('')
      expect(vault.requests()).toEqual([])
    },
  )

  it('C57 is never that of another environment', async () => {
    const {sync, workspace} = await makeService({'.env.staging': 'A=encrypted:xyz\n'})
    const run = await sync()
    expect(run.code).toBe(1)
    expect(run.stdout).toMatch(/x svc - error\n.*\.env\.staging/)
    expect(run.stdout).toContain('environment = "staging"')
    expect(workspace.exists(keysFile)).toBe(false)
  })

  it('C57 is never NAME-E.env of another environment', async () => {
    const {sync, workspace} = await makeService({'app-staging.env': 'A=encrypted:xyz\n'})
    const run = await sync()
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('environment = "staging"')
    expect(workspace.exists(keysFile)).toBe(false)
  })

  it('C57 is that of the environment also where its public key has another name', async () => {
    const {sync, workspace, line} = await makeService(
      {'.env.staging': 'DOTENV_PUBLIC_KEY_PRODUCTION="PUBLIC"\nA=encrypted:xyz\n'},
      {environment: 'staging'},
    )
    expect(await sync()).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toContain(line('DOTENV_PRIVATE_KEY_STAGING'))
    expect(workspace.read(keysFile)).not.toContain('DOTENV_PRIVATE_KEY_PRODUCTION')
  })

  it('C57 is .env.production where there is a .env, too', async () => {
    const {sync, workspace, line} = await makeService({
      '.env': 'DOTENV_PUBLIC_KEY="PUBLIC"\nA=encrypted:xyz\n',
      '.env.production': 'A=encrypted:xyz\n',
    })
    expect(await sync()).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toContain(line('DOTENV_PRIVATE_KEY_PRODUCTION'))
  })

  it('C58 is not guessed between two', async () => {
    const {sync, workspace} = await makeService(
      {'app.env.staging': 'A=encrypted:xyz\n', 'app-staging.env': 'A=encrypted:xyz\n'},
      {environment: 'staging'},
    )
    const run = await sync()
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('app-staging.env, app.env.staging')
    expect(run.stdout).toContain('env_file = ')
    expect(workspace.exists(keysFile)).toBe(false)
  })

  it('C60 is the only custom one, and its companion doesn’t count', async () => {
    const {sync, workspace, line} = await makeService(
      {'postgresql.env': 'A=encrypted:xyz\n', 'postgresql.env.example': 'A=\n'},
      {environment: 'production'},
    )
    await expect(sync()).resolves.toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toContain(line('DOTENV_PRIVATE_KEY_PRODUCTION'))
  })

  it.each(['example.env', '.env.example', '.env.keys.backup.20260101_000000', '.env.production.bak'])(
    'C60 is never a companion: %s',
    async (name) => {
      const {sync} = await makeService({'postgresql.env': 'A=encrypted:xyz\n', [name]: 'A=\n'})
      const run = await sync(['--verbose'])
      expect(run.code).toBe(0)
      expect(run.stdout).toContain('Env file: svc/postgresql.env\n')
      const alone = await makeService({[name]: 'A=\n'})
      const run2 = await alone.sync(['--verbose'])
      expect(run2.code).toBe(0)
      expect(run2.stdout).toContain('Env file: none\n')
    },
  )

  it('C60 is found without an environment, too', async () => {
    const {sync, workspace, line} = await makeService({
      'postgresql.env': 'DOTENV_PUBLIC_KEY_PRODUCTION="PUBLIC"\nA=encrypted:xyz\n',
      'postgresql.env.example': 'A=\n',
    })
    const run = await sync(['--verbose'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('Env file: svc/postgresql.env\n')
    expect(workspace.read(keysFile)).toContain(line('DOTENV_PRIVATE_KEY_PRODUCTION'))
  })

  it('C45 is DOTENV_PRIVATE_KEY for a plain .env', async () => {
    const {sync, workspace, vault, line, key} = await makeService({
      '.env': 'DOTENV_PUBLIC_KEY="PUBLIC"\nA=encrypted:xyz\n',
    })
    vault.put('myapp-key', `DOTENV_PRIVATE_KEY=${key.privateKey}`, 'eu-west-1')
    expect(await sync()).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toContain(`\n${line('DOTENV_PRIVATE_KEY')}`)
  })

  it('C46 C47 follows dotenvx for hyphens and dots', async () => {
    const {sync, workspace, line} = await makeService({'.env.pre-prod': 'A=encrypted:xyz\n'}, {environment: 'pre-prod'})
    expect(await sync()).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toContain(line('DOTENV_PRIVATE_KEY_PRE-PROD'))
    const dotted = await makeService({'.env.a.b': 'A=encrypted:xyz\n'}, {environment: 'a.b'})
    expect(await dotted.sync()).toMatchObject({code: 0})
    expect(dotted.workspace.read(keysFile)).toContain(dotted.line('DOTENV_PRIVATE_KEY_A_B'))
  })
})

describe('env_file', () => {
  it('C61 is used, and the keys file stays in the folder', async () => {
    const {sync, workspace} = await makeService({'conf/app.env': 'A=encrypted:xyz\n'}, {env_file: 'conf/app.env'})
    const run = await sync(['--verbose'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('Env file: svc/conf/app.env\n')
    expect(workspace.exists(keysFile)).toBe(true)
  })

  it.each(['../outside.env', '/etc/hostname', 'a/../conf/app.env', 'link.env'])(
    'C62 never leaves its folder: %s',
    async (path) => {
      const {sync, workspace} = await makeService(
        {'conf/app.env': 'A=encrypted:xyz\n', 'a/.gitkeep': ''},
        {env_file: path},
      )
      workspace.write('outside.env', 'A=encrypted:xyz\n')
      symlinkSync('../outside.env', workspace.path('svc/link.env'))
      const run = await sync()
      expect(run.code).toBe(1)
      expect(run.stdout).toMatch(
        /x svc - error\n {4}Error: env_file .* (?:must be a path inside|leads out of) its folder svc/,
      )
      expect(workspace.exists(keysFile)).toBe(false)
    },
  )

  it('C63 is an error where it is missing', async () => {
    const {sync, workspace} = await makeService({'.env.production': 'A=encrypted:xyz\n'}, {env_file: 'conf/app.env'})
    const run = await sync()
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('Env file does not exist: svc/conf/app.env')
    expect(workspace.exists(keysFile)).toBe(false)
  })
})

describe('a folder without an env file', () => {
  it('C65 gets its key all the same, and there is no file to check', async () => {
    const {sync, workspace, line} = await makeService({'README.md': 'soon\n'})
    const run = await sync(['--check-decryption'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('  + svc - created\n    Decryption: skipped (no file to check)\n')
    expect(workspace.read(keysFile)).toContain(line('DOTENV_PRIVATE_KEY_PRODUCTION'))
  })

  it.each([[['--verify']], [['--verify', '--ci']]])('C65 is as C14 under %j', async (flags) => {
    const {sync} = await makeService({'README.md': 'soon\n'})
    const run = await sync(flags)
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('Key file does not exist')
  })

  it.each([[[]], [['--verify']], [['--ci']], [['--force']]])(
    'C65a is an error when the secret is missing or no key, under %j',
    async (flags) => {
      const {sync, vault} = await makeService({'README.md': 'soon\n'})
      vault.put('myapp-key', 'hello', 'eu-west-1')
      expect((await sync(flags)).code).toBe(1)
      vault.remove('myapp-key')
      expect((await sync(flags)).code).toBe(1)
    },
  )
})

it('C66 names a folder that is missing or no folder, and goes on with the others', async () => {
  const key = plantKey()
  const {sync, workspace} = await makeProject({
    mappings: [
      {secret_name: 'myapp-key', folder_path: 'mistyped'},
      {secret_name: 'myapp-key', folder_path: 'file.txt'},
      {secret_name: 'myapp-key', folder_path: 'file.txt', env_file: 'app.env', environment: 'staging'},
      {secret_name: 'myapp-key', folder_path: 'svc'},
    ],
    secrets: {'myapp-key': key.privateKey},
    files: {'file.txt': '', 'svc/.env.production': 'A=encrypted:xyz\n'},
  })
  const run = await sync(['--ci'])
  expect(run.code).toBe(1)
  expect(run.stdout).toContain('Folder does not exist: mistyped (folder_path)')
  expect(run.stdout.match(/Not a folder: file\.txt \(folder_path\)/g)).toHaveLength(2)
  expect(run.stdout).toContain('  + svc - created\n')
  expect(workspace.exists(keysFile)).toBe(true)
})

it('C67 writes both keys of a folder into one file, at once, on rows that can be told apart', async () => {
  const [one, two] = [plantKey(), plantKey()]
  const {sync, workspace} = await makeProject({
    mappings: [
      {secret_name: 'myapp-production', folder_path: 'svc', environment: 'production'},
      {secret_name: 'myapp-staging', folder_path: 'svc', environment: 'staging'},
    ],
    secrets: {'myapp-production': one.privateKey, 'myapp-staging': two.privateKey},
    files: {
      'svc/.env.production': encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', one.publicKey, {A: '1'}),
      'svc/.env.staging': encryptEnvFile('DOTENV_PUBLIC_KEY_STAGING', two.publicKey, {A: '2'}),
      'svc/.env.keys': '# mine\n',
    },
  })
  const run = await sync(['--check-decryption'])
  expect(run.code).toBe(0)
  expect(run.stdout).toContain('  + svc (myapp-production, production) - created\n')
  expect(run.stdout).toContain('  + svc (myapp-staging, staging) - created\n')
  expect(run.stdout).toContain('  Passed: 2')
  expect(workspace.read(keysFile)).toContain(production(one))
  expect(workspace.read(keysFile)).toContain(`DOTENV_PRIVATE_KEY_STAGING=${two.privateKey}\n`)
  // One write: one backup, and it holds neither key.
  const {readdirSync} = await import('node:fs')
  const backups = readdirSync(workspace.path('svc')).filter((name) => name.includes('.backup.'))
  expect(backups.map((name) => workspace.read(`svc/${name}`))).toEqual(['# mine\n'])
})

it.each([
  ['the same environment twice', {environment: 'production'}, {environment: 'production'}],
  ['none and production', {}, {environment: 'production'}],
])('C68 refuses two secrets for one key before anything is fetched: %s', async (_, first, second) => {
  const {sync, vault, workspace} = await makeProject({
    mappings: [
      {secret_name: 'one-key', folder_path: 'svc', ...first},
      {secret_name: 'two-key', folder_path: './svc', ...second},
    ],
    files: {'svc/.env.production': 'A=encrypted:xyz\n'},
  })
  const run = await sync()
  expect(run.code).toBe(1)
  expect(run.stderr).toMatch(/same key of svc\/\.env\.keys|both want DOTENV_PRIVATE_KEY_PRODUCTION/)
  expect(vault.requests()).toEqual([])
  expect(workspace.exists(keysFile)).toBe(false)
})

it('C68 refuses two secrets for one key of two folders whose keys files are links to one', async () => {
  const {sync, vault, workspace} = await makeProject({
    mappings: ['one', 'two'].map((name) => ({secret_name: `${name}-key`, folder_path: name})),
    files: {
      'one/.env.production': 'A=encrypted:xyz\n',
      'two/.env.production': 'A=encrypted:xyz\n',
      'shared/.env.keys': '# ours\n',
    },
  })
  for (const name of ['one', 'two']) symlinkSync('../shared/.env.keys', workspace.path(name, '.env.keys'))
  const run = await sync()
  expect(run.code).toBe(1)
  expect(run.stderr).toContain('one-key and two-key both want DOTENV_PRIVATE_KEY_PRODUCTION')
  expect(vault.requests()).toEqual([])
  expect(workspace.read('shared/.env.keys')).toBe('# ours\n')
})

it('C134 reads no env file that leads out of the repository', async () => {
  const {sync, workspace, key} = await makeService({'README.md': 'soon\n'})
  const outside = `${workspace.base}/outside.env`
  writeFileSync(outside, encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', key.publicKey, {A: '1'}))
  symlinkSync(outside, workspace.path('svc/.env.production'))
  for (const flags of [[], ['--verify', '--ci']]) {
    const run = await sync(flags)
    expect(run.code).toBe(1)
    expect(run.stdout).toMatch(/x svc - error\n {4}Error: .*outside the repository/)
  }
  expect(workspace.exists(keysFile)).toBe(false)
})

it('C134 takes no folder, no device, no FIFO and no file of 2 MiB for an env file, and goes on', async () => {
  const key = plantKey()
  const names = ['large', 'folder', 'fifo', 'device', 'fine']
  const {sync, workspace} = await makeProject({
    mappings: [
      ...names.map((name) => ({secret_name: 'myapp-key', folder_path: name, env_file: '.env.production'})),
      {secret_name: 'myapp-key', folder_path: 'away'},
    ],
    secrets: {'myapp-key': key.privateKey},
    files: Object.fromEntries(names.map((name) => [`${name}/.gitkeep`, ''])),
  })
  const at = (name: string): string => workspace.path(name, '.env.production')
  writeFileSync(at('large'), `A=${'x'.repeat(2 * 1024 * 1024)}\n`)
  mkdirSync(at('folder'))
  const {execFileSync} = await import('node:child_process')
  execFileSync('mkfifo', [at('fifo')])
  symlinkSync('/dev/zero', at('device'))
  writeFileSync(at('fine'), `A=${'x'.repeat(900_000)}\n${'\n'.repeat(100_000)}B=encrypted:xyz\n`)
  symlinkSync('/etc', workspace.path('away'))
  const run = await sync([], {timeoutMs: 20_000})
  expect(run.code).toBe(1)
  for (const name of ['large', 'folder', 'fifo', 'device', 'away'])
    expect(run.stdout).toContain(`  x ${name} - error\n`)
  expect(run.stdout).toContain('away (folder_path) leads out of the repository')
  expect(run.stdout).toContain('  + fine - created\n')
})
