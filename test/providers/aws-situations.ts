import {vi} from 'vitest'

import type {EnvdriftError} from '../../src/core/errors.ts'
import type {Host, Settings} from '../../src/core/provider-spec.ts'
import {serverCertificate} from '../fakes/certificate.ts'
import type {CommonBed, ServiceFake} from './aws-bed.ts'

type Situation = (bed: Pick<CommonBed, 'fail'> & {readonly fake: ServiceFake}) => Promise<EnvdriftError>

/**
 * What any service of AWS, or the way to it, brings about, by the title of its text.
 *
 * @param reading - what `sync` says of a secret.
 */
export const commonSituations = (
  reading: (settings?: Settings, host?: Partial<Host>) => Promise<EnvdriftError>,
): Readonly<Record<string, Situation>> => ({
  'BAD_REQUEST: the SDK can make no request of it': ({fake}) => {
    vi.stubEnv('AWS_USE_FIPS_ENDPOINT', 'true')
    return reading({endpoint_url: fake.url})
  },
  'BAD_RESPONSE: a web page in between': ({fake}) => {
    fake.answer(200, 'text/html', '<html>Welcome to the guest network</html>')
    return reading()
  },
  'BAD_RESPONSE: a firewall in between that refuses': ({fake}) => {
    fake.answer(403, 'text/html', '<!DOCTYPE html>\n<html>Request blocked</html>')
    return reading()
  },
  'THROTTLED: after several tries': ({fail}) => {
    fail(429, Infinity)
    return reading()
  },
  'THROTTLED: a longer wait than a call may take': ({fail}) => {
    fail(429, Infinity, 600)
    return reading()
  },
  'SERVICE_ERROR: an outage': ({fail}) => {
    fail(500, Infinity)
    return reading()
  },
  'SERVICE_ERROR: a longer wait than a call may take': ({fail}) => {
    fail(503, Infinity, 120)
    return reading()
  },
  'UNREACHABLE: nobody listens': () => {
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
    return reading()
  },
  'TLS_REFUSED: a certificate that nobody trusts': async ({fake}) => {
    const port = await fake.listenTls(await serverCertificate(['localhost']))
    return reading({endpoint_url: `https://127.0.0.1:${port}`})
  },
  'TIMEOUT: a silent service': ({fake}) => {
    fake.silence()
    return reading({}, {callTimeoutMs: 1000})
  },
})
