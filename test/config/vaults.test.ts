import {mkdir, symlink} from 'node:fs/promises'
import {join} from 'node:path'

import {describe, expect, it} from 'vitest'

import type {ConfigFlags} from '../../src/config/config.ts'
import {loadVault} from '../../src/config/load.ts'
import type {Place} from './place.ts'
import {makePlace, specs} from './place.ts'

const mapping = (extra = '', secret = 'myapp-key'): string =>
  `[[vault.sync.mappings]]\nsecret_name = "${secret}"\nfolder_path = "services/${secret.replaceAll('/', '-')}"\n${extra}\n`

/** The vaults of a configuration, as name → [provider, settings]. */
async function vaultsOf(place: Place, text: string, flags: ConfigFlags = {}, env: Record<string, string> = {}) {
  await place.write('home/repo/envdrift.toml', text)
  const config = await place.load(flags, {env})
  return {
    vaults: Object.fromEntries(
      [...config.vaults].map(([name, {provider, settings}]) => [name, {provider, ...settings}]),
    ),
    routes: config.mappings.map(({ref}) => ref.vault),
    warnings: config.warnings,
  }
}

async function failureOf(place: Place, text: string, flags: ConfigFlags = {}, env: Record<string, string> = {}) {
  await place.write('home/repo/envdrift.toml', text)
  return place.fail(flags, {env})
}

describe('provider', () => {
  it('C91 is that of the only provider table', async () => {
    const {vaults} = await vaultsOf(await makePlace(), `[vault.gcp]\nproject_id = "myapp-project"\n${mapping()}`)
    expect(vaults).toEqual({default: {provider: 'gcp', project_id: 'myapp-project'}})
  })

  it('C91 is azure when there is no table', async () => {
    const {vaults} = await vaultsOf(await makePlace(), mapping(), {vaultUrl: 'https://myapp.vault.azure.net'})
    expect(vaults).toEqual({default: {provider: 'azure', vault_url: 'https://myapp.vault.azure.net/'}})
  })

  it('C91 is an error when there are two tables', async () => {
    const error = await failureOf(await makePlace(), `[vault.gcp]\n[vault.aws]\n${mapping()}`)
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('[vault.aws] and [vault.gcp]'),
    })
  })

  it.each([
    ['AWS', 'did you mean "aws"?'],
    ['azur', 'did you mean "azure"?'],
    ['kubernetes-secrets', 'azure, aws, hashicorp, gcp, local'],
    ['', 'azure, aws, hashicorp, gcp, local'],
    ['toString', 'azure, aws, hashicorp, gcp, local'],
  ])('C92 refuses %j with the valid list and a suggestion', async (provider, expected) => {
    const place = await makePlace()
    const inFile = await failureOf(place, `[vault]\nprovider = "${provider}"\n${mapping()}`)
    expect(inFile.code).toBe('CONFIG_INVALID')
    expect(inFile.message).toMatch(/^envdrift\.toml:2:1: provider/)
    expect(inFile.message).toContain('azure, aws, hashicorp, gcp, local')
    expect(inFile.message).toContain(expected)
  })

  it.each([
    ['AWS', 'did you mean "aws"?'],
    ['azur', 'did you mean "azure"?'],
  ])('C92 refuses -p %s in the same words, as a wrong command line', async (provider, expected) => {
    const error = await failureOf(await makePlace(), mapping(), {provider})
    expect(error.reason).toBe('usage')
    expect(error.message).toMatch(/^--provider: provider ".*" is not one of azure, aws, hashicorp, gcp, local/)
    expect(error.message).toContain(expected)
  })
})

describe('what a provider needs', () => {
  it('C93 azure needs an address', async () => {
    const error = await failureOf(await makePlace(), `[vault.azure]\n${mapping()}`)
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/envdrift\.toml:1:2: .*--vault-url/),
    })
  })

  it.each([
    'myapp.vault.azure.net',
    'http://myapp.vault.azure.net/',
    'https://myapp.vault.azure.net/secrets/x',
    'https://user:hunter2@myapp.vault.azure.net/',
    'https://myapp.managedhsm.azure.net/',
  ])('C93 azure refuses the address %j', async (url) => {
    const error = await failureOf(await makePlace(), `[vault.azure]\nvault_url = "${url}"\n${mapping()}`)
    expect(error.reason).toBe('config')
    expect(error.message).toMatch(/^envdrift\.toml:2:1: vault_url/)
    expect(error.message).not.toContain('hunter2')
  })

  it.each([
    ['  https://myapp.vault.azure.net  ', 'https://myapp.vault.azure.net/'],
    ['https://MYAPP.vault.azure.net:443/', 'https://myapp.vault.azure.net/'],
    ['https://myapp.vault.azure.cn/', 'https://myapp.vault.azure.cn/'],
    ['https://myapp.vault.usgovcloudapi.net', 'https://myapp.vault.usgovcloudapi.net/'],
  ])('C93 azure accepts the address %j', async (url, expected) => {
    const {vaults} = await vaultsOf(await makePlace(), `[vault.azure]\nvault_url = "${url}"\n${mapping()}`)
    expect(vaults['default']).toEqual({provider: 'azure', vault_url: expected})
  })

  it('C93 hashicorp takes a padded VAULT_ADDR, and a blank one for unset', async () => {
    const place = await makePlace()
    const text = `[vault.hashicorp]\n${mapping()}`
    const {vaults} = await vaultsOf(place, text, {}, {VAULT_ADDR: '  https://Vault.example.com:8200/  '})
    expect(vaults['default']).toEqual({
      provider: 'hashicorp',
      url: 'https://vault.example.com:8200',
      mount: 'secret',
      auth: 'token',
    })
    expect((await failureOf(place, text, {}, {VAULT_ADDR: '   '})).message).toContain('needs an address')
  })

  it('C93 gcp needs a project, from the file or from the environment', async () => {
    const place = await makePlace()
    const text = `[vault.gcp]\n${mapping()}`
    expect((await failureOf(place, text)).message).toContain('--project-id')
    const {vaults} = await vaultsOf(place, text, {}, {GOOGLE_CLOUD_PROJECT: ' ', GCLOUD_PROJECT: 'myapp-project'})
    expect(vaults['default']).toEqual({provider: 'gcp', project_id: 'myapp-project'})
  })

  it('C102 aws takes its region from AWS_REGION, then AWS_DEFAULT_REGION, then leaves it to the profile', async () => {
    const place = await makePlace()
    const text = `[vault.aws]\n${mapping()}`
    const region = async (env: Record<string, string>) => (await vaultsOf(place, text, {}, env)).vaults['default']
    expect(await region({AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-2'})).toMatchObject({
      region: 'eu-west-1',
    })
    expect(await region({AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-west-2'})).toMatchObject({region: 'eu-west-2'})
    expect(await region({})).toEqual({provider: 'aws'})
  })

  it.each([
    ['azure', 'team_key', /underscore/],
    ['azure', 'a/b', /slash/],
    ['azure', 'x'.repeat(128), /127/],
    ['aws', 'a b', /may hold/],
    ['aws', 'arn:aws:s3:::bucket', /ARN/],
    ['hashicorp', '/a', /slash/],
    ['hashicorp', 'a/../b', /\.\./],
    ['gcp', 'a/b', /full name/],
    ['gcp', 'a.b', /may hold/],
  ])('%s refuses the secret name %j', async (provider, name, expected) => {
    const place = await makePlace()
    const settings = 'vault_url = "https://myapp.vault.azure.net"\n'
    const text = `[vault]\nprovider = "${provider}"\n[vault.azure]\n${settings}[vault.hashicorp]\nurl = "https://v.example"\n[vault.gcp]\nproject_id = "myapp-project"\n`
    const error = await failureOf(place, `${text}[[vault.sync.mappings]]\nsecret_name = "${name}"\nfolder_path = "."\n`)
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toMatch(/^envdrift\.toml:10:1: secret_name/)
    expect(error.message).toMatch(expected)
  })

  it.each([
    'projects/other-project/secrets/x',
    'projects/123456789/secrets/x/versions/3',
    'projects/other-project/locations/europe-west3/secrets/x',
    'projects/example.com:other-project/secrets/x',
  ])('C114 gcp takes the full name %j as it is', async (name) => {
    const place = await makePlace()
    await place.write('home/repo/envdrift.toml', `[vault.gcp]\nproject_id = "myapp-project"\n${mapping('', name)}`)
    expect((await place.load()).mappings[0]?.ref).toEqual({vault: 'default', name})
  })

  it.each([
    'projects/x',
    'projects//secrets/x',
    'projects/other-project/secrets/',
    'projects/other-project/secrets/x/y',
    'projects/other-project/locations//secrets/x',
    'projects/../secrets/x',
    'projects/Other/secrets/x',
  ])('C114 gcp refuses the malformed full name %j', async (name) => {
    const error = await failureOf(await makePlace(), `[vault.gcp]\nproject_id = "myapp-project"\n${mapping('', name)}`)
    expect(error.message).toMatch(/^envdrift\.toml:4:1: secret_name .* is not a full name/)
  })

  it('C114 gcp refuses two versions for one secret', async () => {
    const error = await failureOf(
      await makePlace(),
      `[vault.gcp]\nproject_id = "myapp-project"\n${mapping('secret_version = 4', 'projects/other-project/secrets/x/versions/3')}`,
    )
    expect(error.message).toContain('one version and secret_version another')
  })
})

describe('names and addresses', () => {
  const azure = '[vault.azure]\nvault_url = "https://main.vault.azure.net/"\n'

  it('routes an undeclared name on azure to the vault of that name, in the cloud of vault_url', async () => {
    const place = await makePlace()
    const public_ = await vaultsOf(place, azure + mapping() + mapping('vault_name = "other"', 'b'))
    expect(public_.vaults).toMatchObject({
      default: {vault_url: 'https://main.vault.azure.net/'},
      other: {vault_url: 'https://other.vault.azure.net/'},
    })
    expect(public_.routes).toEqual(['default', 'other'])
    const china = await vaultsOf(place, `${azure.replace('.net/', '.cn/')}${mapping('vault_name = "other"')}`)
    expect(china.vaults).toMatchObject({other: {vault_url: 'https://other.vault.azure.cn/'}})
  })

  it.each(['evil.example.com/', 'a.b', 'x', 'a b', '..'])('refuses %j as the name of an azure vault', async (name) => {
    const error = await failureOf(await makePlace(), azure + mapping(`vault_name = "${name}"`))
    expect(error.message).toMatch(/^envdrift\.toml:6:1: vault_name ".*" is declared nowhere/)
  })

  it('prefers a declared vault to the name, on every provider', async () => {
    const {vaults, routes} = await vaultsOf(
      await makePlace(),
      `${azure}[vaults.other]\nprovider = "aws"\nregion = "eu-west-1"\n${mapping('vault_name = "other"')}`,
    )
    expect(vaults).toEqual({other: {provider: 'aws', region: 'eu-west-1'}})
    expect(routes).toEqual(['other'])
  })

  it('sends mappings without a name to the declared default_vault_name', async () => {
    const {routes} = await vaultsOf(
      await makePlace(),
      `[vault.sync]\ndefault_vault_name = "team"\n[vaults.team]\nprovider = "aws"\n${mapping()}`,
    )
    expect(routes).toEqual(['team'])
  })

  it('takes an undeclared default_vault_name for an address on azure without vault_url, else for a label', async () => {
    const place = await makePlace()
    const sync = '[vault.sync]\ndefault_vault_name = "label"\n'
    expect((await vaultsOf(place, sync + mapping())).vaults).toMatchObject({
      label: {vault_url: 'https://label.vault.azure.net/'},
    })
    expect((await vaultsOf(place, azure + sync + mapping())).vaults).toMatchObject({
      default: {vault_url: 'https://main.vault.azure.net/'},
    })
    const aws = await vaultsOf(place, `[vault.aws]\n${sync}${mapping()}${mapping('vault_name = "label"', 'b')}`)
    expect(aws.routes).toEqual(['default', 'default'])
  })

  it('refuses an undeclared vault_name elsewhere, with a suggestion', async () => {
    const error = await failureOf(
      await makePlace(),
      `[vault]\nprovider = "aws"\n[vaults.payments]\nprovider = "aws"\n${mapping('vault_name = "payment"')}`,
    )
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'envdrift.toml:8:1: vault_name "payment" is declared nowhere: did you mean "payments"?',
    })
  })

  it('gives two names of one vault one login', async () => {
    const {vaults, routes} = await vaultsOf(
      await makePlace(),
      azure + mapping('vault_name = "main"') + mapping('', 'b') + mapping('vault_name = "main"', 'c'),
    )
    expect(Object.keys(vaults)).toEqual(['main'])
    expect(routes).toEqual(['main', 'main', 'main'])
  })

  it('C68 sees through two names of one vault', async () => {
    const same = '[[vault.sync.mappings]]\nsecret_name = "k"\nfolder_path = "a"\n'
    const place = await makePlace()
    await place.write('home/repo/envdrift.toml', `${azure}${same}${same}vault_name = "main"\n`)
    expect((await place.load()).mappings).toHaveLength(1)
  })

  it('resolves only the vaults that are used', async () => {
    const {vaults} = await vaultsOf(await makePlace(), `[vault.aws]\n[vaults.broken]\nprovider = "azure"\n${mapping()}`)
    expect(Object.keys(vaults)).toEqual(['default'])
  })
})

describe('C121 flags', () => {
  const text = `[vault.azure]\nvault_url = "https://main.vault.azure.net/"\n[vault.aws]\nregion = "eu-west-1"\n[vault.gcp]\nproject_id = "myapp-project"\n[vault.hashicorp]\nurl = "https://v.example"\n${mapping()}`

  it.each([
    [{provider: 'azure', vaultUrl: 'https://flag.vault.azure.net'}, {vault_url: 'https://flag.vault.azure.net/'}],
    [{provider: 'hashicorp', vaultUrl: 'https://flag.example'}, {url: 'https://flag.example'}],
    [{provider: 'aws', region: 'us-west-2'}, {region: 'us-west-2'}],
    [{provider: 'gcp', projectId: 'flag-project'}, {project_id: 'flag-project'}],
  ])('C121 %j win over the file', async (flags, expected) => {
    const {vaults} = await vaultsOf(await makePlace(), text, flags)
    expect(vaults['default']).toMatchObject({provider: flags.provider, ...expected})
  })

  it.each([
    [{provider: 'aws', vaultUrl: 'https://x.example'}, '--vault-url'],
    [{provider: 'gcp', vaultUrl: 'https://x.example'}, '--vault-url'],
    [{provider: 'local', vaultUrl: 'https://x.example'}, '--vault-url'],
    [{provider: 'azure', region: 'eu-west-1'}, '--region'],
    [{provider: 'hashicorp', region: 'eu-west-1'}, '--region'],
    [{provider: 'aws', projectId: 'x'}, '--project-id'],
    [{provider: 'aws', token: true}, '--token'],
    [{provider: ' '}, '--provider'],
    [{provider: 'aws', region: ''}, '--region'],
    [{config: ''}, '--config'],
    [{profile: ' '}, '--profile'],
  ])('C121 %j are a usage error', async (flags, named) => {
    const error = await failureOf(await makePlace(), text, flags)
    expect(error.code).toBe('USAGE')
    expect(error.message).toContain(named)
  })

  it('C121 never override a declared vault, and say so when there is nothing else', async () => {
    const place = await makePlace()
    const declared = `[vault]\nprovider = "aws"\n[vaults.team]\nprovider = "aws"\nregion = "eu-west-1"\n${mapping('vault_name = "team"')}`
    expect((await vaultsOf(place, declared, {region: 'us-west-2'})).warnings).toEqual([
      expect.stringContaining('--region changed nothing'),
    ])
    expect((await vaultsOf(place, declared, {provider: 'local'})).warnings).toEqual([
      expect.stringContaining('--provider changed nothing'),
    ])
    const {vaults} = await vaultsOf(place, declared + mapping('', 'b'), {region: 'us-west-2'})
    expect(vaults).toMatchObject({default: {region: 'us-west-2'}, team: {region: 'eu-west-1'}})
  })
})

describe('who may set what', () => {
  it.each([
    ['endpoint_url', '[vault.aws]\nendpoint_url = "https://evil.example"\n', 'ENVDRIFT_AWS_ENDPOINT_URL'],
    ['api_endpoint', '[vault.gcp]\napi_endpoint = "evil.example"\n', 'ENVDRIFT_GCP_API_ENDPOINT'],
    ['tls_skip_verify', '[vault.hashicorp]\ntls_skip_verify = true\n', 'ENVDRIFT_HASHICORP_TLS_SKIP_VERIFY'],
    [
      'disable_challenge_verification',
      '[vault.azure]\ndisable_challenge_verification = true\n',
      'ENVDRIFT_AZURE_DISABLE',
    ],
    ['vault_url', '[vault.azure]\nvault_url = "https://evil.example/"\n', 'ENVDRIFT_VAULT_URL'],
    ['vault_url', '[vault.azure]\nvault_url = "https://evilvault.azure.net/"\n', 'ENVDRIFT_VAULT_URL'],
    ['vault_url', '[vault.azure]\nvault_url = "https://a.b.vault.azure.net/"\n', 'ENVDRIFT_VAULT_URL'],
    ['vault_url', '[vault.azure]\nvault_url = "https://myapp.vault.azure.net:8443/"\n', 'ENVDRIFT_VAULT_URL'],
    ['command', '[vault.local]\npassword = {command = ["touch", "pwned"]}\n', 'config.toml'],
    ['trusted_vaults', 'trusted_vaults = ["https://evil.example"]\n[vault.aws]\n', 'ENVDRIFT_TRUSTED_VAULTS'],
  ])('keeps %s from a repository file: %j', async (key, text, where) => {
    const place = await makePlace()
    const error = await failureOf(place, text + mapping())
    expect(error.code).toBe('CONFIG_NOT_ALLOWED')
    expect(error.message).toMatch(new RegExp(`^envdrift\\.toml:\\d:\\d+: ${key} `))
    expect(error.message).toContain(where)
    // The same through -c, and in pyproject.toml.
    expect((await place.fail({config: 'envdrift.toml'})).code).toBe('CONFIG_NOT_ALLOWED')
    await place.write('outside/envdrift.toml', text + mapping())
    expect((await place.fail({config: join(place.outside, 'envdrift.toml')})).code).toBe('CONFIG_NOT_ALLOWED')
  })

  it('keeps machine settings out of a declared vault, too, used or not', async () => {
    const error = await failureOf(
      await makePlace(),
      `[vault.aws]\n[vaults.x]\nprovider = "aws"\nendpoint_url = "https://evil.example"\n${mapping()}`,
    )
    expect(error.message).toMatch(/^envdrift\.toml:4:1: endpoint_url may not be set/)
  })

  it.each([
    ['aws', 'endpoint_url = "https://vpce.example"', {endpoint_url: 'https://vpce.example'}],
    ['gcp', 'api_endpoint = "localhost:9090"\nproject_id = "myapp-project"', {api_endpoint: 'localhost:9090'}],
    ['hashicorp', 'tls_skip_verify = true\nurl = "https://v.example"', {tls_skip_verify: true}],
    ['azure', 'vault_url = "https://localhost:8443"', {vault_url: 'https://localhost:8443/'}],
    ['local', 'password = {command = ["pass", "show", "x"]}', {password: {command: ['pass', 'show', 'x']}}],
  ])('takes them from the user file: %s %j', async (provider, lines, expected) => {
    const place = await makePlace()
    await place.write('home/.config/envdrift/config.toml', `[vault.${provider}]\n${lines}\n`)
    const {vaults} = await vaultsOf(place, `[vault]\nprovider = "${provider}"\n${mapping()}`)
    expect(vaults['default']).toMatchObject(expected)
  })

  it('takes them from variables', async () => {
    const {vaults} = await vaultsOf(
      await makePlace(),
      `[vault.aws]\n${mapping()}`,
      {},
      {
        ENVDRIFT_AWS_ENDPOINT_URL: ' https://localhost:4566 ',
      },
    )
    expect(vaults['default']).toMatchObject({endpoint_url: 'https://localhost:4566'})
  })

  it('does not trust a user file that lies in the repository, whatever XDG_CONFIG_HOME says', async () => {
    const place = await makePlace()
    await place.write('home/repo/.config/envdrift/config.toml', '[vault.aws]\nendpoint_url = "https://evil.example"\n')
    await symlink(join(place.repo, '.config'), join(place.home, 'linked'))
    await place.write('home/repo/envdrift.toml', `[vault.aws]\n${mapping()}`)
    for (const folder of [join(place.repo, '.config'), join(place.home, 'linked')]) {
      const error = await place.fail({}, {userConfigPath: join(folder, 'envdrift', 'config.toml')})
      expect(error.code).toBe('CONFIG_NOT_ALLOWED')
    }
    // The configuration itself may come from elsewhere: the pull request is in the working directory.
    const config = await place.write('outside/envdrift.toml', `[vault.aws]\n${mapping()}`)
    const userConfigPath = join(place.repo, '.config', 'envdrift', 'config.toml')
    expect((await place.fail({config}, {userConfigPath})).code).toBe('CONFIG_NOT_ALLOWED')
  })

  it('refuses a broken user file, and one with mistakes', async () => {
    const place = await makePlace()
    await place.write('home/repo/envdrift.toml', `[vault.aws]\n${mapping()}`)
    await place.write('home/.config/envdrift/config.toml', '[vault\n')
    expect((await place.fail()).code).toBe('CONFIG_SYNTAX')
    await place.write('home/.config/envdrift/config.toml', '[vault.aws]\nregion = 3\n')
    expect((await place.fail()).message).toMatch(/config\.toml:2:1: region must be text/)
  })

  it('C137 refuses a file that disagrees with VAULT_ADDR, and names both', async () => {
    const error = await failureOf(
      await makePlace(),
      `[vault.hashicorp]\nurl = "https://evil.example"\n${mapping()}`,
      {},
      {
        VAULT_ADDR: 'https://vault.example.com:8200',
      },
    )
    expect(error.code).toBe('VAULT_ADDRESS_CONFLICT')
    expect(error.message).toMatch(
      /^envdrift\.toml:2:1: url https:\/\/evil\.example and VAULT_ADDR https:\/\/vault\.example\.com:8200 differ/,
    )
  })

  it('C137 shows no login that hides in VAULT_ADDR', async () => {
    const error = await failureOf(
      await makePlace(),
      `[vault.hashicorp]\nurl = "https://vault.example.com"\n${mapping()}`,
      {},
      {VAULT_ADDR: 'https://dev:hunter2@vault.example.com'},
    )
    expect(error.code).toBe('VAULT_ADDRESS_CONFLICT')
    expect(error.message).not.toContain('hunter2')
  })

  it('C137 refuses a declared vault that disagrees with VAULT_ADDR', async () => {
    const error = await failureOf(
      await makePlace(),
      `[vault.hashicorp]\n[vaults.x]\nprovider = "hashicorp"\nurl = "https://evil.example"\n${mapping('vault_name = "x"')}`,
      {},
      {VAULT_ADDR: 'https://vault.example.com:8200'},
    )
    expect(error.code).toBe('VAULT_ADDRESS_CONFLICT')
  })

  it.each([
    ['https://VAULT.example.com:8200/', {VAULT_ADDR: 'https://vault.example.com:8200'}],
    ['https://vault.example.com:443', {VAULT_ADDR: ' https://vault.example.com/ '}],
    [
      'https://second.example',
      {VAULT_ADDR: 'https://first.example', ENVDRIFT_TRUSTED_VAULTS: 'https://first.example,https://second.example/'},
    ],
  ])('C137 accepts %j with %j', async (url, env) => {
    const {warnings} = await vaultsOf(
      await makePlace(),
      `[vault.hashicorp]\nurl = "${url}"\n${mapping()}`,
      {ci: true},
      env,
    )
    expect(warnings).toEqual([])
  })

  it.each<[string, Record<string, string>, string | undefined]>([
    ['https://mine.example', {}, 'CONFIG_NOT_ALLOWED'],
    ['https://evil.example', {}, undefined],
    ['https://mine.example', {VAULT_ADDR: 'https://evil.example'}, undefined],
    ['https://evil.example', {VAULT_ADDR: 'https://mine.example'}, 'VAULT_ADDRESS_CONFLICT'],
  ])('C137 a user file with url %j pins as VAULT_ADDR does, and %j stands over it', async (url, env, code) => {
    const place = await makePlace()
    await place.write('home/.config/envdrift/config.toml', `[vault.hashicorp]\nurl = "${url}"\n`)
    const text = `[vault.hashicorp]\nurl = "https://evil.example/"\n${mapping()}`
    const read = async () => (await vaultsOf(place, text, {ci: true}, env)).warnings
    const outcome = await read().catch((error: unknown) => (error as {code: string}).code)
    expect(outcome).toEqual(code ?? [])
  })

  it('C137 a user file pins for a vault that both files declare', async () => {
    const place = await makePlace()
    const declared = (url: string) => `[vaults.team]\nprovider = "hashicorp"\nurl = "${url}"\n`
    await place.write('home/.config/envdrift/config.toml', declared('https://mine.example'))
    const text = `[vault.hashicorp]\n${declared('https://evil.example')}${mapping('vault_name = "team"')}`
    expect((await failureOf(place, text)).code).toBe('CONFIG_NOT_ALLOWED')
  })

  const loose = 'tls_skip_verify = true\nca_file = "/ca.pem"\n'

  it.each<[string, string, Record<string, string>, boolean]>([
    ['no address, and nobody names that of the repository', `[vault.hashicorp]\n${loose}`, {}, false],
    [
      'another address, though that of the repository is trusted, too',
      `trusted_vaults = ["https://file.example"]\n[vault.hashicorp]\nurl = "https://mine.example"\n${loose}`,
      {},
      false,
    ],
    ['the same address', `[vault.hashicorp]\nurl = "https://FILE.example:443/"\n${loose}`, {}, true],
    ['no address, and VAULT_ADDR names it', `[vault.hashicorp]\n${loose}`, {VAULT_ADDR: 'https://file.example'}, true],
    [
      'no address, and trusted_vaults names it',
      `trusted_vaults = ["https://file.example"]\n[vault.hashicorp]\n${loose}`,
      {},
      true,
    ],
  ])('the TLS settings of a user file with %s are used or warned of', async (_, user, env, isUsed) => {
    const place = await makePlace()
    await place.write('home/.config/envdrift/config.toml', user)
    const text = `[vault.hashicorp]\nurl = "https://file.example"\n${mapping()}`
    const {vaults, warnings} = await vaultsOf(place, text, {}, env)
    expect([
      vaults['default']?.['tls_skip_verify' as 'provider'],
      vaults['default']?.['ca_file' as 'provider'],
    ]).toEqual(isUsed ? [true, '/ca.pem'] : [undefined, undefined])
    const said = warnings.filter((text) => text.includes('of your user file are not used for https://file.example'))
    expect(said).toHaveLength(isUsed ? 0 : 1)
  })

  it('a repository takes no TLS setting of the user file from an agent by naming an address', async () => {
    const place = await makePlace()
    await place.write('home/.config/envdrift/config.toml', `[vault.hashicorp]\n${loose}`)
    const text = `[vault.hashicorp]\nurl = "https://file.example"\n${mapping()}`
    const {vaults} = await vaultsOf(place, text, {}, {VAULT_AGENT_ADDR: 'https://agent.example'})
    expect(vaults['default']).toMatchObject({url: 'https://agent.example', tls_skip_verify: true, ca_file: '/ca.pem'})
    // Asked directly, it is the repository's address, for which they were not meant.
    const machine = {VAULT_AGENT_ADDR: 'https://agent.example', VAULT_ADDR: 'https://mine.example'}
    await place.write(
      'home/.config/envdrift/config.toml',
      `trusted_vaults = ["https://file.example"]\n[vault.hashicorp]\nurl = "https://mine.example"\n${loose}`,
    )
    const direct = await vaultsOf(place, text, {}, machine)
    expect(direct.vaults['default']).toEqual({
      provider: 'hashicorp',
      url: 'https://file.example',
      mount: 'secret',
      auth: 'token',
    })
  })

  it('an agent is asked for one server only, of however many vaults files declare', async () => {
    const declared = (url: string): string =>
      `[vault.hashicorp]\nurl = "https://file.example"\n[vaults.team]\nprovider = "hashicorp"\nurl = "${url}"\n${mapping()}${mapping('vault_name = "team"', 'other-key')}`
    const env = {VAULT_AGENT_ADDR: 'https://agent.example'}
    expect(await failureOf(await makePlace(), declared('https://other.example'), {}, env)).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('https://file.example, https://other.example'),
    })
    expect((await vaultsOf(await makePlace(), declared('https://file.example/'), {}, env)).routes).toHaveLength(2)
    // What a flag names is not asked through the agent, so one server is left.
    const flags = {vaultUrl: 'https://other.example'}
    expect(
      (
        await vaultsOf(await makePlace(), declared('https://file.example'), flags, {
          ...env,
          ENVDRIFT_TRUSTED_VAULTS: 'https://file.example',
        })
      ).vaults,
    ).toMatchObject({default: {url: 'https://other.example'}, team: {url: 'https://agent.example'}})
  })

  it('an agent is asked for one server only, also when each profile has one of its own', async () => {
    const vault = (name: string): string =>
      `[vaults.${name}]\nprovider = "hashicorp"\nurl = "https://${name}.example"\n`
    const mapped = (name: string): string => mapping(`vault_name = "${name}"\nprofile = "${name}"`)
    const text = `[vault]\nprovider = "hashicorp"\n${vault('prod')}${vault('dev')}${mapped('prod')}${mapped('dev')}`
    const env = {VAULT_AGENT_ADDR: 'https://agent.example'}
    const failure = await failureOf(await makePlace(), text, {profile: 'prod'}, env)
    expect(failure).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('https://prod.example, https://dev.example'),
    })
    const all = `${text}${mapping('vault_name = "prod"', 'two')}${mapping('vault_name = "dev"', 'three')}`
    const {message} = await failureOf(await makePlace(), all, {}, env)
    expect(message.split('leads to one server')).toHaveLength(2)
  })

  it('the challenge of another Azure vault is verified, whatever the user file says of its own', async () => {
    const place = await makePlace()
    const user = '[vault.azure]\nvault_url = "https://mine.vault.azure.net/"\ndisable_challenge_verification = true\n'
    await place.write('home/.config/envdrift/config.toml', user)
    const {vaults, warnings} = await vaultsOf(
      place,
      `[vault.azure]\nvault_url = "https://file.vault.azure.net/"\n${mapping()}`,
    )
    expect(vaults['default']).not.toHaveProperty('disable_challenge_verification')
    expect(warnings).toEqual([expect.stringContaining('disable_challenge_verification of your user file is not used')])
  })

  it('C137 lets --vault-url decide', async () => {
    const {vaults, warnings} = await vaultsOf(
      await makePlace(),
      `[vault.hashicorp]\nurl = "https://file.example"\n${mapping()}`,
      {vaultUrl: 'https://flag.example', ci: true},
      {VAULT_ADDR: 'https://env.example'},
    )
    expect(vaults['default']).toMatchObject({url: 'https://flag.example'})
    expect(warnings).toEqual([])
  })

  it('C137 in CI without a pin warns, and names the pin', async () => {
    const place = await makePlace()
    const text = `[vault.hashicorp]\nurl = "https://vault.example.com:8200"\n${mapping()}`
    for (const [flags, env] of [
      [{ci: true}, {}],
      [{}, {CI: 'true'}],
      [{}, {TF_BUILD: 'True'}],
    ] as const) {
      const {warnings} = await vaultsOf(place, text, flags, env)
      expect(warnings).toEqual([
        expect.stringMatching(/https:\/\/vault\.example\.com:8200 .*VAULT_ADDR or ENVDRIFT_TRUSTED_VAULTS/),
      ])
    }
    expect((await vaultsOf(place, text, {}, {CI: 'false'})).warnings).toEqual([])
  })

  it('C137 trusted_vaults, once set, refuses others from the repository', async () => {
    const place = await makePlace()
    await place.write('home/.config/envdrift/config.toml', 'trusted_vaults = ["https://vault.example.com:8200/"]\n')
    const text = (url: string): string => `[vault.hashicorp]\nurl = "${url}"\n${mapping()}`
    expect((await vaultsOf(place, text('https://vault.example.com:8200'), {ci: true})).warnings).toEqual([])
    expect(await failureOf(place, text('https://evil.example'))).toMatchObject({
      code: 'CONFIG_NOT_ALLOWED',
      message: expect.stringContaining(
        'is none of the addresses that this machine trusts (https://vault.example.com:8200)',
      ),
    })
    // The variable stands over the user file.
    const env = {ENVDRIFT_TRUSTED_VAULTS: 'https://evil.example'}
    expect((await vaultsOf(place, text('https://evil.example'), {}, env)).vaults['default']).toBeDefined()
    expect((await failureOf(place, text('https://vault.example.com:8200'), {}, env)).code).toBe('CONFIG_NOT_ALLOWED')
  })

  it.each<[string, ConfigFlags, Record<string, string>]>([
    ['--vault-url', {vaultUrl: 'https://vault.corp.example'}, {}],
    ['ENVDRIFT_VAULT_URL', {}, {ENVDRIFT_VAULT_URL: 'https://vault.corp.example'}],
  ])('C137 %s pins: a vault that the repository declares elsewhere gets no token', async (_, flags, env) => {
    const declared = (url: string): string =>
      `[vault]\nprovider = "hashicorp"\n[vaults.other]\nprovider = "hashicorp"\nurl = "${url}"\n[vault.sync]\ndefault_vault_name = "other"\n${mapping()}`
    expect(await failureOf(await makePlace(), declared('https://evil.example'), flags, env)).toMatchObject({
      code: 'CONFIG_NOT_ALLOWED',
      message: expect.stringContaining('https://vault.corp.example'),
    })
    const same = await vaultsOf(await makePlace(), declared('https://vault.corp.example/'), flags, env)
    expect(same.vaults['other']).toBeDefined()
  })

  it.each<[string, string, ConfigFlags, Record<string, string>]>([
    ['aws', 'region = "eu-west-1"', {}, {ENVDRIFT_VAULT_URL: 'https://vault.corp.example'}],
    ['azure', '', {vaultUrl: 'https://vault.corp.example'}, {}],
  ])('C137 pins too when the repository says that its own vault is one of %s', async (provider, line, flags, env) => {
    const declared = `[vault]\nprovider = "${provider}"\n[vault.${provider}]\n${line}\n[vaults.evil]\nprovider = "hashicorp"\nurl = "https://evil.example"\n${mapping('vault_name = "evil"\n')}`
    expect(await failureOf(await makePlace(), declared, flags, env)).toMatchObject({
      code: 'CONFIG_NOT_ALLOWED',
      message: expect.stringContaining('https://vault.corp.example'),
    })
  })

  it('C137 an address of an Azure vault pins no HashiCorp Vault', async () => {
    const declared = `[vault]\nprovider = "azure"\n[vaults.other]\nprovider = "hashicorp"\nurl = "https://vault.corp.example"\n${mapping('vault_name = "other"\n')}`
    const env = {ENVDRIFT_VAULT_URL: 'https://myapp.vault.azure.net'}
    expect((await vaultsOf(await makePlace(), declared, {}, env)).vaults['other']).toBeDefined()
  })

  it('takes slashes by the thousand in linear time, and no control character in a namespace', async () => {
    const slashes = '/'.repeat(400_000)
    const text = (more: string): string => `[vault.hashicorp]\nurl = "https://vault.example.com"\n${more}\n${mapping()}`
    const error = await failureOf(await makePlace(), text(`mount = "a${slashes}b"`))
    expect(error.code).toBe('CONFIG_INVALID')
    expect((await failureOf(await makePlace(), text(String.raw`namespace = "a\nX-Evil: 1"`))).message).toContain(
      'control character',
    )
  })

  it('C137 refuses ENVDRIFT_TRUSTED_VAULTS that is no list of addresses', async () => {
    const error = await failureOf(
      await makePlace(),
      `[vault.aws]\n${mapping()}`,
      {},
      {ENVDRIFT_TRUSTED_VAULTS: 'vault.example.com'},
    )
    expect(error.message).toContain('ENVDRIFT_TRUSTED_VAULTS must be addresses')
  })

  it.each([
    [{NODE_TLS_REJECT_UNAUTHORIZED: '0'}, 'NODE_TLS_REJECT_UNAUTHORIZED'],
    [{VAULT_SKIP_VERIFY: '1'}, 'VAULT_SKIP_VERIFY'],
    [{VAULT_SKIP_VERIFY: ' true '}, 'VAULT_SKIP_VERIFY'],
    [{ENVDRIFT_HASHICORP_TLS_SKIP_VERIFY: 'TRUE'}, 'tls_skip_verify'],
  ])('C136 warns of %j on every run', async (env, named) => {
    const place = await makePlace()
    const text = `[vault.hashicorp]\nurl = "https://v.example"\n${mapping()}`
    for (let run = 0; run < 2; run++) {
      const {warnings, vaults} = await vaultsOf(place, text, {}, env)
      expect(warnings).toEqual([expect.stringContaining(named)])
      expect('tls_skip_verify' in vaults['default']!).toBe(named !== 'NODE_TLS_REJECT_UNAUTHORIZED')
    }
  })

  it('C136 stays silent about VAULT_SKIP_VERIFY=false, and refuses what is neither', async () => {
    const place = await makePlace()
    const text = `[vault.hashicorp]\nurl = "https://v.example"\n${mapping()}`
    expect((await vaultsOf(place, text, {}, {VAULT_SKIP_VERIFY: 'false'})).warnings).toEqual([])
    expect((await failureOf(place, text, {}, {VAULT_SKIP_VERIFY: 'yes'})).message).toContain(
      'VAULT_SKIP_VERIFY must be',
    )
  })

  it.each([
    ['http://vault.example.com:8200', 1],
    ['http://127.0.0.1:8200', 0],
    ['http://localhost:8200', 0],
    ['http://[::1]:8200', 0],
  ])('warns of an address without encryption unless it is this machine: %s', async (url, count) => {
    const {warnings} = await vaultsOf(await makePlace(), `[vault.hashicorp]\nurl = "${url}"\n${mapping()}`)
    expect(warnings).toHaveLength(count)
  })
})

describe('precedence', () => {
  const url = (name: string): string => `https://${name}.vault.azure.net/`
  const settings = [
    {
      setting: 'vault_url',
      provider: 'azure',
      rest: '',
      flag: {vaultUrl: url('flag')},
      variable: ['ENVDRIFT_VAULT_URL', url('variable')],
      file: url('file'),
      user: url('user'),
    },
    {
      setting: 'url',
      provider: 'hashicorp',
      rest: '',
      flag: {vaultUrl: 'https://flag.example'},
      variable: ['ENVDRIFT_VAULT_URL', 'https://variable.example'],
      file: 'https://file.example',
      user: 'https://user.example',
    },
    {
      setting: 'region',
      provider: 'aws',
      rest: '',
      flag: {region: 'us-west-1'},
      variable: ['ENVDRIFT_REGION', 'us-west-2'],
      file: 'eu-west-1',
      user: 'eu-west-2',
    },
    {
      setting: 'project_id',
      provider: 'gcp',
      rest: '',
      flag: {projectId: 'flag-project'},
      variable: ['ENVDRIFT_PROJECT_ID', 'variable-project'],
      file: 'file-project',
      user: 'user-project',
    },
    {
      setting: 'mount',
      provider: 'hashicorp',
      rest: 'url = "https://v.example"',
      flag: undefined,
      variable: ['ENVDRIFT_HASHICORP_MOUNT', 'variable/kv'],
      file: 'file/kv',
      user: 'user/kv',
    },
    {
      setting: 'namespace',
      provider: 'hashicorp',
      rest: 'url = "https://v.example"',
      flag: undefined,
      variable: ['ENVDRIFT_HASHICORP_NAMESPACE', 'variable'],
      file: 'file',
      user: 'user',
    },
    {
      setting: 'profile',
      provider: 'aws',
      rest: '',
      flag: undefined,
      variable: ['ENVDRIFT_AWS_PROFILE', 'variable'],
      file: 'file',
      user: 'user',
    },
  ] as const

  it.each(settings)(
    '$provider $setting: flag, variable, repository file, user file',
    async ({setting, provider, rest, flag, variable, file, user}) => {
      const place = await makePlace()
      const table = (value: string): string =>
        `[vault]\nprovider = "${provider}"\n[vault.${provider}]\n${setting} = "${value}"\n${rest}\n`
      // Else the address of the user file would be the only one that may get a token.
      const trusted = setting === 'url' ? `trusted_vaults = ["${file}"]\n` : ''
      await place.write('home/.config/envdrift/config.toml', trusted + table(user))
      const env = {[variable[0]]: ` ${variable[1]} `}
      const seen = async (text: string, flags: ConfigFlags, environment: Record<string, string>) =>
        (await vaultsOf(place, text, flags, environment)).vaults['default']?.[setting as 'provider']
      const inFile = table(file) + mapping()
      const without = `[vault]\nprovider = "${provider}"\n${mapping()}`
      const plain = (value: string): string => (setting === 'url' ? value.replace(/\/$/, '') : value)
      // Not every setting has a flag; then the variable is the most powerful.
      expect(await seen(inFile, flag ?? {}, env)).toBe(plain(Object.values(flag ?? {})[0] ?? variable[1]))
      expect(await seen(inFile, {}, env)).toBe(plain(variable[1]))
      expect(await seen(inFile, {}, {[variable[0]]: '  '})).toBe(plain(file))
      expect(await seen(without, {}, {})).toBe(plain(user))
    },
  )

  it.each([
    ['max_workers', 'maxWorkers', '3', 3, '5', 5, '7', 7, 16],
    ['backups', 'backups', '3', 3, '5', 5, '7', 7, 10],
    ['timeout', 'callTimeoutMs', '3', 3000, '5', 5000, '7', 7000, 20_000],
    ['coverage', 'coverage', 'report', 'report', '"required"', 'required', '"report"', 'report', 'report'],
    ['env_keys_filename', 'envKeysFilename', 'v', 'v', '"f"', 'f', '"u"', 'u', '.env.keys'],
  ] as const)(
    '%s: variable, repository file, user file, default',
    async (key, property, inVariable, variable, inFile, file, inUser, user, otherwise) => {
      const place = await makePlace()
      const text = (value?: string): string =>
        `[vault.aws]\n[vault.sync]\n${value === undefined ? '' : `${key} = ${value}\n`}${mapping()}`
      const seen = async (env: Record<string, string> = {}) => (await place.load({}, {env}))[property]
      await place.write('home/repo/envdrift.toml', text())
      expect(await seen()).toBe(otherwise)
      await place.write('home/.config/envdrift/config.toml', `[vault.sync]\n${key} = ${inUser}\n`)
      expect(await seen()).toBe(user)
      await place.write('home/repo/envdrift.toml', text(inFile))
      expect(await seen()).toBe(file)
      expect(await seen({[`ENVDRIFT_${key.toUpperCase()}`]: inVariable})).toBe(variable)
      expect(await seen({[`ENVDRIFT_${key.toUpperCase()}`]: ' '})).toBe(file)
    },
  )

  it.each([
    ['ENVDRIFT_MAX_WORKERS', 'many'],
    ['ENVDRIFT_MAX_WORKERS', '1e9'],
    ['ENVDRIFT_TIMEOUT', '-1'],
    ['ENVDRIFT_EPHEMERAL_KEYS', 'no'],
    ['ENVDRIFT_COVERAGE', 'all'],
    ['ENVDRIFT_HASHICORP_KV_VERSION', '3'],
    ['ENVDRIFT_HASHICORP_TLS_SKIP_VERIFY', 'yes'],
    ['ENVDRIFT_PROVIDER', 'vault'],
  ])('refuses %s=%s by its name', async (name, value) => {
    const error = await failureOf(
      await makePlace(),
      `[vault.hashicorp]\nurl = "https://v.example"\n${mapping()}`,
      {},
      {[name]: value},
    )
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toMatch(new RegExp(`^${name}`))
  })

  it('the provider: flag, variable, repository file, user file', async () => {
    const place = await makePlace()
    const providerOf = async (text: string, flags: ConfigFlags, env: Record<string, string> = {}) =>
      (await vaultsOf(place, text, flags, {...env, GOOGLE_CLOUD_PROJECT: 'myapp-project'})).vaults['default']?.provider
    await place.write('home/.config/envdrift/config.toml', '[vault]\nprovider = "local"\n')
    expect(await providerOf(mapping(), {})).toBe('local')
    const inFile = `[vault]\nprovider = "gcp"\n${mapping()}`
    expect(await providerOf(inFile, {})).toBe('gcp')
    expect(await providerOf(`[vault.gcp]\n${mapping()}`, {})).toBe('gcp')
    expect(await providerOf(inFile, {}, {ENVDRIFT_PROVIDER: ' aws '})).toBe('aws')
    expect(await providerOf(inFile, {provider: 'local'}, {ENVDRIFT_PROVIDER: 'aws'})).toBe('local')
  })

  it('ENVDRIFT_CONFIG names the file, and -c stands over it', async () => {
    const place = await makePlace()
    for (const name of ['found', 'variable', 'flag']) {
      await place.write(`home/repo/${name === 'found' ? 'envdrift' : name}.toml`, `[vault.aws]\n${mapping('', name)}`)
    }
    const seen = async (flags: ConfigFlags, env: Record<string, string>) =>
      (await place.load(flags, {env})).mappings[0]?.ref.name
    expect(await seen({}, {})).toBe('found')
    expect(await seen({}, {ENVDRIFT_CONFIG: 'variable.toml'})).toBe('variable')
    expect(await seen({config: 'flag.toml'}, {ENVDRIFT_CONFIG: 'variable.toml'})).toBe('flag')
  })

  it('merges a declared vault from both files, the repository first', async () => {
    const place = await makePlace()
    await place.write(
      'home/.config/envdrift/config.toml',
      '[vaults.team]\nprovider = "aws"\nregion = "us-west-2"\nendpoint_url = "https://vpce.example"\n',
    )
    const {vaults} = await vaultsOf(
      place,
      `[vault.aws]\n[vaults.team]\nprovider = "aws"\nregion = "eu-west-1"\n${mapping('vault_name = "team"')}`,
    )
    expect(vaults).toEqual({team: {provider: 'aws', region: 'eu-west-1', endpoint_url: 'https://vpce.example'}})
  })

  it('takes mappings from the user file when there is no other, relative to it', async () => {
    const place = await makePlace()
    await place.write('home/.config/envdrift/config.toml', `[vault.aws]\n${mapping()}`)
    expect(await place.load()).toMatchObject({path: place.userFile, base: join(place.home, '.config/envdrift')})
    await place.write('home/repo/envdrift.toml', '[vault.aws]\n')
    expect((await place.fail()).code).toBe('NOTHING_TO_DO')
  })
})

describe('the embedded vault', () => {
  it('lies next to the configuration unless a path is set', async () => {
    const place = await makePlace()
    const pathOf = async (table: string, env: Record<string, string> = {}) =>
      (await vaultsOf(place, `[vault.local]\n${table}${mapping()}`, {}, env)).vaults['default']?.['path' as 'provider']
    expect(await pathOf('')).toBe(join(place.repo, '.envdrift/vault'))
    expect(await pathOf('path = "secrets"\n')).toBe(join(place.repo, 'secrets'))
    expect(await pathOf('path = "secrets"\n', {ENVDRIFT_VAULT_PATH: '../elsewhere'})).toBe(
      join(place.home, 'elsewhere'),
    )
  })

  it('does not lie outside of the repository because a file of it says so', async () => {
    const place = await makePlace()
    const text = (path: string): string => `[vault.local]\npath = "${path}"\n${mapping()}`
    await symlink(place.outside, join(place.repo, 'leaving'))
    for (const path of ['../elsewhere', '/elsewhere', 'leaving/vault']) {
      expect((await failureOf(place, text(path))).message).toMatch(
        /^envdrift\.toml:2:1: path leads out of the repository/,
      )
    }
    await symlink(place.outside, join(place.repo, '.envdrift'))
    expect((await failureOf(place, `[vault.local]\n${mapping()}`)).message).toContain(
      'path leads out of the repository',
    )
  })

  it.each([
    ['{env = "TEAM_VAULT_PASSWORD"}', {env: 'TEAM_VAULT_PASSWORD'}],
    ['{file = "/run/secrets/vault-pw"}', {file: '/run/secrets/vault-pw'}],
  ])('takes password = %s from a repository file', async (password, expected) => {
    const {vaults} = await vaultsOf(await makePlace(), `[vault.local]\npassword = ${password}\n${mapping()}`)
    expect(vaults['default']).toMatchObject({password: expected})
  })

  it.each(['"hunter2"', '{}', '{env = "A", file = "b"}', '{prompt = true}', '{env = 3}', '{env = ""}'])(
    'refuses password = %s, and shows nothing of it',
    async (password) => {
      const error = await failureOf(await makePlace(), `[vault.local]\npassword = ${password}\n${mapping()}`)
      expect(error.code).toBe('CONFIG_INVALID')
      expect(error.message).not.toContain('hunter2')
    },
  )

  it('can be had by itself, with and without a configuration, mappings or not', async () => {
    const place = await makePlace()
    const bare = await loadVault('local', {}, place.port(), specs)
    expect(bare).toMatchObject({
      vault: {name: 'default', provider: 'local', settings: {path: join(place.repo, '.envdrift/vault')}},
      base: place.repo,
      repository: place.repo,
    })
    await place.write('home/repo/envdrift.toml', '[vault]\nprovider = "aws"\n[vault.local]\npath = "v"\n')
    await mkdir(join(place.repo, 'deep'))
    const configured = await loadVault('local', {}, place.port({cwd: join(place.repo, 'deep')}), specs)
    expect(configured.vault.settings).toEqual({path: join(place.repo, 'v')})
  })
})
