import {providerContract} from '../contract.ts'
import {startFakeBed} from './bed.ts'

providerContract('HashiCorp Vault', startFakeBed, {
  seedBinary: 'a KV secret is JSON, which holds text only',
  disable: 'Vault cannot disable a secret',
  rejectLogin: 'Vault answers a bad token and a missing policy with the same 403, so both are FORBIDDEN',
})
