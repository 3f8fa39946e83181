import {expect, it, onTestFinished} from 'vitest'

import {startFakeVault} from '../../fakes/hashicorp.ts'
import {rootApi} from '../../providers/hashicorp/root-api.ts'
import {plantKey} from '../../support/planted-keys.ts'
import {production} from '../../support/project.ts'
import {envdrift} from '../../support/run-envdrift.ts'
import {encryptEnvFile, makeWorkspace} from '../../support/workspace.ts'

const people = [
  {name: 'alice', password: 'the password of alice'},
  {name: 'bob', password: 'the password of bob'},
] as const

/** Two vaults, each with a person who may read the one secret in it. */
async function makeShop() {
  const vaults = await Promise.all(
    people.map(async ({name, password}) => {
      const vault = await startFakeVault()
      onTestFinished(() => vault.stop())
      const key = plantKey()
      vault.put('secret', 'myapp-key', {value: key.privateKey})
      const api = rootApi(vault)
      await api('POST', 'sys/auth/userpass', {type: 'userpass'})
      await api('POST', 'sys/policies/acl/reader', {policy: 'path "secret/data/*" { capabilities = ["read"] }'})
      await api('POST', `auth/userpass/users/${name}`, {password, token_policies: ['reader']})
      return {name, vault, key}
    }),
  )
  const workspace = makeWorkspace({
    '.gitignore': '.env.keys*\n',
    'envdrift.toml': [
      '[vault]\nprovider = "hashicorp"',
      ...vaults.map(
        ({name, vault}) =>
          `[vaults.${name}]\nprovider = "hashicorp"\nurl = "${vault.url}"\nauth = "userpass"\nusername = "${name}"`,
      ),
      ...vaults.map(
        ({name}) =>
          `[[vault.sync.mappings]]\nsecret_name = "myapp-key"\nfolder_path = "${name}"\nvault_name = "${name}"`,
      ),
    ].join('\n'),
    ...Object.fromEntries(
      vaults.map(({name, key}) => [
        `${name}/.env.production`,
        encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', key.publicKey, {A: '1'}),
      ]),
    ),
  })
  const env = {ENVDRIFT_TRUSTED_VAULTS: vaults.map(({vault}) => vault.url).join(' ')}
  return {workspace, vaults, env}
}

it('asks for the password of one vault after that of the other, and shows neither', async () => {
  const {workspace, vaults, env} = await makeShop()
  const run = await envdrift(['sync'], {
    cwd: workspace.root,
    env,
    tty: true,
    answers: people.map(({name, password}) => ({after: new RegExp(`${name}\\b[^\\n]*: $`), type: `${password}\r`})),
  })
  expect(run.code).toBe(0)
  for (const {password} of people) expect(run.stdout).not.toContain(password)
  for (const {name, key} of vaults) expect(workspace.read(`${name}/.env.keys`)).toContain(production(key))
})

it('asks nobody in CI, though there is a terminal', async () => {
  const {workspace, env} = await makeShop()
  const run = await envdrift(['sync'], {cwd: workspace.root, env: {...env, CI: 'true'}, tty: true})
  expect(run.code).toBe(1)
  expect(run.stdout).not.toMatch(/: $/)
  expect(workspace.exists('alice/.env.keys')).toBe(false)
})
