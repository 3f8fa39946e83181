import {execFile} from 'node:child_process'
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import {type AddressInfo, connect as connectSocket, createServer as createRawServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {afterEach, beforeEach, describe, expect, it, onTestFinished, vi} from 'vitest'

import type {EnvdriftError} from '../../../src/core/errors.ts'
import type {SecretRef} from '../../../src/core/mapping.ts'
import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {provider as definition} from '../../../src/providers/hashicorp/index.ts'
import {spec} from '../../../src/providers/hashicorp/spec.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {type FakeVault, startFakeVault} from '../../fakes/hashicorp.ts'
import {gist, readAll} from '../contract.ts'
import {errorIn} from '../error-in.ts'
import {connectAt, connectTo, hostWith} from './bed.ts'

const ref = (name: string, version?: string): SecretRef => ({
  vault: 'default',
  name,
  ...(version !== undefined && {version}),
})
const forever = (): AbortSignal => new AbortController().signal

async function read(provider: Provider, name: string, version?: string): Promise<string> {
  const [answer] = await readAll(provider, [ref(name, version)])
  return gist(answer!)
}

async function errorOf(provider: Provider, name: string, version?: string): Promise<EnvdriftError> {
  const [answer] = await readAll(provider, [ref(name, version)])
  return errorIn(answer)
}

async function earlier(provider: Provider, of: SecretRef, limit: number): Promise<readonly string[]> {
  const found: string[] = []
  for await (const {version, value} of provider.earlier(of, limit, forever()))
    found.push(`${version} ${value.reveal()}`)
  return found
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-hashicorp-'))
  onTestFinished(() => rmSync(directory, {recursive: true, force: true}))
  return directory
}

let vault: FakeVault
beforeEach(async () => {
  vault = await startFakeVault()
})
afterEach(() => vault.stop())

/** With kv_version set, unless a test leaves it out: how it is found out is in kv-version.test.ts. */
const connect = (settings: Settings = {}, over?: Partial<Host>): Promise<Provider> =>
  connectAt(vault.url, hostWith({VAULT_TOKEN: vault.rootToken}, over), {kv_version: 2, ...settings})

const pathsAsked = (): readonly string[] => vault.log.map(({path}) => path)
const tokensSeen = (): readonly (string | undefined)[] => vault.log.map(({token}) => token)

const upgrading = {
  status: 400,
  body: {
    errors: [
      'Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly.',
    ],
  },
}

describe('what a 404 means', () => {
  it('says VAULT_NOT_FOUND, never absent, for a mount that is not there', async () => {
    const error = await errorOf(await connect({mount: 'nowhere'}), 'myapp-production')
    expect(error.code).toBe('VAULT_NOT_FOUND')
    expect(error.message).toContain('nowhere')
  })

  it('says VAULT_NOT_FOUND and names kv_version when a KV 2 mount is read as KV 1', async () => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    const error = await errorOf(await connect({kv_version: 1}), 'myapp-production')
    expect(error.code).toBe('VAULT_NOT_FOUND')
    expect(error.suggestions.join('\n')).toContain('kv_version')
  })

  it('names kv_version among the remedies when KV 2 is configured and Vault does not say what the mount is', async () => {
    vault.put('kv1', 'myapp-production', {value: 'one'})
    vault.fault({status: 403, body: {errors: ['permission denied']}}, Infinity, 'sys/internal/')
    const provider = await connect({mount: 'kv1'})
    expect(await read(provider, 'myapp-production')).toBe('absent')
    expect(provider.remedies(ref('myapp-production')).join('\n')).toContain('kv_version')
  })

  it('says SECRET_DELETED with the way back for a deleted version', async () => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    const provider = await connect()
    await fetch(`${vault.url}/v1/secret/data/myapp-production`, {
      method: 'DELETE',
      headers: {'x-vault-token': vault.rootToken},
    })
    const error = await errorOf(provider, 'myapp-production')
    expect(error.code).toBe('SECRET_DELETED')
    expect(error.suggestions).toEqual([
      expect.stringContaining('vault kv undelete -versions=1 -mount=secret myapp-production'),
    ])
  })

  it('says SECRET_DELETED for a destroyed version', async () => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    await fetch(`${vault.url}/v1/secret/destroy/myapp-production`, {
      method: 'POST',
      headers: {'x-vault-token': vault.rootToken},
      body: JSON.stringify({versions: [1]}),
    })
    expect((await errorOf(await connect(), 'myapp-production')).message).toContain('destroyed')
  })

  it('says absent for a version that was never written', async () => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    expect(await read(await connect(), 'myapp-production', '7')).toBe('absent')
  })

  it('reads a version whose deletion is set for a time to come', async () => {
    const metadata = {version: 3, deletion_time: '2999-01-01T00:00:00Z', destroyed: false}
    vault.fault({status: 200, body: {data: {data: {value: 'still here'}, metadata}}})
    expect(await read(await connect(), 'myapp-production')).toBe('found still here')
  })

  it.each([
    ['a page', '<html>Not Found</html>', 'VAULT_NOT_FOUND'],
    ['an empty body', undefined, 'VAULT_NOT_FOUND'],
    ['a JSON list', [], 'VAULT_NOT_FOUND'],
    ['errors that are no list', {errors: ''}, 'VAULT_NOT_FOUND'],
  ])('never takes %s with status 404 for an absence', async (_, body, code) => {
    vault.fault({status: 404, body})
    expect(await read(await connect(), 'myapp-production')).toBe(code)
  })
})

describe('other answers', () => {
  it('C126 says all that a 403 may mean, where the token comes from, and the line that a policy needs', async () => {
    const token = vault.addToken({rules: []})
    const error = await errorOf(await connect({mount: 'team/kv'}, {env: {VAULT_TOKEN: token}}), 'apps/myapp')
    expect(error.code).toBe('FORBIDDEN')
    expect(error.message).toMatch(/VAULT_TOKEN.*missing policy.*wrong mount.*expired/)
    expect(error.suggestions[0]).toContain('path "team/kv/data/apps/myapp" { capabilities = ["read"] }')
    expect(vault.log).toHaveLength(1)
  })

  it('says FORBIDDEN for a secret whose path looks like the health check that node-vault lets through', async () => {
    const token = vault.addToken({rules: []})
    expect(await read(await connect({}, {env: {VAULT_TOKEN: token}}), 'sys/health')).toBe('FORBIDDEN')
  })

  it('says VAULT_SEALED without waiting, and asks about the seal without the token', async () => {
    vault.seal()
    expect(await read(await connect(), 'myapp-production')).toBe('VAULT_SEALED')
    expect(vault.log.map(({path, token}) => [path, token])).toEqual([
      ['secret/data/myapp-production', vault.rootToken],
      ['sys/seal-status', undefined],
    ])
  })

  it.each([412, 473, 502])('C120 finds a secret although Vault answered %i once', async (status) => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    vault.fault({status, body: {errors: []}})
    expect(await read(await connect(), 'myapp-production')).toBe('found one')
  })

  it('finds a secret although its mount was being upgraded to KV 2 once', async () => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    vault.fault(upgrading)
    expect(await read(await connect(), 'myapp-production')).toBe('found one')
  })

  it('C120 finds a secret although a rate quota without Retry-After refused twice', async () => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    vault.throttle(2)
    expect(await read(await connect(), 'myapp-production')).toBe('found one')
  })

  it('says THROTTLED at once when Vault asks for a longer wait than a call may take', async () => {
    vault.fault({status: 429, headers: {'retry-after': '3600'}, body: {errors: []}}, Infinity)
    expect(await read(await connect(), 'myapp-production')).toBe('THROTTLED')
    expect(vault.log).toHaveLength(1)
  })

  it.each([429, 503])('counts to the date of a Retry-After by the clock that wrote it: %i', async (status) => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    const at = Date.parse('2031-05-05T12:00:00Z')
    const headers = {'retry-after': new Date(at + 1000).toUTCString(), date: new Date(at).toUTCString()}
    vault.fault({status, headers, body: {errors: []}})
    expect(await read(await connect(), 'myapp-production')).toBe('found one')
  })

  it.each([
    [429, 'THROTTLED'],
    [503, 'SERVICE_ERROR'],
  ])('says at once that a date is too far off: %i', async (status, code) => {
    vault.fault({status, headers: {'retry-after': new Date(Date.now() + 3_600_000).toUTCString()}, body: ''}, Infinity)
    expect(await read(await connect(), 'myapp-production')).toBe(code)
    expect(vault.log.filter(({path}) => path.startsWith('secret/'))).toHaveLength(1)
  })

  it('finds a secret although the connection broke once', async () => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    vault.fault('reset')
    expect(await read(await connect(), 'myapp-production')).toBe('found one')
  })

  it('finds a secret although a kept connection broke, which counts as no try', async () => {
    for (const name of ['one', 'two']) vault.put('secret', name, {value: name})
    const provider = await connect({}, {env: {VAULT_TOKEN: vault.rootToken, VAULT_MAX_RETRIES: '0'}})
    expect(await read(provider, 'one')).toBe('found one')
    vault.fault('reset')
    expect(await read(provider, 'two')).toBe('found two')
    expect(vault.log).toHaveLength(3)
  })

  it('says UNREACHABLE when every connection breaks', async () => {
    vault.fault('reset', Infinity)
    expect(await read(await connect(), 'myapp-production')).toBe('UNREACHABLE')
  })

  const metadata = {version: 1, deletion_time: '', destroyed: false}
  it.each([
    ['a login page', '<html><form>Password</form></html>'],
    ['an empty body', undefined],
    ['an object without data', {}],
    ['an empty list of errors', {errors: []}],
    ['data without fields', {data: {data: null, metadata}}],
    ['a list for fields', {data: {data: ['one'], metadata}}],
    ['KV 1 fields', {data: {value: 'one'}}],
    ['a version that is no number', {data: {data: {value: 'one'}, metadata: {...metadata, version: 'x'}}}],
    ['what is no UTF-8', Buffer.from(JSON.stringify({data: {data: {value: '\u00ff'}, metadata}}), 'latin1')],
    ['3 MiB', {data: {data: {value: 'x'.repeat(3 * 1024 * 1024)}, metadata}}],
  ])('says BAD_RESPONSE for %s with status 200', async (_, body) => {
    vault.fault({status: 200, body})
    expect(await read(await connect(), 'myapp-production')).toBe('BAD_RESPONSE')
  })

  it('says BAD_RESPONSE when another version comes than the one that was asked for', async () => {
    vault.fault({status: 200, body: {data: {data: {value: 'one'}, metadata: {...metadata, version: 2}}}})
    expect(await read(await connect(), 'myapp-production', '1')).toBe('BAD_RESPONSE')
  })

  it('says BAD_REQUEST when Vault finds a request malformed', async () => {
    vault.fault({status: 400, body: {errors: ['some reason']}})
    const error = await errorOf(await connect(), 'myapp-production')
    expect(error.code).toBe('BAD_REQUEST')
    expect(error.suggestions[0]).toContain('vault kv get -mount=secret myapp-production')
  })

  it("says BAD_RESPONSE for a 400 that is not Vault's, as of https spoken to in http", async () => {
    vault.fault({status: 400, body: 'Client sent an HTTP request to an HTTPS server.'})
    expect(await read(await connect(), 'myapp-production')).toBe('BAD_RESPONSE')
  })

  it('says BAD_RESPONSE for a server that speaks no HTTP, and quotes nothing of what it says', async () => {
    const other = createRawServer((socket) => socket.end('220 mail.example.com the value of something\r\n'))
    other.listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    onTestFinished(() => void other.close())
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    const error = await errorOf(await connectTo(url, hostWith({VAULT_TOKEN: 'hvs.example'})), 'myapp-production')
    expect(error.code).toBe('BAD_RESPONSE')
    expect(error.cause).toBeUndefined()
  })

  it('says LOGIN_REFUSED for the 401 of something in front of Vault', async () => {
    vault.fault({status: 401, body: 'Unauthorized'})
    expect(await read(await connect(), 'myapp-production')).toBe('LOGIN_REFUSED')
  })

  it('says UNREACHABLE for a host name that nobody knows', async () => {
    // Longer than a name may be, so that no server on the network is asked for it.
    const url = `http://${'vault'.repeat(13)}.invalid:8200`
    const provider = await connectTo(url, hostWith({VAULT_TOKEN: 'hvs.example'}))
    expect((await errorOf(provider, 'myapp-production')).code).toBe('UNREACHABLE')
  })
})

describe('the token', () => {
  const homeWith = (files: Readonly<Record<string, string>>): string => {
    const home = temporaryDirectory()
    for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text)
    return home
  }

  it.each<[string, (paths: {home: string}) => Partial<Host>, string]>([
    ['--token', () => ({token: new Secret('hvs.flag'), env: {VAULT_TOKEN: 'hvs.variable'}}), 'hvs.flag'],
    ['VAULT_TOKEN', ({home}) => ({home, env: {VAULT_TOKEN: ' hvs.variable\n', BAO_TOKEN: 's.bao'}}), 'hvs.variable'],
    ['BAO_TOKEN', ({home}) => ({home, env: {VAULT_TOKEN: ' ', BAO_TOKEN: 's.bao'}}), 's.bao'],
    ['VAULT_TOKEN_FILE', ({home}) => ({home, env: {VAULT_TOKEN_FILE: join(home, 'named')}}), 'hvs.named'],
    ['~/.vault-token', ({home}) => ({home, env: {}}), 'hvs.home'],
  ])('comes from %s before what stands below it', async (_, host, expected) => {
    const home = homeWith({'.vault-token': 'hvs.home\n', '.bao-token': 's.home\n', named: 'hvs.named\n'})
    await read(await connect({}, host({home})), 'myapp-production')
    expect(tokensSeen()).toEqual([expected])
  })

  it('comes from ~/.bao-token when there is no ~/.vault-token, or an empty one', async () => {
    const home = homeWith({'.vault-token': '\n', '.bao-token': 's.home\n'})
    await read(await connect({}, {env: {}, home}), 'myapp-production')
    expect(tokensSeen()).toEqual(['s.home'])
  })

  it.each([
    ['VAULT_ADDR names the server', (url: string) => ({VAULT_ADDR: url})],
    ['BAO_ADDR names another one', () => ({BAO_ADDR: 'https://bao.example.com'})],
  ])("is never OpenBao's where %s", async (_, address) => {
    const home = homeWith({'.bao-token': 's.home', named: 's.named'})
    const env = {...address(vault.url), BAO_TOKEN: 's.variable', BAO_TOKEN_FILE: join(home, 'named')}
    const resolved = spec.resolve({
      settings: {url: vault.url},
      origins: {},
      env,
      ci: false,
      trustedVaults: [vault.url],
    })
    const provider = await definition.connect({name: 'default', settings: resolved.settings}, hostWith(env, {home}))
    expect(await read(provider, 'myapp-production')).toBe('NOT_LOGGED_IN')
    expect(vault.log).toEqual([])
  })

  it('is read from its file once for all', async () => {
    const home = homeWith({'.vault-token': 'hvs.first'})
    const provider = await connect({}, {env: {}, home})
    await readAll(provider, [ref('myapp-production'), ref('myapp-staging')])
    writeFileSync(join(home, '.vault-token'), 'hvs.second')
    await read(provider, 'myapp-test')
    expect(tokensSeen()).toEqual(['hvs.first', 'hvs.first', 'hvs.first'])
  })

  it('is never taken from the environment of the process, nor is anything else', async () => {
    for (const name of ['VAULT_TOKEN', 'VAULT_NAMESPACE', 'VAULT_PREFIX', 'VAULT_ADDR']) vi.stubEnv(name, 'ambient')
    onTestFinished(() => {
      vi.unstubAllEnvs()
    })
    expect(await read(await connect({}, {env: {}}), 'myapp-production')).toBe('NOT_LOGGED_IN')
    expect(vault.log).toEqual([])
    vault.put('secret', 'myapp-production', {value: 'one'})
    await read(await connect(), 'myapp-production')
    expect(vault.log).toEqual([expect.objectContaining({path: 'secret/data/myapp-production', namespace: undefined})])
  })

  it('C111 is missing: NOT_LOGGED_IN names the ways to give one, and nothing is asked', async () => {
    const error = await errorOf(await connect({}, {env: {}}), 'myapp-production')
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.suggestions.join('\n')).toMatch(/VAULT_TOKEN[^]*~\/\.vault-token[^]*--token/)
    expect(vault.log).toEqual([])
  })

  it.each([
    ['a file that is not there', {VAULT_TOKEN_FILE: '/nonexistent/token'}],
    ['two words', {VAULT_TOKEN: 'hvs.one hvs.two'}],
    ['two lines', {VAULT_TOKEN: 'hvs.one\nX-Other: 1'}],
  ])('is %s: NOT_LOGGED_IN, and the message does not quote it', async (_, env) => {
    const error = await errorOf(await connect({}, {env}), 'myapp-production')
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.message).not.toContain('hvs')
    expect(vault.log).toEqual([])
  })

  it('is a file that cannot be read: NOT_LOGGED_IN names it', async () => {
    const home = temporaryDirectory()
    mkdirSync(join(home, '.vault-token'))
    expect((await errorOf(await connect({}, {env: {}, home}), 'myapp-production')).message).toContain('~/.vault-token')
  })

  it('with as many uses left as there are secrets reads them all: one request each and none besides', async () => {
    const names = ['myapp-production', 'myapp-staging', 'myapp-test']
    for (const name of names) vault.put('secret', name, {value: `value of ${name}`})
    const provider = await connect({}, {env: {VAULT_TOKEN: vault.addToken({uses: 3})}})
    const answers = await readAll(
      provider,
      names.map((name) => ref(name)),
    )
    expect(answers.map(gist)).toEqual(names.map((name) => `found value of ${name}`))
    expect(pathsAsked().toSorted()).toEqual(names.map((name) => `secret/data/${name}`))
  })

  it('that we were given is not revoked at the end, when only the connections are closed', async () => {
    vault.put('secret', 'myapp-production', {value: 'one'})
    const provider = await connect()
    await read(provider, 'myapp-production')
    await provider.close()
    expect(pathsAsked()).toEqual(['secret/data/myapp-production'])
    await expect.poll(vault.connections).toBe(0)
  })

  it('is not even looked up for whoami: that would cost a use', async () => {
    const provider = await connect({}, {env: {VAULT_TOKEN: vault.addToken({rules: [], uses: 1})}})
    expect(await provider.whoami(forever())).toEqual({
      who: 'the owner of the token',
      credential: 'VAULT_TOKEN',
      until: 'unknown',
    })
    expect(vault.log).toEqual([])
  })

  it.each([301, 302, 303, 307, 308])('does not follow a redirect (%i) to another host', async (status) => {
    const requests: unknown[] = []
    const other = createServer((request, response) => {
      requests.push(request.headers)
      response.end()
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await new Promise((resolve) => other.once('listening', resolve))
    const target = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    vault.fault({status, headers: {location: `${target}/v1/secret/data/myapp-production`}})
    const error = await errorOf(await connect(), 'myapp-production')
    expect(error.code).toBe('BAD_RESPONSE')
    expect(error.message).toContain(target)
    expect(requests).toEqual([])
  })
})

describe('what is asked', () => {
  it('encodes each part of mount and name, and nothing more', async () => {
    vault.mount('team one/kv', 2)
    vault.put('team one/kv', 'apps/my app?v=1#é%2F&#x2F;', {value: 'one'})
    expect(await read(await connect({mount: 'team one/kv'}), 'apps/my app?v=1#é%2F&#x2F;')).toBe('found one')
    expect(pathsAsked()).toEqual(['team%20one/kv/data/apps/my%20app%3Fv%3D1%23%C3%A9%252F%26%23x2F%3B'])
  })

  it.each(['../../sys/seal', 'apps/./x', '/apps', 'apps/', 'a//b', '..'])(
    'refuses %j before any request',
    async (name) => {
      const error = await errorOf(await connect(), name)
      expect(error.code).toBe('CONFIG_INVALID')
      expect(vault.log).toEqual([])
    },
  )

  it.each(['0', 'latest', '1&x=y', '-1', '1.5'])('refuses the version %j before any request', async (version) => {
    expect((await errorOf(await connect(), 'myapp-production', version)).code).toBe('CONFIG_INVALID')
    expect(vault.log).toEqual([])
  })

  it('goes to the path below which Vault lies behind a proxy', async () => {
    const provider = await connectTo(`${vault.url}/vault/`, hostWith({VAULT_TOKEN: vault.rootToken}))
    await read(provider, 'myapp-production')
    expect(pathsAsked()[0]).toBe('/vault/v1/secret/data/myapp-production')
  })

  it('names the namespace in a header of every request, and in place and remedies', async () => {
    const enterprise = await startFakeVault({namespaces: ['team1']})
    onTestFinished(() => enterprise.stop())
    enterprise.mount('team1/secret', 2)
    enterprise.put('team1/secret', 'myapp-production', {value: 'of team1'})
    const env = {VAULT_TOKEN: enterprise.addToken({namespace: 'team1'}), VAULT_NAMESPACE: 'team1/'}
    const provider = await connectTo(enterprise.url, hostWith(env))
    expect(await read(provider, 'myapp-production')).toBe('found of team1')
    expect(enterprise.log.map(({namespace}) => namespace)).toEqual(['team1'])
    expect(provider.place).toContain('team1')
    expect(provider.remedies(ref('myapp-production'))[0]).toContain('-namespace=team1')
  })

  it('says VAULT_NOT_FOUND for a namespace that is not there, and names it', async () => {
    const enterprise = await startFakeVault({namespaces: ['team1']})
    onTestFinished(() => enterprise.stop())
    const provider = await connectTo(enterprise.url, hostWith({VAULT_TOKEN: enterprise.rootToken}), {
      namespace: 'team9',
    })
    const error = await errorOf(provider, 'myapp-production')
    expect(error.code).toBe('VAULT_NOT_FOUND')
    expect(error.suggestions.join('\n')).toContain('team9')
  })

  it('quotes for the shell in remedies what would mean something to it', async () => {
    const provider = await connect({mount: 'team one'})
    expect(provider.remedies(ref("it's; rm -rf $HOME"))[0]).toBe(
      String.raw`vault kv put -mount='team one' 'it'\''s; rm -rf $HOME' value=@FILE`,
    )
  })
})

describe('what a secret holds', () => {
  const keyName = 'DOTENV_PRIVATE_KEY_PRODUCTION'
  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    ['the field value alone', {value: 'one'}, 'one'],
    ['C43 another field', {[keyName]: 'one'}, `{"${keyName}":"one"}`],
    ['C43 unrelated fields beside', {[keyName]: 'one', owner: 'team1'}, `{"${keyName}":"one","owner":"team1"}`],
    ['value and other fields', {value: 'one', owner: 'team1'}, '{"value":"one","owner":"team1"}'],
    ['a value that is no string', {value: {[keyName]: 'one'}}, `{"value":{"${keyName}":"one"}}`],
    ['a number', {value: 5}, '{"value":5}'],
    ['no fields', {}, '{}'],
  ])('%s', async (_, fields, expected) => {
    vault.put('secret', 'myapp-production', fields)
    vault.put('kv1', 'myapp-production', fields)
    expect(await read(await connect(), 'myapp-production')).toBe(`found ${expected}`)
    expect(await read(await connect({mount: 'kv1', kv_version: 1}), 'myapp-production')).toBe(`found ${expected}`)
  })
})

describe('earlier versions', () => {
  const write = async (path: string, body: unknown): Promise<void> => {
    await fetch(`${vault.url}/v1/secret/${path}`, {
      method: 'POST',
      headers: {'x-vault-token': vault.rootToken},
      body: JSON.stringify(body),
    })
  }

  it('pass over deleted ones, and end where Vault has dropped the rest', async () => {
    for (let n = 1; n <= 12; n += 1) vault.put('secret', 'myapp', {value: `v${n}`})
    await write('destroy/myapp', {versions: [11, 9]})
    const provider = await connect()
    expect(await earlier(provider, ref('myapp'), 2)).toEqual(['10 v10', '8 v8'])
    expect(await earlier(provider, ref('myapp'), 50)).toEqual([
      '10 v10',
      '8 v8',
      '7 v7',
      '6 v6',
      '5 v5',
      '4 v4',
      '3 v3',
    ])
    expect(pathsAsked()).not.toContain('secret/data/myapp?version=1')
  })

  it('of a pinned version are those before it', async () => {
    for (let n = 1; n <= 3; n += 1) vault.put('secret', 'myapp', {value: `v${n}`})
    expect(await earlier(await connect(), ref('myapp', '2'), 5)).toEqual(['1 v1'])
    expect(pathsAsked()).toEqual(['secret/data/myapp?version=1'])
  })

  it('end silently where we may not read, and with an error where the service is in trouble', async () => {
    vault.put('secret', 'myapp', {value: 'v1'})
    vault.put('secret', 'myapp', {value: 'v2'})
    const token = vault.addToken({rules: []})
    expect(await earlier(await connect({}, {env: {VAULT_TOKEN: token}}), ref('myapp'), 5)).toEqual([])
    vault.seal()
    await expect(earlier(await connect(), ref('myapp'), 5)).rejects.toMatchObject({code: 'VAULT_SEALED'})
  })

  it('are none on KV 1, which is not even asked', async () => {
    expect(await earlier(await connect({mount: 'kv1', kv_version: 1}), ref('myapp'), 5)).toEqual([])
    expect(vault.log).toEqual([])
  })
})

describe('writing', () => {
  it('says VERSION_CONFLICT for a deleted secret that was to be absent: its history is still there', async () => {
    vault.put('secret', 'myapp', {value: 'v1'})
    await fetch(`${vault.url}/v1/secret/data/myapp`, {method: 'DELETE', headers: {'x-vault-token': vault.rootToken}})
    const writing = (await connect()).write(ref('myapp'), new Secret('v2'), 'absent', forever())
    await expect(writing).rejects.toMatchObject({code: 'VERSION_CONFLICT'})
  })

  it('says FORBIDDEN with the capabilities that it needs', async () => {
    const token = vault.addToken({rules: [{path: 'secret/*', capabilities: ['read']}]})
    const writing = (await connect({}, {env: {VAULT_TOKEN: token}})).write(
      ref('myapp'),
      new Secret('v'),
      'any',
      forever(),
    )
    await expect(writing).rejects.toMatchObject({
      code: 'FORBIDDEN',
      suggestions: expect.arrayContaining([expect.stringContaining('["create", "update"]')]) as unknown,
    })
  })

  it('says BAD_REQUEST and names cas_required where a mount takes no unconditional write', async () => {
    vault.fault({status: 400, body: {errors: ['check-and-set parameter required for this call']}})
    const writing = (await connect()).write(ref('myapp'), new Secret('v'), 'any', forever())
    await expect(writing).rejects.toMatchObject({
      code: 'BAD_REQUEST',
      suggestions: expect.arrayContaining([expect.stringContaining('cas_required')]) as unknown,
    })
  })

  it('is not done twice when the connection breaks half way: the first may have arrived', async () => {
    vault.fault('reset')
    const writing = (await connect()).write(ref('myapp'), new Secret('v'), 'any', forever())
    await expect(writing).rejects.toMatchObject({code: 'UNREACHABLE'})
    expect(vault.log).toHaveLength(1)
  })

  it('is done again after a 429, which Vault says before it looks at a request', async () => {
    vault.throttle(1)
    expect(await (await connect()).write(ref('myapp'), new Secret('v'), 'absent', forever())).toBe('1')
  })

  it('is done again while a mount is being upgraded, and never a conflict with somebody', async () => {
    const provider = await connect()
    vault.fault(upgrading)
    expect(await provider.write(ref('myapp'), new Secret('v'), 'absent', forever())).toBe('1')
    vault.fault(upgrading, Infinity)
    await expect(provider.write(ref('myapp'), new Secret('w'), '1', forever())).rejects.toMatchObject({
      code: 'SERVICE_ERROR',
    })
  })

  it('says where the secret ended up when a KV 1 mount was taken for KV 2', async () => {
    const writing = (await connect({mount: 'kv1'})).write(ref('myapp'), new Secret('v'), 'any', forever())
    await expect(writing).rejects.toMatchObject({
      code: 'BAD_RESPONSE',
      suggestions: [expect.stringContaining('vault kv delete -mount=kv1 data/myapp')],
    })
  })

  it('says VAULT_NOT_FOUND when a KV 2 mount was taken for KV 1', async () => {
    const writing = (await connect({kv_version: 1})).write(ref('myapp'), new Secret('v'), 'any', forever())
    await expect(writing).rejects.toMatchObject({code: 'VAULT_NOT_FOUND'})
  })

  it('to KV 1 reads back, refuses to create what exists, and refuses a version, which KV 1 has not', async () => {
    const provider = await connect({mount: 'kv1', kv_version: 1})
    await provider.write(ref('myapp'), new Secret('first'), 'absent', forever())
    expect(await read(provider, 'myapp')).toBe('found first')
    await expect(provider.write(ref('myapp'), new Secret('x'), 'absent', forever())).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
    })
    await expect(provider.write(ref('myapp'), new Secret('x'), '1', forever())).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
    await provider.write(ref('myapp'), new Secret('second'), 'any', forever())
    expect(await read(provider, 'myapp')).toBe('found second')
  })
})

describe('TLS', () => {
  async function secured() {
    const tls = await serverCertificate(['localhost'])
    const server = await startFakeVault({tls})
    onTestFinished(() => server.stop())
    server.put('secret', 'myapp-production', {value: 'over TLS'})
    const caFile = join(temporaryDirectory(), 'ca.pem')
    writeFileSync(caFile, tls.certificate)
    return {server, caFile, env: {VAULT_TOKEN: server.rootToken}}
  }

  it('says TLS_REFUSED for a certificate that nobody vouches for, before a token is sent', async () => {
    const {server, env} = await secured()
    const error = await errorOf(await connectTo(server.url, hostWith(env)), 'myapp-production')
    expect(error.code).toBe('TLS_REFUSED')
    expect(error.suggestions.join('\n')).toContain('ca_file')
    expect(server.log).toEqual([])
  })

  it('trusts what ca_file or VAULT_CACERT names', async () => {
    const {server, caFile, env} = await secured()
    expect(await read(await connectTo(server.url, hostWith(env), {ca_file: caFile}), 'myapp-production')).toBe(
      'found over TLS',
    )
    expect(await read(await connectTo(server.url, hostWith({...env, VAULT_CACERT: caFile})), 'myapp-production')).toBe(
      'found over TLS',
    )
  })

  it('says FILE_UNREADABLE for authorities that are not there', async () => {
    const {server, env} = await secured()
    const provider = await connectTo(server.url, hostWith(env), {ca_file: '/nonexistent/ca.pem'})
    expect(await read(provider, 'myapp-production')).toBe('FILE_UNREADABLE')
    expect(server.log).toEqual([])
  })

  it('C136 works unchecked with VAULT_SKIP_VERIFY, with a warning', async () => {
    const {server, env} = await secured()
    const loose = {...env, VAULT_SKIP_VERIFY: '1'}
    expect(await read(await connectTo(server.url, hostWith(loose)), 'myapp-production')).toBe('found over TLS')
    const settings = {url: server.url}
    const {warnings} = spec.resolve({settings, origins: {}, env: loose, ci: false, trustedVaults: []})
    expect(warnings).toEqual([expect.stringContaining('not checked')])
  })

  it('says TLS_REFUSED when https meets a server without TLS', async () => {
    const url = vault.url.replace('http:', 'https:')
    const provider = await connectTo(url, hostWith({VAULT_TOKEN: vault.rootToken}))
    expect(await read(provider, 'myapp-production')).toBe('TLS_REFUSED')
  })

  it('goes through the proxy that HTTPS_PROXY names, which sees no token', async () => {
    const {server, caFile, env} = await secured()
    const asked: string[] = []
    const proxy = createServer()
    proxy.on('connect', (request, socket) => {
      asked.push(request.url ?? '')
      const [host = '', port = ''] = (request.url ?? '').split(':')
      const upstream = connectSocket(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        upstream.pipe(socket).pipe(upstream)
      })
      for (const end of [socket, upstream]) end.on('error', () => upstream.destroy())
    })
    proxy.listen(0, '127.0.0.1')
    await new Promise((resolve) => proxy.once('listening', resolve))
    onTestFinished(() => void proxy.close())
    const proxied = {...env, HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`}
    const provider = await connectTo(server.url, hostWith(proxied), {ca_file: caFile})
    expect(await read(provider, 'myapp-production')).toBe('found over TLS')
    expect(asked).toEqual([new URL(server.url).host])
    await provider.close()
  })
})

describe('DEBUG', () => {
  /** What a process prints that reads a secret, having loaded what `load` says. */
  async function printedBy(script: string, env: Readonly<Record<string, string>>): Promise<string> {
    const {stdout, stderr} = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      env: {...env, PATH: process.env['PATH'] ?? '', DEBUG: '*'},
    })
    return stdout + stderr
  }

  it('C135 prints neither token nor value, and leaves the debug output of others alone', async () => {
    vault.put('secret', 'myapp-production', {value: 'the value in the vault'})
    const script = `
      import debug from 'debug'
      import {provider as definition} from '../../../src/providers/hashicorp/index.ts'
      import {Secret} from '../../../src/core/secret.ts'
      const host = {env: process.env, home: '/nonexistent', maxInFlight: 1, callTimeoutMs: 5000}
      const provider = await definition.connect({name: 'default', settings: {url: process.env.VAULT_ADDR}}, host)
      const signal = new AbortController().signal
      for await (const {kind} of provider.read([{vault: 'default', name: 'myapp-production'}], signal)) console.log(kind)
      await provider.write({vault: 'default', name: 'other'}, new Secret('the value that is written'), 'any', signal)
      await provider.close()
      debug('of-others')('still printed')
    `
    const printed = await printedBy(script, {VAULT_ADDR: vault.url, VAULT_TOKEN: vault.rootToken})
    expect(printed).toContain('found')
    expect(printed).toContain('still printed')
    for (const text of [vault.rootToken, 'the value in the vault', 'the value that is written'])
      expect(printed).not.toContain(text)
  })

  it('would print the token, if node-vault were used with its own HTTP client', async () => {
    const script = `
      import nodeVault from 'node-vault'
      await nodeVault({endpoint: process.env.VAULT_ADDR}).read('secret/data/x').catch(() => {})
    `
    const printed = await printedBy(script, {VAULT_ADDR: vault.url, VAULT_TOKEN: vault.rootToken})
    expect(printed).toContain(vault.rootToken)
  })
})
