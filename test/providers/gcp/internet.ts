import {serverCertificate} from '../../fakes/certificate.ts'
import {type FakeGcp, startGcp} from '../../fakes/gcp.ts'
import type {CredentialFiles} from '../../fakes/gcp/credential-files.ts'
import {startProxy, temporaryDirectory} from './bed.ts'

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
