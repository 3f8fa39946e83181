import {execFileSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {afterEach, beforeEach, describe, expect, it} from 'vitest'

import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {type FakeVault, startFakeVault} from '../../fakes/hashicorp.ts'
import {gist, readAll} from '../contract.ts'
import {connectTo, hostWith} from './bed.ts'

let vault: FakeVault
let directory: string
const at = (name: string): string => join(directory, name)

beforeEach(async () => {
  vault = await startFakeVault()
  vault.put('secret', 'myapp', {value: 'one'})
  directory = mkdtempSync(join(tmpdir(), 'envdrift-files-'))
  writeFileSync(at('file'), 'x')
})
afterEach(async () => {
  await vault.stop()
  rmSync(directory, {recursive: true, force: true})
})

/** Reads a secret and closes; `code: message` of a failure. */
async function read(settings: Settings, env: Host['env'], home = '/nonexistent', url = vault.url): Promise<string> {
  const provider = await connectTo(url, hostWith(env, {home}), settings)
  const [answer] = await readAll(provider, [{vault: 'default', name: 'myapp'}])
  await provider.close()
  return answer?.kind === 'failed' ? `${answer.error.code}: ${answer.error.message}` : gist(answer!)
}

/** Every way to name a file, with what it takes besides. */
const named: readonly (readonly [string, (path: string) => Promise<string>, string])[] = [
  ['VAULT_TOKEN_FILE', (path) => read({}, {VAULT_TOKEN_FILE: path}), 'NOT_LOGGED_IN'],
  ['secret_id_file', (path) => read({auth: 'approle', role_id: 'ci', secret_id_file: path}, {}), 'NOT_LOGGED_IN'],
  ['jwt_file', (path) => read({auth: 'jwt', role: 'ci', jwt_file: path}, {}), 'NOT_LOGGED_IN'],
  ['jwt_file of a pod', (path) => read({auth: 'kubernetes', role: 'ci', jwt_file: path}, {}), 'NOT_LOGGED_IN'],
  ['ca_file', (path) => read({ca_file: path}, {VAULT_TOKEN: 'x'}), 'FILE_UNREADABLE'],
  ['client_cert', (path) => read({client_cert: path, client_key: at('file')}, {VAULT_TOKEN: 'x'}), 'FILE_UNREADABLE'],
  ['client_key', (path) => read({client_cert: at('file'), client_key: path}, {VAULT_TOKEN: 'x'}), 'FILE_UNREADABLE'],
]

// Nobody writes into these pipes: opening one would never return, and would hold a thread that nothing can take back.
describe.skipIf(process.platform === 'win32')('a pipe where a file belongs', () => {
  it.each(named)('is refused at once as %s, symlinks followed', async (_, attempt, code) => {
    execFileSync('mkfifo', [at('pipe')])
    symlinkSync(at('pipe'), at('link'))
    const said = await attempt(at('link'))
    expect([said.split(':')[0], said]).toEqual([code, expect.stringContaining('is no regular file')])
    expect(vault.log).toEqual([])
  })

  it('is refused at once as ~/.vault-token', async () => {
    execFileSync('mkfifo', [at('.vault-token')])
    expect(await read({}, {}, directory)).toBe(
      'NOT_LOGGED_IN: The token file ~/.vault-token is no regular file (a pipe, a device or a folder is not read)',
    )
  })

  it('is passed over in ca_path, and so are folders behind symlinks', async () => {
    const tls = await serverCertificate(['localhost'])
    const url = await vault.listenSecurely(tls)
    mkdirSync(at('ca'))
    mkdirSync(at('folder'))
    execFileSync('mkfifo', [at('ca/pipe')])
    symlinkSync(at('folder'), at('ca/..data'))
    writeFileSync(at('authority'), tls.certificate)
    symlinkSync(at('authority'), at('ca/ours.pem'))
    expect(await read({ca_path: at('ca')}, {VAULT_TOKEN: vault.rootToken}, undefined, url)).toBe('found one')
  })
})

it.each(named)('a file of more than 1 MiB is refused as %s', async (_, attempt, code) => {
  writeFileSync(at('large'), '')
  truncateSync(at('large'), 1024 * 1024 + 1)
  const said = await attempt(at('large'))
  expect([said.split(':')[0], said]).toEqual([code, expect.stringContaining('is larger than 1 MiB')])
  expect(vault.log).toEqual([])
})
