import {describe} from 'vitest'

import {providerContract} from '../contract.ts'
import {startFakeBed, startRealBed} from './bed.ts'
import {vaultBinary, whyNoVault} from './real-vault.ts'

const ofKv = {
  seedBinary: 'a KV secret is JSON, which holds text only',
  disable: 'Vault cannot disable a secret',
}
const ofGivenToken = {
  rejectLogin: 'Vault answers a bad token and a missing policy with the same 403, so both are FORBIDDEN',
  expireLogin: 'Vault answers an expired token and a missing policy with the same 403, so both are FORBIDDEN',
}
const ofRealServer = {
  fail: 'a healthy server does not fail on demand',
  skewClock: 'the real server has the clock of this machine',
}

providerContract('HashiCorp Vault', startFakeBed, {...ofKv, ...ofGivenToken})
providerContract('HashiCorp Vault with an AppRole', () => startFakeBed('approle'), ofKv)

describe.skipIf(vaultBinary === undefined)(
  `Vault itself${vaultBinary === undefined ? ` (skipped: ${whyNoVault})` : ''}`,
  () => {
    const binary = vaultBinary ?? ''
    providerContract('HashiCorp Vault', () => startRealBed(binary), {...ofKv, ...ofGivenToken, ...ofRealServer})
    providerContract('HashiCorp Vault with an AppRole', () => startRealBed(binary, 'approle'), {
      ...ofKv,
      ...ofRealServer,
    })
  },
)
