import {providerContract} from '../contract.ts'
import {startSsmBed} from './bed.ts'

providerContract('AWS SSM Parameter Store with access keys', startSsmBed, {
  empty: 'a parameter has a character at least',
  long: 'a parameter holds 8 KB',
  seedBinary: 'parameters hold text only',
  disable: 'there are no disabled parameters',
  remove: 'a parameter that is deleted is gone at once',
  destroy: 'single versions can not be destroyed',
  parallel: 'ten parameters are one request',
})
