import {startGcp} from '../../fakes/gcp.ts'
import {type Bed, providerContract} from '../contract.ts'
import {clearGoogleEnvironment, connectTo, logInWith} from './bed.ts'

/** The gRPC statuses that Google's services use for these. Source: https://cloud.google.com/apis/design/errors */
const statusOf: Readonly<Record<number, number>> = {429: 8, 500: 13, 503: 14}

async function bed(login: 'serviceAccount' | 'workloadIdentity'): Promise<Bed> {
  clearGoogleEnvironment()
  const fake = await startGcp()
  logInWith(fake[login])
  let stopped: Promise<void> | undefined
  return {
    connect: (host) => connectTo(fake, host),
    seed: async (name, value) => fake.seed(name, value),
    seedBinary: async (name, bytes) => fake.seed(name, bytes),
    addVersion: async (name, value) => fake.seed(name, value),
    forbid: async (name) => fake.forbid(name),
    rejectLogin: async () => fake.rejectLogins(),
    disable: async (name) => fake.setState(name, 1, 'DISABLED'),
    fail: (status, times) => fake.fail(statusOf[status]!, times),
    delay: fake.delay,
    silence: fake.silence,
    reads: fake.reads,
    logins: fake.logins,
    credentials: fake.credentials(),
    stop: () => (stopped ??= fake.stop()),
  }
}

const lacks = {
  empty: 'Secret Manager refuses an empty payload',
  remove: 'a deleted secret is gone for good, and a destroyed version answers as a disabled one does',
}

providerContract('gcp with a service account key', () => bed('serviceAccount'), lacks)
providerContract('gcp with workload identity federation', () => bed('workloadIdentity'), {
  ...lacks,
  down: 'its token service is down as well, which the tests of the login cover',
})
