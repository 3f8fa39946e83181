import {providerContract} from '../providers/contract.ts'
import {startVaultBed} from './vault-bed.ts'

const lacks = {
  seedBinary: 'a KV secret is JSON, which holds text only',
  disable: 'Vault cannot disable a secret',
  rejectLogin: 'Vault answers a bad token and a missing policy with the same 403, so both are FORBIDDEN',
  expireLogin: 'Vault answers an expired token and a missing policy with the same 403, so both are FORBIDDEN',
  fail: 'a healthy server does not fail on demand',
  skewClock: 'the real server has the clock of this machine',
  resetOnce: 'toxiproxy resets every connection, or none',
}

providerContract('HashiCorp Vault 1.21', () => startVaultBed('http'), lacks)

const unseen = "under TLS nobody but Vault sees the requests, and it doesn't take long enough to see two at once"

providerContract('HashiCorp Vault 1.21 with TLS', () => startVaultBed('https'), {
  ...lacks,
  delay: unseen,
  parallel: unseen,
})
