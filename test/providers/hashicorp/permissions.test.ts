import {execFile} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {delimiter, dirname, join} from 'node:path'
import {promisify} from 'node:util'

import {beforeEach, expect, it} from 'vitest'

import {Secret} from '../../../src/core/secret.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import type {Capability, Rule} from '../../fakes/hashicorp/policies.ts'
import {parsePolicy} from '../../fakes/hashicorp/policies.ts'
import {gist, readAll} from '../contract.ts'
import {connectAt, hostWith} from './bed.ts'
import {vaultBinary, whyNoVault} from './real-vault.ts'
import {enableAppRole, makeToken, type RootApi, writePolicy} from './root-api.ts'
import {describeBoth, type TestServer} from './servers.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/providers/hashicorp.md'), 'utf8')

/** The policies that the page has, in their order: for reading, and for storing. */
const [reading = [], storing = []] = [...page.matchAll(/```hcl\n([^]*?)```/g)].map(
  ([, text = '']) => parsePolicy(text) ?? [],
)

const ref = {vault: 'default', name: 'myapp-key'}
const forever = (): AbortSignal => new AbortController().signal

/** Every way to take one permission away. */
const without = (rules: readonly Rule[]): readonly {readonly taken: string; readonly left: readonly Rule[]}[] =>
  rules.flatMap(({path, capabilities}, at) =>
    capabilities.map((capability) => ({
      taken: `${capability} on ${path}`,
      left: rules.with(at, {path, capabilities: capabilities.filter((one) => one !== capability)}),
    })),
  )

type Attempt = (provider: Provider) => Promise<{readonly outcome: string; readonly suggestions: readonly string[]}>

const read: Attempt = async (provider) => {
  const [answer] = await readAll(provider, [ref])
  return {outcome: gist(answer!), suggestions: answer?.kind === 'failed' ? answer.error.suggestions : []}
}

/** Stores a new key, reads it as a push would, and stores another one over it. */
const store: Attempt = async (provider) => {
  try {
    const version = await provider.write({...ref, name: 'fresh-key'}, new Secret('one'), 'absent', forever())
    await provider.write({...ref, name: 'fresh-key'}, new Secret('two'), version, forever())
    const [answer] = await readAll(provider, [{...ref, name: 'fresh-key'}])
    return {outcome: gist(answer!), suggestions: answer?.kind === 'failed' ? answer.error.suggestions : []}
  } catch (error) {
    const {code, suggestions} = error as {readonly code: string; readonly suggestions: readonly string[]}
    return {outcome: code, suggestions}
  }
}

it('the page has a policy for reading and one for storing, which this test can take apart', () => {
  expect(reading).toEqual([{path: 'secret/data/myapp-key', capabilities: ['read']}])
  expect(storing.map(({path}) => path)).toEqual(['secret/data/myapp-key'])
  expect(without(storing).length).toBeGreaterThan(2)
})

describeBoth(
  (name) => `${name} enforces the policies of the page`,
  (start) => {
    let server: TestServer
    let api: RootApi
    beforeEach(async () => {
      ;({server, api} = await start())
      await api('POST', 'secret/data/myapp-key', {data: {value: 'here'}})
    })

    /** The page's policy speaks of myapp-key; a key that is stored anew has a name of its own. */
    const alsoFresh = (rules: readonly Rule[]): readonly Rule[] => [
      ...rules,
      ...rules.map((rule) => ({...rule, path: rule.path.replace('myapp-key', 'fresh-key')})),
    ]

    async function roleWith(rules: readonly Rule[]): Promise<Provider> {
      await writePolicy(api, 'myapp-read', rules)
      const {roleId, secretId} = await enableAppRole(api, {token_policies: ['myapp-read']})
      const host = hostWith({VAULT_SECRET_ID: await secretId()})
      return connectAt(server.url, host, {auth: 'approle', role_id: roleId})
    }

    it('which are enough', async () => {
      expect((await read(await roleWith(reading))).outcome).toBe('found here')
      await writePolicy(api, 'myapp-read', alsoFresh(storing))
      const token = await makeToken(api, {policies: ['myapp-read']})
      const provider = await connectAt(server.url, hostWith({VAULT_TOKEN: token}))
      expect((await store(provider)).outcome).toBe('found two')
    })

    const cases: readonly (readonly [string, readonly Rule[], Attempt, Capability])[] = [
      ...without(reading).map(({taken, left}) => [taken, left, read, 'read'] as const),
      ...without(storing).map(
        ({taken, left}) => [taken, alsoFresh(left), store, taken.split(' ')[0] as Capability] as const,
      ),
    ]
    it.each(cases)('and names what is missing without %s', async (_, rules, attempt, capability) => {
      const {outcome, suggestions} = await attempt(await roleWith(rules))
      expect(outcome).toBe('FORBIDDEN')
      const [, path, list = ''] = /path "([^"]+)" \{ capabilities = \[([^\]]*)\] \}/.exec(suggestions[0] ?? '') ?? []
      expect(path).toMatch(/^secret\/data\/(?:myapp|fresh)-key$/)
      expect(list).toContain(`"${capability}"`)
      expect(suggestions[0]).toContain('myapp-read')
    })

    it('and the line that a message names is enough', async () => {
      const provider = await roleWith([{path: 'secret/data/other', capabilities: ['read']}])
      const {suggestions} = await read(provider)
      const [line = ''] = /path "[^"]+" \{.*\}/.exec(suggestions[0] ?? '') ?? []
      await api('POST', 'sys/policies/acl/myapp-read', {policy: line})
      expect((await read(provider)).outcome).toBe('found here')
    })

    // The fake has no `vault` command, and the real server brings it.
    const why = vaultBinary === undefined ? ` (skipped: ${whyNoVault})` : ''
    it.skipIf(vaultBinary === undefined)(`and the command that a message names grants it${why}`, async () => {
      const provider = await roleWith([{path: 'secret/data/other', capabilities: ['read']}])
      const {suggestions} = await read(provider)
      const [, command = ''] = /`([^`]+)`/.exec(suggestions[1] ?? '') ?? []
      expect(command).toContain('vault policy write')
      const path = `${dirname(vaultBinary ?? '')}${delimiter}${process.env['PATH'] ?? ''}`
      const env = {PATH: path, HOME: '/nonexistent', VAULT_ADDR: server.url, VAULT_TOKEN: server.rootToken}
      await promisify(execFile)('bash', ['-c', command], {env})
      expect((await read(provider)).outcome).toBe('found here')
      const {data} = (await api('GET', 'sys/policies/acl/myapp-read')) as {readonly data: {readonly policy: string}}
      expect(data.policy).toContain('secret/data/other')
    })
  },
)
