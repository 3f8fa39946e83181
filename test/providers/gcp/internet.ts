import './no-roots-file.ts'
import {onTestFinished} from 'vitest'

import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {provider} from '../../../src/providers/gcp/index.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {type FakeGcp, project, startGcp} from '../../fakes/gcp.ts'
import type {CredentialFiles} from '../../fakes/gcp/credential-files.ts'
import {testHost} from '../contract.ts'
import {clearGoogleEnvironment, startProxy, temporaryDirectory, trustFakes} from './bed.ts'

/** Google's hosts behind a proxy on this machine: the SDK sees the real names, over TLS, and none of its parts is replaced. */
export type Internet = {
  readonly fake: FakeGcp
  readonly proxy: string
  /** Of every host: PEM text. */
  readonly certificate: string
  /** Hosts and ports that the proxy was asked for. */
  readonly hosts: readonly string[]
  /** A credential file of the fake, as Google's tools write it: with Google's own addresses. */
  readonly published: (login: keyof CredentialFiles) => object
  readonly stop: () => Promise<void>
}

export async function startInternet(): Promise<Internet> {
  const {certificate, key} = await serverCertificate([
    '*.googleapis.com',
    'ci.example.com',
    'localhost',
    '*.europe-west3.rep.googleapis.com',
    'secretmanager.europe-west3.rep.googleapis.com',
  ])
  const fake = await startGcp({directory: temporaryDirectory(), tls: {key, cert: certificate}})
  const [service, tokens] = [new URL(fake.endpoint).port, fake.tokenHost.split(':')[1]].map(Number)
  const proxy = await startProxy(
    new Map([
      ['secretmanager.googleapis.com:443', service!],
      ['secretmanager.europe-west3.rep.googleapis.com:443', service!],
      ...['oauth2', 'sts', 'iamcredentials'].map((name) => [`${name}.googleapis.com:443`, tokens!] as const),
      ['ci.example.com:443', tokens!],
      [`localhost:${service}`, service!],
    ]),
  )
  return {
    fake,
    proxy: proxy.url,
    certificate,
    hosts: proxy.asked,
    published: (login) =>
      JSON.parse(
        JSON.stringify(fake[login])
          .replaceAll(`https://${fake.tokenHost}/v1/token`, 'https://sts.googleapis.com/v1/token')
          .replaceAll(`https://${fake.tokenHost}/v1/projects`, 'https://iamcredentials.googleapis.com/v1/projects')
          .replaceAll(`https://${fake.tokenHost}/oidc`, 'https://ci.example.com/oidc'),
      ) as object,
    async stop() {
      await proxy.stop()
      await fake.stop()
    },
  }
}

/** Sends this process there until the test has finished: by its proxy, with its certificate, and without any login. */
export async function enterInternet(): Promise<Internet> {
  clearGoogleEnvironment()
  const internet = await startInternet()
  onTestFinished(async () => {
    await internet.stop()
    trustFakes()
  })
  trustFakes(internet.certificate)
  process.env['HTTPS_PROXY'] = internet.proxy
  return internet
}

/** A provider that finds the service as production does, closed when the test has finished. */
export async function connect(settings: Settings = {}, host: Partial<Host> = {}): Promise<Provider> {
  const connected = await provider.connect(
    {name: 'default', settings: {project_id: project.id, ...settings}},
    testHost({callTimeoutMs: 5000, ...host}),
  )
  onTestFinished(connected.close)
  return connected
}
