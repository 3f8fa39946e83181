import {providerContract} from '../contract.ts'
import {startBed} from './bed.ts'

const lacks = {
  empty: 'Secret Manager refuses an empty payload',
  remove: 'a deleted secret is gone for good',
}

providerContract('gcp with a service account key', () => startBed('serviceAccount'), lacks)
providerContract('gcp with workload identity federation', () => startBed('workloadIdentity'), lacks)
