import {providerContract} from '../contract.ts'
import {startAwsBed} from './bed.ts'

const lacks = {
  empty: 'AWS refuses a secret without a character',
  disable: 'AWS has no disabled secrets',
}

providerContract('AWS Secrets Manager with access keys', () => startAwsBed(), lacks)
providerContract('AWS Secrets Manager with a web identity', () => startAwsBed({login: 'web identity'}), lacks)
