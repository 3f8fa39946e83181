import {execFile} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {delimiter, dirname, join} from 'node:path'
import {promisify} from 'node:util'

import {expect, it, onTestFinished} from 'vitest'

import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {clientCertificate} from '../../fakes/certificate.ts'
import {gist, readAll} from '../contract.ts'
import {connectTo, hostWith} from './bed.ts'
import {startRealVault, vaultBinary, whyNoVault} from './real-vault.ts'
import {rootApi} from './root-api.ts'
import {audience, issuer, makeTokenIssuer} from './token-issuer.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/providers/hashicorp.md'), 'utf8')

/** The blocks of one language below a heading, up to the next one. */
function blocksBelow(heading: string, language: string): readonly string[] {
  const [, section = ''] = page.split(`\n${heading}\n`)
  const [own = ''] = section.split(/\n#{2,3} /)
  return [...own.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(([, text = '']) => text)
}

const lacks = vaultBinary === undefined ? ` (skipped: ${whyNoVault})` : ''

it.skipIf(vaultBinary === undefined)(
  `the page can be followed from nothing to a green check, with each login that this server has${lacks}`,
  async () => {
    const vault = await startRealVault(vaultBinary ?? '')
    const directory = mkdtempSync(join(tmpdir(), 'envdrift-page-'))
    onTestFinished(async () => {
      await vault.stop()
      rmSync(directory, {recursive: true, force: true})
    })
    const inDirectory = (name: string): string => join(directory, name)
    const path = `${dirname(vaultBinary ?? '')}${delimiter}${process.env['PATH'] ?? ''}`
    const env = {PATH: path, HOME: directory, VAULT_ADDR: vault.url, VAULT_TOKEN: vault.rootToken}
    const run = async (script: string): Promise<readonly string[]> => {
      const {stdout} = await promisify(execFile)('bash', ['-e', '-o', 'pipefail', '-c', script], {cwd: directory, env})
      return stdout.trim().split('\n')
    }
    const readKey = async (settings: Settings, variables: Host['env'], url = vault.url): Promise<string> => {
      const provider = await connectTo(url, hostWith(variables), settings)
      const [answer] = await readAll(provider, [{vault: 'default', name: 'myapp-key'}])
      await provider.close()
      return gist(answer!)
    }

    writeFileSync(inDirectory('keys'), 'DOTENV_PRIVATE_KEY_PRODUCTION=the-key\n')
    const [start = ''] = blocksBelow('## From nothing to a green check', 'bash')
    const [put = ''] = start.split('\n').filter((line) => line.startsWith('vault kv put'))
    await run(put.replace('@services/myapp/.env.keys', '@keys'))
    const found = 'found DOTENV_PRIVATE_KEY_PRODUCTION=the-key\n'

    const [policy = ''] = blocksBelow('## Least privilege', 'hcl')
    writeFileSync(inDirectory('policy.hcl'), policy)
    const [github = ''] = blocksBelow('### GitHub Actions', 'bash')
    const tokens = makeTokenIssuer()
    writeFileSync(inDirectory('public.pem'), tokens.publicKey)
    // GitHub's keys can't be had here: those of a stand-in.
    await run(
      github.replace(
        /oidc_discovery_url=\S+ bound_issuer=\S+/,
        `jwt_validation_pubkeys=@public.pem bound_issuer=${issuer}`,
      ),
    )
    const jwt = tokens.sign({aud: audience, repository: 'acme/shop'})
    expect(await readKey({auth: 'jwt', role: 'myapp-ci'}, {VAULT_ID_TOKEN: jwt})).toBe(found)

    const [approle = '', wrapping = ''] = blocksBelow('### AppRole', 'bash')
    // One by one: `-field` ends no line where it does not print to a terminal.
    const printed: string[] = []
    for (const line of approle.trim().split('\n')) printed.push((await run(line)).join('\n'))
    const [roleId = '', secretId = ''] = printed.slice(-2)
    expect(await readKey({auth: 'approle', role_id: roleId}, {VAULT_SECRET_ID: secretId})).toBe(found)
    const [wrapped = ''] = await run(wrapping)
    const settings = {auth: 'approle', role_id: roleId, secret_id_wrapped: true}
    expect(await readKey(settings, {VAULT_SECRET_ID: wrapped})).toBe(found)

    const [cert = ''] = blocksBelow('### TLS certificate', 'bash')
    const client = await clientCertificate()
    for (const [name, text] of [
      ['client.pem', client.certificate],
      ['client-key.pem', client.key],
      ['ca.pem', vault.authority],
    ] as const)
      writeFileSync(inDirectory(name), text)
    await run(cert.replaceAll(/^(?:export|envdrift) .*$/gm, ''))
    const files = {
      VAULT_CLIENT_CERT: inDirectory('client.pem'),
      VAULT_CLIENT_KEY: inDirectory('client-key.pem'),
      VAULT_CACERT: inDirectory('ca.pem'),
    }
    expect(await readKey({auth: 'cert'}, files, vault.secureUrl)).toBe(found)

    const [more = ''] = blocksBelow('## Least privilege', 'bash')
    await run(more)
    const {data} = (await rootApi(vault)('GET', 'sys/policies/acl/myapp-read')) as {
      readonly data: {readonly policy: string}
    }
    expect(data.policy).toMatch(/secret\/data\/myapp-key[^]*secret\/data\/other-key/)
  },
)
