import {providerContract} from '../contract.ts'
import {startBed} from './bed.ts'

providerContract('Azure Key Vault', startBed, {
  seedBinary: 'Azure Key Vault holds text only',
  destroy: 'Azure destroys no versions; what is purged is as if it never was',
})
