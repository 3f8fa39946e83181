import {chmodSync, readdirSync, statSync} from 'node:fs'

import {describe, expect, it} from 'vitest'

import {envdriftAsNobody} from '../../support/as-nobody.ts'
import {closedToOthers} from '../../support/closed-to-others.ts'
import {plantKey} from '../../support/planted-keys.ts'
import {makeProject, makeUsualProject, production} from '../../support/project.ts'
import {encryptEnvFile} from '../../support/workspace.ts'

const header = `#/------------------!DOTENV_PRIVATE_KEYS!-------------------/
#/ private decryption keys. DO NOT commit to source control /
#/     [how it works](https://dotenvx.com/encryption)       /
#/          ⛨ ARMORED KEYS: \`dotenvx armor up\`              /
#/----------------------------------------------------------/
`
const keysFile = 'svc/.env.keys'
const namesIn = (folder: string): readonly string[] => readdirSync(folder).toSorted()
const backupsIn = (folder: string): readonly string[] => namesIn(folder).filter((name) => name.includes('.backup.'))

describe('a keys file that is not there', () => {
  it('C01 is created as dotenvx would, mode 0600', async () => {
    const {sync, workspace, key} = await makeUsualProject()
    const run = await sync()
    expect(run).toMatchObject({code: 0, stderr: ''})
    expect(run.stdout).toContain('  + svc - created\n')
    expect(workspace.read(keysFile)).toBe(`${header}\n# .env.production\n${production(key)}`)
    expect(statSync(workspace.path(keysFile)).mode & 0o777).toBe(0o600)
  })

  it('C01 needs no public key in the env file', async () => {
    const key = plantKey()
    const {sync, workspace} = await makeProject({
      secrets: {'myapp-key': key.privateKey},
      files: {'svc/.env.production': 'A=encrypted:xyz\n'},
    })
    expect(await sync()).toMatchObject({code: 0})
    expect(workspace.read(keysFile)).toBe(`${header}\n# .env.production\n${production(key)}`)
  })

  it('C03 is created once: the second run changes no byte and keeps no backup', async () => {
    const {sync, workspace} = await makeUsualProject()
    await sync()
    const [text, names] = [workspace.read(keysFile), namesIn(workspace.path('svc'))]
    const second = await sync()
    expect(second.code).toBe(0)
    expect(second.stdout).toContain('  = svc - skipped\n')
    expect([workspace.read(keysFile), namesIn(workspace.path('svc'))]).toEqual([text, names])
  })

  it('C14 is an error under --verify, and nothing is created', async () => {
    const {sync, workspace} = await makeUsualProject()
    const run = await sync(['--verify'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('Error: Key file does not exist: svc/.env.keys')
    expect(namesIn(workspace.path('svc'))).toEqual(['.env.production'])
  })

  it('C13 is not created when the secret is missing, under --ci and under --verify', async () => {
    const {sync, workspace} = await makeUsualProject()
    workspace.write('envdrift.toml', workspace.read('envdrift.toml').replace('myapp-key', 'mistyped-key'))
    for (const flag of ['--ci', '--verify']) {
      const run = await sync([flag])
      expect(run.code).toBe(1)
      expect(run.stdout).toContain('mistyped-key')
    }
    expect(workspace.exists(keysFile)).toBe(false)
  })
})

describe('a clean checkout', () => {
  it('C14a passes --verify --ci when the vault key belongs to the committed public key', async () => {
    const {sync, workspace} = await makeUsualProject()
    const run = await sync(['--verify', '--ci'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('  = svc - skipped (matches the public key in .env.production)\n')
    expect(namesIn(workspace.path('svc'))).toEqual(['.env.production'])
  })

  it('C14a fails when it belongs to another', async () => {
    const {sync, vault, other} = await makeUsualProject()
    vault.put('myapp-key', other.privateKey, 'eu-west-1')
    const run = await sync(['--verify', '--ci'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('The vault key does not belong to this file')
  })

  it('C14a is as C14 when there is neither a keys file nor a public key', async () => {
    const {sync} = await makeUsualProject({files: {'svc/.env.production': 'A=encrypted:xyz\n'}})
    const run = await sync(['--verify', '--ci'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('Key file does not exist')
  })

  it.skipIf(closedToOthers)(`C14a works on a checkout that this user may not write${closedToOthers}`, async () => {
    const {workspace, env} = await makeUsualProject()
    for (const folder of [workspace.root, workspace.path('svc')]) chmodSync(folder, 0o555)
    const run = await envdriftAsNobody(workspace, ['sync', '--verify', '--ci'], {cwd: workspace.root, env})
    for (const folder of [workspace.root, workspace.path('svc')]) chmodSync(folder, 0o755)
    expect(run.stderr).not.toMatch(/ERROR/)
    expect(run.stdout).toContain('matches the public key in .env.production')
    expect(run.code).toBe(0)
  })
})

describe('a keys file with the key', () => {
  it('C02 is left alone when the key is the same', async () => {
    const {sync, workspace, key} = await makeUsualProject({local: production})
    const run = await sync()
    expect(run).toMatchObject({code: 0, stderr: ''})
    expect(run.stdout).toContain('  = svc - skipped\n')
    expect(workspace.read(keysFile)).toBe(production(key))
    expect(backupsIn(workspace.path('svc'))).toEqual([])
  })

  it('C04 C132 is updated by force, the old key is kept in a backup, and nobody is asked', async () => {
    const {sync, workspace, key, other} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync(['--force'])
    expect(run).toMatchObject({code: 0, stderr: ''})
    expect(run.stdout).toMatch(/ {2}~ svc - updated\n {4}Backup: svc\/\.env\.keys\.backup\.\d{8}_\d{6}\n/)
    expect(workspace.read(keysFile)).toBe(production(key))
    const [backup = ''] = backupsIn(workspace.path('svc'))
    expect(workspace.read(`svc/${backup}`)).toBe(production(other))
    expect(statSync(workspace.path('svc', backup)).mode & 0o777).toBe(0o600)
  })

  it.each([[['--verify']], [['--verify', '--force']]])('C05 C06 is only reported under %j', async (flags) => {
    const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync(flags)
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('  x svc - error\n')
    expect(run.stdout).toContain('differs')
    const [, local, vault] = /Local: {2}(\S+)\n\s+Vault: {2}(\S+)/.exec(run.stdout) ?? []
    expect(local).toMatch(/^0[23][\da-f]{8}…$/)
    expect(vault).toMatch(/^0[23][\da-f]{8}…$/)
    expect(local).not.toBe(vault)
    expect(workspace.read(keysFile)).toBe(production(other))
    expect(namesIn(workspace.path('svc'))).toEqual(['.env.keys', '.env.production'])
  })

  it('C10 is not passed over in CI', async () => {
    const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync(['--ci'], {stdin: 'y\n'})
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('differs')
    expect(run.stderr).not.toContain('Update local file')
    expect(workspace.read(keysFile)).toBe(production(other))
  })

  it('C05 is not shown where it is no key any more: cut short, it still has most of its digits', async () => {
    const {sync} = await makeUsualProject({
      local: ({privateKey}) => `DOTENV_PRIVATE_KEY_PRODUCTION=${privateKey.slice(0, 63)}\n`,
    })
    for (const flags of [['--verify'], ['--verify', '--json', '--verbose'], []]) {
      const run = await sync(flags)
      expect(run.code).toBe(1)
      expect(run.stdout).toMatch(/Local: {2}[\da-f]{8}\n|"fingerprint": "[\da-f]{8}"/)
    }
  })

  it('C17 counts as there when its value is empty', async () => {
    const {sync, workspace, key} = await makeUsualProject({local: () => 'DOTENV_PRIVATE_KEY_PRODUCTION=\n'})
    const run = await sync(['--force'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('  ~ svc - updated\n')
    expect(workspace.read(keysFile)).toBe(production(key))
  })
})

describe('a keys file without the key', () => {
  const staging = `# mine\nDOTENV_PRIVATE_KEY_STAGING=${plantKey().privateKey}\n`

  it('C15 lacks it under --verify, by name, and is not called absent', async () => {
    const {sync} = await makeUsualProject({local: () => staging})
    const run = await sync(['--verify'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('DOTENV_PRIVATE_KEY_PRODUCTION is missing')
    expect(run.stdout).not.toContain('does not exist')
  })

  it('C16 gets it, and keeps its other lines', async () => {
    const {sync, workspace, key} = await makeUsualProject({local: () => staging})
    const run = await sync()
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('  + svc - created\n')
    expect(workspace.read(keysFile)).toBe(`${staging}\n# .env.production\n${production(key)}`)
  })
})

describe('the question', () => {
  const question =
    /Value mismatch for myapp-key \(svc\):\n {2}Local: {2}0\S+\n {2}Vault: {2}0\S+ \(version \S+\)\nUpdate local file with vault value\? \(y\/N\/all\/none\) /

  it('C07 C131 takes yes from a pipe', async () => {
    const {sync, workspace, key} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync([], {stdin: 'y\n'})
    expect(run.code).toBe(0)
    expect(run.stderr).toMatch(question)
    expect(workspace.read(keysFile)).toBe(production(key))
  })

  it('C07 C131 takes yes from a terminal', async () => {
    const {sync, workspace, key} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync([], {tty: true, answers: [{after: /none\) /, type: 'y\r'}]})
    expect(run.code).toBe(0)
    expect(workspace.read(keysFile)).toBe(production(key))
  })

  it.each(['n\n', '\n', 'no\n'])('C08 C131 takes %j for a no, and says so on the row', async (stdin) => {
    const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync([], {stdin})
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('  = svc - skipped (declined)\n')
    expect(run.stdout).toContain('0 of 1 service in sync, 1 left alone')
    expect(workspace.read(keysFile)).toBe(production(other))
  })

  it.each([
    ['closed', 0],
    ['', 1],
  ])('C09 C131 is an error when nobody can answer (%j), and is asked %d times', async (stdin, times) => {
    const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync([], {stdin})
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('cannot ask: use --force to update or --verify to check')
    expect(run.stderr.match(/Update local file/g) ?? []).toHaveLength(times)
    expect(workspace.read(keysFile)).toBe(production(other))
  })

  it('C11 ends with 130 on Ctrl-C, and leaves nothing behind', async () => {
    const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync([], {tty: true, answers: [{after: /none\) /, type: '\u0003'}]})
    expect(run.code).toBe(130)
    expect(workspace.read(keysFile)).toBe(production(other))
    expect(namesIn(workspace.path('svc'))).toEqual(['.env.keys', '.env.production'])
  })

  it('C131 fits a narrow terminal, and takes no letter for all', async () => {
    const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync([], {stdin: 'a\nA\nyes please\n', env: {COLUMNS: '40'}})
    expect(run.code).toBe(1)
    expect(workspace.read(keysFile)).toBe(production(other))
    expect(run.stderr.split('\n').filter((line) => line.length > 40)).toEqual([])
  })

  it('C131 is asked three times, and then no more', async () => {
    const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old)})
    const run = await sync([], {stdin: 'what\nwhat\nwhat\ny\n'})
    expect(run.code).toBe(1)
    expect(run.stderr.match(/Update local file/g)).toHaveLength(3)
    expect(workspace.read(keysFile)).toBe(production(other))
  })

  const three = ['one', 'two', 'three']
  async function threeMismatches() {
    const [now, old] = [plantKey(), plantKey()]
    const project = await makeProject({
      mappings: three.map((name) => ({secret_name: `${name}-key`, folder_path: name})),
      secrets: Object.fromEntries(three.map((name) => [`${name}-key`, now.privateKey])),
      files: Object.fromEntries(
        three.flatMap((name) => [
          [`${name}/.env.production`, encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', now.publicKey, {A: name})],
          [`${name}/.env.keys`, production(old)],
        ]),
      ),
    })
    const states = (): readonly string[] =>
      three.map((name) => (project.workspace.read(`${name}/.env.keys`) === production(now) ? 'new' : 'old'))
    return {...project, states}
  }

  it.each([
    ['y\nn\ny\n', ['new', 'old', 'new'], 0],
    ['n\nall\n', ['old', 'new', 'new'], 0],
    ['y\nnone\n', ['new', 'old', 'old'], 0],
    ['y\n', ['new', 'old', 'old'], 1],
  ])('C131 takes %j for three services', async (stdin, states, code) => {
    const project = await threeMismatches()
    const run = await project.sync([], {stdin})
    expect(project.states()).toEqual(states)
    expect(run.code).toBe(code)
  })
})

it('C12 names the secret, the region and the way to store it, and fails without --ci, too', async () => {
  const {sync} = await makeProject({files: {'svc/.env.production': 'A=encrypted:xyz\n'}})
  const run = await sync()
  expect(run.code).toBe(1)
  expect(run.stdout).toContain('myapp-key')
  expect(run.stdout).toContain('eu-west-1')
  expect(run.stdout).toContain('aws secretsmanager create-secret')
})

it('C18 goes on after a missing secret, and fails', async () => {
  const key = plantKey()
  const names = ['one', 'two', 'three']
  const {sync, workspace} = await makeProject({
    mappings: names.map((name) => ({secret_name: `${name}-key`, folder_path: name})),
    secrets: {'one-key': key.privateKey, 'three-key': key.privateKey},
    files: Object.fromEntries(names.map((name) => [`${name}/.env.production`, 'A=encrypted:xyz\n'])),
  })
  const run = await sync(['--ci'])
  expect(run.code).toBe(1)
  expect(run.stdout).toMatch(/\+ one - created\n[^]*x two - error\n[^]*\+ three - created\n[^]*Errors: 1/)
  expect([
    workspace.exists('one/.env.keys'),
    workspace.exists('two/.env.keys'),
    workspace.exists('three/.env.keys'),
  ]).toEqual([true, false, true])
})

it('C19 checks decryption with no dotenvx program anywhere', async () => {
  const {sync} = await makeUsualProject()
  const run = await sync(['--check-decryption'], {env: {PATH: '/nonexistent'}})
  expect(run.stdout).toContain('    Decryption: PASSED\n')
  expect(run.code).toBe(0)
})
