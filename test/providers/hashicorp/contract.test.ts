import {describe} from 'vitest'

import {providerContract} from '../contract.ts'
import {startFakeBed, startRealBed} from './bed.ts'
import {vaultBinary, whyNoVault} from './real-vault.ts'

const lacks = {
  seedBinary: 'a KV secret is JSON, which holds text only',
  disable: 'Vault cannot disable a secret',
  rejectLogin: 'Vault answers a bad token and a missing policy with the same 403, so both are FORBIDDEN',
  expireLogin: 'Vault answers an expired token and a missing policy with the same 403, so both are FORBIDDEN',
}

providerContract('HashiCorp Vault', startFakeBed, lacks)

describe.skipIf(vaultBinary === undefined)(
  `Vault itself${vaultBinary === undefined ? ` (skipped: ${whyNoVault})` : ''}`,
  () => {
    providerContract('HashiCorp Vault', () => startRealBed(vaultBinary ?? ''), {
      ...lacks,
      fail: 'a healthy server does not fail on demand',
      skewClock: 'the real server has the clock of this machine',
    })
  },
)
