import {providerContract} from '../providers/contract.ts'
import {startSsmServerBed} from './aws-ssm-bed.ts'

providerContract('AWS SSM Parameter Store (moto) with a web identity', startSsmServerBed, {
  empty: 'a parameter has a character at least',
  long: 'a parameter holds 8 KB; moto takes more',
  seedBinary: 'parameters hold text only',
  disable: 'there are no disabled parameters',
  remove: 'a parameter that is deleted is gone at once',
  destroy: 'single versions can not be destroyed',
  parallel: 'ten parameters are one request',
  forbid: 'moto is left to allow everything here',
  rejectLogin: 'moto takes any credentials',
  expireLogin: 'credentials of moto never expire',
  elsewhere: 'moto knows every region',
  skewClock: 'moto looks at no clock',
  fail: 'a healthy server does not fail on demand',
  connectUntrusted: 'moto is reached without TLS here',
  connectThroughProxy: 'moto is reached without TLS here, and so through no tunnel',
  resetOnce: 'toxiproxy resets every connection, or none',
})
