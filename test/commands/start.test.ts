import {execFile} from 'node:child_process'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {describe, expect, it} from 'vitest'

import {closedToOthers} from '../support/closed-to-others.ts'
import {makeUsualProject} from '../support/project.ts'
import {program, runInWorkspace} from '../support/run-envdrift.ts'
import {makeWorkspace} from '../support/workspace.ts'

const root = join(import.meta.dirname, '../..')
const [node, entry] = program
const run = promisify(execFile)

it.each(['20.20.2', '22.17.1', '18.0.0'])('on Node %s says which one it needs, and ends with 1', async (version) => {
  const pretend = `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'${version}'}});Object.defineProperty(process,'version',{value:'v${version}'})`
  const failure = await run(node, ['--import', pretend, entry, '--version'], {cwd: root}).then(
    () => undefined,
    (error: unknown) => error as {code: number; stdout: string; stderr: string},
  )
  expect(failure).toMatchObject({code: 1, stdout: ''})
  expect(failure?.stderr).toMatch(/^\[ERROR\] envdrift needs Node\.js 22\.18 or newer; this is v[\d.]+\.\n {2}→ .+\n$/)
})

describe('what is loaded', () => {
  /** Names every module on stderr as it is loaded, however it is. */
  const tell = `data:text/javascript,import{registerHooks}from'node:module';registerHooks({load(url,context,next){process.stderr.write('LOADED '+url+'\\n');return next(url,context)}})`
  const sdks = /@aws-sdk|@smithy|@azure|@google-cloud|google-gax|grpc|node-vault|axios/

  it.each([['--version'], ['--help'], ['sync', '--help'], ['vault', '--help'], ['snyc']])(
    'by %j is no SDK',
    async (...words) => {
      const workspace = makeWorkspace()
      const {stderr} = await runInWorkspace([node, '--import', tell, join(root, 'bin/dev.js'), ...words], {
        cwd: workspace.root,
      })
      expect(stderr).toContain('src/cli/main.ts')
      expect(stderr.split('\n').filter((line) => sdks.test(line))).toEqual([])
    },
  )

  it('by a sync with AWS is the SDK of AWS, and no other', async () => {
    const {workspace, env} = await makeUsualProject()
    const {stderr, code} = await runInWorkspace(
      [node, '--import', tell, join(root, 'bin/dev.js'), 'sync', '--verify', '--ci'],
      {cwd: workspace.root, env},
    )
    expect(code).toBe(0)
    expect(stderr).toMatch(/LOADED \S*@aws-sdk\/client-secrets-manager/)
    expect(
      stderr.split('\n').filter((line) => /@azure|@google-cloud|google-gax|grpc|node-vault|axios|\bajv\b/.test(line)),
    ).toEqual([])
  })
})

describe('--version and --help', () => {
  it('say the same from the build and from oclif', async () => {
    const workspace = makeWorkspace()
    for (const words of [
      ['--version'],
      ['--help'],
      ['sync', '--help'],
      ['vault', '--help'],
      ['vault', 'set', '--help'],
    ]) {
      const options = {cwd: workspace.root, env: {COLUMNS: '80', OCLIF_COLUMNS: '80'}}
      const [built, source] = await Promise.all(
        [entry, join(root, 'bin/dev.js')].map((bin) => runInWorkspace([node, bin, ...words], options)),
      )
      expect(built).toEqual(source)
      expect(built?.stdout).not.toBe('')
    }
  })

  it('start the help of sync with what it does, and show examples', async () => {
    const workspace = makeWorkspace()
    const {stdout} = await runInWorkspace([...program, 'sync', '--help'], {
      cwd: workspace.root,
    })
    expect(stdout).toMatch(/^Bring the vault's dotenvx keys/)
    expect(stdout).toContain('$ envdrift sync --verify --ci\n')
  })
})

it('keeps tokens, passwords and private keys from the programs that an SDK starts', async () => {
  const {workspace, vault, key} = await makeUsualProject()
  const secrets = {
    VAULT_TOKEN: 'hvs.canary-token',
    ENVDRIFT_VAULT_PASSWORD: 'canary-password',
    DOTENV_PRIVATE_KEY_PRODUCTION: key.privateKey,
  }
  // AWS asks a program of the user's own configuration for credentials.
  const credentials = JSON.stringify({
    Version: 1,
    AccessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    SecretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  })
  const helper = workspace.write(
    'helper.sh',
    `#!/bin/sh\nenv | sed 's/=.*//' > ${workspace.path('names')}\necho '${credentials}'\n`,
    0o755,
  )
  mkdirSync(join(workspace.home, '.aws'))
  writeFileSync(join(workspace.home, '.aws/config'), `[default]\ncredential_process = ${helper}\n`)
  const {code} = await runInWorkspace([...program, 'sync'], {
    cwd: workspace.root,
    env: {AWS_ENDPOINT_URL: vault.url, ...secrets},
  })
  expect(code).toBe(0)
  const names = workspace.read('names').split('\n')
  expect(names).toContain('AWS_ENDPOINT_URL')
  expect(names.filter((name) => Object.hasOwn(secrets, name))).toEqual([])
})

describe('a mistyped command line', () => {
  it.each([
    [['snyc'], '[ERROR] There is no command snyc\n', 'Did you mean `envdrift sync`?'],
    [['pull'], '[ERROR] envdrift pull is not there yet: a later version has it\n', 'envdrift --help'],
    [['sync', '--verfy'], '[ERROR] Nonexistent flag: --verfy\n', 'Did you mean --verify?'],
    [['hvs.canary-of-a-token'], '[ERROR] There is no such command\n', 'envdrift --help'],
    [
      ['vault', 'sett', 'name', 'canary'],
      '[ERROR] There is no command vault sett\n',
      'Did you mean `envdrift vault set`?',
    ],
    [['vault', 'sett', 'canary', '--help'], '[ERROR] There is no command vault sett\n', '`envdrift vault set`'],
    [['vault', 'list', 'a canary', '--help'], '[ERROR] envdrift vault list takes no argument', 'vault list --help'],
    [['vault', 'passwd', 'a canary'], '[ERROR] envdrift vault passwd takes no argument', 'vault passwd --help'],
    [['vault', 'list', '--password=a canary'], '[ERROR] Nonexistent flag: --password\n', '--password-fd'],
    [['sync', '-z canary'], '[ERROR] Nonexistent flag: a word that begins with -\n', '--help'],
    [
      ['vault', 'list', '--password-file', 'a canary', '--password-command', 'a canary'],
      "[ERROR] --password-file and --password-command can't be given together\n",
      '--help',
    ],
    [['vault', 'list', '--password-fd', 'canary'], '[ERROR] --password-fd: Expected an integer', '--help'],
    [['vault', '--verify', 'canary'], '[ERROR] envdrift vault is no command by itself\n', '`envdrift vault --help`'],
  ])('%j is told what was meant', async (words, message, suggestion) => {
    const workspace = makeWorkspace()
    const {code, stderr} = await runInWorkspace([...program, ...words], {cwd: workspace.root})
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr).toContain(suggestion)
    expect(stderr).not.toContain('canary')
  })

  it('is a document, too: a topic with flags is no command', async () => {
    const {code, stdout} = await runInWorkspace([...program, 'vault', '--json'], {cwd: makeWorkspace().root})
    expect({code, document: JSON.parse(stdout) as unknown}).toMatchObject({code: 2, document: {exitReason: 'usage'}})
  })

  it('gives a flag its value, though that looks like a wish for help', async () => {
    const workspace = makeWorkspace()
    const runs = await Promise.all(
      ['--filter', '-c'].map((flag) =>
        runInWorkspace([...program, 'sync', '--verify', '--ci', flag, '--help'], {cwd: workspace.root}),
      ),
    )
    expect(runs).toMatchObject([
      {code: 1, stdout: ''},
      {code: 1, stdout: ''},
    ])
  })
})

describe('surroundings that are not there', () => {
  it('end a command with what to do: no working directory', async () => {
    const workspace = makeWorkspace()
    const script = 'mkdir gone && cd gone && rmdir ../gone && "$0" "$1" sync --verify; "$0" "$1" snyc'
    const [node, entry] = program
    const {code, stderr} = await runInWorkspace(['sh', '-c', script, node, entry], {cwd: workspace.root})
    expect(code).toBe(1)
    expect(stderr.match(/^\[ERROR\] .*\n {2}→ .*$/gm)).toEqual(
      Array.from({length: 2}, () => expect.stringContaining('[ERROR] The working directory is not there any more\n')),
    )
  })

  const isRoot = process.getuid?.() === 0
  const why = isRoot ? closedToOthers : ' (skipped: only root becomes a user that the system does not know)'
  it.skipIf(why)(`end a command with what to do: no home${why}`, async () => {
    const workspace = makeWorkspace()
    // A user that the system doesn't know: docs of Node, os.homedir().
    const becomeNobody = 'process.setgroups([]);process.setgid(54321);process.setuid(54321)'
    const [node, entry] = program
    for (const words of [['sync', '--verify'], ['snyc']]) {
      const argv: [string, ...string[]] = [node, '--import', `data:text/javascript,${becomeNobody}`, entry, ...words]
      const {code, stderr} = await runInWorkspace(argv, {cwd: workspace.root, env: {HOME: undefined}})
      expect({code, stderr}).toEqual({code: 1, stderr: expect.stringMatching(/^\[ERROR\] HOME is not set/)})
    }
  })
})

it('a home directory that can’t be used is no reason for a warning of the framework', async () => {
  const workspace = makeWorkspace()
  workspace.write('data/envdrift/package.json', 'no package at all')
  const {stderr} = await runInWorkspace([...program, 'snyc'], {
    cwd: workspace.root,
    env: {XDG_DATA_HOME: workspace.path('data')},
  })
  expect(stderr).toMatch(/^\[ERROR\] There is no command snyc\n/)
})
