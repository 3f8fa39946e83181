import {spawn} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {serverCertificate} from '../../fakes/certificate.ts'
import type {FakeVault, Fields, Rule, TokenOptions} from '../../fakes/hashicorp.ts'

/** Path of a `vault` binary to run the tests of the fake against as well, to prove the fake. */
export const vaultBinary: string | undefined = process.env['ENVDRIFT_TEST_VAULT_BIN']

/** Why a test against the real server is skipped; belongs into its name. */
export const whyNoVault = 'ENVDRIFT_TEST_VAULT_BIN names no vault binary'

/** What the fake and the real server have in common. */
export type VaultServer = {
  readonly url: string
  readonly rootToken: string
  readonly addToken: (options?: TokenOptions) => string | Promise<string>
  readonly addRule: (token: string, rule: Rule) => void | Promise<void>
  readonly revoke: (token: string) => unknown
  readonly put: (mount: string, name: string, fields: Fields) => void | Promise<void>
  readonly seal: () => void | Promise<void>
  readonly throttle: (times: number) => void | Promise<void>
  readonly stop: () => Promise<void>
}

// A fake is one of them as it is.
void ((fake: FakeVault): VaultServer => fake)

/** A development server of the real Vault, in memory, on loopback, with the mounts that the fake has. */
export async function startRealVault(
  binary: string,
): Promise<VaultServer & {readonly secureUrl: string; readonly authority: string}> {
  const [port, securePort, rootToken] = [await freePort(), await freePort(), 'root-token-of-the-test']
  const url = `http://127.0.0.1:${port}`
  const home = mkdtempSync(join(tmpdir(), 'envdrift-vault-'))
  const tls = await serverCertificate(['localhost'])
  const [certFile, keyFile, configFile] = [join(home, 'cert.pem'), join(home, 'key.pem'), join(home, 'config.hcl')]
  writeFileSync(certFile, tls.certificate)
  writeFileSync(keyFile, tls.key, {mode: 0o600})
  writeFileSync(
    configFile,
    `listener "tcp" {
  address       = "127.0.0.1:${securePort}"
  tls_cert_file = ${JSON.stringify(certFile)}
  tls_key_file  = ${JSON.stringify(keyFile)}
}
`,
  )
  const server = spawn(
    binary,
    [
      'server',
      '-dev',
      '-dev-no-store-token',
      `-config=${configFile}`,
      `-dev-root-token-id=${rootToken}`,
      `-dev-listen-address=127.0.0.1:${port}`,
    ],
    {env: {HOME: home}, stdio: 'ignore'},
  )
  const ended = new Promise((resolve) => server.once('close', resolve))
  const policies = new Map<string, {readonly name: string; readonly rules: Rule[]}>()

  async function call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(`${url}/v1/${path}`, {
      method,
      headers: {'x-vault-token': rootToken},
      ...(body !== undefined && {body: JSON.stringify(body)}),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  }

  const writePolicy = ({name, rules}: {readonly name: string; readonly rules: readonly Rule[]}) =>
    call('PUT', `sys/policies/acl/${name}`, {
      policy: rules
        .map(
          ({path, capabilities}) => `path ${JSON.stringify(path)} { capabilities = ${JSON.stringify(capabilities)} }`,
        )
        .join('\n'),
    })

  const put = async (mount: string, name: string, fields: Fields): Promise<void> => {
    await (mount === 'kv1'
      ? call('POST', `kv1/${name}`, fields)
      : call('POST', `${mount}/data/${name}`, {data: fields}))
  }

  // Until it listens, and its KV 2 mount has been set up.
  for (let tries = 0; ; tries += 1) {
    try {
      await put('secret', 'ready', {value: 'ready'})
      break
    } catch (error) {
      if (tries > 200) throw error
      await sleep(50)
    }
  }
  await call('DELETE', 'secret/metadata/ready')
  await call('POST', 'sys/mounts/kv1', {type: 'kv', options: {version: '1'}})

  return {
    url,
    secureUrl: `https://127.0.0.1:${securePort}`,
    authority: tls.certificate,
    rootToken,
    put,
    async addToken({rules, uses, expires} = {}) {
      const name = `test-${policies.size}`
      const policy = {name, rules: [...(rules ?? [])]}
      if (policy.rules.length > 0) await writePolicy(policy)
      const made = await call('POST', 'auth/token/create', {
        // Without rules there is no such policy, which leaves the default one.
        policies: [rules ? name : 'root'],
        ...(uses !== undefined && {num_uses: uses}),
        ...(expires && {explicit_max_ttl: '1s'}),
      })
      if (expires) await sleep(1500)
      const token = (made['auth'] as {readonly client_token: string}).client_token
      policies.set(token, policy)
      return token
    },
    async addRule(token, rule) {
      const policy = policies.get(token)
      policy?.rules.push(rule)
      if (policy) await writePolicy(policy)
    },
    revoke: (token) => call('POST', 'auth/token/revoke', {token}),
    seal: async () => {
      await call('PUT', 'sys/seal')
    },
    async throttle() {
      await call('POST', 'sys/quotas/rate-limit/tight', {path: 'secret/', rate: 1, interval: '1h'})
      await fetch(`${url}/v1/secret/data/x`)
    },
    async stop() {
      server.kill('SIGKILL')
      await ended
      rmSync(home, {recursive: true, force: true})
    },
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const {port} = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
