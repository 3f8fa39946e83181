import {describe, expect, it} from 'vitest'

import type {Env, Origin, Settings} from '../../../src/core/provider-spec.ts'
import {spec} from '../../../src/providers/hashicorp/spec.ts'
import {durationMsOf} from '../../../src/providers/hashicorp/variables.ts'

const url = 'https://vault.example.com:8200'

/** What comes of settings that a repository file has, unless `origins` says otherwise. */
function resolve(
  settings: Settings,
  {
    env = {},
    origins,
    ci = false,
    trustedVaults = [],
    ...others
  }: {
    env?: Env
    origins?: Record<string, Origin>
    ci?: boolean
    trustedVaults?: readonly string[]
    namedByMachine?: readonly string[]
    namedByUser?: readonly string[]
    siblings?: readonly (string | undefined)[]
  } = {},
) {
  const from = Object.fromEntries(Object.keys(settings).map((key): [string, Origin] => [key, 'repository']))
  return spec.resolve({settings, origins: {...from, ...origins}, env, ci, trustedVaults, ...others})
}
const problemsOf = (...args: Parameters<typeof resolve>): readonly string[] =>
  resolve(...args).problems.map(({code = 'CONFIG_INVALID', text}) => `${code} ${text}`)

describe('who may set what', () => {
  it.each([
    'secret_id',
    'secret_id_file',
    'jwt',
    'jwt_file',
    'password',
    'ca_file',
    'ca_path',
    'client_cert',
    'client_key',
    'tls_server_name',
    'tls_skip_verify',
  ])('keeps %s from files that a pull request can change', (key) => {
    expect(spec.settings[key]?.trust).toBe('machine')
  })

  const found: readonly (readonly [string, Settings])[] = [
    ["GitHub's token", {auth: 'jwt', role: 'myapp-ci', jwt_audience: 'https://vault.example.com'}],
    ["GitHub's token", {auth: 'oidc', role: 'myapp-ci'}],
    ['service account', {auth: 'kubernetes', role: 'myapp'}],
    ['password', {auth: 'userpass', username: 'alice'}],
    ['password', {auth: 'userpass', username: 'alice', password: 'given'}],
    ['password', {auth: 'ldap', username: 'alice'}],
    ['SecretID', {auth: 'approle', role_id: 'ci'}],
    ['SecretID', {auth: 'approle', role_id: 'ci', secret_id: 'given'}],
  ]
  it.each(found)(
    'C137 warns of an address for %s that such a file alone names, in CI or not',
    (credential, settings) => {
      const warningsOf = (...given: Parameters<typeof resolve>) => resolve(...given).warnings
      for (const ci of [true, false]) {
        expect(problemsOf({url, ...settings}, {ci})).toEqual([])
        const [warning = ''] = warningsOf({url, ...settings}, {ci})
        expect(warning).toContain(credential)
        expect(warning).toContain('ENVDRIFT_TRUSTED_VAULTS')
      }
      // the machine agrees, in each way that it can
      expect(warningsOf({url, ...settings}, {env: {VAULT_ADDR: url}})).toEqual([])
      expect(warningsOf({url, ...settings}, {trustedVaults: [url]})).toEqual([])
      expect(warningsOf({url, ...settings}, {origins: {url: 'environment'}})).toEqual([])
      expect(warningsOf({url, ...settings}, {origins: {url: 'user'}})).toEqual([])
      expect(warningsOf(settings, {env: {VAULT_ADDR: url}})).toEqual([])
      // and where it names another one, nothing is sent
      const elsewhere = {trustedVaults: ['https://other.example.com']}
      expect(problemsOf({url, ...settings}, elsewhere)).toEqual([expect.stringMatching(/^CONFIG_NOT_ALLOWED url /)])
    },
  )

  it.each([
    ['a token that the pipeline hands over', {auth: 'jwt'}, {VAULT_ID_TOKEN: 'token'}],
    ['token', {}, {VAULT_TOKEN: 'token'}],
  ] as const)('C137 warns in CI of an address that nobody pins, with %s', (_, settings, env) => {
    expect(problemsOf({url, ...settings}, {env, ci: true})).toEqual([])
    expect(resolve({url, ...settings}, {env, ci: true}).warnings).toEqual([
      expect.stringContaining('ENVDRIFT_TRUSTED_VAULTS'),
    ])
    expect(resolve({url, ...settings}, {env}).warnings).toEqual([])
  })

  it.each(['jwt', 'approle', 'kubernetes', 'cert'])(
    'C137 refuses another address than VAULT_ADDR, for %s too',
    (auth) => {
      const [problem = ''] = problemsOf({url: 'https://evil.example.com', auth}, {env: {VAULT_ADDR: url}})
      expect(problem).toMatch(/^VAULT_ADDRESS_CONFLICT/)
    },
  )

  it.each([
    '/v1/a%2f..%2f..%2f..%2fevil',
    '/v1/a%252f..%252f..%252fevil',
    '/v1/a%2fb',
    '/v1/team1%3fx=1',
    '/v1/team1%23x',
    '/v1/team%',
    '/v1/%5c..',
    '/v1/team1%0a',
    '/v1/sys',
    '/v1/auth/token',
    '/v1//team1',
  ])('takes no address whose path leads anywhere but to a namespace: %s', (path) => {
    const [problem = ''] = problemsOf({url: `${url}/prod${path}`}, {trustedVaults: [`${url}/prod`]})
    expect(problem).toMatch(/^CONFIG_INVALID url must be an address/)
  })

  it('hands on server and namespace of an address, decoded once', () => {
    const {settings, problems} = resolve({url: `${url}/prod/v1/team%201/a%C3%A9`}, {trustedVaults: [`${url}/prod`]})
    expect(problems).toEqual([])
    expect(settings).toMatchObject({url: `${url}/prod`, url_namespace: 'team 1/aé'})
  })

  it('compares addresses by their server, not by the namespace behind /v1', () => {
    expect(problemsOf({url: `${url}/v1/team1`}, {env: {VAULT_ADDR: url}})).toEqual([])
    expect(problemsOf({url: 'https://evil.example.com/v1/team1'}, {env: {VAULT_ADDR: url}})).toHaveLength(1)
  })
})

describe('an agent', () => {
  const agent = 'http://127.0.0.1:8100'
  const env = {VAULT_AGENT_ADDR: `${agent}/`}
  const other = 'https://other.example.com'

  it.each<[string, Settings, Env]>([
    ['what VAULT_ADDR says', {}, {VAULT_ADDR: url}],
    ['nobody', {}, {}],
    ['what a file says', {url}, {}],
    ['what a file and VAULT_ADDR say alike', {url: `${url}/`}, {VAULT_ADDR: url}],
    ['the same in a file', {url: agent}, {}],
  ])('is asked in place of %s, with no word against it in CI either', (_, settings, more) => {
    for (const ci of [true, false]) {
      const {settings: found, ...rest} = resolve(settings, {env: {...env, ...more}, ci})
      expect(rest).toEqual({problems: [], warnings: []})
      expect(found).toEqual({url: agent, agent: true, mount: 'secret', auth: 'token'})
    }
  })

  it('is trusted by its variable, where trusted_vaults does not list it and a file names it', () => {
    expect(problemsOf({url: agent}, {env, trustedVaults: [url]})).toEqual([])
    expect(problemsOf({url: agent}, {trustedVaults: [url]})).toHaveLength(1)
  })

  it.each<Origin>(['flag', 'environment'])('is not asked where a %s names whom to ask', (origin) => {
    const {settings, problems} = resolve({url}, {env, origins: {url: origin}})
    expect(problems).toEqual([])
    expect(settings).toEqual({url, mount: 'secret', auth: 'token'})
  })

  it('is asked for no other server than that of VAULT_ADDR, to which it leads', () => {
    const machine = {env: {...env, VAULT_ADDR: url}, trustedVaults: [url, other]}
    expect(resolve({url: other}, machine)).toMatchObject({settings: {url: other}, problems: []})
    expect(resolve({url: other}, machine).settings).not.toHaveProperty('agent')
    expect(resolve({url}, machine).settings).toMatchObject({url: agent, agent: true})
  })

  it.each<[string, Parameters<typeof resolve>[1], string]>([
    ['VAULT_ADDR', {env: {...env, VAULT_ADDR: url}}, 'VAULT_ADDRESS_CONFLICT'],
    ['BAO_ADDR', {env: {BAO_AGENT_ADDR: agent, BAO_ADDR: url}}, 'VAULT_ADDRESS_CONFLICT'],
    ['trusted_vaults', {env, trustedVaults: [url]}, 'CONFIG_NOT_ALLOWED'],
    ['the user file', {env, namedByUser: [url]}, 'CONFIG_NOT_ALLOWED'],
    ['--vault-url for another vault', {env, namedByMachine: [url]}, 'CONFIG_NOT_ALLOWED'],
  ])('C137 takes back no word of the machine: a file that contradicts %s stays an error', (_, machine, code) => {
    const [problem = ''] = problemsOf({url: 'https://evil.example.com'}, machine)
    expect(problem).toMatch(new RegExp(`^${code} url https://evil`))
  })

  it('leads to one server: files that name several are no guess, unless VAULT_ADDR says which one it is', () => {
    for (const siblings of [
      [url, other],
      [url, undefined],
    ]) {
      const [problem = ''] = problemsOf({url}, {env, siblings})
      expect(problem).toContain('VAULT_AGENT_ADDR leads to one server, and the vaults are several')
      expect(problem).toContain(url)
    }
    expect(problemsOf({url}, {env, siblings: [url, `${url}/v1/team1`]})).toEqual([])
    expect(problemsOf({url}, {env: {...env, VAULT_ADDR: url}, siblings: [url, other]})).toEqual([])
    expect(problemsOf({url}, {env: {}, siblings: [url, other]})).toEqual([])
  })

  it('keeps the namespace that the address of its server names', () => {
    expect(resolve({url: `${url}/v1/team1`}, {env}).settings).toMatchObject({url: agent, url_namespace: 'team1'})
    const inAgent = {VAULT_AGENT_ADDR: `${agent}/v1/team2`}
    expect(resolve({url}, {env: inAgent}).settings).toMatchObject({url: agent, url_namespace: 'team2'})
    expect(resolve({url: `${url}/v1/team1`}, {env: inAgent}).settings).toMatchObject({url_namespace: 'team1'})
  })

  it.each<[string, Env, string]>([
    ['BAO_AGENT_ADDR alone', {BAO_AGENT_ADDR: agent}, 'bao'],
    ['BAO_AGENT_ADDR beside BAO_ADDR', {BAO_AGENT_ADDR: agent, BAO_ADDR: url}, 'bao'],
    ['VAULT_AGENT_ADDR beside BAO_ADDR, as OpenBao falls back to it', {...env, BAO_ADDR: url}, 'bao'],
    ['VAULT_AGENT_ADDR alone', env, 'vault'],
    ['VAULT_AGENT_ADDR, whatever OpenBao has', {...env, VAULT_ADDR: url, BAO_AGENT_ADDR: other}, 'vault'],
  ])('of OpenBao counts as its other variables do: %s', (_, named, namespace) => {
    const {settings, problems} = resolve({}, {env: {...named, BAO_NAMESPACE: 'bao', VAULT_NAMESPACE: 'vault'}})
    expect(problems).toEqual([])
    expect(settings).toMatchObject({url: agent, agent: true, namespace})
  })

  it('and its variables mean nothing to a server that a flag names', () => {
    const baos = {BAO_AGENT_ADDR: agent, BAO_NAMESPACE: 'bao'}
    const flag = {env: baos, origins: {url: 'flag'}} as const
    expect(resolve({url}, flag).settings).toEqual({url, mount: 'secret', auth: 'token'})
    expect(resolve({url: agent}, flag).settings).toMatchObject({namespace: 'bao'})
  })

  it('is no help where only the agent of the other client is named, and no address', () => {
    const env = {VAULT_ADDR: url, BAO_AGENT_ADDR: agent}
    expect(resolve({}, {env}).settings).toEqual({url, mount: 'secret', auth: 'token'})
  })

  it.each([
    ['VAULT_AGENT_ADDR', {VAULT_AGENT_ADDR: 'unix:///run/vault/agent.sock', VAULT_ADDR: url}],
    ['VAULT_ADDR', {VAULT_ADDR: 'unix:///run/vault.sock'}],
  ])('and a server on a Unix socket are said to be out of reach: %s', (name, env) => {
    expect(problemsOf({}, {env})).toEqual([expect.stringContaining(`${name} is a Unix socket`)])
  })

  it.each(['127.0.0.1:8100', 'http://user:secret@127.0.0.1:8100', 'http://127.0.0.1:8100/?x'])(
    'has an address like any other: not %s',
    (text) => {
      const [problem = '', ...more] = problemsOf({}, {env: {VAULT_ADDR: url, VAULT_AGENT_ADDR: text}})
      expect([problem, more]).toEqual([expect.stringContaining('VAULT_AGENT_ADDR must be an address'), []])
      expect(problem).not.toContain('secret')
    },
  )

  it('in clear is warned of, as any server', () => {
    const {warnings} = resolve({}, {env: {VAULT_AGENT_ADDR: 'http://agent.example.com:8100', VAULT_ADDR: url}})
    expect(warnings).toEqual([expect.stringContaining('http://agent.example.com:8100 is not encrypted')])
  })
})

describe('a login', () => {
  it.each([
    [{auth: 'approle'}, 'role_id'],
    [{auth: 'kubernetes'}, 'role'],
    [{auth: 'userpass', password: 'x'}, 'username'],
    [{auth: 'cert', client_cert: '/c'}, 'client_key'],
  ])('says what %j lacks', (settings, key) => {
    expect(problemsOf(settings, {env: {VAULT_ADDR: url}})).toEqual([expect.stringContaining(`needs ${key}`)])
  })

  it.each([
    [{role: 'x'}, 'role means nothing to auth = "token"'],
    [{auth: 'approle', role_id: 'x', role: 'y'}, 'role means nothing to auth = "approle"'],
    [{auth: 'jwt', role_id: 'x'}, 'role_id means nothing to auth = "jwt"'],
    [{auth: 'kubernetes', role: 'x', jwt_audience: 'y'}, 'jwt_audience means nothing'],
    [{auth: 'token', auth_mount: 'x'}, 'auth_mount means nothing'],
  ])('ignores no setting of another one: %j', (settings, expected) => {
    expect(problemsOf(settings, {env: {VAULT_ADDR: url}})).toEqual([expect.stringContaining(expected)])
  })

  it.each(['../../../../evil', '..', '.', 'a/b', 'alice/', '', 'a\nb', 'a\u0000'])(
    'takes no username that would send the password to another path: %j',
    (username) => {
      const settings = {auth: 'userpass', username, password: 'x'}
      expect(problemsOf(settings, {env: {VAULT_ADDR: url}})).toEqual([
        expect.stringContaining('username must be a name'),
      ])
    },
  )

  it.each([
    [{auth: 'kubernetes', role: 'a\nb'}, 'role holds'],
    [{auth: 'approle', role_id: 'a\rb'}, 'role_id holds'],
    [{auth: 'approle', role_id: 'x', auth_mount: 'x/../../sys'}, 'auth_mount must be'],
    [{auth: 'approle', role_id: 'x', auth_mount: 'x\ny'}, 'auth_mount must be'],
  ])('takes nothing that breaks a line or leads elsewhere: %j', (settings, expected) => {
    expect(problemsOf(settings, {env: {VAULT_ADDR: url}})).toEqual([expect.stringContaining(expected)])
  })

  it.each(['sys', 'sys/internal', 'auth/token', 'identity/oidc', '/cubbyhole/', 'audit', 'SYS'])(
    "and a mount is never one of Vault's own: %s",
    (mount) => {
      expect(problemsOf({mount}, {env: {VAULT_ADDR: url}})).toEqual([expect.stringContaining('mount must be')])
    },
  )

  it('takes no two sources of one credential', () => {
    const settings = {auth: 'approle', role_id: 'x', secret_id: 'a', secret_id_file: '/b'}
    expect(problemsOf(settings, {env: {VAULT_ADDR: url}})).toEqual([
      expect.stringContaining('both secret_id and secret_id_file'),
    ])
  })

  it('prefers its settings to the variables that stand for them', () => {
    const env = {VAULT_ADDR: url, VAULT_ROLE_ID: 'other', VAULT_SECRET_ID: 'other'}
    const {settings, problems} = resolve({auth: 'approle', role_id: 'ours', secret_id_file: '/ours'}, {env})
    expect(problems).toEqual([])
    expect([settings['role_id'], settings['secret_id']]).toEqual(['ours', undefined])
  })
})

describe("variables of Vault's client, and of OpenBao's", () => {
  it('fill in what no setting says', () => {
    const env = {
      VAULT_ADDR: url,
      VAULT_NAMESPACE: '/team1/',
      VAULT_CACERT: '/ca.pem',
      VAULT_CAPATH: '/ca',
      VAULT_CLIENT_CERT: '/cert.pem',
      VAULT_CLIENT_KEY: '/key.pem',
      VAULT_TLS_SERVER_NAME: 'vault.internal',
      VAULT_SKIP_VERIFY: 'true',
    }
    const {settings, problems} = resolve({}, {env})
    expect(problems).toEqual([])
    expect(settings).toMatchObject({
      url,
      namespace: 'team1',
      ca_file: '/ca.pem',
      client_cert: '/cert.pem',
      client_key: '/key.pem',
      tls_server_name: 'vault.internal',
      tls_skip_verify: true,
    })
    // A file of authorities comes before a directory of them.
    expect(settings).not.toHaveProperty('ca_path')
  })

  it('give way to settings of the same kind: a configured directory of authorities is the only one', () => {
    const {settings} = resolve({ca_path: '/ours'}, {env: {VAULT_ADDR: url, VAULT_CACERT: '/theirs.pem'}})
    expect(settings).toMatchObject({ca_path: '/ours'})
    expect(settings).not.toHaveProperty('ca_file')
  })

  it.each<[string, Env, string]>([
    ['BAO_X where it is alone', {BAO_ADDR: url, BAO_NAMESPACE: 'bao'}, 'bao'],
    [
      'BAO_X first where BAO_ADDR names the server',
      {BAO_ADDR: url, BAO_NAMESPACE: 'bao', VAULT_NAMESPACE: 'vault'},
      'bao',
    ],
    ['VAULT_X for OpenBao, which falls back to it', {BAO_ADDR: url, VAULT_NAMESPACE: 'vault'}, 'vault'],
    [
      'VAULT_X first where VAULT_ADDR names the server',
      {VAULT_ADDR: url, BAO_ADDR: 'https://b.example', BAO_NAMESPACE: 'bao', VAULT_NAMESPACE: 'vault'},
      'vault',
    ],
  ])('are read as %s', (_, env, expected) => {
    expect(resolve({}, {env}).settings).toMatchObject({url, namespace: expected})
  })

  const ofBao: Env = {
    BAO_NAMESPACE: 'bao',
    BAO_CACERT: '/bao/ca.pem',
    BAO_CLIENT_CERT: '/bao/cert.pem',
    BAO_CLIENT_KEY: '/bao/key.pem',
    BAO_TLS_SERVER_NAME: 'bao.internal',
    BAO_SKIP_VERIFY: 'true',
    BAO_CLIENT_TIMEOUT: 'nonsense',
  }
  it.each<[string, Settings, Env]>([
    ['where VAULT_ADDR names the server', {}, {VAULT_ADDR: url}],
    ['where both do', {}, {VAULT_ADDR: url, BAO_ADDR: 'https://bao.example'}],
    ['at another server than BAO_ADDR', {url}, {BAO_ADDR: 'https://bao.example'}],
  ])('of OpenBao mean nothing %s', (_, settings, env) => {
    const {settings: found, ...rest} = resolve(settings, {env: {...env, ...ofBao}, trustedVaults: [url]})
    expect(rest).toEqual({problems: [], warnings: []})
    expect(found).toEqual({url, mount: 'secret', auth: 'token'})
  })

  it.each([
    ['VAULT_CLIENT_TIMEOUT', 'soon'],
    ['VAULT_CLIENT_TIMEOUT', '-1s'],
    ['VAULT_CLIENT_TIMEOUT', '1m 30s'],
    ['VAULT_CLIENT_TIMEOUT', '1d'],
    ['VAULT_CLIENT_TIMEOUT', '30s5'],
    ['VAULT_CLIENT_TIMEOUT', '0s'],
    ['VAULT_CLIENT_TIMEOUT', '0'],
    ['VAULT_MAX_RETRIES', '-1'],
    ['VAULT_MAX_RETRIES', 'many'],
    ['VAULT_SKIP_VERIFY', 'perhaps'],
    ['VAULT_RATE_LIMIT', 'fast'],
    ['VAULT_RATE_LIMIT', '0'],
    ['VAULT_RATE_LIMIT', '0.01'],
    ['VAULT_RATE_LIMIT', '-1'],
    ['VAULT_RATE_LIMIT', '10:'],
    ['VAULT_RATE_LIMIT', '10:0'],
    ['VAULT_RATE_LIMIT', '10:1.5'],
    ['VAULT_RATE_LIMIT', ':10'],
  ])('are said when they are wrong: %s=%s', (name, value) => {
    expect(problemsOf({}, {env: {VAULT_ADDR: url, [name]: value}})).toEqual([expect.stringContaining(name)])
  })

  it.each([
    ['60', 60_000],
    ['1.5', 1500],
    ['1m30s', 90_000],
    ['1h2m3s4ms', 3_723_004],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['1.s', 1000],
    ['+2s', 2000],
    ['500us', 0.5],
    ['500µs', 0.5],
    ['90s', 90_000],
  ])('read times as Go does: %s', (text, ms) => {
    expect(durationMsOf(text)).toBeCloseTo(ms, 6)
  })

  it.each<[string, Env, boolean]>([
    ['an address without a port', {VAULT_ADDR: 'https://vault.example.com'}, true],
    ['an address without a port, with a path', {VAULT_ADDR: 'https://vault.example.com/prod:8/x'}, true],
    ['an address with a port, which Vault does not look up either', {VAULT_ADDR: url}, false],
    ['one with the usual port', {VAULT_ADDR: 'https://vault.example.com:443/'}, false],
  ])('VAULT_SRV_LOOKUP is said not to be followed, for %s', (_, env, isSaid) => {
    const warningsFor = (lookup: string) => resolve({}, {env: {...env, VAULT_SRV_LOOKUP: lookup}}).warnings
    const says = (warning: string): boolean => warning.includes('VAULT_SRV_LOOKUP is not followed')
    expect(warningsFor('true').map(says)).toEqual(isSaid ? [true] : [])
    expect(warningsFor('false')).toEqual([])
  })

  it.each(['mañana', 'команда', 'a\nb', 'team/\u0000'])(
    'and the namespace fits into a header: %j is said',
    (namespace) => {
      for (const problems of [
        problemsOf({namespace}, {env: {VAULT_ADDR: url}}),
        problemsOf({}, {env: {VAULT_ADDR: url, VAULT_NAMESPACE: namespace}}),
      ])
        expect(problems).toEqual([expect.stringContaining('namespace holds characters beyond ASCII')])
    },
  )

  it.each([{client_cert: '/c'}, {client_key: '/k'}])(
    'and settings want certificate and key together: %j',
    (settings) => {
      expect(problemsOf(settings, {env: {VAULT_ADDR: url}})).toEqual([expect.stringContaining('of no use without')])
    },
  )
})
