import {createHash} from 'node:crypto'
import {existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join, resolve} from 'node:path'

import {describe, expect, it} from 'vitest'

import {envdrift, plantKey, program, runInWorkspace, type Run, type RunOptions} from '../../support/run-envdrift.ts'
import {makeWorkspace, type Workspace} from '../../support/workspace.ts'
import {writeCheapVault} from '../../vault/cheap-vault.ts'

const password = 'correct horse battery staple'
const withPassword = {ENVDRIFT_VAULT_PASSWORD: password}

/** A repository with a vault at the default place whose key is cheap to derive. */
async function workspaceWithVault(files: Readonly<Record<string, string>> = {}): Promise<Workspace> {
  const workspace = makeWorkspace(files)
  await writeCheapVault(workspace.path('.envdrift/vault'))
  return workspace
}

const vaultFile = ({path}: Workspace): string => path('.envdrift/vault/vault.enc')
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
const mode = (path: string): string => (lstatSync(path).mode & 0o777).toString(8)

function vault({root}: Workspace, args: readonly string[], options: Partial<RunOptions> = {}): Promise<Run> {
  return envdrift(['vault', ...args], {cwd: root, env: withPassword, ...options})
}

/** A shell line in which `"$@"` is envdrift, for file descriptors and bytes that are no text. */
const shell = ({root}: Workspace, line: string, env: RunOptions['env'] = withPassword): Promise<Run> =>
  runInWorkspace(['/bin/sh', '-c', line, 'sh', ...program], {cwd: root, env})

async function store(workspace: Workspace, name: string, value: string): Promise<void> {
  expect(await vault(workspace, ['set', name], {stdin: value})).toMatchObject({code: 0})
}

const codeIn = (run: Run): unknown => (JSON.parse(run.stdout) as {error?: {code?: unknown}}).error?.code

describe('vault init', () => {
  it('V1 makes a vault with the password of standard input, and shows the password nowhere', async () => {
    const workspace = makeWorkspace()
    const run = await vault(workspace, ['init', '--password-file', '-'], {stdin: `${password}\n`, env: {}})
    expect(run).toMatchObject({code: 0, stdout: ''})
    const directory = workspace.path('.envdrift/vault')
    expect(mode(directory)).toBe('700')
    expect(readdirSync(directory).toSorted()).toEqual(['vault.enc', 'vault.enc.meta.json'])
    for (const name of readdirSync(directory)) {
      expect(mode(join(directory, name))).toBe('600')
      expect(readFileSync(join(directory, name), 'latin1')).not.toContain(password)
    }
    expect(run.stdout + run.stderr).not.toContain(password)
    expect(await vault(workspace, ['list'])).toMatchObject({code: 0, stdout: ''})
  })

  it('V2 refuses to make a vault over a vault, and changes nothing', async () => {
    const workspace = await workspaceWithVault()
    const before = sha256(vaultFile(workspace))
    const run = await vault(workspace, ['init', '--json'])
    expect(run.code).toBe(1)
    expect(codeIn(run)).toBe('VAULT_EXISTS')
    expect(sha256(vaultFile(workspace))).toBe(before)
    expect(readdirSync(workspace.path('.envdrift/vault'))).toEqual(['vault.enc'])
  })

  it.each(['/', '.', '~', 'canary'])('V15 refuses %s as a place for a vault', async (path) => {
    const workspace = makeWorkspace()
    const place = path === '~' ? workspace.home : path
    const run = await vault(workspace, ['init', place, '--json'])
    expect(run.code).toBe(1)
    expect(codeIn(run)).toBe('VAULT_PATH_REFUSED')
    expect(existsSync(join(resolve(workspace.root, place), 'vault.enc'))).toBe(false)
  })

  it('asks twice at a terminal, shows nothing of it, and warns of a short password', async () => {
    const workspace = makeWorkspace()
    const answers = [
      {after: /new vault: /, type: 'hunter2\r'},
      {after: /again: /, type: 'hunter2\r'},
    ]
    const run = await vault(workspace, ['init', 'secrets'], {env: {}, tty: true, answers})
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('fewer than 12 characters')
    expect(run.stdout).toContain(`Made a vault at ${workspace.path('secrets')}`)
    expect(run.stdout).not.toContain('hunter2')
    const env = {ENVDRIFT_VAULT_PASSWORD: 'hunter2', ENVDRIFT_VAULT_PATH: 'secrets'}
    expect(await vault(workspace, ['list'], {env})).toMatchObject({code: 0})
  })
})

describe('vault set and get', () => {
  it.each([
    ['a key', 'DOTENV_PRIVATE_KEY_PRODUCTION="'],
    ['a line end', 'one\n'],
    ['lines', 'one\r\ntwo\n\n'],
    ['an equals sign and quotes', `a=b "c" 'd' \`e\` $(f)`],
    ['an emoji', '🔑'],
    ['64 KiB', 'x'.repeat(65_536)],
  ])('V3 gives back %s byte for byte', async (_, value) => {
    const workspace = await workspaceWithVault()
    await store(workspace, 'myapp-production', value)
    expect(await vault(workspace, ['get', 'myapp-production'])).toMatchObject({code: 0, stdout: value, stderr: ''})
  })

  it('V3 gives back bytes that are no text, from a file and from standard input', async () => {
    const workspace = await workspaceWithVault()
    const bytes = Buffer.from([1, 255, 254, 128, 195, 40, 10])
    workspace.write('value.bin', bytes)
    expect(await shell(workspace, '"$@" vault set a --value-file value.bin')).toMatchObject({code: 0})
    expect(await shell(workspace, '"$@" vault set b < value.bin')).toMatchObject({code: 0})
    for (const name of ['a', 'b']) {
      expect(await shell(workspace, `"$@" vault get ${name} > out.bin`)).toMatchObject({code: 0})
      expect(readFileSync(workspace.path('out.bin')).equals(bytes)).toBe(true)
    }
    const document = JSON.parse((await vault(workspace, ['get', 'a', '--json'])).stdout) as unknown
    expect(document).toMatchObject({name: 'a', version: 1, value: bytes.toString('base64'), encoding: 'base64'})
  })

  it('V4 stores the same value twice as different bytes, and neither name nor value is in them', async () => {
    const workspace = await workspaceWithVault()
    const {privateKey} = plantKey()
    await store(workspace, 'myapp-production', privateKey)
    const first = readFileSync(vaultFile(workspace))
    await store(workspace, 'myapp-production', privateKey)
    const second = readFileSync(vaultFile(workspace))
    expect(first.subarray(-4096).equals(second.subarray(-4096))).toBe(false)
    for (const bytes of [first, second]) expect(bytes.includes('myapp-production')).toBe(false)
  })

  it('prints an earlier version, and after a deletion every version that is left', async () => {
    const workspace = await workspaceWithVault()
    await store(workspace, 'myapp-production', 'one')
    await store(workspace, 'myapp-production', 'two')
    expect(await vault(workspace, ['rm', 'myapp-production'])).toMatchObject({code: 0, stdout: ''})
    const gone = await vault(workspace, ['get', 'myapp-production'])
    expect(gone).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('Versions that can be read: 2, 1'),
    })
    expect((await vault(workspace, ['get', 'myapp-production', '--version', '1'])).stdout).toBe('one')
    expect(await vault(workspace, ['rm', 'myapp-production'])).toMatchObject({code: 1})
  })

  it('takes what stands behind -- for a name, though it looks like a flag', async () => {
    const workspace = await workspaceWithVault()
    const behind = await vault(workspace, ['get', '--', '--detailed-exitcode'])
    expect(behind).toMatchObject({code: 1, stderr: expect.stringContaining('no secret named --detailed-exitcode')})
    expect(await vault(workspace, ['get', '--detailed-exitcode', '--', '--json'])).toMatchObject({code: 6, stdout: ''})
  })

  it('I5 says not found for a name that is not there', async () => {
    const workspace = await workspaceWithVault()
    const run = await vault(workspace, ['get', 'myapp-production', '--json', '--detailed-exitcode'])
    expect(run.code).toBe(6)
    expect(JSON.parse(run.stdout)).toMatchObject({exitReason: 'not-found', error: {code: 'NOT_IN_VAULT'}})
  })

  it.each([
    ['a second argument', ['myapp-production', 'VALUE-TO-HIDE']],
    ['a flag with a value', ['myapp-production', '--value=VALUE-TO-HIDE']],
    ['a flag and a value', ['myapp-production', '--value', 'VALUE-TO-HIDE']],
    ['another flag with a value', ['myapp-production', '--secret=VALUE-TO-HIDE']],
    ['an assignment', ['myapp-production=VALUE-TO-HIDE']],
  ])('V14 refuses a value given as %s, repeats nothing of it, and speaks of the history', async (_, args) => {
    const workspace = await workspaceWithVault()
    const before = sha256(vaultFile(workspace))
    for (const more of [[], ['--json']]) {
      const run = await vault(workspace, ['set', ...args, ...more], {stdin: 'piped'})
      expect(run.code).toBe(2)
      expect(run.stdout + run.stderr).toContain("shell's history")
      expect(run.stdout + run.stderr).not.toContain('VALUE-TO-HIDE')
    }
    expect(sha256(vaultFile(workspace))).toBe(before)
  })

  it.each<[string, string, string]>([
    ['an empty value', '', 'KEY_EMPTY'],
    ['more than 64 KiB', 'x'.repeat(65_537), 'FILE_TOO_LARGE'],
  ])('refuses %s, and stores nothing', async (_, stdin, code) => {
    const workspace = await workspaceWithVault()
    const before = sha256(vaultFile(workspace))
    const run = await vault(workspace, ['set', 'myapp-production', '--json'], {stdin})
    expect([run.code, codeIn(run)]).toEqual([1, code])
    expect(sha256(vaultFile(workspace))).toBe(before)
  })

  it.each(['', 'a\nb', 'a\u001b[31mb', ' a', 'x'.repeat(256), 'é'.repeat(257)])('refuses the name %j', async (name) => {
    const workspace = await workspaceWithVault()
    const run = await vault(workspace, ['set', name, '--json'], {stdin: 'value'})
    expect([run.code, codeIn(run)]).toEqual([2, 'USAGE'])
    expect(run.stdout + run.stderr).not.toContain('\u001b')
  })

  it.each(['constructor', '__proto__', 'team/app/key', 'ключ'])('takes the name %s', async (name) => {
    const workspace = await workspaceWithVault()
    await store(workspace, name, 'value')
    expect((await vault(workspace, ['get', name])).stdout).toBe('value')
    expect((await vault(workspace, ['list'])).stdout).toContain(name)
  })

  it('asks for the value at a terminal without showing it, and ends its output there with a line', async () => {
    const workspace = await workspaceWithVault()
    const answers = [{after: /Value of myapp-production \(not shown\): /, type: 'typed-value\r'}]
    const run = await vault(workspace, ['set', 'myapp-production'], {tty: true, answers})
    expect(run.code).toBe(0)
    expect(run.stdout).not.toContain('typed-value')
    expect((await vault(workspace, ['get', 'myapp-production'])).stdout).toBe('typed-value')
    expect((await vault(workspace, ['get', 'myapp-production'], {tty: true})).stdout).toBe('typed-value\n')
  })

  it.each<[string, RunOptions['env'], readonly string[]]>([
    ['with --ci', {}, ['--ci']],
    ['in CI', {CI: 'true'}, []],
  ])('asks nobody for a value %s, though there is a terminal', async (_, env, flags) => {
    const workspace = await workspaceWithVault()
    const options = {tty: true, env: {...withPassword, ...env}, timeoutMs: 10_000}
    const run = await vault(workspace, ['set', 'myapp-production', ...flags], options)
    expect(run).toMatchObject({code: 2, stdout: expect.stringContaining('nobody can be asked')})
    expect((await vault(workspace, ['list'])).stdout).not.toContain('myapp-production')
  })

  it.each(['set', 'get', 'rm'])('says of %s without a name what is missing', async (command) => {
    const run = await vault(await workspaceWithVault(), [command], {stdin: 'a value'})
    expect(run).toMatchObject({code: 2, stdout: ''})
    expect(run.stderr).toContain('[ERROR] NAME (name of the secret) is missing\n')
  })

  it.each(['set', 'get', 'rm'])('does not take what is piped into %s for the missing name', async (command) => {
    const workspace = await workspaceWithVault()
    const before = sha256(vaultFile(workspace))
    const run = await vault(workspace, [command], {stdin: 'VALUE-TO-HIDE'})
    expect(run.code).toBe(2)
    expect(run.stdout + run.stderr).not.toContain('VALUE-TO-HIDE')
    expect(sha256(vaultFile(workspace))).toBe(before)
  })

  it('does not ask for a value with --ci', async () => {
    const workspace = await workspaceWithVault()
    const run = await vault(workspace, ['set', 'myapp-production', '--ci'], {tty: true, timeoutMs: 10_000})
    expect(run.code).toBe(2)
  })
})

describe('vault list', () => {
  it('V13 shows names and versions, and never a value', async () => {
    const workspace = await workspaceWithVault()
    await store(workspace, 'myapp-staging', 'VALUE-TO-HIDE')
    await store(workspace, 'myapp-production', 'VALUE-TO-HIDE')
    await store(workspace, 'myapp-production', 'VALUE-TO-HIDE')
    await store(workspace, 'myapp-retired', 'VALUE-TO-HIDE')
    await vault(workspace, ['rm', 'myapp-retired'])
    const human = await vault(workspace, ['list'])
    expect(human.stdout.replaceAll(/\d{4}-.*Z/g, 'TIME')).toBe(
      'myapp-production  version 2  TIME\nmyapp-staging     version 1  TIME\n',
    )
    const json = await vault(workspace, ['list', '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({
      schemaVersion: 1,
      exitReason: 'ok',
      secrets: [
        {name: 'myapp-production', version: 2, earlier: [1]},
        {name: 'myapp-staging', version: 1, earlier: []},
      ],
    })
    expect(human.stdout + json.stdout).not.toContain('VALUE-TO-HIDE')
  })
})

describe('vault passwd', () => {
  it('V12 opens by the new password only', async () => {
    const workspace = await workspaceWithVault()
    await store(workspace, 'myapp-production', 'one')
    const env = {...withPassword, ENVDRIFT_VAULT_NEW_PASSWORD: 'another long password'}
    expect(await vault(workspace, ['passwd'], {env})).toMatchObject({code: 0})
    const old = await vault(workspace, ['get', 'myapp-production', '--json'])
    expect(codeIn(old)).toBe('VAULT_WRONG_PASSWORD')
    const next = {ENVDRIFT_VAULT_PASSWORD: 'another long password'}
    expect((await vault(workspace, ['get', 'myapp-production'], {env: next})).stdout).toBe('one')
  })

  it('asks for the old password once and for the new one twice at a terminal', async () => {
    const workspace = await workspaceWithVault()
    const answers = [
      {after: /Password of the vault .*: /, type: `${password}\r`},
      {after: /New password: /, type: 'another long password\r'},
      {after: /New password, again: /, type: 'another long password\r'},
    ]
    const run = await vault(workspace, ['passwd'], {env: {}, tty: true, answers})
    expect(run.code).toBe(0)
    expect(run.stdout).not.toMatch(/correct horse|another long/)
    const next = {ENVDRIFT_VAULT_PASSWORD: 'another long password'}
    expect(await vault(workspace, ['list'], {env: next})).toMatchObject({code: 0})
  })

  it('takes both passwords from file descriptors, and not both from standard input', async () => {
    const workspace = await workspaceWithVault()
    writeFileSync(join(workspace.home, 'old'), password, {mode: 0o600})
    writeFileSync(join(workspace.home, 'new'), 'another long password', {mode: 0o600})
    const line = '"$@" vault passwd --password-fd 3 --new-password-fd 4 3< ~/old 4< ~/new'
    expect(await shell(workspace, line, {})).toMatchObject({code: 0})
    expect(await shell(workspace, '"$@" vault list --password-file ~/new', {})).toMatchObject({code: 0})
  })

  it.each([
    '--password-fd 0 --new-password-file - < ~/new',
    '--password-fd 3 --new-password-fd 3 3< ~/new',
    '--password-file /dev/fd/3 --new-password-fd 3 3< ~/new',
  ])('does not read both passwords from one file descriptor: %s', async (flags) => {
    const workspace = await workspaceWithVault()
    writeFileSync(join(workspace.home, 'new'), 'another long password', {mode: 0o600})
    const run = await shell(workspace, `"$@" vault passwd ${flags}`, {})
    expect(run).toMatchObject({code: 2, stderr: expect.stringContaining("can't be read for --password-")})
  })
})

it('sync does not read a password and a token from standard input', async () => {
  const {root} = await workspaceWithVault()
  const run = await envdrift(['sync', '--token', '-', '--password-file', '-'], {cwd: root, stdin: 'one'})
  expect(run).toMatchObject({code: 2, stderr: expect.stringContaining('for --password-file - and for --token -')})
})

describe('what does not open', () => {
  it('V5 says wrong password, and leaves the file as it is', async () => {
    const workspace = await workspaceWithVault()
    const before = sha256(vaultFile(workspace))
    const env = {ENVDRIFT_VAULT_PASSWORD: 'not the password'}
    for (const args of [['list'], ['set', 'myapp-production'], ['rm', 'myapp-production'], ['passwd']]) {
      const run = await vault(workspace, [...args, '--detailed-exitcode'], {env, stdin: 'value'})
      expect(run.code).toBe(5)
      expect(run.stderr).toMatch(/wrong password/i)
      expect(run.stdout + run.stderr).not.toContain('not the password')
    }
    expect(sha256(vaultFile(workspace))).toBe(before)
  })

  it.each<[string, (bytes: Buffer) => number, string]>([
    ['magic', () => 4, 'NOT_A_VAULT'],
    ['header', () => 60, 'VAULT_'],
    ['nonce', (bytes) => bytes.indexOf('\n', 17) + 1, 'VAULT_CORRUPT'],
    ['ciphertext', (bytes) => bytes.length - 2000, 'VAULT_CORRUPT'],
    ['tag', (bytes) => bytes.length - 1, 'VAULT_CORRUPT'],
  ])('V6 refuses a vault with a flipped byte in its %s, and never writes over it', async (_, position, code) => {
    const workspace = await workspaceWithVault()
    const bytes = readFileSync(vaultFile(workspace))
    bytes[position(bytes)]! ^= 1
    writeFileSync(vaultFile(workspace), bytes)
    for (const args of [['list'], ['set', 'myapp-production'], ['init']]) {
      const run = await vault(workspace, [...args, '--json'], {stdin: 'value'})
      expect(run.code).toBe(1)
      expect(codeIn(run)).toMatch(args[0] === 'init' ? 'VAULT_EXISTS' : code)
    }
    expect(readFileSync(vaultFile(workspace)).equals(bytes)).toBe(true)
  })

  it('V9 calls a vault of format 9 newer, and leaves it as it is', async () => {
    const workspace = await workspaceWithVault()
    const bytes = readFileSync(vaultFile(workspace))
    bytes.write('9', 15)
    writeFileSync(vaultFile(workspace), bytes)
    for (const args of [['list'], ['set', 'myapp-production']]) {
      const run = await vault(workspace, args, {stdin: 'value'})
      expect(run).toMatchObject({code: 1, stderr: expect.stringContaining('newer version')})
    }
    expect(readFileSync(vaultFile(workspace)).equals(bytes)).toBe(true)
  })
})

describe('the password', () => {
  it('P1 comes from each source alone', async () => {
    const workspace = await workspaceWithVault()
    const file = join(workspace.home, 'password')
    writeFileSync(file, `${password}\n`, {mode: 0o600})
    const lines: readonly (readonly [string, RunOptions['env']])[] = [
      [`"$@" vault list --password-fd 3 3< ${file}`, {}],
      [`"$@" vault list --password-file ${file}`, {}],
      [`"$@" vault list --password-file - < ${file}`, {}],
      [`"$@" vault list --password-command 'cat ${file}'`, {}],
      ['"$@" vault list', withPassword],
      ['"$@" vault list', {ENVDRIFT_VAULT_PASSWORD_FILE: file}],
      ['"$@" vault list', {ENVDRIFT_VAULT_PASSWORD_COMMAND: `cat ${file}`}],
    ]
    for (const [line, env] of lines) expect(await shell(workspace, line, env)).toMatchObject({code: 0, stderr: ''})
  })

  it('comes from a pipe: of another program, of a process substitution, of a writer who takes its time', async () => {
    const workspace = await workspaceWithVault()
    const lines = [
      `(sleep 1; printf 'correct horse '; sleep 1; echo 'battery staple') | "$@" vault list --password-file -`,
      `"$@" vault list --password-file <(echo '${password}')`,
      `"$@" vault list --password-file <(sleep 2; echo '${password}')`,
      `"$@" vault list --password-fd 3 3< <(echo '${password}')`,
      `mkfifo ~/pipe; (sleep 1; echo '${password}' > ~/pipe) & "$@" vault list --password-file ~/pipe`,
    ]
    for (const line of lines) {
      const run = await runInWorkspace(['bash', '-c', line, 'bash', ...program], {cwd: workspace.root, env: {}})
      expect(run).toMatchObject({code: 0, stderr: ''})
    }
  })

  it.each(['--password-file ~/pipe', '--password-fd 3 3<> ~/pipe', '--password-file - <> ~/pipe'])(
    'is not waited for once the run is ended: %s of a pipe that nobody writes to',
    async (flags) => {
      const workspace = await workspaceWithVault()
      const line = `mkfifo ~/pipe; "$@" vault list ${flags} & pid=$!; sleep 2; kill -TERM $pid; wait $pid`
      expect(await shell(workspace, line, {})).toMatchObject({code: 143, stderr: expect.stringContaining('Terminated')})
    },
  )

  it.each([3, 5, 9, 14, 77])('is refused at once from file descriptor %d, which nobody opened', async (fd) => {
    const workspace = await workspaceWithVault()
    const run = await vault(workspace, ['list', '--password-fd', String(fd)], {env: {}, timeoutMs: 20_000})
    expect(run).toMatchObject({code: 1, stderr: expect.stringContaining(`--password-fd ${fd} is`)})
  })

  it('P1 comes from the configuration, but a command only from the user file', async () => {
    const workspace = await workspaceWithVault({
      'envdrift.toml': '[vault]\nprovider = "local"\n[vault.local]\npassword = {env = "TEAM_PASSWORD"}\n',
    })
    const env = {TEAM_PASSWORD: password}
    expect(await vault(workspace, ['list'], {env})).toMatchObject({code: 0})
    expect(await vault(workspace, ['list', '--path', '.envdrift/vault'], {env})).toMatchObject({code: 0})
    const touched = join(workspace.base, 'command-was-run')
    const command = `[vault]\nprovider = "local"\n[vault.local]\npassword = {command = ["touch", "${touched}"]}\n`
    workspace.write('envdrift.toml', command)
    expect(await vault(workspace, ['list'], {env: {}})).toMatchObject({code: 1})
    expect(existsSync(touched)).toBe(false)
    workspace.write('envdrift.toml', '[vault]\nprovider = "local"\n')
    mkdirSync(join(workspace.home, '.config/envdrift'), {recursive: true})
    writeFileSync(
      join(workspace.home, '.config/envdrift/config.toml'),
      `[vault.local]\npassword = {command = ["echo", "${password}"]}\n`,
    )
    expect(await vault(workspace, ['list'], {env: {}})).toMatchObject({code: 0})
  })

  it('P3 names the source whose command gives nothing', async () => {
    const workspace = await workspaceWithVault()
    const run = await vault(workspace, ['list', '--password-command', 'false', '--json'], {env: {}})
    expect(run.code).toBe(1)
    expect(JSON.parse(run.stdout)).toMatchObject({
      exitReason: 'auth',
      error: {code: 'VAULT_PASSWORD_MISSING', message: expect.stringContaining('--password-command')},
    })
  })

  it.each<[string, Partial<RunOptions>, readonly string[]]>([
    ['a pipe', {stdin: ''}, []],
    ['no standard input at all', {stdin: 'closed'}, []],
    ['a terminal with --ci', {tty: true}, ['--ci']],
    ['a terminal in CI', {tty: true, env: {CI: 'true'}}, []],
  ])('P4 ends without a question when there is no source, with %s', async (_, options, flags) => {
    const workspace = await workspaceWithVault()
    // The runner ends what still runs after this, and fails.
    const run = await vault(workspace, ['list', ...flags], {env: {}, timeoutMs: 10_000, ...options})
    expect(run.code).toBe(1)
    expect((run.stdout + run.stderr).replaceAll(/\s+/g, ' ')).toContain('needs a password, and none was given')
  })

  it('P5 warns of a password file that others can read', async () => {
    const workspace = await workspaceWithVault()
    const file = join(workspace.home, 'password')
    writeFileSync(file, password, {mode: 0o644})
    const run = await vault(workspace, ['list', '--password-file', file], {env: {}})
    expect(run).toMatchObject({code: 0, stderr: expect.stringContaining('can be read by other users')})
  })

  it('cannot come from the pipe that brings the value', async () => {
    const workspace = await workspaceWithVault()
    const run = await vault(workspace, ['set', 'myapp-production', '--password-file', '-'], {env: {}, stdin: password})
    expect(run).toMatchObject({code: 2, stderr: expect.stringContaining('--password-file -')})
    workspace.write('value', 'one')
    const args = ['set', 'myapp-production', '--password-file', '-', '--value-file', 'value']
    expect(await vault(workspace, args, {env: {}, stdin: password})).toMatchObject({code: 0})
  })

  it('is asked for at a terminal, and Ctrl-C ends the question', async () => {
    const workspace = await workspaceWithVault()
    const ask = (type: string) =>
      vault(workspace, ['list'], {env: {}, tty: true, answers: [{after: /Password of the vault .*: /, type}]})
    expect(await ask(`${password}\r`)).toMatchObject({code: 0})
    expect(await ask('\u0003')).toMatchObject({code: 130})
  })
})

describe('the place of the vault', () => {
  it('is --path, then ENVDRIFT_VAULT_PATH, then the configuration, then .envdrift/vault', async () => {
    const workspace = makeWorkspace()
    const where = async (args: readonly string[], env: RunOptions['env'] = {}): Promise<string> => {
      const run = await vault(workspace, ['list', '--json', ...args], {env: {...withPassword, ...env}})
      return (JSON.parse(run.stdout) as {error: {message: string}}).error.message.replace(`${workspace.root}/`, '')
    }
    expect(await where([])).toBe('There is no vault at .envdrift/vault')
    workspace.write('envdrift.toml', '[vault]\nprovider = "local"\n[vault.local]\npath = "configured"\n')
    expect(await where([])).toBe('There is no vault at configured')
    expect(await where([], {ENVDRIFT_VAULT_PATH: 'variable'})).toBe('There is no vault at variable')
    expect(await where(['--path', 'flag'], {ENVDRIFT_VAULT_PATH: 'variable'})).toBe('There is no vault at flag')
  })

  it('works with --path although the configuration is broken', async () => {
    const workspace = await workspaceWithVault({'envdrift.toml': '[vault\n'})
    expect(await vault(workspace, ['list'])).toMatchObject({code: 1})
    expect(await vault(workspace, ['list', '--path', '.envdrift/vault'])).toMatchObject({code: 0})
  })
})

it('F5 loses none of 2×10 secrets that are set at once', async () => {
  const workspace = await workspaceWithVault()
  const storeTen = async (prefix: string): Promise<void> => {
    for (let n = 0; n < 10; n++) await store(workspace, `${prefix}-${n}`, `${prefix} ${n}`)
  }
  await Promise.all([storeTen('a'), storeTen('b')])
  const {secrets} = JSON.parse((await vault(workspace, ['list', '--json'])).stdout) as {secrets: {name: string}[]}
  expect(secrets.map(({name}) => name)).toEqual(
    ['a', 'b'].flatMap((prefix) => Array.from({length: 10}, (_, n) => `${prefix}-${n}`)),
  )
})
