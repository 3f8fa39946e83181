/*
 * A process of its own that uses a vault: vault-writer.ts PATH STATE_DIR PREFIX COUNT stores PREFIX-0, PREFIX-1 … and
 * sends each name once it is stored. With COUNT 0 it sends what reading and writing end in.
 */
import {Secret} from '../../src/core/secret.ts'
import {embeddedVault} from '../../src/vault/embedded-vault.ts'

const [path = '', stateDir = '', prefix = '', count = '0'] = process.argv.slice(2)
const vault = embeddedVault({
  path,
  stateDir,
  home: '/nonexistent',
  password: async () => new Secret('correct horse battery staple'),
  now: () => new Date(),
  warn: () => {},
})

for (let n = 0; n < Number(count); n++) {
  await vault.put(`${prefix}-${n}`, Buffer.from('value'), 'any')
  process.send?.(`${prefix}-${n}`)
}
if (count === '0') {
  process.send?.(`opened with ${(await vault.read()).size} secrets`)
  await vault.put(prefix, Buffer.from('value'), 'any').catch((error: {code: string}) => process.send?.(error.code))
}
process.disconnect()
