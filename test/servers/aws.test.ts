import {providerContract} from '../providers/contract.ts'
import {startAwsServerBed} from './aws-bed.ts'

const lacks = {
  empty: 'AWS refuses a secret without a character; moto takes it',
  disable: 'AWS has no disabled secrets',
  destroy: 'a secret of AWS that is gone for good is gone as if it had never been',
  forbid: 'moto matches no policy with the ARN of a secret',
  rejectLogin: 'moto takes any credentials, or answers in XML, which Secrets Manager does not speak',
  expireLogin: 'credentials of moto never expire',
  elsewhere: 'moto knows every region',
  badName: 'moto takes any name',
  skewClock: 'moto looks at no clock',
  fail: 'a healthy server does not fail on demand',
  connectUntrusted: 'moto is reached without TLS here',
  connectThroughProxy: 'moto is reached without TLS here, and so through no tunnel',
  resetOnce: 'toxiproxy resets every connection, or none',
  compareAndSet: 'moto goes on to serve the old version when the label AWSCURRENT has moved',
}

providerContract(
  'AWS Secrets Manager (moto) with access keys, one by one',
  () => startAwsServerBed('keys', {batch: 'off'}),
  lacks,
)
providerContract(
  'AWS Secrets Manager (moto) with a web identity, in batches',
  () => startAwsServerBed('web identity'),
  {
    ...lacks,
    parallel: 'twenty secrets are one request',
  },
)
