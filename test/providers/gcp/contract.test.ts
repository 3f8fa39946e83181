import {providerContract} from '../contract.ts'

// gRPC reads it once, when it is loaded, and the bed's certificates would not be in that file.
delete process.env['GRPC_DEFAULT_SSL_ROOTS_FILE_PATH']
const {startBed} = await import('./bed.ts')

const lacks = {
  empty: 'Secret Manager refuses an empty payload',
  remove: 'a deleted secret is gone for good',
}

providerContract('gcp with a service account key', () => startBed('serviceAccount'), lacks)
providerContract('gcp with workload identity federation', () => startBed('workloadIdentity'), lacks)
