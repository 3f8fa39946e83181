import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {getCACertificates, setDefaultCACertificates} from 'node:tls'

import {onTestFinished, vi} from 'vitest'

import type {AwsFake} from '../fakes/aws.ts'
import {serverCertificate} from '../fakes/certificate.ts'
import {startConnectProxy, type ConnectProxy} from './aws-connect-proxy.ts'

/**
 * An environment with nothing in it that an AWS SDK looks for, and an empty home directory: the SDK reads `process.env`
 * itself. Both are as before when the test has ended.
 */
export async function emptyAwsEnvironment(): Promise<string> {
  for (const name of Object.keys(process.env))
    if (name.startsWith('AWS_') || /^(?:https?|all|no)_proxy$/i.test(name)) vi.stubEnv(name, undefined)
  const home = await mkdtemp(join(tmpdir(), 'envdrift-aws-'))
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await rm(home, {recursive: true, force: true})
  })
  vi.stubEnv('HOME', home)
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  return home
}

/** Leads all hosts of AWS to the fake, by a proxy and a certificate that this process trusts until the test has ended. */
export async function leadAwsTo(
  fake: Pick<AwsFake, 'listenTls'>,
  options: {readonly login?: string} = {},
): Promise<ConnectProxy> {
  const certificate = await serverCertificate([
    '*.us-east-1.amazonaws.com',
    '*.eu-west-1.amazonaws.com',
    '*.cn-north-1.amazonaws.com.cn',
    '*.us-gov-west-1.amazonaws.com',
  ])
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, certificate.certificate])
  const proxy = await startConnectProxy({target: await fake.listenTls(certificate), ...options})
  onTestFinished(async () => {
    setDefaultCACertificates(trusted)
    await proxy.stop()
  })
  vi.stubEnv('AWS_ENDPOINT_URL', undefined)
  vi.stubEnv('HTTPS_PROXY', proxy.url)
  return proxy
}
