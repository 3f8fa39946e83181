import {generate} from 'selfsigned'

/** A certificate and its private key, both PEM text. */
export type Certificate = {readonly certificate: string; readonly key: string}

/**
 * Make a self-signed server certificate that is valid for a day, for fakes that must be reached by https. Made at run time,
 * so that no private key lies in the repository; Node itself can check certificates but not make them.
 *
 * @param hosts - DNS names, wildcards allowed; `127.0.0.1` is always among the addresses.
 */
export async function serverCertificate(hosts: readonly string[]): Promise<Certificate> {
  return make(
    'ec',
    hosts.map((value) => ({type: 2 as const, value})),
  )
}

/** Make an RSA certificate that a client can log in with (Entra takes no elliptic curves). */
export async function clientCertificate(): Promise<Certificate> {
  return make('rsa', [{type: 2, value: 'client.invalid'}])
}

async function make(keyType: 'ec' | 'rsa', names: {readonly type: 2; readonly value: string}[]): Promise<Certificate> {
  const yesterday = new Date(Date.now() - 86_400_000)
  const made = await generate([{name: 'commonName', value: 'envdrift fake server'}], {
    keyType,
    algorithm: 'sha256',
    notBeforeDate: yesterday,
    notAfterDate: new Date(Date.now() + 86_400_000),
    extensions: [
      {name: 'basicConstraints', cA: true, critical: true},
      {name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true},
      {name: 'subjectAltName', altNames: [...names, {type: 7, ip: '127.0.0.1'}]},
    ],
  })
  return {certificate: made.cert, key: made.private}
}
