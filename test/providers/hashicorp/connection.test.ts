import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {describe, expect, it, onTestFinished} from 'vitest'

import type {EnvdriftError} from '../../../src/core/errors.ts'
import type {Settings} from '../../../src/core/provider-spec.ts'
import {proxyFor} from '../../../src/providers/hashicorp/proxy.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {startFakeVault} from '../../fakes/hashicorp.ts'
import {gist, readAll} from '../contract.ts'
import {errorIn} from '../error-in.ts'
import {connectTo, hostWith} from './bed.ts'
import {startConnectProxy} from './connect-proxy.ts'

const ref = {vault: 'default', name: 'myapp-production'}

async function read(provider: Provider): Promise<string> {
  const [answer] = await readAll(provider, [ref])
  await provider.close()
  return gist(answer!)
}

async function errorOf(provider: Provider): Promise<EnvdriftError> {
  const [answer] = await readAll(provider, [ref])
  await provider.close()
  return errorIn(answer)
}

/** A vault by https, its authority as a file, and a host that trusts it. */
async function secured(names: readonly string[] = ['localhost']) {
  const tls = await serverCertificate(names)
  const server = await startFakeVault({tls})
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-tls-'))
  onTestFinished(async () => {
    await server.stop()
    rmSync(directory, {recursive: true, force: true})
  })
  server.put('secret', ref.name, {value: 'over TLS'})
  const caFile = join(directory, 'ca.pem')
  writeFileSync(caFile, tls.certificate)
  const connect = (settings: Settings, env: Readonly<Record<string, string>> = {}): Promise<Provider> =>
    connectTo(server.url, hostWith({VAULT_TOKEN: server.rootToken, ...env}), {kv_version: 2, ...settings})
  return {server, tls, directory, caFile, connect}
}

describe('authorities', () => {
  it('come from VAULT_CACERT_BYTES, from a directory, or from its variable', async () => {
    const {tls, directory, connect} = await secured()
    const ca = join(directory, 'authorities')
    mkdirSync(ca)
    writeFileSync(join(ca, 'ours.pem'), tls.certificate)
    expect(await read(await connect({}, {VAULT_CACERT_BYTES: tls.certificate}))).toBe('found over TLS')
    expect(await read(await connect({ca_path: ca}))).toBe('found over TLS')
    expect(await read(await connect({}, {VAULT_CAPATH: ca}))).toBe('found over TLS')
  })

  it('that hold no certificate are refused, and never replaced by those of Node', async () => {
    const {directory, server, connect} = await secured()
    const empty = join(directory, 'none')
    mkdirSync(empty)
    const error = await errorOf(await connect({ca_path: empty}))
    expect([error.code, error.message]).toEqual(['FILE_UNREADABLE', expect.stringContaining('hold no certificate')])
    const bytes = await errorOf(await connect({}, {VAULT_CACERT_BYTES: '/etc/vault/ca.pem'}))
    expect([bytes.code, bytes.message]).toEqual(['CONFIG_INVALID', 'VAULT_CACERT_BYTES holds no certificate (PEM)'])
    expect(server.log).toEqual([])
  })

  it('vouch for one name only: another is TLS_REFUSED, unless tls_server_name says it', async () => {
    const {server, caFile} = await secured(['vault.internal'])
    const elsewhere = server.url.replace('127.0.0.1', 'localhost')
    const host = hostWith({VAULT_TOKEN: server.rootToken})
    expect(await read(await connectTo(elsewhere, host, {ca_file: caFile}))).toBe('TLS_REFUSED')
    const named = {ca_file: caFile, tls_server_name: 'vault.internal'}
    expect(await read(await connectTo(elsewhere, host, named))).toBe('found over TLS')
    const wrong = {ca_file: caFile, tls_server_name: 'other.internal'}
    expect(await read(await connectTo(elsewhere, host, wrong))).toBe('TLS_REFUSED')
  })

  it('and a client certificate that cannot be read are said by their setting', async () => {
    const {caFile, connect} = await secured()
    const settings = {ca_file: caFile, client_cert: '/nonexistent/cert.pem', client_key: '/nonexistent/key.pem'}
    const error = await errorOf(await connect(settings))
    expect([error.code, error.suggestions[0]]).toEqual(['FILE_UNREADABLE', expect.stringContaining('client_cert')])
  })
})

describe('a proxy', () => {
  it.each(['HTTPS_PROXY', 'https_proxy', 'VAULT_PROXY_ADDR', 'VAULT_HTTP_PROXY', 'BAO_HTTP_PROXY'])(
    'is used as %s names it, and sees neither token nor secret',
    async (name) => {
      const [{server, caFile, connect}, proxy] = [await secured(), await startConnectProxy()]
      onTestFinished(() => proxy.stop())
      expect(await read(await connect({ca_file: caFile}, {[name]: proxy.url}))).toBe('found over TLS')
      expect(proxy.asked).toEqual([new URL(server.url).host])
    },
  )

  it('checks the certificate behind it as without', async () => {
    const [{server, connect}, proxy] = [await secured(), await startConnectProxy()]
    onTestFinished(() => proxy.stop())
    expect(await read(await connect({}, {HTTPS_PROXY: proxy.url}))).toBe('TLS_REFUSED')
    expect(server.log).toEqual([])
  })

  it('may want a login, which its address holds and no message shows', async () => {
    const [{caFile, connect}, proxy] = [await secured(), await startConnectProxy({login: 'alice:open sesame'})]
    onTestFinished(() => proxy.stop())
    const withLogin = proxy.url.replace('//', '//alice:open%20sesame@')
    expect(await read(await connect({ca_file: caFile}, {HTTPS_PROXY: withLogin}))).toBe('found over TLS')
    const error = await errorOf(await connect({ca_file: caFile}, {HTTPS_PROXY: withLogin.replace('open', 'wrong')}))
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(JSON.stringify([error.message, error.suggestions])).not.toContain('sesame')
  })

  it.each([403, 404, 502, 503])(
    'that refuses with %i is UNREACHABLE: what it says is never an answer of Vault',
    async (status) => {
      const [{caFile, server, connect}, proxy] = [await secured(), await startConnectProxy({status})]
      onTestFinished(() => proxy.stop())
      expect(await read(await connect({ca_file: caFile}, {HTTPS_PROXY: proxy.url}))).toBe('UNREACHABLE')
      expect(server.log).toEqual([])
    },
  )

  it('that is silent is TIMEOUT, and keeps nothing open', async () => {
    const [{caFile, server}, proxy] = [await secured(), await startConnectProxy({silent: true})]
    onTestFinished(() => proxy.stop())
    const sockets = () => process.getActiveResourcesInfo().filter((kind) => /TCPSocket|TLSSocket/.test(kind)).length
    const before = sockets()
    const host = hostWith({VAULT_TOKEN: server.rootToken, HTTPS_PROXY: proxy.url}, {callTimeoutMs: 300})
    expect(await read(await connectTo(server.url, host, {ca_file: caFile}))).toBe('TIMEOUT')
    await expect.poll(sockets, {timeout: 3000}).toBeLessThanOrEqual(before)
  })

  it('of another kind is CONFIG_INVALID, without its address', async () => {
    const {caFile, connect} = await secured()
    const error = await errorOf(await connect({ca_file: caFile}, {HTTPS_PROXY: 'socks5://alice:sesame@127.0.0.1:1'}))
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).not.toContain('sesame')
  })

  const proxy = 'http://proxy.example.com:8080'
  it.each<[string, string, Readonly<Record<string, string>>, string | undefined]>([
    [
      'plain http',
      'http://vault.example.com',
      {HTTPS_PROXY: proxy, HTTP_PROXY: proxy, VAULT_PROXY_ADDR: proxy},
      undefined,
    ],
    ['https', 'https://vault.example.com', {HTTPS_PROXY: proxy}, proxy],
    ['no scheme', 'https://vault.example.com', {HTTPS_PROXY: 'proxy.example.com:8080'}, proxy],
    [
      'NO_PROXY with the name',
      'https://vault.example.com',
      {HTTPS_PROXY: proxy, NO_PROXY: 'a,vault.example.com'},
      undefined,
    ],
    ['NO_PROXY with a parent', 'https://vault.example.com', {HTTPS_PROXY: proxy, no_proxy: 'example.com'}, undefined],
    [
      'NO_PROXY with what only looks like a parent',
      'https://evilexample.com',
      {HTTPS_PROXY: proxy, NO_PROXY: 'example.com'},
      proxy,
    ],
    ['NO_PROXY with a leading dot', 'https://example.com', {HTTPS_PROXY: proxy, NO_PROXY: '.example.com'}, proxy],
    [
      'NO_PROXY with the port',
      'https://vault.example.com:8200',
      {HTTPS_PROXY: proxy, NO_PROXY: 'vault.example.com:8200'},
      undefined,
    ],
    [
      'NO_PROXY with another port',
      'https://vault.example.com:8200',
      {HTTPS_PROXY: proxy, NO_PROXY: 'vault.example.com:1'},
      proxy,
    ],
    ['NO_PROXY with a network', 'https://10.1.2.3', {HTTPS_PROXY: proxy, NO_PROXY: '10.0.0.0/8'}, undefined],
    ['NO_PROXY with another network', 'https://11.1.2.3', {HTTPS_PROXY: proxy, NO_PROXY: '10.0.0.0/8'}, proxy],
    ['NO_PROXY with an IPv6 address', 'https://[fd00::1]:8200', {HTTPS_PROXY: proxy, NO_PROXY: 'fd00::1'}, undefined],
    ['NO_PROXY *', 'https://vault.example.com', {HTTPS_PROXY: proxy, NO_PROXY: '*'}, undefined],
    [
      "Vault's own, whatever NO_PROXY says",
      'https://vault.example.com',
      {VAULT_PROXY_ADDR: proxy, NO_PROXY: '*'},
      proxy,
    ],
  ])('for %s', (_, url, env, expected) => {
    expect(proxyFor(new URL(url), env)?.origin).toBe(expected)
  })
})

describe('limits', () => {
  it('are those of VAULT_CLIENT_TIMEOUT where they are shorter', async () => {
    const server = await startFakeVault()
    onTestFinished(() => server.stop())
    server.silence()
    const host = hostWith({VAULT_TOKEN: server.rootToken, VAULT_CLIENT_TIMEOUT: '300ms'}, {callTimeoutMs: 60_000})
    expect(await read(await connectTo(server.url, host))).toBe('TIMEOUT')
  })

  it.each([
    ['0', 1],
    ['1', 2],
    ['', 4],
  ])('VAULT_MAX_RETRIES=%s makes %i tries', async (retries, tries) => {
    const server = await startFakeVault()
    onTestFinished(() => server.stop())
    server.fault({status: 500, body: {errors: []}}, Infinity)
    const host = hostWith({VAULT_TOKEN: server.rootToken, VAULT_MAX_RETRIES: retries})
    expect(await read(await connectTo(server.url, host))).toBe('SERVICE_ERROR')
    expect(server.log).toHaveLength(tries)
  })
})
