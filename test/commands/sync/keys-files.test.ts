import {chmodSync, lstatSync, mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync, writeFileSync} from 'node:fs'

import {describe, expect, it} from 'vitest'

import {envdriftAsNobody} from '../../support/as-nobody.ts'
import {closedToOthers} from '../../support/closed-to-others.ts'
import {plantKey} from '../../support/planted-keys.ts'
import {makeProject, makeUsualProject, production} from '../../support/project.ts'

const keysFile = 'svc/.env.keys'
const namesIn = (folder: string): readonly string[] => readdirSync(folder).toSorted()

describe('what is not the key', () => {
  it('C70 C74 stays byte for byte', async () => {
    const staging = plantKey()
    const text = (value: string): string =>
      `#/ mine /\n\n# a comment\nOTHER=1\n\nDOTENV_PRIVATE_KEY_STAGING=${staging.privateKey}\nDOTENV_PRIVATE_KEY_PRODUCTION="${value}" # ours\n\n\n`
    const {sync, workspace, key} = await makeUsualProject({local: (_, old) => text(old.privateKey)})
    expect(await sync(['--force'])).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toBe(text(key.privateKey))
  })

  it('C71 stays where there is no newline at the end', async () => {
    const staging = `DOTENV_PRIVATE_KEY_STAGING=${plantKey().privateKey}`
    const {sync, workspace, key} = await makeUsualProject({local: () => staging})
    expect(await sync(['--force'])).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toBe(`${staging}\n\n# .env.production\n${production(key)}`)
  })

  it('C72 keeps its line ends', async () => {
    const text = (value: string): string => `# mine\r\nDOTENV_PRIVATE_KEY_PRODUCTION=${value}\r\nOTHER=1\r\n`
    const {sync, workspace, key} = await makeUsualProject({local: (_, old) => text(old.privateKey)})
    expect(await sync(['--force'])).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toBe(text(key.privateKey))
  })

  it('C74 loses its second line of the key', async () => {
    const {sync, workspace, key} = await makeUsualProject({
      local: (k, old) => `${production(old)}OTHER=1\n${production(k)}`,
    })
    const verified = await sync(['--verify'])
    expect(verified.code).toBe(1)
    expect(await sync(['--force'])).toMatchObject({code: 0})
    expect(workspace.read(keysFile).match(/DOTENV_PRIVATE_KEY_PRODUCTION/g)).toHaveLength(1)
    expect(workspace.read(keysFile)).toContain(production(key))
  })

  it.each([
    (k: string) => `export DOTENV_PRIVATE_KEY_PRODUCTION=${k}\n`,
    (k: string) => ` DOTENV_PRIVATE_KEY_PRODUCTION=${k}\n`,
    (k: string) => `DOTENV_PRIVATE_KEY_PRODUCTION = ${k}\n`,
    (k: string) => `DOTENV_PRIVATE_KEY_PRODUCTION=\`${k}\`\n`,
    (k: string) => `DOTENV_PRIVATE_KEY_PRODUCTION=${k} # c\n`,
    (k: string) => `\uFEFFDOTENV_PRIVATE_KEY_PRODUCTION=${k}\n`,
    (k: string) => `DOTENV_PRIVATE_KEY_PRODUCTION=${k.toUpperCase()}\n`,
  ])('C75 is recognised as equal, spelling %#', async (spelling) => {
    const {sync, workspace, key} = await makeUsualProject({local: (k) => spelling(k.privateKey)})
    const run = await sync(['--verify'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('  = svc - skipped\n')
    expect(workspace.read(keysFile)).toBe(spelling(key.privateKey))
  })

  it('C84 gets a header where the file is empty', async () => {
    const {sync, workspace, key} = await makeUsualProject({local: () => ''})
    expect(await sync()).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toMatch(/^#\/-+!DOTENV_PRIVATE_KEYS!-+\/\n/)
    expect(workspace.read(keysFile).endsWith(`\n# .env.production\n${production(key)}`)).toBe(true)
  })
})

describe('modes and links', () => {
  it.each([
    [0o644, 0o600],
    [0o400, 0o400],
  ])('C77 are never wider than before: %o becomes %o', async (before, after) => {
    const {sync, workspace} = await makeUsualProject({local: (_, old) => production(old)})
    chmodSync(workspace.path(keysFile), before)
    expect(await sync(['--force'])).toMatchObject({code: 0})
    const modes = namesIn(workspace.path('svc'))
      .filter((name) => name.startsWith('.env.keys'))
      .map((name) => statSync(workspace.path('svc', name)).mode & 0o777)
    expect(modes[0]).toBe(after)
    expect(modes.slice(1).every((mode) => (mode & 0o177) === 0)).toBe(true)
    expect(modes).toHaveLength(2)
  })

  it('C78 keep a link inside the repository, and write its target', async () => {
    const {sync, workspace, key, other} = await makeUsualProject()
    workspace.write('shared/.env.keys', production(other), 0o600)
    symlinkSync('../shared/.env.keys', workspace.path(keysFile))
    expect(await sync(['--force'])).toMatchObject({code: 0})
    expect(readlinkSync(workspace.path(keysFile))).toBe('../shared/.env.keys')
    expect(workspace.read('shared/.env.keys')).toBe(production(key))
    expect(lstatSync(workspace.path('shared/.env.keys')).isFile()).toBe(true)
  })

  it.each(['outside', 'device', 'folder'])('C78 C134 leave a target alone that is %s', async (target) => {
    const {sync, workspace, other} = await makeUsualProject()
    const outside = `${workspace.base}/victim.keys`
    writeFileSync(outside, production(other))
    mkdirSync(workspace.path('folder'))
    symlinkSync({outside, device: '/dev/null', folder: '../folder'}[target]!, workspace.path(keysFile))
    const run = await sync(['--force'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('  x svc - error\n')
    const {readFileSync} = await import('node:fs')
    expect(readFileSync(outside, 'utf8')).toBe(production(other))
    expect(readdirSync(workspace.path('folder'))).toEqual([])
  })
})

it('C80 C134 names a keys file that is a folder, no text or too large, goes on, and leaves nothing behind', async () => {
  const key = plantKey()
  const names = ['folder', 'latin', 'large', 'fine']
  const {sync, workspace} = await makeProject({
    mappings: names.map((name) => ({secret_name: 'myapp-key', folder_path: name})),
    secrets: {'myapp-key': key.privateKey},
    files: Object.fromEntries(names.map((name) => [`${name}/.env.production`, 'A=encrypted:xyz\n'])),
  })
  mkdirSync(workspace.path('folder/.env.keys'))
  writeFileSync(workspace.path('latin/.env.keys'), Buffer.from([0x41, 0x3d, 0xe4, 0x0a]))
  writeFileSync(workspace.path('large/.env.keys'), '#'.repeat(2 * 1024 * 1024))
  const run = await sync(['--force'])
  expect(run.code).toBe(1)
  for (const name of ['folder', 'latin', 'large']) {
    expect(run.stdout).toMatch(new RegExp(` {2}x ${name} - error\\n {4}Error: .*${name}/\\.env\\.keys`))
    expect(namesIn(workspace.path(name))).toEqual(['.env.keys', '.env.production'])
  }
  expect(run.stdout).toContain('  + fine - created\n')
})

it.skipIf(closedToOthers)(`C80 names a folder that can’t be written, and goes on${closedToOthers}`, async () => {
  const key = plantKey()
  const {workspace, env} = await makeProject({
    mappings: ['closed', 'open'].map((name) => ({secret_name: 'myapp-key', folder_path: name})),
    secrets: {'myapp-key': key.privateKey},
    files: {'closed/.env.production': 'A=encrypted:xyz\n', 'open/.env.production': 'A=encrypted:xyz\n'},
  })
  chmodSync(workspace.path('closed'), 0o555)
  chmodSync(workspace.path('open'), 0o777)
  const run = await envdriftAsNobody(workspace, ['sync'], {cwd: workspace.root, env})
  chmodSync(workspace.path('closed'), 0o755)
  expect(run.code).toBe(1)
  expect(run.stdout).toMatch(/ {2}x closed - error\n {4}Error: .*closed\/\.env\.keys/)
  expect(run.stdout).toContain('  + open - created\n')
  expect(namesIn(workspace.path('closed'))).toEqual(['.env.production'])
})

describe('git', () => {
  it.each([keysFile, 'svc/.env.keys.backup.20260101_000000'])(
    'C129 never gets a key: %s is tracked',
    async (tracked) => {
      const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old)})
      workspace.write(tracked, production(other))
      workspace.git('add', '--force', tracked)
      const run = await sync(['--force'])
      expect(run.code).toBe(1)
      expect(run.stdout).toContain(`${tracked} is tracked by git`)
      expect(run.stdout).toContain(`git rm --cached -- ${tracked}`)
      expect(workspace.read(keysFile)).toBe(production(other))
    },
  )

  it('C129 is no matter to an ephemeral key, which goes into no file', async () => {
    const {sync, workspace, other} = await makeUsualProject({
      settings: ['ephemeral_keys = true'],
      local: (_, old) => production(old),
    })
    workspace.git('add', '--force', keysFile)
    expect((await sync()).code).toBe(0)
    expect(workspace.read(keysFile)).toBe(production(other))
  })

  it('C129 C130 is asked of the repository that a service is by itself', async () => {
    const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old), ignore: ''})
    workspace.git('init', '--quiet', 'svc')
    const unignored = await sync(['--verify'])
    expect(unignored.stderr).toContain('svc/.env.keys and its backups are not ignored by git')
    workspace.git('-C', 'svc', 'add', '--force', '.env.keys')
    const run = await sync(['--force'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('svc/.env.keys is tracked by git')
    // To ignore it comes after untracking it.
    expect(run.stderr).not.toContain('are not ignored by git')
    expect(run.stderr).not.toContain('not ignored')
    expect(workspace.read(keysFile)).toBe(production(other))
  })

  it('C130 is told to ignore the backups, too', async () => {
    const {sync} = await makeUsualProject({ignore: '.env.keys\n'})
    const run = await sync()
    expect(run.code).toBe(0)
    expect(run.stderr).toContain('add this line to .gitignore: .env.keys*')
  })

  it('C130 hears of backups from a verify once there is one: it makes none', async () => {
    const {sync, workspace} = await makeUsualProject({ignore: '.env.keys\n', local: (key) => production(key)})
    expect((await sync(['--verify'])).stderr).not.toContain('ignored by git')
    workspace.write('svc/.env.keys.backup.20260101_000000', '')
    const run = await sync(['--verify'])
    expect(run.code).toBe(0)
    expect(run.stderr).toContain('add this line to .gitignore: .env.keys*')
  })

  it.each([
    ['a keys file of another name', {name: 'my.keys', ignore: 'my.keys\n', git: true}],
    ['one that git is not asked about', {name: '.env.keys', ignore: '.env.keys\n', git: false}],
  ])('C130 hears of the backups of %s from a verify', async (_, {name, ignore, git}) => {
    const {sync, workspace} = await makeUsualProject({
      ignore,
      settings: [`env_keys_filename = "${name}"`],
      local: (key) => production(key),
    })
    workspace.write(`svc/${name}`, workspace.read(keysFile))
    workspace.write(`svc/${name}.backup.20260101_000000`, '')
    const run = await sync(['--verify'], {keysFiles: [name], ...(git ? {} : {env: {PATH: '/nowhere'}})})
    expect(run.code).toBe(0)
    expect(run.stderr).toContain('to .gitignore: ')
  })

  it('C130 is told by a verify before there is a keys file', async () => {
    const {sync} = await makeUsualProject({ignore: 'node_modules\n'})
    expect((await sync(['--verify'])).stderr).toContain('add this line to .gitignore: .env.keys*')
  })

  it('C130 is told to ignore the keys file, once', async () => {
    const key = plantKey()
    const {sync} = await makeProject({
      mappings: ['one', 'two'].map((name) => ({secret_name: 'myapp-key', folder_path: name})),
      secrets: {'myapp-key': key.privateKey},
      files: {'one/.env.production': 'A=encrypted:xyz\n', 'two/.env.production': 'A=encrypted:xyz\n'},
      ignore: 'node_modules\n',
    })
    const run = await sync()
    expect(run.code).toBe(0)
    expect(run.stderr.match(/add this line to \.gitignore: \.env\.keys\*/g)).toHaveLength(1)
  })
})

it('C97 says which folder is missing for a keys file in another folder', async () => {
  const {sync, workspace} = await makeUsualProject({settings: ['env_keys_filename = "sub/k"']})
  const run = await sync([], {keysFiles: ['k']})
  expect(run.code).toBe(1)
  expect(run.stdout).toContain('Could not write svc/sub/k')
  expect(run.stdout).toContain('Create its folder first')
  expect(run.stderr).toContain('add these lines to .gitignore: k and k.*')
  expect(workspace.exists('svc/sub')).toBe(false)
})

it('C132 keeps as many backups as the configuration says', async () => {
  const {sync, workspace} = await makeUsualProject({settings: ['backups = 2'], local: (_, old) => production(old)})
  for (const name of ['20250101_000000', '20250102_000000', '20250103_000000']) {
    workspace.write(`svc/.env.keys.backup.${name}`, '# old\n', 0o600)
  }
  expect(await sync(['--force'])).toMatchObject({code: 0})
  const backups = namesIn(workspace.path('svc')).filter((name) => name.includes('.backup.'))
  expect(backups).toHaveLength(2)
  expect(backups[0]).toBe('.env.keys.backup.20250103_000000')
})

it('two runs at once on one keys file lose no key', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const keys = Object.fromEntries(names.map((name) => [name, plantKey()]))
  const {workspace, vault, env} = await makeProject({
    files: Object.fromEntries(names.map((name) => [`svc/.env.${name}`, 'A=encrypted:xyz\n'])),
  })
  const {program, runInWorkspace} = await import('../../support/run-envdrift.ts')
  const {configText} = await import('../../support/project.ts')
  for (const name of names) {
    vault.put(`${name}-key`, keys[name]!.privateKey, 'eu-west-1')
    workspace.write(`${name}.toml`, configText([{secret_name: `${name}-key`, folder_path: 'svc', environment: name}]))
  }
  const script = `for name in ${names.join(' ')}; do "$0" "$1" sync -c $name.toml & done; wait`
  const run = await runInWorkspace(['/bin/sh', '-c', script, ...program], {cwd: workspace.root, env})
  expect(run.stdout.match(/ {2}\+ svc - created\n/g)).toHaveLength(names.length)
  for (const name of names) {
    expect(workspace.read(keysFile)).toContain(`DOTENV_PRIVATE_KEY_${name.toUpperCase()}=${keys[name]!.privateKey}\n`)
  }
})
