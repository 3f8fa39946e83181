import {serverCertificate} from '../../fakes/certificate.ts'
import {startFakeVault} from '../../fakes/hashicorp.ts'
import {startRealVault, vaultBinary, whyNoVault} from './real-vault.ts'

/** What the tests of both servers use of one. */
export type TestServer = {
  readonly url: string
  readonly secureUrl: string
  /** PEM of who vouches for `secureUrl`. */
  readonly authority: string
  readonly rootToken: string
  readonly stop: () => Promise<void>
}

/** The fake and the real server: what a test claims of one, it claims of the other. */
export const bothServers: readonly {
  readonly name: string
  readonly start: () => Promise<TestServer>
  /** Why this one can't be had here. */
  readonly lacks: string | undefined
}[] = [
  {
    name: 'the fake',
    start: async () => {
      const [vault, certificate] = [await startFakeVault(), await serverCertificate(['localhost'])]
      return {...vault, secureUrl: await vault.listenSecurely(certificate), authority: certificate.certificate}
    },
    lacks: undefined,
  },
  {
    name: 'Vault itself',
    start: () => startRealVault(vaultBinary ?? ''),
    lacks: vaultBinary === undefined ? whyNoVault : undefined,
  },
]
