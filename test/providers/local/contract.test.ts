import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {provider} from '../../../src/providers/local/index.ts'
import {embeddedVault} from '../../../src/vault/embedded-vault.ts'
import {password, placeAt, writeCheapVault} from '../../vault/cheap-vault.ts'
import {providerContract, testHost, type Bed} from '../contract.ts'

async function start(): Promise<Bed> {
  const base = mkdtempSync(join(tmpdir(), 'envdrift-local-'))
  const path = join(base, 'vault')
  await writeCheapVault(path)
  const vault = embeddedVault(placeAt(path, {stateDir: join(base, 'state')}))
  const seed = async (name: string, value: string) => void (await vault.put(name, Buffer.from(value), 'any'))
  let logins = 0
  return {
    connect: (host) =>
      provider.connect(
        {name: 'default', settings: {path}},
        testHost({
          env: {XDG_STATE_HOME: base},
          vaultPassword: async () => {
            logins++
            return password
          },
          ...host,
        }),
      ),
    seed,
    addVersion: seed,
    seedBinary: async (name, bytes) => void (await vault.put(name, bytes, 'any')),
    remove: async (name) => void (await vault.remove(name)),
    reads: () => [],
    logins: () => logins,
    largest: 64 * 1024,
    badName: 'a\u0000b',
    credentials: [password.reveal()],
    stop: async () => rmSync(base, {recursive: true, force: true}),
  }
}

const oneFile = 'the whole vault is one file'
const noServer = 'there is no server'
providerContract('the embedded vault', start, {
  forbid: oneFile,
  rejectLogin: 'a wrong password is VAULT_WRONG_PASSWORD, tested beside this',
  expireLogin: 'a password does not expire',
  disable: 'secrets cannot be disabled',
  destroy: 'a removed secret is all that there is',
  elsewhere: 'a vault that is not there is VAULT_NOT_FOUND, tested beside this',
  network: noServer,
  connectUntrusted: noServer,
  connectThroughProxy: noServer,
  skewClock: noServer,
  fail: noServer,
  delay: noServer,
  silence: noServer,
  down: noServer,
  parallel: oneFile,
})
