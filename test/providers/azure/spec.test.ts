import {describe, expect, it} from 'vitest'

import type {Origin, Settings} from '../../../src/core/provider-spec.ts'
import {clouds} from '../../../src/providers/azure/clouds.ts'
import {chain, credentials, credentialsToTry} from '../../../src/providers/azure/credential-names.ts'
import {spec} from '../../../src/providers/azure/spec.ts'

const url = 'https://my-keyvault.vault.azure.net/'

function resolve(settings: Settings, origin: Origin = 'repository', env: Record<string, string> = {}) {
  const all = {vault_url: url, ...settings}
  const origins = Object.fromEntries(Object.keys(all).map((name) => [name, origin]))
  return spec.resolve({settings: all, origins, env, ci: false, trustedVaults: []})
}

/** What is wrong, each with the setting that it is about. */
const problems = (settings: Settings, origin?: Origin): readonly string[] =>
  resolve(settings, origin).problems.map(({setting, text}) => `${setting}: ${text}`)

describe('cloud', () => {
  it.each([
    ['public', 'https://team.vault.azure.net/'],
    ['china', 'https://team.vault.azure.cn/'],
    ['usgov', 'https://team.vault.usgovcloudapi.net/'],
  ])('= "%s" says where a vault lies that is given by name', (cloud, expected) => {
    expect(spec.settingsOfName!('team', {cloud})).toMatchObject({vault_url: expected, cloud})
    expect(problems({cloud, vault_url: expected})).toEqual([])
  })

  it('is taken from vault_url where it is not set', () => {
    const ofChina = {vault_url: 'https://main.vault.azure.cn/'}
    expect(spec.settingsOfName!('team', ofChina)).toMatchObject({vault_url: 'https://team.vault.azure.cn/'})
    expect(spec.settingsOfName!('team', {})).toMatchObject({vault_url: 'https://team.vault.azure.net/'})
  })

  it('is refused when vault_url tells another one', () => {
    expect(problems({cloud: 'usgov', vault_url: 'https://main.vault.azure.cn/'})).toEqual([
      'cloud: cloud is usgov, and vault_url names a vault in china: correct one of them',
    ])
  })

  it('may be any beside an address of nobody’s, which a machine may set', () => {
    expect(problems({cloud: 'usgov', vault_url: 'https://localhost:8443/'}, 'user')).toEqual([])
  })

  it.each(Object.entries(clouds))('%s is logged in to by https', (_, {authorityHost}) => {
    expect(new URL(authorityHost).protocol).toBe('https:')
  })
})

describe('what this machine logs in with', () => {
  const ofChina = {vault_url: 'https://main.vault.azure.cn/'}
  const held = {AZURE_TENANT_ID: 'x', AZURE_CLIENT_ID: 'x', AZURE_CLIENT_SECRET: 'a secret'}
  const stray = /^vault_url names a vault in china, and AZURE_CLIENT_SECRET .*set AZURE_AUTHORITY_HOST=https:\/\/login/

  /** What is said of a vault in a cloud that only a repository file names. */
  function said(env: Record<string, string>, settings: Settings = {}, ci = true, origins: Record<string, Origin> = {}) {
    const all = {...ofChina, ...settings}
    const ours = Object.fromEntries(Object.keys(all).map((name): [string, Origin] => [name, 'repository']))
    return spec.resolve({settings: all, origins: {...ours, ...origins}, env, ci, trustedVaults: []})
  }

  it('goes to the login host of another cloud by a repository’s word alone in no CI, and with a warning elsewhere', () => {
    expect(said(held).problems).toEqual([
      {setting: 'vault_url', code: 'CONFIG_NOT_ALLOWED', text: expect.stringMatching(stray)},
    ])
    expect(said(held, {}, false)).toMatchObject({problems: [], warnings: [expect.stringMatching(stray)]})
    const byName = {vault_url: 'https://localhost:8443/', cloud: 'usgov'}
    expect(said(held, byName, true, {vault_url: 'environment'}).problems).toEqual([
      expect.objectContaining({setting: 'cloud', text: expect.stringMatching(/^cloud is usgov, and /)}),
    ])
  })

  it.each([
    ['client-certificate', {AZURE_CLIENT_CERTIFICATE_PATH: 'x'}, 'what the key in AZURE_CLIENT_CERTIFICATE_PATH signs'],
    ['environment', {AZURE_CLIENT_CERTIFICATE_PATH: 'x'}, 'what the key in AZURE_CLIENT_CERTIFICATE_PATH signs'],
    ['environment', {AZURE_PASSWORD: 'x'}, 'AZURE_PASSWORD'],
    ['workload-identity', {AZURE_FEDERATED_TOKEN_FILE: 'x'}, 'the token in AZURE_FEDERATED_TOKEN_FILE'],
    ['github-oidc', {ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'x'}, 'the token of the GitHub job'],
  ])('by %s does not, either', (credential, env, called) => {
    expect(said(env, {credential}).problems).toEqual([
      expect.objectContaining({text: expect.stringContaining(`and ${called} `)}),
    ])
  })

  it.each<[string, Record<string, string>, Settings, Record<string, Origin>]>([
    ['AZURE_AUTHORITY_HOST decides where it goes', {AZURE_AUTHORITY_HOST: 'https://login.chinacloudapi.cn'}, {}, {}],
    ['ENVDRIFT_AZURE_CLOUD names that cloud', {ENVDRIFT_AZURE_CLOUD: 'china'}, {}, {}],
    ['ENVDRIFT_VAULT_URL names a vault there', {ENVDRIFT_VAULT_URL: 'https://other.vault.azure.cn'}, {}, {}],
    ['--vault-url names this vault', {}, {}, {vault_url: 'flag'}],
    ['the user file names that cloud', {}, {cloud: 'china'}, {cloud: 'user'}],
    ['the user file names the login host', {}, {authority_host: 'https://login.example.com'}, {authority_host: 'user'}],
    ['the login has no use for it', {}, {credential: 'managed-identity'}, {}],
    ['AZURE_TOKEN_CREDENTIALS leaves its login out', {AZURE_TOKEN_CREDENTIALS: 'dev'}, {}, {}],
    ['it is for the public cloud', {}, {vault_url: url}, {}],
  ])('is none of a repository’s business when %s', (_, env, settings, origins) => {
    expect(said({...held, ...env}, settings, true, origins)).toMatchObject({problems: [], warnings: []})
  })

  it('goes to the public cloud neither, where the machine names another', () => {
    const {problems: found} = said({...held, ENVDRIFT_AZURE_CLOUD: 'china'}, {vault_url: url})
    expect(found).toEqual([expect.objectContaining({code: 'CONFIG_NOT_ALLOWED'})])
  })

  it('is nothing, for a person at a developer tool: no warning', () => {
    expect(said({}, {}, false)).toMatchObject({problems: [], warnings: []})
  })
})

describe('vault_url', () => {
  it.each(['azure.net', 'azure.cn', 'usgovcloudapi.net'])('is refused for a Managed HSM under %s', (suffix) => {
    expect(problems({vault_url: `https://my-hsm.managedhsm.${suffix}/`}, 'user')).toEqual([
      'vault_url: vault_url names a Managed HSM, which holds no secrets: name a Key Vault instead',
    ])
  })

  it.each(['my-keyvault.vaultcore.azure.net', 'my-keyvault.privatelink.vaultcore.azure.net'])(
    'is refused for the private link %s, with the address that leads there',
    (host) => {
      const [problem] = problems({vault_url: `https://${host}/`}, 'user')
      expect(problem).toContain('write https://my-keyvault.vault.azure.net/')
    },
  )

  it('is refused in the cloud that was closed', () => {
    expect(problems({vault_url: 'https://my-keyvault.vault.microsoftazure.de/'})[0]).toContain('closed')
  })
})

describe('authority_host', () => {
  it('is an address by https and nothing more, for the machine alone', () => {
    expect(spec.settings['authority_host']?.trust).toBe('machine')
    for (const wrong of ['login.microsoftonline.us', 'http://login.example.com', 'https://login.example.com/tenant']) {
      expect(problems({authority_host: wrong}, 'user')[0]).toContain('authority_host must be an address')
    }
    const {settings} = resolve({authority_host: 'https://login.microsoftonline.us/'}, 'user')
    expect(settings['authority_host']).toBe('https://login.microsoftonline.us')
  })

  it('of the user file gives way to AZURE_AUTHORITY_HOST, of a variable of ours it does not', () => {
    const given = {authority_host: 'https://login.example.com'}
    const env = {AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.us'}
    expect(resolve(given, 'user', env).settings).not.toHaveProperty('authority_host')
    expect(resolve(given, 'environment', env).settings).toHaveProperty('authority_host', 'https://login.example.com')
  })
})

describe('a login setting that is not used is a mistake:', () => {
  const id = '3f8a61c0-9b7d-4e25-a1f0-c6d8e9b27435'

  it.each([
    [
      'exclude_credentials beside credential',
      {credential: 'azure-cli', exclude_credentials: ['environment']},
      /does nothing beside credential/,
    ],
    [
      'exclude_credentials with an unknown name',
      {exclude_credentials: ['azure-cli', 'AzureCliCredential']},
      /names AzureCliCredential: it takes names out of environment/,
    ],
    ['exclude_credentials of the browser', {exclude_credentials: ['browser']}, /never tried unless/],
    ['exclude_credentials of everything', {exclude_credentials: [...chain]}, /leaves no login/],
    [
      'tenant_id with a managed identity',
      {credential: 'managed-identity', tenant_id: id},
      /^tenant_id: tenant_id does nothing/,
    ],
    ['client_id with Azure CLI', {credential: 'azure-cli', client_id: id}, /^client_id: client_id does nothing/],
    ['a tenant that is no id', {tenant_id: 'my org'}, /must be the id of a tenant/],
    ...['a_b', '..', 'a..b', '.org', 'myorg', 'common', 'myorg.-com', 'myorg.com.', id.slice(1)].map(
      (tenant) => [`the tenant ${tenant}`, {tenant_id: tenant}, /^tenant_id: tenant_id must be the id/] as const,
    ),
    ['a client that is a name', {client_id: 'my-application'}, /must be a client id/],
  ] as const)('%s', (_, settings, text) => {
    expect(problems(settings)).toEqual([expect.stringMatching(text)])
  })

  it.each([id.toUpperCase(), 'myorg.onmicrosoft.com', 'my-org.co.uk', 'xn--bcher-kva.xn--p1ai'])(
    'not so the tenant %s',
    (tenant) => expect(problems({tenant_id: tenant})).toEqual([]),
  )

  it.each(Object.entries(credentials))('not so what %s uses', (credential, {tenant, client}) => {
    const used = {credential, ...(tenant && {tenant_id: 'myorg.onmicrosoft.com'}), ...(client && {client_id: id})}
    expect(problems(used, credential === 'browser' ? 'user' : 'repository')).toEqual([])
  })

  it('an application that a person is to let in is for the machine alone to name', () => {
    const used = {credential: 'browser', client_id: id}
    expect(resolve(used).problems).toEqual([
      {setting: 'client_id', code: 'CONFIG_NOT_ALLOWED', text: expect.stringContaining('ENVDRIFT_AZURE_CLIENT_ID')},
    ])
    expect(problems(used, 'environment')).toEqual([])
    expect(problems({credential: 'browser'})).toEqual([])
  })
})

describe('credentialsToTry', () => {
  it.each([
    [undefined, [...chain]],
    ['', [...chain]],
    ['prod', ['environment', 'workload-identity', 'managed-identity']],
    [' DEV ', ['azure-cli', 'azure-powershell', 'azure-developer-cli']],
    ['WorkloadIdentityCredential', ['workload-identity']],
    ['mistyped', []],
  ])('follows AZURE_TOKEN_CREDENTIALS = %j', (word, expected) => {
    expect(credentialsToTry(undefined, [], word)).toEqual(expected)
  })

  it('never tries the browser by itself', () => {
    expect(credentialsToTry(undefined, [], 'InteractiveBrowserCredential')).toEqual([])
    expect(credentialsToTry('browser', [], 'prod')).toEqual(['browser'])
  })
})

describe('a name of a secret', () => {
  it.each([
    ['myapp_key', /holds an underscore.*write a hyphen/],
    ['team/myapp-key', /holds a slash/],
    ['a'.repeat(128), /127 characters/],
    ['myapp.key', /letters, digits and hyphens/],
  ])('%j is refused and explained', (name, text) => {
    expect(spec.checkSecretName(name)).toMatch(text)
  })

  it('of 127 letters, digits and hyphens is taken', () => {
    expect(spec.checkSecretName(`A-${'9'.repeat(125)}`)).toBeUndefined()
  })
})
