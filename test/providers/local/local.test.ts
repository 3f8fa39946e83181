import {realpathSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {expect, it} from 'vitest'

import type {Host} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {provider} from '../../../src/providers/local/index.ts'
import {withLock} from '../../../src/system/lock.ts'
import {embeddedVault} from '../../../src/vault/embedded-vault.ts'
import {password, placeAt, temporaryDirectory, writeCheapVault} from '../../vault/cheap-vault.ts'
import {gist, readAll, testHost} from '../contract.ts'

const ref = (name: string, version?: string) => ({vault: 'default', name, ...(version !== undefined && {version})})
const never = new AbortController().signal

async function makeVault(values: Readonly<Record<string, string>> = {}) {
  const base = temporaryDirectory()
  const path = join(base, 'vault')
  await writeCheapVault(path)
  const vault = embeddedVault(placeAt(path))
  for (const [name, value] of Object.entries(values)) await vault.put(name, Buffer.from(value), 'any')
  const connect = (host: Partial<Host> = {}) =>
    provider.connect(
      {name: 'default', settings: {path}},
      testHost({env: {XDG_STATE_HOME: base}, vaultPassword: async () => password, ...host}),
    )
  return {path, stateDir: join(base, 'envdrift'), vault, connect}
}

it('I5 says absent for a name that the vault does not hold, and names `envdrift vault set`', async () => {
  const {connect} = await makeVault()
  const local = await connect()
  expect((await readAll(local, [ref('myapp-production')])).map(gist)).toEqual(['absent'])
  expect(local.remedies(ref('myapp-production'))[0]).toContain('envdrift vault set myapp-production')
})

it('quotes names for the shell, which a pull request can choose', async () => {
  const {connect} = await makeVault()
  const [first] = (await connect()).remedies(ref("a'b $(id)"))
  expect(first).toContain(String.raw`envdrift vault set 'a'\''b $(id)'`)
})

it('I6 waits for a vault that another process has locked, then fails its rows, and other vaults go on', async () => {
  const [busy, free] = [await makeVault({'myapp-production': 'one'}), await makeVault({'myapp-staging': 'two'})]
  const local = await busy.connect({callTimeoutMs: 300})
  const other = await free.connect({callTimeoutMs: 300})
  await withLock(realpathSync(busy.path), {stateDir: busy.stateDir}, async () => {
    const rows = await readAll(local, [ref('myapp-production'), ref('myapp-web')])
    expect(rows.map(gist)).toEqual(['LOCKED', 'LOCKED'])
    expect((await readAll(other, [ref('myapp-staging')])).map(gist)).toEqual(['found two'])
  })
  expect((await readAll(local, [ref('myapp-production')])).map(gist)).toEqual(['found one'])
})

it('I6 reads as soon as the other process is done', async () => {
  const {path, stateDir, connect} = await makeVault({'myapp-production': 'one'})
  const local = await connect()
  const held = Promise.withResolvers<void>()
  const lock = withLock(realpathSync(path), {stateDir}, () => held.promise)
  const reading = readAll(local, [ref('myapp-production')])
  await expect(Promise.race([reading, new Promise((done) => setTimeout(done, 200, 'waiting'))])).resolves.toBe(
    'waiting',
  )
  held.resolve()
  await lock
  expect((await reading).map(gist)).toEqual(['found one'])
})

it('V5 fails every row of a wrong password, and asks for it once', async () => {
  const {connect} = await makeVault({'myapp-production': 'one'})
  let asked = 0
  const local = await connect({
    vaultPassword: async () => {
      asked++
      return new Secret('wrong')
    },
  })
  const rows = await readAll(local, [ref('myapp-production'), ref('myapp-staging')])
  expect(rows.map(gist)).toEqual(['VAULT_WRONG_PASSWORD', 'VAULT_WRONG_PASSWORD'])
  await readAll(local, [ref('myapp-production')])
  expect(asked).toBe(1)
})

it('says VAULT_NOT_FOUND and how to make one, without asking for a password', async () => {
  const {path, connect} = await makeVault()
  rmSync(path, {recursive: true})
  const local = await connect({vaultPassword: () => expect.unreachable('asked for a password')})
  const [row] = await readAll(local, [ref('myapp-production')])
  expect(row).toMatchObject({
    kind: 'failed',
    error: {
      code: 'VAULT_NOT_FOUND',
      suggestions: expect.arrayContaining([expect.stringContaining(`envdrift vault init ${path}`)]),
    },
  })
})

it('V6 fails every row of a damaged vault, and never says absent', async () => {
  const {path, connect} = await makeVault()
  writeFileSync(join(path, 'vault.enc'), '')
  expect((await readAll(await connect(), [ref('myapp-production')])).map(gist)).toEqual(['VAULT_CORRUPT'])
})

it('says NOT_IN_VAULT for a pinned version that is not kept, and SECRET_DELETED for a deletion', async () => {
  const {vault, connect} = await makeVault({'myapp-production': 'one'})
  await vault.remove('myapp-production')
  const refs = ['9', '2', '1'].map((version) => ref('myapp-production', version))
  expect((await readAll(await connect(), refs)).map(gist)).toEqual(['NOT_IN_VAULT', 'SECRET_DELETED', 'found one'])
})

it('writes over a deletion as over nothing', async () => {
  const {vault, connect} = await makeVault({'myapp-production': 'one'})
  await vault.remove('myapp-production')
  const local = await connect()
  expect(await local.write(ref('myapp-production'), new Secret('two'), 'absent', never)).toBe('3')
})

it('ends when the run is cancelled while the password is asked for', async () => {
  const {connect} = await makeVault({'myapp-production': 'one'})
  const run = new AbortController()
  const local = await connect({
    vaultPassword: () => {
      run.abort()
      return new Promise(() => {})
    },
  })
  expect((await readAll(local, [ref('myapp-production')], run.signal)).map(gist)).toEqual(['INTERRUPTED'])
})
