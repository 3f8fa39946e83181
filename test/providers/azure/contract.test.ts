import {providerContract} from '../contract.ts'
import {startBed} from './bed.ts'

providerContract('Azure Key Vault', startBed, {
  seedBinary: 'Azure Key Vault holds text only',
  remove: 'Azure answers for a deleted secret as for one that never was',
})
