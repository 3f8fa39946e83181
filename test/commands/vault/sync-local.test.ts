import {lstatSync, readdirSync, realpathSync} from 'node:fs'
import {join} from 'node:path'

import {expect, it} from 'vitest'

import {withLock} from '../../../src/system/lock.ts'
import {envdrift, plantKey, type Run} from '../../support/run-envdrift.ts'
import {encryptEnvFile, makeWorkspace, type Workspace} from '../../support/workspace.ts'
import {password, writeCheapVault} from '../../vault/cheap-vault.ts'

const env = {ENVDRIFT_VAULT_PASSWORD: password.reveal()}
const keyName = 'DOTENV_PRIVATE_KEY_PRODUCTION'

const mapping = (service: string, more = ''): string =>
  `[[vault.sync.mappings]]\nsecret_name = "${service}-key"\nfolder_path = "services/${service}"\n${more}`

/** A repository with an encrypted `services/NAME/.env.production` per service, all mapped to the embedded vault. */
async function makeMonorepo(services: readonly string[]) {
  const keys = new Map(services.map((service) => [service, plantKey()]))
  const files = Object.fromEntries(
    services.map((service) => [
      `services/${service}/.env.production`,
      encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', keys.get(service)!.publicKey, {GREETING: 'hello'}),
    ]),
  )
  const config = `[vault]\nprovider = "local"\n${services.map((service) => mapping(service)).join('')}`
  const workspace = makeWorkspace({'.gitignore': '.env.keys*\n', 'envdrift.toml': config, ...files})
  await writeCheapVault(workspace.path('.envdrift/vault'))
  return {workspace, keyOf: (service: string) => keys.get(service)!.privateKey, config}
}

const run = ({root}: Workspace, args: readonly string[], stdin = ''): Promise<Run> =>
  envdrift(args, {cwd: root, env, stdin})

it('I1 writes, updates, keeps and refuses keys of the embedded vault like those of any cloud', async () => {
  const {workspace, keyOf} = await makeMonorepo(['auth'])
  await run(workspace, ['vault', 'set', 'auth-key'], `${keyName}=${keyOf('auth')}\n`)
  const keysFile = 'services/auth/.env.keys'

  const created = await run(workspace, ['sync', '--ci'])
  expect(created).toMatchObject({code: 0, stdout: expect.stringMatching(/^  \+ services\/auth/m)})
  expect(workspace.read(keysFile)).toContain(`${keyName}=${keyOf('auth')}\n`)
  expect(lstatSync(workspace.path(keysFile)).mode & 0o777).toBe(0o600)

  const kept = await run(workspace, ['sync', '--verify', '--ci', '--check-decryption'])
  expect(kept).toMatchObject({code: 0, stdout: expect.stringMatching(/^  = services\/auth/m)})

  workspace.write(keysFile, `${keyName}=${plantKey().privateKey}\n`, 0o600)
  const drifted = await run(workspace, ['sync', '--verify', '--ci'])
  expect(drifted).toMatchObject({code: 1, stdout: expect.stringMatching(/^  x services\/auth/m)})
  const updated = await run(workspace, ['sync', '--force'])
  expect(updated).toMatchObject({code: 0, stdout: expect.stringMatching(/^  ~ services\/auth/m)})
  expect(workspace.read(keysFile)).toBe(`${keyName}=${keyOf('auth')}\n`)
  expect(readdirSync(workspace.path('services/auth')).some((name) => name.startsWith('.env.keys.backup.'))).toBe(true)
})

it('I5 has a not-found row that names `envdrift vault set`, and goes on with the others', async () => {
  const {workspace, keyOf} = await makeMonorepo(['auth', 'api'])
  await run(workspace, ['vault', 'set', 'api-key'], keyOf('api'))
  const {code, stdout} = await run(workspace, ['sync', '--ci'])
  expect(code).toBe(1)
  expect(stdout).toMatch(/^  x services\/auth/m)
  expect(stdout).toContain('envdrift vault set auth-key')
  expect(stdout).toMatch(/^  \+ services\/api/m)
  expect(workspace.exists('services/auth/.env.keys')).toBe(false)
})

it('I6 has error rows for a vault that another process keeps locked, and goes on with another vault', async () => {
  const {workspace, keyOf, config} = await makeMonorepo(['auth', 'api'])
  const second = '[vaults.team]\nprovider = "local"\npath = "team-vault"\n'
  workspace.write(
    'envdrift.toml',
    `${config.replace(mapping('api'), mapping('api', 'vault_name = "team"\n'))}[vault.sync]\ntimeout = 1\n${second}`,
  )
  await writeCheapVault(workspace.path('team-vault'))
  for (const [service, path] of [
    ['auth', '.envdrift/vault'],
    ['api', 'team-vault'],
  ] as const)
    await run(workspace, ['vault', 'set', `${service}-key`, '--path', path], keyOf(service))
  const stateDir = join(workspace.home, '.local/state/envdrift')
  const {code, stdout} = await withLock(realpathSync(workspace.path('.envdrift/vault')), {stateDir}, () =>
    run(workspace, ['sync', '--ci', '--json']),
  )
  expect(code).toBe(1)
  expect(stdout).toContain('LOCKED')
  expect(workspace.exists('services/auth/.env.keys')).toBe(false)
  expect(workspace.read('services/api/.env.keys')).toContain(keyOf('api'))
})

it('asks for the password once at a terminal, however many services there are', async () => {
  const {workspace, keyOf} = await makeMonorepo(['auth', 'api'])
  for (const service of ['auth', 'api']) await run(workspace, ['vault', 'set', `${service}-key`], keyOf(service))
  const {code, stdout} = await envdrift(['sync'], {
    cwd: workspace.root,
    tty: true,
    answers: [{after: /Password of the vault .*: /, type: `${password.reveal()}\r`}],
  })
  expect(code).toBe(0)
  expect(stdout.match(/Password of the vault/g)).toHaveLength(1)
  expect(stdout).not.toContain(password.reveal())
})

it('P4 asks nobody for the password with --ci, though a terminal is there', async () => {
  const {workspace} = await makeMonorepo(['auth'])
  const {code, stdout} = await envdrift(['sync', '--ci'], {
    cwd: workspace.root,
    tty: true,
    answers: [{after: /Password of the vault .*: /, type: `${password.reveal()}\r`}],
  })
  expect(code).toBe(1)
  expect(stdout).toContain('needs a password, and none was given')
  expect(stdout).not.toContain('Password of the vault')
})

it('V5 P4 fails every row of a vault that does not open, and writes nothing', async () => {
  const {workspace, keyOf} = await makeMonorepo(['auth', 'api'])
  await run(workspace, ['vault', 'set', 'auth-key'], keyOf('auth'))
  for (const ENVDRIFT_VAULT_PASSWORD of ['wrong', undefined]) {
    const result = await envdrift(['sync', '--ci', '--json'], {cwd: workspace.root, env: {ENVDRIFT_VAULT_PASSWORD}})
    expect(result.code).toBe(1)
    expect(JSON.parse(result.stdout)).toMatchObject({exitReason: 'auth'})
    expect(workspace.exists('services/auth/.env.keys')).toBe(false)
  }
})
