import {execFileSync} from 'node:child_process'
import {chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {basename, join} from 'node:path'

import fc from 'fast-check'
import {describe, expect, it} from 'vitest'

import {parseIndex} from '../../src/system/git-files.ts'
import {findRepositories, ignoredFiles, isEnvFileName, listEnvFiles, trackedFiles} from '../../src/system/git.ts'
import type {Workspace} from '../support/workspace.ts'
import * as support from '../support/workspace.ts'

/** These tests list all that git sees. */
const makeWorkspace = (files: Readonly<Record<string, string>> = {}): support.Workspace =>
  support.makeWorkspace(files, {hideCanary: false})

/** With git, and on a machine that has none: the answers must be the same. */
const ways = [
  ['asked of git', {PATH: process.env['PATH']}],
  ['read by ourselves', {PATH: '/nowhere'}],
] as const

/** A git that was asked by the way leaves its arguments; PATH leads to it first. */
function recordingGit(
  {base}: Workspace,
  script = 'exec /usr/bin/env -u X git "$@"',
): {readonly PATH: string; readonly calls: () => readonly string[]} {
  const [folder, log] = [join(base, 'recording'), join(base, 'recording', 'log')]
  mkdirSync(folder)
  writeFileSync(join(folder, 'git'), `#!/bin/sh\necho "$@" >> '${log}'\nPATH=${process.env['PATH']}\n${script}\n`)
  chmodSync(join(folder, 'git'), 0o755)
  return {PATH: folder, calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [])}
}

describe('findRepositories', () => {
  it('finds the nearest .git upward, a folder or a file, through symlinks and for folders to come', async () => {
    const {root, base, path, git, write} = makeWorkspace({
      'services/auth/.env': '',
      'nested/.git': 'gitdir: elsewhere\n',
    })
    symlinkSync(path('services', 'auth'), join(base, 'link'))
    const rootOf = findRepositories()
    expect(await rootOf(path('services', 'auth'))).toBe(root)
    expect(await rootOf(join(base, 'link'))).toBe(root)
    expect(await rootOf(path('not', 'yet'))).toBe(root)
    expect(await rootOf(path('nested'))).toBe(path('nested'))
    expect(await rootOf(base)).toBeUndefined()
    write('a', '')
    git('add', 'a')
    git('commit', '--quiet', '--message=one')
    git('worktree', 'add', '--quiet', '../worktree')
    expect(await rootOf(join(base, 'worktree'))).toBe(join(base, 'worktree'))
  })
})

describe.each(ways)('%s', (_, env) => {
  it('C129 tells the tracked files, however they are spelled', async () => {
    const {root, git, path} = makeWorkspace({'a/.env.keys': '', 'a/b c/línea.keys': '', 'a/free.keys': ''})
    git('add', '--force', 'a/.env.keys', 'a/b c/línea.keys')
    symlinkSync('a', path('link'))
    const asked = ['a/.env.keys', 'a/b c/línea.keys', 'a/free.keys', 'link/.env.keys', 'absent', '../outside']
    const tracked = await trackedFiles(
      root,
      asked.map((name) => path(name)),
      {env},
    )
    expect([...tracked.values()]).toEqual([...tracked.keys()])
    expect([...tracked.keys()]).toEqual(['a/.env.keys', 'a/b c/línea.keys', 'link/.env.keys'].map((name) => path(name)))
  })

  it('tells the file of which a backup is tracked, also of a backup that lies in the index only', async () => {
    const {root, git, path} = makeWorkspace({
      'a/.env.keys': '',
      'a/.env.keys.backup.20261121_093005': '',
      'b/k.backup.keys': '',
      'b/k.backup.keys.backup.gone': '',
      'c/.env.keys': '',
      'c/.env.keys.backups': '',
      'd.backup.e/.env.keys': '',
    })
    git('add', '--force', '.')
    git('rm', '--quiet', '--cached', 'a/.env.keys', 'b/k.backup.keys', 'c/.env.keys')
    rmSync(path('b/k.backup.keys.backup.gone'))
    const asked = ['a/.env.keys', 'b/k.backup.keys', 'b/k.backup', 'c/.env.keys', 'd'].map((name) => path(name))
    expect(Object.fromEntries(await trackedFiles(root, asked, {env}))).toEqual({
      [path('a/.env.keys')]: path('a/.env.keys.backup.20261121_093005'),
      [path('b/k.backup.keys')]: path('b/k.backup.keys.backup.gone'),
    })
  })

  it('C130 tells the ignored files; a tracked one is not', async () => {
    const {root, git, path} = makeWorkspace({
      '.gitignore': '.env.keys*\n!free/.env.keys\n/only-here\nbuild/\n# comment\n*.sec\n',
      'sub/.gitignore': '!*.sec\n/x\n',
      'tracked/.env.keys': '',
      '.git/info/exclude': 'excluded\n',
    })
    git('add', '--force', 'tracked/.env.keys')
    const ignored = [
      '.env.keys',
      'a/.env.keys',
      'a/.env.keys.backup.20261121_093005',
      'only-here',
      'build/a/b',
      'a.sec',
      'sub/x',
      'deep/excluded',
    ]
    const free = ['free/.env.keys', 'tracked/.env.keys', 'a/only-here', 'sub/a.sec', 'sub/sub/x', 'other']
    const asked = [...ignored, ...free].map((name) => path(name))
    expect([...(await ignoredFiles(root, asked, {env}))]).toEqual(ignored.map((name) => path(name)))
    expect(await ignoredFiles(root, [path('other')], {env})).toEqual(new Set())
  })

  it('C124 lists env files, not what git ignores, nested repositories, or examples', async () => {
    const {root, git, path, write, base} = makeWorkspace({
      '.gitignore': 'ignored/\n.env.local\n',
      '.env': '',
      '.env.production': '',
      'a/b c/app.env': '',
      'a/app.env.staging': '',
      'a/.env.example': '',
      'a/.env.keys': '',
      'a/.env.keys.backup.20261121_093005': '',
      'a/.envrc': '',
      'a/environment': '',
      'a/.env.local': '',
      'ignored/.env': '',
      'nested/.git/HEAD': 'ref: refs/heads/main\n',
      'deleted/.env': '',
    })
    git('init', '--quiet', join(base, 'repository', 'nested2'))
    write('nested2/.env', '')
    execFileSync('git', ['init', '--quiet', path('nested')])
    write('nested/.env', '')
    git('add', '.env', 'a/.env.example', 'deleted/.env')
    git('rm', '--quiet', '--force', '--cached', 'deleted/.env')
    git('add', 'deleted/.env')
    execFileSync('rm', ['-r', path('deleted')])
    symlinkSync('../.env', path('a', '.env.link'))
    symlinkSync('..', path('a', 'up.env'))
    const expected = [
      '.env',
      '.env.production',
      'a/.env.link',
      'a/app.env.staging',
      'a/b c/app.env',
      'a/up.env',
      'canary/.env.production',
    ]
    expect(await listEnvFiles(root, {env})).toEqual(expected.map((name) => path(name)).toSorted())
  })

  it('works in a worktree, whose .git is a file', async () => {
    const {base, git, write} = makeWorkspace({'.gitignore': '.env.keys\n'})
    write('.env', '')
    git('add', '.gitignore', '.env')
    git('commit', '--quiet', '--message=one')
    git('worktree', 'add', '--quiet', '../worktree')
    writeFileSync(join(base, 'repository', '.git', 'info', 'exclude'), 'excluded\n')
    const worktree = join(base, 'worktree')
    const asked = ['.env', '.env.keys', 'excluded'].map((name) => join(worktree, name))
    expect([...(await trackedFiles(worktree, asked, {env})).keys()]).toEqual([join(worktree, '.env')])
    expect([...(await ignoredFiles(worktree, asked, {env}))]).toEqual([
      join(worktree, '.env.keys'),
      join(worktree, 'excluded'),
    ])
    expect(await listEnvFiles(worktree, {env})).toEqual([join(worktree, '.env')])
  })
})

it('starts one child for four hundred folders', async () => {
  const workspace = makeWorkspace()
  const {calls, ...env} = recordingGit(workspace)
  const paths = Array.from({length: 400}, (_, n) => workspace.path(`services/${n}/.env.keys`))
  await trackedFiles(workspace.root, paths, {env})
  await ignoredFiles(workspace.root, paths, {env})
  await listEnvFiles(workspace.root, {env})
  expect(calls()).toHaveLength(3)
  expect(calls().every((call) => call.startsWith('-c core.fsmonitor=false -c safe.bareRepository=explicit -C '))).toBe(
    true,
  )
  await trackedFiles(workspace.root, [], {env})
  expect(calls()).toHaveLength(3)
})

it('asks one child for tracked keys files and env files, and one more for keys files of other names', async () => {
  const workspace = makeWorkspace({'.gitignore': '.env.keys\nignored.env\n'})
  for (const name of [
    '.env',
    'new.env',
    'ignored.env',
    'app.keys',
    'open.env.keys',
    'a/.env.keys',
    'b/.env.keys',
    'b/.env.keys.backup.1',
  ])
    workspace.write(name, '')
  workspace.git('add', '--force', '.env', 'app.keys', 'a/.env.keys', 'b/.env.keys.backup.1')
  const {calls, ...env} = recordingGit(workspace)
  const options = {env, listings: new Map()}
  const asked = ['a/.env.keys', 'b/.env.keys', 'c/.env.keys', 'open.env.keys'].map((name) => workspace.path(name))
  const [envFiles, tracked] = await Promise.all([
    listEnvFiles(workspace.root, options),
    trackedFiles(workspace.root, asked, options),
  ])
  expect(envFiles).toEqual(['.env', 'canary/.env.production', 'new.env'].map((name) => workspace.path(name)))
  expect([...tracked]).toEqual([
    [asked[0], asked[0]],
    [asked[1], workspace.path('b/.env.keys.backup.1')],
  ])
  expect(calls()).toHaveLength(1)
  const other = workspace.path('app.keys')
  expect([...(await trackedFiles(workspace.root, [other], options))]).toEqual([[other, other]])
  expect(calls()).toHaveLength(2)
})

it('C130 knows of files that are there what git has listed, and asks it for the others alone', async () => {
  const names = ['a/.env.keys', 'b/.env.keys', 'c/.env.keys', 'd/.env.keys', 'e/.env.keys', 'f/app.keys', 'g/app.keys']
  const workspace = makeWorkspace({
    '.gitignore': 'a/\n/b/.env.keys\n/d/.env.keys\nf/*\n',
    ...Object.fromEntries(names.filter((name) => !name.startsWith('d')).map((name) => [name, ''])),
  })
  workspace.git('add', '--force', 'b/.env.keys')
  const {calls, ...env} = recordingGit(workspace)
  const ignored = async (mayBeThere: boolean, some: readonly string[]): Promise<readonly string[]> => {
    const options = {env, mayBeThere, listings: new Map()}
    const paths = some.map((name) => workspace.path(name))
    return [...(await ignoredFiles(workspace.root, paths, options))].map((path) =>
      path.slice(workspace.root.length + 1),
    )
  }
  const listable = ['a/.env.keys', 'b/.env.keys', 'c/.env.keys', 'e/.env.keys']
  workspace.write('h/.env.keys.backup.20261121_093005', '')
  expect(await ignored(true, [...listable, 'h/.env.keys'])).toEqual(['a/.env.keys'])
  expect(calls().map((call) => /ls-files|check-ignore/.exec(call)?.[0])).toEqual(['ls-files'])
  expect(await ignored(true, names)).toEqual(['a/.env.keys', 'd/.env.keys', 'f/app.keys'])
  expect(await ignored(false, names)).toEqual(['a/.env.keys', 'd/.env.keys', 'f/app.keys'])
  expect(calls().map((call) => /ls-files|check-ignore/.exec(call)?.[0])).toEqual([
    'ls-files',
    'ls-files',
    'check-ignore',
    'check-ignore',
  ])
})

describe.each(ways)('a work tree that is not the folder of .git, %s', (_how, env) => {
  it.each([
    ['../src', '[core]\n\tworktree = ../src'],
    [
      'an absolute path, by the last of several',
      '[Core] worktree = ..\n[CORE]\n  WorkTree = "/nowhere at all" ; there',
    ],
    ['a quoted one', '[core "x"]\nworktree = /x\n[core]\nbare = false\nworktree = "../a\\\\b"'],
  ])('is refused, as no name would fit: %s', async (_, lines) => {
    const {root, path, git, write} = makeWorkspace({'.env': '', 'src/.env.keys': ''})
    git('add', '--force', '.')
    write('.git/config', `[core]\n\trepositoryformatversion = 0\n${lines}\n`)
    for (const ask of [
      () => trackedFiles(root, [path('src/.env.keys')], {env}),
      () => trackedFiles(root, [path('src/my.keys')], {env}),
      () => listEnvFiles(root, {env}),
    ])
      await expect(ask()).rejects.toMatchObject({
        code: 'FILE_UNREADABLE',
        message: expect.stringContaining('core.worktree') as string,
      })
  })

  it.each([
    '[core]\nworktree = ..',
    '[core]\nworktree = "../"',
    '[core]\nworktree = "../../repository" # here',
    '[core]\nworktree = ./..',
    '[core]\nworktree = /nowhere\nworktree = ..',
    '[core "ours"]\nworktree = /nowhere',
    '[other] worktree = /nowhere',
  ])('is none where it is that folder, or something else: %j', async (lines) => {
    const {root, path, git, write, read} = makeWorkspace({'.env.keys': ''})
    git('add', '--force', '.')
    write('.git/config', `${read('.git/config')}\n${lines.replace('repository', basename(root))}\n`)
    expect([...(await trackedFiles(root, [path('.env.keys')], {env})).keys()]).toEqual([path('.env.keys')])
  })

  it('is none in a submodule, which git tells where it lies', async () => {
    const {base, git, path} = makeWorkspace({'.env': ''})
    git('init', '--quiet', join(base, 'other'))
    git(
      '-C',
      join(base, 'other'),
      '-c',
      'user.name=n',
      '-c',
      'user.email=e',
      'commit',
      '--quiet',
      '--allow-empty',
      '--message',
      'first',
    )
    git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', join(base, 'other'), 'sub/module')
    writeFileSync(path('sub/module/.env.keys'), '')
    git('-C', path('sub/module'), 'add', '--force', '.env.keys')
    const keysFile = path('sub/module/.env.keys')
    expect([...(await trackedFiles(path('sub/module'), [keysFile], {env})).keys()]).toEqual([keysFile])
  })
})

it('reads by itself when git refuses the checkout', async () => {
  const workspace = makeWorkspace({'.gitignore': '.env.keys\n', '.env': ''})
  workspace.git('add', '.env')
  const {calls, ...env} = recordingGit(
    workspace,
    `echo "fatal: detected dubious ownership in repository" >&2; exit 128`,
  )
  const [dotEnv, keys] = [workspace.path('.env'), workspace.path('.env.keys')]
  expect([...(await trackedFiles(workspace.root, [dotEnv, keys], {env})).keys()]).toEqual([dotEnv])
  expect([...(await ignoredFiles(workspace.root, [dotEnv, keys], {env}))]).toEqual([keys])
  expect(calls()).toHaveLength(2)
})

it.runIf(process.getuid?.() === 0)('reads by itself a checkout that belongs to somebody else', async () => {
  const workspace = makeWorkspace({'.env': ''})
  workspace.git('add', '.env')
  execFileSync('chown', ['-R', '65534:65534', workspace.root])
  const env = {PATH: process.env['PATH'], HOME: workspace.home}
  // git does refuse: else this test shows nothing.
  expect(() => workspace.git('ls-files')).toThrow(/dubious ownership/)
  expect([...(await trackedFiles(workspace.root, [workspace.path('.env')], {env})).keys()]).toEqual([
    workspace.path('.env'),
  ])
})

it('runs nothing that the repository configures, and no git of its own', async () => {
  const {root, base, git, path, write} = makeWorkspace({'.env': ''})
  const touched = join(base, 'touched')
  write('git', `#!/bin/sh\ntouch '${touched}'\n`, 0o755)
  write('monitor', `#!/bin/sh\ntouch '${touched}'\n`, 0o755)
  git('add', '.env')
  git('config', 'core.fsmonitor', path('monitor'))
  const env = {PATH: `.:${root}::${process.env['PATH']}`, GIT_DIR: '/nowhere', GIT_INDEX_FILE: '/nowhere'}
  expect([...(await trackedFiles(root, [path('.env')], {env})).keys()]).toEqual([path('.env')])
  expect(await listEnvFiles(root, {env})).toHaveLength(2)
  expect(existsSync(touched)).toBe(false)
})

it.each(['2', '3', '4'])('reads an index of version %s as git does', (version) => {
  const names = ['.env', 'a/.env.keys', 'a/b/c/línea', 'a/b/c/línea2', 'z'.repeat(200), 'z'.repeat(201)]
  const {git, path} = makeWorkspace(Object.fromEntries(names.map((name) => [name, ''])))
  git('add', '.')
  // Version 3 is what 2 becomes once an entry needs the further flags.
  if (version === '3') git('update-index', '--skip-worktree', '.env')
  else git('update-index', '--index-version', version)
  const bytes = readFileSync(path('.git', 'index'))
  expect(bytes.readUInt32BE(4)).toBe(Number(version))
  const listed = git('ls-files', '-z').split('\0').slice(0, -1)
  expect(listed).toHaveLength(names.length + 1)
  expect(parseIndex(bytes)).toEqual(listed)
})

it('reads an index of SHA-256', () => {
  const {git, path, base} = makeWorkspace()
  git('init', '--quiet', '--object-format=sha256', join(base, 'repository', 'wide'))
  writeFileSync(path('wide', 'a'), '')
  writeFileSync(path('wide', 'long name'), '')
  git('-C', 'wide', 'add', '.')
  expect(parseIndex(readFileSync(path('wide', '.git', 'index')))).toEqual(['a', 'long name'])
})

it('refuses an index that shows a part only, or is damaged, rather than call a tracked file free', async () => {
  const {root, git, path} = makeWorkspace({'.env': ''})
  git('add', '.')
  git('update-index', '--split-index')
  const env = {PATH: '/nowhere'}
  await expect(trackedFiles(root, [path('.env')], {env})).rejects.toMatchObject({
    code: 'FILE_UNREADABLE',
    message: expect.stringContaining('split'),
  })
  for (const bytes of ['', 'DIRC', 'DIRC\0\0\0\u0002\0\0\0\u0009', 'DIRC\0\0\0\u0009\0\0\0\0']) {
    writeFileSync(path('.git', 'index'), bytes)
    await expect(trackedFiles(root, [path('.env')], {env})).rejects.toMatchObject({code: 'FILE_UNREADABLE'})
  }
})

it('agrees with git on what made-up patterns ignore', {timeout: 120_000}, async () => {
  // Not `b**`: git 2.39 lets it match slashes, against its own documentation.
  const word = fc.constantFrom(
    'a',
    'b',
    '.env',
    '.env.keys',
    '*',
    '**',
    '*.keys',
    'a*',
    '?',
    '[ab]',
    '.env*',
    'a b',
    '[!a]',
    '\\*',
    '***',
    '#a',
    '\\a',
    '[a-c]*',
  )
  const line = fc
    .tuple(
      fc.constantFrom('', '', '!', '/'),
      fc.array(word, {minLength: 1, maxLength: 3}),
      fc.constantFrom('', '', '/', ' '),
    )
    .map(([head, words, tail]) => `${head}${words.join('/')}${tail}`)
  const names = ['.env.keys', 'a/c', 'a/.env.keys', 'b/a/.env', 'a/b/.env.keys', 'a b/a', 'b/b.keys']
  const workspace = makeWorkspace(Object.fromEntries(names.map((name) => [name, ''])))
  const asked = names.map((name) => workspace.path(name))
  await fc.assert(
    fc.asyncProperty(fc.array(line, {minLength: 1, maxLength: 5}), async (lines) => {
      workspace.write('.gitignore', `${lines.join('\n')}\n`)
      const byGit = await ignoredFiles(workspace.root, asked, {env: {PATH: process.env['PATH']}})
      const byUs = await ignoredFiles(workspace.root, asked, {env: {PATH: '/nowhere'}})
      expect([...byUs]).toEqual([...byGit])
    }),
    {numRuns: 400},
  )
})

it('is not kept busy by a pattern of many wildcards', async () => {
  const workspace = makeWorkspace({'.gitignore': `${'*a'.repeat(30)}b\n`})
  const [near, match] = [workspace.path('a'.repeat(200)), workspace.path(`${'a'.repeat(200)}b`)]
  expect([...(await ignoredFiles(workspace.root, [near, match], {env: {PATH: '/nowhere'}}))]).toEqual([match])
})

it.each([
  ['.env', true],
  ['.env.production', true],
  ['postgresql.env', true],
  ['app.env.staging', true],
  ['.env.keys', false],
  ['.env.keys.backup.20261121_093005', false],
  ['.env.KEYS', false],
  ['.env.example', false],
  ['app.env.sample', false],
  ['.env.production.template', false],
  ['.envrc', false],
  ['env', false],
  ['environment.ts', false],
])('takes %s for an env file: %s', (name, is) => {
  expect(isEnvFileName(name)).toBe(is)
})
