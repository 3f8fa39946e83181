import {describe, onTestFinished} from 'vitest'

import {serverCertificate} from '../../fakes/certificate.ts'
import {startFakeVault} from '../../fakes/hashicorp.ts'
import {startRealVault, vaultBinary, type VaultServer, whyNoVault} from './real-vault.ts'
import {rootApi, type RootApi} from './root-api.ts'

/** What the tests of both servers use of one. */
export type TestServer = VaultServer & {
  readonly secureUrl: string
  /** PEM of who vouches for `secureUrl`. */
  readonly authority: string
}

/** Starts a server that stops when the test has finished. */
type Start = () => Promise<{readonly server: TestServer; readonly api: RootApi}>

/** The fake and the real server: what a test claims of one, it claims of the other. */
const servers: readonly {
  readonly name: string
  readonly run: () => Promise<TestServer>
  /** Why this one can't be had here. */
  readonly lacks: string | undefined
}[] = [
  {
    name: 'the fake',
    run: async () => {
      const [vault, certificate] = [await startFakeVault(), await serverCertificate(['localhost'])]
      return {...vault, secureUrl: await vault.listenSecurely(certificate), authority: certificate.certificate}
    },
    lacks: undefined,
  },
  {
    name: 'Vault itself',
    run: () => startRealVault(vaultBinary ?? ''),
    lacks: vaultBinary === undefined ? whyNoVault : undefined,
  },
]

/** Tests on the fake and, where it can be had here, the same tests on Vault itself. */
export function describeBoth(title: (server: string) => string, tests: (start: Start) => void): void {
  for (const {name, run, lacks} of servers) {
    const start: Start = async () => {
      const server = await run()
      onTestFinished(() => server.stop())
      return {server, api: rootApi(server)}
    }
    describe.skipIf(lacks !== undefined)(`${title(name)}${lacks === undefined ? '' : ` (skipped: ${lacks})`}`, () => {
      tests(start)
    })
  }
}
