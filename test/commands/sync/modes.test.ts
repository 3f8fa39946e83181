import {rmSync, symlinkSync} from 'node:fs'
import {createServer} from 'node:net'

import {describe, expect, it, onTestFinished} from 'vitest'

import {plantKey} from '../../support/planted-keys.ts'
import {configText, makeProject, makeUsualProject, production} from '../../support/project.ts'
import {envdrift} from '../../support/run-envdrift.ts'
import {encryptEnvFile, makeWorkspace} from '../../support/workspace.ts'

/** What is read side by side can be seen: twenty secrets in one request can't. */
const oneByOne = {ENVDRIFT_AWS_BATCH: 'off'}

describe('when the vault can’t be read', () => {
  it('C111 says once, on stderr, that the login was refused, and how to log in', async () => {
    const {sync, vault} = await makeUsualProject({
      mappings: ['one', 'two'].map((name) => ({secret_name: `${name}-key`, folder_path: name})),
      files: {'one/.env.production': 'A=encrypted:xyz\n', 'two/.env.production': 'A=encrypted:xyz\n'},
    })
    vault.reject({
      type: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    })
    const run = await sync()
    expect(run.code).toBe(1)
    expect(run.stderr.match(/\[ERROR\]/g)).toHaveLength(1)
    expect(run.stderr).toContain('→ ')
    expect(run.stdout).toContain('  x one - error\n')
    expect(run.stdout).toContain('  x two - error\n')
    expect(run.stdout + run.stderr).not.toMatch(/^\s+at /m)
  })

  it('C111 says that nobody is logged in', async () => {
    const {sync} = await makeUsualProject()
    const run = await sync([], {env: {AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined}})
    expect(run.code).toBe(1)
    expect(run.stderr.match(/\[ERROR\]/g)).toHaveLength(1)
    expect(run.stderr).toContain('aws sso login')
  })

  it('C111 does not call a refused connection a matter of login', async () => {
    const {sync} = await makeUsualProject()
    const run = await sync(['--json', '--detailed-exitcode'], {env: {AWS_ENDPOINT_URL: 'http://127.0.0.1:1'}})
    expect(run.code).toBe(7)
    const document = JSON.parse(run.stdout)
    expect(document.exitReason).toBe('unreachable')
    expect(document.rows[0].error.code).toBe('UNREACHABLE')
    expect(document.rows[0].error.message).not.toMatch(/authenti|log(ged)? ?in/i)
  })

  it('takes an answer that is no text for one error, and reads on', async () => {
    const {sync, vault} = await makeUsualProject()
    vault.answer(200, 'application/x-amz-json-1.1', '{"Name":"myapp-key","SecretString":123,"VersionId":"v"}')
    const run = await sync()
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('answered for myapp-key with something that is no secret')
    expect(run.stderr).not.toContain('A bug in envdrift')
  })

  it('C112 gives up on an address that never answers', async () => {
    const silent = createServer(() => {})
    const {promise, resolve} = Promise.withResolvers<void>()
    silent.listen(0, '127.0.0.1', resolve)
    await promise
    onTestFinished(() => void silent.close())
    const {port} = silent.address() as {port: number}
    const {sync} = await makeUsualProject({settings: ['timeout = 1']})
    const run = await sync([], {env: {AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`}, timeoutMs: 30_000})
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('did not answer within 1 s')
  })

  it('C120 tries again when it is throttled once', async () => {
    const {sync, vault} = await makeUsualProject()
    vault.fail({type: 'ThrottlingException', message: 'Rate exceeded'}, 1)
    const run = await sync()
    expect(run.code).toBe(0)
    expect(run.stderr).toMatch(/\[WARN\] AWS Secrets Manager in eu-west-1 was throttled .* made again\n/)
    expect(vault.requests().filter(({operation}) => operation === 'GetSecretValue')).toHaveLength(2)
  })

  it('C126 says who was refused, and what to ask for', async () => {
    const {sync, vault} = await makeUsualProject()
    vault.forbid('myapp-key')
    const run = await sync()
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('User: arn:aws:iam::123456789012:user/myapp-ci')
    expect(run.stdout).toContain('(logged in as arn:aws:iam::123456789012:user/myapp-ci by environment variables)')
    expect(run.stdout).toContain('secretsmanager:GetSecretValue')
  })

  it('says with --verbose alone that it may not read in batches, and reads all the same', async () => {
    const key = plantKey()
    const {sync, vault} = await makeProject({
      mappings: ['one', 'two'].map((name) => ({secret_name: `${name}-key`, folder_path: name})),
      secrets: {'one-key': key.privateKey, 'two-key': key.privateKey},
      files: {'one/.env.production': 'A=encrypted:xyz\n', 'two/.env.production': 'A=encrypted:xyz\n'},
    })
    vault.forbidBatches()
    const quiet = await sync(['--verify'])
    expect(quiet.stderr).not.toContain('BatchGetSecretValue')
    const verbose = await sync(['--verbose'])
    expect(verbose.code).toBe(0)
    expect(verbose.stderr.match(/BatchGetSecretValue \(AccessDeniedException\)/g)).toHaveLength(1)
  })

  it('C125 skips what only CI may read, and needs it there', async () => {
    const {sync, vault, workspace} = await makeUsualProject({
      mappings: [{secret_name: 'myapp-key', folder_path: 'svc', required: 'ci'}],
    })
    vault.forbid('myapp-key')
    const person = await sync()
    expect(person.code).toBe(0)
    expect(person.stdout).toContain('  = svc - skipped (no access; required in CI)\n')
    expect((await sync(['--ci'])).code).toBe(1)
    vault.remove('myapp-key')
    workspace.write('envdrift.toml', configText([{secret_name: 'absent-key', folder_path: 'svc', required: 'ci'}]))
    expect((await sync()).code).toBe(1)
  })
})

describe('what is printed', () => {
  it('C116 C117 keeps rows and panel on stdout, warnings and errors on stderr, and no progress in CI', async () => {
    const {sync, vault} = await makeUsualProject({ignore: ''})
    vault.delay(1_500)
    const run = await sync(['--ci'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('  + svc - created\n')
    expect(run.stdout).toContain('Sync Summary')
    expect(run.stdout).not.toMatch(/\[(ERROR|WARN)\]/)
    expect(run.stderr).toMatch(/^\[WARN\] /)
    expect(run.stderr).not.toContain('…\u001B')
    expect(run.stderr).not.toContain('\r')
  })

  it('shows progress on a terminal after a second, and takes it away', async () => {
    const {sync, vault} = await makeUsualProject({
      mappings: Array.from({length: 40}, (_, n) => ({
        secret_name: 'myapp-key',
        folder_path: 'svc',
        environment: `e${n}`,
      })),
      settings: ['max_workers = 1'],
    })
    vault.delay(300)
    const names = Array.from({length: 6}, (_, n) => `s${n}`)
    const {workspace, env} = await makeProject({
      mappings: names.map((name) => ({secret_name: `${name}-key`, folder_path: name})),
      settings: ['max_workers = 1'],
      files: Object.fromEntries(names.map((name) => [`${name}/.gitkeep`, ''])),
    })
    const slow = {...env, AWS_ENDPOINT_URL: vault.url, ...oneByOne}
    const watched = await envdrift(['sync'], {cwd: workspace.root, env: slow, tty: true})
    expect(watched.stdout).toMatch(/\d of 6 secrets read …/)
    const quiet = await envdrift(['sync', '--quiet'], {cwd: workspace.root, env: slow, tty: true})
    expect(quiet.stdout).not.toContain('secrets read')
    expect((await sync(['--ci'], {tty: true})).stdout).not.toContain('secrets read')
  })

  it('C118 reads side by side, and prints in the order of the configuration', async () => {
    const names = Array.from({length: 10}, (_, n) => `service-${9 - n}`)
    const key = plantKey()
    const {sync, vault} = await makeProject({
      mappings: names.map((name) => ({secret_name: `${name}-key`, folder_path: name})),
      secrets: Object.fromEntries(names.map((name) => [`${name}-key`, key.privateKey])),
      files: Object.fromEntries(names.map((name) => [`${name}/.env.production`, 'A=encrypted:xyz\n'])),
    })
    vault.delay(300)
    const run = await sync([], {env: oneByOne})
    expect(run.stdout.match(/(?<=\+ )service-\d/g)).toEqual(names)
    expect(Math.max(...vault.requests().map(({inFlight}) => inFlight))).toBe(10)
  })

  it('reads a secret once, however many mappings use it, and no more at once than max_workers', async () => {
    const key = plantKey()
    const names = Array.from({length: 12}, (_, n) => `service-${n}`)
    const {sync, vault} = await makeProject({
      settings: ['max_workers = 3'],
      mappings: names.map((name, n) => ({secret_name: `key-${n % 6}`, folder_path: name})),
      secrets: Object.fromEntries(Array.from({length: 6}, (_, n) => [`key-${n}`, key.privateKey])),
      files: Object.fromEntries(names.map((name) => [`${name}/.env.production`, 'A=encrypted:xyz\n'])),
    })
    vault.delay(100)
    expect((await sync([], {env: oneByOne})).code).toBe(0)
    expect(vault.requests()).toHaveLength(6)
    expect(Math.max(...vault.requests().map(({inFlight}) => inFlight))).toBe(3)
  })

  it('is one JSON document, on success and on failure', async () => {
    const {sync, workspace} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync(['--verify', '--json'])
    const document = JSON.parse(run.stdout)
    expect(run.stderr).toBe('')
    expect(document).toMatchObject({
      schemaVersion: 1,
      command: 'sync',
      ok: false,
      exitReason: 'drift',
      mode: 'verify',
      summary: {services: 1, errors: 1},
      rows: [
        {folder: 'svc', secret: 'myapp-key', status: 'error', error: {code: 'DIFFERS'}, local: {}, vaultValue: {}},
      ],
      coverage: {total: 1, covered: 1, uncovered: []},
    })
    workspace.write('envdrift.toml', 'vault = "x"\n')
    const broken = await sync(['--json'])
    expect(broken.code).toBe(1)
    expect(JSON.parse(broken.stdout)).toMatchObject({
      schemaVersion: 1,
      exitReason: 'config',
      error: {code: 'CONFIG_INVALID'},
    })
    const usage = await sync(['--json', '--no-such-flag'])
    expect(usage.code).toBe(2)
    expect(JSON.parse(usage.stdout)).toMatchObject({exitReason: 'usage', error: {code: 'USAGE'}})
  })

  it('is one JSON document with its warnings in it, and nothing on stderr', async () => {
    const {sync} = await makeUsualProject({settings: ['ephemerl_keys = true'], ignore: ''})
    const run = await sync(['--json'])
    expect(run).toMatchObject({code: 0, stderr: ''})
    const {warnings} = JSON.parse(run.stdout) as {warnings: readonly string[]}
    expect(warnings).toEqual([
      expect.stringContaining('ephemerl_keys'),
      expect.stringContaining('add this line to .gitignore'),
    ])
  })

  it('--detailed-exitcode tells what ended a run before its first row, too', async () => {
    const {sync} = await makeUsualProject()
    expect((await sync(['-c', 'missing.toml'])).code).toBe(1)
    expect((await sync(['-c', 'missing.toml', '--detailed-exitcode'])).code).toBe(4)
  })

  it.each([[['--tokn=canary-token']], [['canary-token']], [['--quiet', 'canary-token']], [['--quiet=canary-token']]])(
    'repeats nothing that may be a token of a command line that is wrong: %j',
    async (words) => {
      const {sync} = await makeUsualProject()
      const run = await sync(words)
      expect(run.code).toBe(2)
      expect(run.stdout + run.stderr).not.toContain('canary-token')
    },
  )

  it('--quiet prints what is wrong and no more', async () => {
    const {sync, workspace, other} = await makeUsualProject()
    expect(await sync(['--quiet'])).toMatchObject({code: 0, stdout: '', stderr: ''})
    workspace.write('svc/.env.keys', production(other))
    const run = await sync(['--quiet', '--verify'])
    expect(run.stdout).toMatch(/^ {2}x svc - error\n/)
    expect(run.stdout).not.toContain('Sync Summary')
  })

  it.each([
    [{NO_COLOR: undefined}, false, false],
    [{NO_COLOR: undefined}, true, true],
    [{NO_COLOR: '1'}, true, false],
    [{NO_COLOR: undefined, FORCE_COLOR: '1'}, false, true],
    [{NO_COLOR: '1', FORCE_COLOR: '1'}, false, false],
  ])('C116 colours with %j, terminal %s: %s', async (env, tty, colored) => {
    const {sync} = await makeUsualProject()
    expect((await sync([], {env, tty})).stdout.includes('\u001B[3')).toBe(colored)
  })

  it('C133 shows names from files on one line, without escapes or commands of CI systems', async () => {
    const nasty = 'svc\n::error::fake\u001B[2J##vso[task.setvariable]x'
    const {sync, workspace} = await makeUsualProject()
    workspace.write(
      'envdrift.toml',
      configText([
        {secret_name: 'myapp-key', folder_path: nasty},
        {secret_name: 'myapp-key', folder_path: 'svc'},
      ]),
    )
    for (const flags of [[], ['--verbose'], ['--json']]) {
      const run = await sync(flags)
      const all = run.stdout + run.stderr
      expect(run.code).toBe(1)
      expect(all).not.toMatch(/^\s*::error/m)
      expect(all).not.toContain('::error')
      expect(all).not.toContain('\u001B')
      expect(all).not.toContain('##vso[')
    }
  })

  it('C133 asks about a folder on one line, whatever its name', async () => {
    const nasty = 'svc\n::error::fake\u001B[2J##vso[x]'
    const {sync, workspace, other} = await makeUsualProject({
      mappings: [{secret_name: 'myapp-key', folder_path: nasty}],
    })
    workspace.write(`${nasty}/.env.production`, workspace.read('svc/.env.production'))
    workspace.write(`${nasty}/.env.keys`, production(other))
    const run = await sync(['--verbose'], {stdin: 'y\n'})
    expect(run.code).toBe(0)
    expect(run.stderr).toContain(String.raw`Value mismatch for myapp-key (svc\n:\:error:\:fake\x1b[2J#\#vso[x])`)
    // eslint-disable-next-line no-control-regex
    expect(run.stdout + run.stderr).not.toMatch(/\u001B|::error|##vso\[/)
  })

  it('C135 prints no key and no token, whatever is switched on in the shell', async () => {
    const {sync, env} = await makeUsualProject()
    const run = await sync(['--verbose'], {
      env: {
        DEBUG: '*',
        AZURE_LOG_LEVEL: 'verbose',
        GRPC_TRACE: 'all',
        GRPC_VERBOSITY: 'DEBUG',
        GOOGLE_SDK_NODE_LOGGING: '*',
      },
    })
    expect(run.code).toBe(0)
    expect(run.stdout + run.stderr).not.toContain(env['AWS_SECRET_ACCESS_KEY'])
    expect(run.stderr).toBe('')
  })

  it.each(['http', 'https,net', 'tls', '*'])(
    'C135 does not run where Node itself would print the token: NODE_DEBUG=%s',
    async (words) => {
      const {sync, vault} = await makeUsualProject()
      const run = await sync([], {env: {NODE_DEBUG: words}})
      expect(run.code).toBe(1)
      expect(run.stderr).toContain('Unset NODE_DEBUG')
      expect(vault.requests()).toEqual([])
    },
  )

  it('C136 warns on every run that certificates aren’t checked', async () => {
    const {sync} = await makeUsualProject()
    for (let n = 0; n < 2; n++) {
      const run = await sync([], {env: {NODE_TLS_REJECT_UNAUTHORIZED: '0'}})
      expect(run.code).toBe(0)
      expect(run.stderr).toMatch(/\[WARN\].*NODE_TLS_REJECT_UNAUTHORIZED/)
    }
  })
})

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('ends on %s with %d while it reads, and writes nothing', async (name, code) => {
  const names = Array.from({length: 8}, (_, n) => `service-${n}`)
  const key = plantKey()
  const {sync, vault, workspace} = await makeProject({
    settings: ['max_workers = 1'],
    mappings: names.map((folder) => ({secret_name: `${folder}-key`, folder_path: folder})),
    secrets: Object.fromEntries(names.map((folder) => [`${folder}-key`, key.privateKey])),
    files: Object.fromEntries(names.map((folder) => [`${folder}/.env.production`, 'A=encrypted:xyz\n'])),
  })
  vault.delay(400)
  const run = await sync([], {tty: true, env: oneByOne, signal: {after: /secrets read/, name}})
  expect(run.code).toBe(code)
  expect(vault.requests().length).toBeLessThan(names.length)
  expect(names.filter((folder) => workspace.exists(`${folder}/.env.keys`))).toEqual([])
})

describe('coverage', () => {
  async function withUncovered(settings: readonly string[] = []) {
    const key = plantKey()
    const project = await makeUsualProject({
      settings,
      files: {'forgotten/.env.production': encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', key.publicKey, {A: '1'})},
    })
    return project
  }

  it('C124 names encrypted env files that no mapping names', async () => {
    const {sync} = await withUncovered()
    const run = await sync(['--verify', '--ci'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('1 of 2 encrypted env files are covered\n')
    expect(run.stderr).toMatch(/\[WARN\] forgotten\/\.env\.production is encrypted, but no mapping names it/)
  })

  it('C124 fails where coverage is required, by setting or by flag', async () => {
    const {sync} = await withUncovered(['coverage = "required"'])
    const run = await sync(['--verify', '--ci'])
    expect(run.code).toBe(1)
    expect(run.stderr).toMatch(/\[ERROR\] forgotten\/\.env\.production .*\n {2}→ Add a mapping/)
    const byFlag = await withUncovered()
    expect((await byFlag.sync(['--verify', '--ci', '--require-coverage'])).code).toBe(1)
  })

  it('C124 counts a file whose header somebody took out, and one that is too large to look into', async () => {
    const {sync, workspace} = await withUncovered()
    const text = workspace.read('forgotten/.env.production')
    workspace.write('forgotten/.env.production', text.replace(/^DOTENV_PUBLIC_KEY.*\n/m, ''))
    expect((await sync(['--verify', '--ci', '--require-coverage'])).code).toBe(1)
    workspace.write('forgotten/.env.production', `${text}#${' '.repeat(1024 * 1024)}\n`)
    expect((await sync(['--verify', '--ci', '--require-coverage'])).code).toBe(1)
  })

  it('C124 counts a file that its mapping names and nobody can read as named, and its mapping as failed', async () => {
    const {sync, workspace} = await makeUsualProject()
    const text = workspace.read('svc/.env.production')
    workspace.write('svc/.env.production', `${text}#${' '.repeat(1024 * 1024)}\n`)
    const run = await sync(['--verify', '--ci'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('svc - error')
    expect(run.stderr + run.stdout).not.toContain('no mapping names it')
  })

  it('C124 counts neither what git ignores nor another repository', async () => {
    const {sync, workspace, key} = await makeUsualProject()
    const text = encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', key.publicKey, {A: '1'})
    workspace.write('.gitignore', '.env.keys*\nbuild/\n')
    workspace.write('build/.env.production', text)
    workspace.write('vendor/.env.production', text)
    workspace.git('-C', 'vendor', 'init', '--quiet')
    const run = await sync(['--verify', '--ci', '--require-coverage'])
    expect(run.stdout).toContain('1 of 1 encrypted env file is covered\n')
    expect(run.code).toBe(0)
  })

  it('C124 counts a link as covered when a mapping names its file, and passes over what can’t be read', async () => {
    const {sync, workspace} = await makeUsualProject()
    workspace.write('shared/production.txt', workspace.read('svc/.env.production'))
    rmSync(workspace.path('svc/.env.production'))
    symlinkSync('../shared/production.txt', workspace.path('svc/.env.production'))
    symlinkSync('/dev/zero', workspace.path('svc/.env.device'))
    const run = await sync(['--verify', '--ci', '--require-coverage'])
    expect(run.stdout).toContain('1 of 1 encrypted env file is covered\n')
    expect(run.code).toBe(0)
  })

  it('C124 counts the files of other profiles as covered', async () => {
    const {sync, workspace} = await withUncovered()
    workspace.write(
      'envdrift.toml',
      configText([
        {secret_name: 'myapp-key', folder_path: 'svc'},
        {secret_name: 'other-key', folder_path: 'forgotten', profile: 'local', env_file: '.env.production'},
      ]),
    )
    expect((await sync(['--verify', '--ci', '--require-coverage'])).code).toBe(0)
  })
})

describe('the command line and the configuration', () => {
  it('C87 names the ways to configure when there is none', async () => {
    const workspace = makeWorkspace()
    const run = await envdrift(['sync'], {cwd: workspace.root})
    expect(run).toMatchObject({code: 1, stdout: ''})
    expect(run.stderr).toContain('envdrift.toml')
    expect(run.stderr).toContain('pyproject.toml')
  })

  it('C88 says where the TOML is broken', async () => {
    const workspace = makeWorkspace({'envdrift.toml': '[vault\n'})
    const run = await envdrift(['sync'], {cwd: workspace.root})
    expect(run.code).toBe(1)
    expect(run.stderr).toMatch(/TOML syntax error in .*envdrift\.toml/)
  })

  it('does not follow a configuration out of the repository, and quotes nothing of what lies there', async () => {
    const {workspace, env} = await makeUsualProject()
    const {symlinkSync, writeFileSync} = await import('node:fs')
    writeFileSync(`${workspace.home}/env.sh`, 'VAULT_TOKEN=canary-of-the-home\n')
    symlinkSync(`${workspace.home}/env.sh`, workspace.path('pair.txt'))
    const run = await envdrift(['sync', '-c', 'pair.txt', '-p', 'aws'], {cwd: workspace.root, env})
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('leads out of the repository')
    expect(run.stdout + run.stderr).not.toContain('canary-of-the-home')
  })

  it('ends at once on a key of 60,000 parts', async () => {
    const {sync, workspace} = await makeUsualProject()
    workspace.write('envdrift.toml', `"a"${'.a'.repeat(60_000)} = 1\n[vault]\nprovider = "azur"\n`)
    const run = await sync([], {timeoutMs: 30_000})
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('azur')
  })

  it('C90 warns of unknown keys on stderr, and goes on', async () => {
    const {sync} = await makeUsualProject({
      settings: ['ephemerl_keys = true'],
      mappings: [{secret_name: 'myapp-key', folder_path: 'svc', enviroment: 'x'}],
    })
    const run = await sync()
    expect(run.code).toBe(0)
    expect(run.stderr).toMatch(/ephemerl_keys[^]*ephemeral_keys/)
    expect(run.stderr).toMatch(/enviroment[^]*environment/)
  })

  it('C96 takes paths from the configuration, wherever it is run', async () => {
    const {sync, workspace} = await makeUsualProject({files: {'deep/er/.gitkeep': ''}})
    expect((await sync([], {cwd: workspace.path('deep/er')})).stdout).toContain('  + svc - created\n')
    expect((await sync(['-c', '../../envdrift.toml'], {cwd: workspace.path('deep/er')})).stdout).toContain(
      '  = svc - skipped\n',
    )
  })

  it('C121 C122 lets flags win, long and short', async () => {
    const {workspace, vault, env, key} = await makeUsualProject()
    vault.put('myapp-key', key.privateKey, 'us-west-2')
    workspace.write('pair.txt', '# comment\nmyapp-key = svc\n')
    const run = await envdrift(['sync', '-c', 'pair.txt', '-p', 'aws', '--region', 'us-west-2', '-f'], {
      cwd: workspace.root,
      env,
    })
    expect(run.code).toBe(0)
    expect(vault.requests().map(({region}) => region)).toEqual(['us-west-2'])
  })

  it.each(['AWS', 'xx'])('C92 takes -p %s for a wrong command line', async (provider) => {
    const {sync} = await makeUsualProject()
    const run = await sync(['-p', provider])
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('azure, aws, hashicorp, gcp, local')
  })

  it.each([[['--vault-url', 'https://x.example']], [['--project-id', 'x']]])(
    'C121 refuses %j with AWS, as a usage error',
    async (flags) => {
      const {sync} = await makeUsualProject()
      expect((await sync(flags)).code).toBe(2)
    },
  )

  it('C123 is never in line about nothing', async () => {
    const {sync, workspace} = await makeUsualProject()
    for (const text of [
      '[vault]\nprovider = "aws"\n[vault.sync]\n',
      '[vault]\nprovider = "aws"\n[vault.sync]\nmappings = []\n',
    ]) {
      workspace.write('envdrift.toml', text)
      const run = await sync(['--verify', '--ci'])
      expect(run.code).toBe(1)
      expect(run.stdout).toBe('')
      expect(run.stderr).toContain('[ERROR]')
    }
  })

  it('C137 sends no token anywhere when two addresses contradict each other', async () => {
    const {createServer: createHttp} = await import('node:http')
    const seen: string[] = []
    const server = createHttp((request, response) => {
      seen.push(request.url ?? '')
      response.end('{}')
    })
    const listening = Promise.withResolvers<void>()
    server.listen(0, '127.0.0.1', listening.resolve)
    await listening.promise
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as {port: number}).port}`
    const workspace = makeWorkspace({
      'envdrift.toml': `[vault]\nprovider = "hashicorp"\n[vault.hashicorp]\nurl = "${url}"\n[[vault.sync.mappings]]\nsecret_name = "myapp"\nfolder_path = "svc"\n`,
      'svc/.gitkeep': '',
    })
    const run = await envdrift(['sync'], {
      cwd: workspace.root,
      env: {VAULT_ADDR: 'https://vault.example.com:8200', VAULT_TOKEN: 'hvs.canary-token'},
    })
    expect(run.code).toBe(1)
    expect(run.stderr).toContain(url)
    expect(run.stderr).toContain('https://vault.example.com:8200')
    expect(run.stdout + run.stderr).not.toContain('canary-token')
    expect(seen).toEqual([])
  })

  it('C137 warns of an address that only the repository names, with --ci', async () => {
    const workspace = makeWorkspace({
      'envdrift.toml':
        '[vault]\nprovider = "hashicorp"\n[vault.hashicorp]\nurl = "http://127.0.0.1:1"\n[[vault.sync.mappings]]\nsecret_name = "myapp"\nfolder_path = "svc"\n',
      'svc/.gitkeep': '',
    })
    const run = async (...flags: readonly string[]): Promise<string> =>
      (await envdrift(['sync', ...flags], {cwd: workspace.root, env: {VAULT_TOKEN: 'hvs.canary-token'}})).stderr
    expect(await run('--ci')).toContain('ENVDRIFT_TRUSTED_VAULTS')
    expect(await run()).not.toContain('ENVDRIFT_TRUSTED_VAULTS')
  })

  it('--token is taken with a warning, from stdin without one, and from VAULT_TOKEN and ~/.vault-token', async () => {
    const {startFakeVault} = await import('../../fakes/hashicorp.ts')
    const vault = await startFakeVault()
    onTestFinished(() => vault.stop())
    const key = plantKey()
    const token = vault.addToken({rules: [{path: 'secret/data/myapp', capabilities: ['read']}]})
    vault.put('secret', 'myapp', {DOTENV_PRIVATE_KEY_PRODUCTION: key.privateKey, OWNER: 'team-a'})
    const workspace = makeWorkspace({
      '.gitignore': '.env.keys*\n',
      'envdrift.toml': `[vault]\nprovider = "hashicorp"\n[vault.hashicorp]\nurl = "${vault.url}"\n[[vault.sync.mappings]]\nsecret_name = "myapp"\nfolder_path = "svc"\n`,
      'svc/.env.production': 'A=encrypted:xyz\n',
    })
    const run = (args: readonly string[], more: object = {}) =>
      envdrift(['sync', ...args], {cwd: workspace.root, ...more})
    const argued = await run(['--token', token])
    expect(argued).toMatchObject({code: 0})
    expect(argued.stderr).toMatch(/\[WARN\].*visible to every process/)
    expect(argued.stdout + argued.stderr).not.toContain(token)
    expect(workspace.read('svc/.env.keys')).toContain(production(key))
    for (const more of [
      {stdin: `${token}\n`, args: ['--token', '-']},
      {env: {VAULT_TOKEN: token}, args: []},
    ]) {
      const piped = await run(more.args, more)
      expect(piped).toMatchObject({code: 0, stderr: ''})
      expect(piped.stdout).toContain('  = svc - skipped\n')
    }
    const {writeFileSync} = await import('node:fs')
    writeFileSync(`${workspace.home}/.vault-token`, token)
    expect(await run([])).toMatchObject({code: 0, stderr: ''})
    expect((await run(['--token', '-'])).code).toBe(1)
  })
})

it('warns of the first of ten thousand mistyped settings, and says how many more there are', async () => {
  const {sync} = await makeUsualProject({settings: Array.from({length: 10_000}, (_, n) => `mistyped_${n} = 1`)})
  const run = await sync(['--verify', '--ci'])
  expect(run.stderr.match(/\[WARN\]/g)).toHaveLength(51)
  expect(run.stderr).toContain('[WARN] and 9950 more warnings about the configuration\n')
  const {warnings} = JSON.parse((await sync(['--verify', '--ci', '--json'])).stdout)
  expect(warnings).toHaveLength(51)
})
