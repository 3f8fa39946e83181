import {providerContract} from '../contract.ts'
import {startAwsBed} from './bed.ts'

const lacks = {
  empty: 'AWS refuses a secret without a character',
  disable: 'AWS has no disabled secrets',
  destroy: 'what AWS has deleted for good, it says is not there',
}

providerContract(
  'AWS Secrets Manager with access keys, one by one',
  () => startAwsBed({settings: {region: 'us-east-1', batch: 'off'}}),
  lacks,
)
providerContract('AWS Secrets Manager with a web identity, in batches', () => startAwsBed({login: 'web identity'}), {
  ...lacks,
  parallel: 'twenty secrets are one request',
})
