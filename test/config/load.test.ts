import {mkdir, symlink} from 'node:fs/promises'
import {join} from 'node:path'

import {describe, expect, it} from 'vitest'

import {makePlace} from './place.ts'

const azureTable = `[vault.azure]
vault_url = "https://myapp-vault.vault.azure.net/"
`
const oneMapping = `[[vault.sync.mappings]]
secret_name = "myapp-key"
folder_path = "services/myapp"
`

describe('finding the configuration', () => {
  it('C87 names every way to configure when nothing is found upward', async () => {
    const {fail} = await makePlace()
    const error = await fail()
    expect(error.code).toBe('CONFIG_NOT_FOUND')
    expect(error.message).toContain('envdrift.toml')
    expect(error.suggestions.join('\n')).toMatch(/envdrift\.toml[^]*pyproject\.toml[^]*envdrift sync -c [^]*pair\.txt/)
  })

  it('C87 comes before any word about flags', async () => {
    const {fail} = await makePlace()
    expect((await fail({region: 'eu-west-1'})).code).toBe('CONFIG_NOT_FOUND')
  })

  it('C87 says which named file is missing', async () => {
    const {fail} = await makePlace()
    expect(await fail({config: 'nowhere.toml'})).toMatchObject({
      code: 'CONFIG_NOT_FOUND',
      message: expect.stringContaining('nowhere.toml'),
    })
  })

  it('C94 prefers the near pyproject.toml over the far envdrift.toml', async () => {
    const {write, load, repo} = await makePlace()
    await write('home/repo/envdrift.toml', azureTable + oneMapping.replace('myapp-key', 'far-key'))
    await write(
      'home/repo/api/pyproject.toml',
      `[tool.envdrift.vault.azure]
vault_url = "https://myapp-vault.vault.azure.net/"
[[tool.envdrift.vault.sync.mappings]]
secret_name = "near-key"
folder_path = "."
`,
    )
    const config = await load({}, {cwd: join(repo, 'api')})
    expect(config.mappings.map(({ref}) => ref.name)).toEqual(['near-key'])
    expect(config.mappings[0]?.line).toBe(3)
  })

  it('C94 prefers envdrift.toml over a pyproject.toml beside it', async () => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', azureTable + oneMapping)
    await write('home/repo/pyproject.toml', '[tool.envdrift]\nvault = "never read"\n')
    expect((await load()).path).toMatch(/envdrift\.toml$/)
  })

  it('C94 passes a pyproject.toml that has no [tool.envdrift], broken or not', async () => {
    const {write, load, repo} = await makePlace()
    await write('home/repo/envdrift.toml', azureTable + oneMapping)
    await write('home/repo/api/pyproject.toml', '[tool.black]\nline-length = 100\n')
    await write('home/repo/api/deep/pyproject.toml', '[tool.black\n')
    expect((await load({}, {cwd: join(repo, 'api', 'deep')})).path).toBe(join(repo, 'envdrift.toml'))
  })

  it('C94 stops at a broken pyproject.toml that speaks of envdrift', async () => {
    const {write, fail, repo} = await makePlace()
    await write('home/repo/envdrift.toml', azureTable + oneMapping)
    await write('home/repo/api/pyproject.toml', '[tool.envdrift\n')
    expect((await fail({}, {cwd: join(repo, 'api')})).code).toBe('CONFIG_SYNTAX')
  })

  it('C95 goes on past a directory named envdrift.toml', async () => {
    const {write, load, repo} = await makePlace()
    await write('home/repo/envdrift.toml', azureTable + oneMapping)
    await mkdir(join(repo, 'api', 'envdrift.toml'), {recursive: true})
    expect((await load({}, {cwd: join(repo, 'api')})).path).toBe(join(repo, 'envdrift.toml'))
  })

  it('C95 refuses a directory that -c names', async () => {
    const {fail} = await makePlace()
    expect((await fail({config: '.git'})).code).toBe('CONFIG_UNREADABLE')
  })

  it.each([
    ['a directory', (repo: string) => mkdir(join(repo, '.git'), {recursive: true})],
    [
      'a file, as in a worktree',
      async (_: string, write: (path: string, text: string) => Promise<string>) =>
        write('home/repo/inner/.git', 'gitdir: x'),
    ],
  ])('stops at the root of the repository, where .git is %s', async (_, make) => {
    const {write, fail, repo} = await makePlace()
    await write('home/repo/envdrift.toml', azureTable + oneMapping)
    const inner = join(repo, 'inner')
    await mkdir(join(inner, 'deep'), {recursive: true})
    await make(inner, write)
    expect((await fail({}, {cwd: join(inner, 'deep')})).code).toBe('CONFIG_NOT_FOUND')
  })

  it('stops at the home directory, so that nothing planted above it is read', async () => {
    const {write, fail, home} = await makePlace()
    await write('envdrift.toml', azureTable + oneMapping)
    await mkdir(join(home, 'work'))
    expect((await fail({}, {cwd: join(home, 'work')})).code).toBe('CONFIG_NOT_FOUND')
  })

  it('C96 takes folders relative to the configuration file, from a subdirectory and through -c alike', async () => {
    const {write, load, repo} = await makePlace()
    await write('home/repo/envdrift.toml', azureTable + oneMapping)
    await mkdir(join(repo, 'api'))
    const fromBelow = await load({}, {cwd: join(repo, 'api')})
    const named = await load({config: '../envdrift.toml'}, {cwd: join(repo, 'api')})
    for (const config of [fromBelow, named]) {
      expect(config).toMatchObject({base: repo, repository: repo})
      expect(config.mappings[0]).toMatchObject({folderPath: 'services/myapp', folder: join(repo, 'services/myapp')})
    }
  })

  it('C101 reads a bare [[mappings]] file, with the settings beside them', async () => {
    const {write, load} = await makePlace()
    await write(
      'home/repo/sync.toml',
      'env_keys_filename = "keys.txt"\n[[mappings]]\nsecret_name = "team/myapp"\nfolder_path = "."\n',
    )
    const config = await load({config: 'sync.toml', provider: 'aws'})
    expect(config).toMatchObject({envKeysFilename: 'keys.txt', mappings: [{ref: {name: 'team/myapp'}, line: 2}]})
    expect(config.warnings).toEqual([])
  })

  it('reads a file with a byte order mark and CRLF, and still counts its lines', async () => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', `\ufeff${(azureTable + oneMapping).replaceAll('\n', '\r\n')}`)
    expect((await load()).mappings[0]?.line).toBe(3)
  })
})

describe('mistakes', () => {
  it('C88 names file, line and column of a syntax error, and quotes nothing', async () => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', '[vault]\nprovider = "aws"\npassword = hunter2-myapp\n')
    const error = await fail()
    expect(error.code).toBe('CONFIG_SYNTAX')
    expect(error.message).toMatch(/^TOML syntax error in envdrift\.toml:3:\d+: /)
    expect(error.message).not.toContain('hunter2')
  })

  it('C89 tells all offenders at once, each with file, line and column', async () => {
    const {write, fail} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `${azureTable}
[vault.sync]
max_workers = 0
ephemeral_keys = "no"

[[vault.sync.mappings]]
folder_path = "services/myapp"

[[vault.sync.mappings]]
secret_name = "auth-key"
folder_path = 123
environment = "x y"
`,
    )
    const error = await fail()
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message.split('\n')).toEqual([
      '5 mistakes in the configuration:',
      '  envdrift.toml:5:1: max_workers must be a whole number from 1 to 256',
      '  envdrift.toml:6:1: ephemeral_keys must be true or false, without quotes',
      '  envdrift.toml:8:3: secret_name is missing: name the secret as it is in the vault',
      '  envdrift.toml:13:1: folder_path must be text in quotes',
      expect.stringMatching(/^ {2}envdrift\.toml:14:1: environment may hold letters/),
    ])
  })

  it.each([
    ['vault = "x"\n', /envdrift\.toml:1:1: vault must be a table/],
    ['[vault.sync]\nmappings = [123]\n', /envdrift\.toml:2:13: mapping 1 must be a table of its own/],
    ['[vault.sync]\nmappings = "all"\n', /envdrift\.toml:2:1: mappings must be a list of tables/],
    ['[vault]\nprovider = 3\n', /envdrift\.toml:2:1: provider must be text in quotes/],
    ['[vault]\nprovider = "aws"\nsync = 3\n', /envdrift\.toml:3:1: vault\.sync must be a table/],
    ['vaults = 3\n', /envdrift\.toml:1:1: vaults must be a table/],
    ['[vaults.a]\nregion = "eu-west-1"\n', /envdrift\.toml:1:2: \[vaults\.a\] has no provider/],
    ['[vaults.default]\nprovider = "aws"\n', /envdrift\.toml:1:2: the name "default" is taken/],
    ['[vaults."a b"]\nprovider = "aws"\n', /envdrift\.toml:1:2: the vault name "a b" may hold/],
  ])('C89 points at %j', async (text, expected) => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', text)
    const error = await fail()
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toMatch(expected)
  })

  it('C89 shows control characters of the file escaped', async () => {
    const {write, fail} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `${azureTable}[[vault.sync.mappings]]\nsecret_name = "a\\n::error::\\u001b[31m"\nfolder_path = "."\n`,
    )
    expect((await fail()).message).toContain(String.raw`a\n:\:error:\:\x1b[31m`)
  })

  it('C90 warns of unknown keys with a suggestion, and goes on', async () => {
    const {write, load} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `${azureTable}[vault.sync]\nephemerl_keys = true\n${oneMapping}enviroment = "staging"\n[vault.azur]\n[telemetry]\n`,
    )
    const config = await load()
    expect(config.warnings).toEqual([
      'envdrift.toml:4:1: unknown key "ephemerl_keys" in [vault.sync]: did you mean ephemeral_keys?',
      'envdrift.toml:8:1: unknown key "enviroment" in a mapping: did you mean environment?',
      'envdrift.toml:9:2: unknown key "azur" in [vault]: did you mean azure?',
      'envdrift.toml:10:2: unknown key "telemetry" in a configuration: it has no effect',
    ])
  })

  it('C139 stays silent about a configuration of the Python tool, with all its sections', async () => {
    const {write, load} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `[envdrift]
schema = "config.settings:Settings"
environments = ["development", "production"]
env_file_pattern = ".env.{environment}"
[validation]
check_encryption = true
[guard]
scanners = ["native"]
[guardian]
enabled = true
[encryption]
backend = "dotenvx"
[encryption.dotenvx]
auto_install = true
[partial_encryption]
enabled = true
[git_hook_check]
method = "precommit.yaml"
[precommit]
files = [".env.production"]
[vault]
provider = "azure"
[vault.azure]
vault_url = "https://my-keyvault.vault.azure.net/"
[vault.aws]
region = "us-east-1"
[vault.hashicorp]
url = "https://vault.example.com:8200"
[vault.gcp]
project_id = "my-gcp-project"
[vault.sync]
default_vault_name = "my-keyvault"
env_keys_filename = ".env.keys"
max_workers = 4
ephemeral_keys = false
[[vault.sync.mappings]]
secret_name = "service2-key"
folder_path = "services/service2"
vault_name = "other-vault"
environment = "staging"
[[vault.sync.mappings]]
secret_name = "local-dev-key"
folder_path = "."
profile = "local"
activate_to = ".env"
ephemeral_keys = true
env_file = "local.env"
`,
    )
    const config = await load({profile: 'local'})
    expect(config.warnings).toEqual([])
    expect(config.mappings).toMatchObject([
      {environment: 'staging'},
      {profile: 'local', ephemeral: true, envFile: 'local.env'},
    ])
  })

  it('C139 stays silent about the core keys that stand right in [tool.envdrift]', async () => {
    const {write, load} = await makePlace()
    await write(
      'home/repo/pyproject.toml',
      '[tool.envdrift]\nschema = "config:Settings"\n[tool.envdrift.guard]\nscanners = []\n[tool.envdrift.vault.aws]\n[[tool.envdrift.vault.sync.mappings]]\nsecret_name = "k"\nfolder_path = "."\n',
    )
    expect((await load()).warnings).toEqual([])
  })

  it.each([
    ['[cryptosync]\nroot = "/opt"\n', '[cryptosync]'],
    ['[vault.local.sync]\nenabled = true\n', 'sync'],
    ['[vault.local.audit]\nmode = "on"\n', 'audit'],
    ['[vault.local]\npassword = {secret_name = "vault-pw"}\n', 'secret_name'],
    ['[[vault.sync.mappings]]\nsecret_name = "k"\nfolder_path = "a"\nclient = "client1"\n', 'client'],
  ])('refuses %j as not there yet', async (text, named) => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', `[vault]\nprovider = "aws"\n${text}`)
    const error = await fail()
    expect(error.code).toBe('NOT_THERE_YET')
    expect(error.message).toContain(named)
  })
})

describe('[vault.sync]', () => {
  it('fills in the defaults', async () => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', azureTable + oneMapping)
    expect(await load()).toMatchObject({
      envKeysFilename: '.env.keys',
      maxWorkers: 16,
      backups: 10,
      coverage: 'report',
      callTimeoutMs: 20_000,
      runTimeoutMs: 300_000,
      mappings: [{ephemeral: false, required: 'always'}],
      unselected: [],
    })
  })

  it('reads every key of it and of a mapping', async () => {
    const {write, load} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `${azureTable}[vault.sync]\nenv_keys_filename = "keys/.env.keys"\nephemeral_keys = true\nmax_workers = 3\ntimeout = 1.5\nrun_timeout = 90\nbackups = 4\ncoverage = "required"\n${oneMapping}secret_version = "0123abc"\nrequired = "ci"\nephemeral_keys = false\nenv_file = "conf/app.env"\n`,
    )
    expect(await load()).toMatchObject({
      envKeysFilename: 'keys/.env.keys',
      maxWorkers: 3,
      backups: 4,
      coverage: 'required',
      callTimeoutMs: 1500,
      runTimeoutMs: 90_000,
      mappings: [
        {ref: {name: 'myapp-key', version: '0123abc'}, required: 'ci', ephemeral: false, envFile: 'conf/app.env'},
      ],
    })
  })

  it.each([
    ['team/app#auth', {name: 'team/app', field: 'auth'}],
    ['a#b#auth', {name: 'a#b', field: 'auth'}],
    [' team/app # auth ', {name: 'team/app', field: 'auth'}],
  ])('reads the secret name %j as a name and a field', async (secretName, ref) => {
    const {write, load} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `[vault.local]\n[[vault.sync.mappings]]\nsecret_name = ${JSON.stringify(secretName)}\nfolder_path = "a"\n`,
    )
    expect((await load()).mappings[0]!.ref).toEqual({vault: 'default', ...ref})
  })

  it.each(['#auth', 'team/app#', '#', 'team/app # '])('refuses the secret name %j', async (secretName) => {
    const {write, fail} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `[vault.local]\n[[vault.sync.mappings]]\nsecret_name = ${JSON.stringify(secretName)}\nfolder_path = "a"\n`,
    )
    const error = await fail()
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain('like team/app#auth')
  })

  it('holds the name without its field against the rules of the vault', async () => {
    const {write, fail} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `${azureTable}[[vault.sync.mappings]]\nsecret_name = "my_app#auth"\nfolder_path = "a"\n`,
    )
    expect((await fail()).message).toContain('underscore')
  })

  it('lets --require-coverage win', async () => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', `${azureTable}[vault.sync]\ncoverage = "report"\n${oneMapping}`)
    expect((await load({requireCoverage: true})).coverage).toBe('required')
  })

  it.each([
    ['max_workers', '0'],
    ['max_workers', '257'],
    ['max_workers', '1.5'],
    ['timeout', '0'],
    ['timeout', '601'],
    ['timeout', 'nan'],
    ['run_timeout', '0.5'],
    ['run_timeout', '86401'],
    ['backups', '0'],
    ['backups', '1001'],
    ['coverage', '"all"'],
    ['default_vault_name', '""'],
    ['env_keys_filename', '123'],
    ['env_keys_filename', '"."'],
    ['env_keys_filename', '"sub/"'],
    ['env_keys_filename', '".git/config"'],
    ['env_keys_filename', String.raw`"a\u0000b"`],
  ])('refuses %s = %s', async (key, value) => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', `${azureTable}[vault.sync]\n${key} = ${value}\n${oneMapping}`)
    const error = await fail()
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toMatch(new RegExp(`^envdrift\\.toml:4:1: ${key} `))
  })

  it('C97 takes an empty env_keys_filename for the default', async () => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', `${azureTable}[vault.sync]\nenv_keys_filename = ""\n${oneMapping}`)
    expect((await load()).envKeysFilename).toBe('.env.keys')
  })

  it.each(['../../keys', 'sub/k'])('C97 allows env_keys_filename = %j inside the repository', async (name) => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', `${azureTable}[vault.sync]\nenv_keys_filename = "${name}"\n${oneMapping}`)
    expect((await load()).envKeysFilename).toBe(name)
  })

  it.each(['../../../keys', '/elsewhere/keys', 'leaving/keys'])(
    'C97 refuses env_keys_filename = %j, which leaves the repository',
    async (name) => {
      const {write, fail, repo, outside} = await makePlace()
      await mkdir(join(repo, 'services/myapp'), {recursive: true})
      await symlink(outside, join(repo, 'services/myapp/leaving'))
      await write('home/repo/envdrift.toml', `${azureTable}[vault.sync]\nenv_keys_filename = "${name}"\n${oneMapping}`)
      const error = await fail()
      expect(error.code).toBe('CONFIG_INVALID')
      expect(error.message).toMatch(/^envdrift\.toml:4:1: env_keys_filename ".*" leads out of the repository/)
    },
  )

  it('C97 lets a configuration outside of any repository reach anywhere', async () => {
    const {write, load, outside} = await makePlace()
    await write(
      'outside/envdrift.toml',
      `${azureTable}[vault.sync]\nenv_keys_filename = "../../../keys"\n${oneMapping}`,
    )
    expect(await load({}, {cwd: outside})).toMatchObject({repository: undefined, envKeysFilename: '../../../keys'})
  })

  it('C98 refuses ephemeral_keys = "no", centrally and in a mapping', async () => {
    const {write, fail} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `${azureTable}[vault.sync]\nephemeral_keys = "no"\n${oneMapping}ephemeral_keys = "no"\n`,
    )
    expect((await fail()).message.match(/ephemeral_keys must be true or false/g)).toHaveLength(2)
  })

  it.each(['', ' ', 'x y', 'a/b', '../x', 'ä', 'keys', 'KEYS'])('C99 refuses the environment %j', async (name) => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', `${azureTable}${oneMapping}environment = "${name}"\n`)
    expect(await fail()).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/envdrift\.toml:6:1: environment/),
    })
  })

  it.each(['pre-prod', 'a.b', 'Staging_2'])('C99 takes the environment %j', async (name) => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', `${azureTable}${oneMapping}environment = "${name}"\n`)
    expect((await load()).mappings[0]?.environment).toBe(name)
  })

  it('refuses an env_file that is the keys file', async () => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', `${azureTable}${oneMapping}env_file = "./.env.keys"\n`)
    expect((await fail()).message).toContain('env_file is the keys file')
  })
})

describe('two mappings, one key', () => {
  const two = (first: string, second: string): string =>
    `${azureTable}[[vault.sync.mappings]]\n${first}\n[[vault.sync.mappings]]\n${second}\n`

  it.each([
    [
      'the same environment',
      'folder_path = "a"\nenvironment = "staging"',
      'folder_path = "a/"\nenvironment = "staging"',
    ],
    ['environment and profile', 'folder_path = "a"\nenvironment = "staging"', 'folder_path = "a"\nprofile = "staging"'],
    ['another case', 'folder_path = "a"\nenvironment = "staging"', 'folder_path = "a"\nenvironment = "STAGING"'],
    [
      'dotenvx spells both the same',
      'folder_path = "a"\nenvironment = "a.b"',
      'folder_path = "a"\nenvironment = "a_b"',
    ],
    ['no environment', 'folder_path = "a"', 'folder_path = "./a"'],
    ['one env file', 'folder_path = "a"\nenv_file = "x.env"', 'folder_path = "a"\nenv_file = "./x.env"'],
    ['a link to the folder', 'folder_path = "a"', 'folder_path = "link"'],
  ])('C68 refuses different secrets for one folder: %s', async (_, first, second) => {
    const {write, fail, repo} = await makePlace()
    await mkdir(join(repo, 'a'))
    await symlink('a', join(repo, 'link'))
    await write('home/repo/envdrift.toml', two(`secret_name = "one"\n${first}`, `secret_name = "two"\n${second}`))
    const error = await fail({profile: second.includes('profile') ? 'staging' : undefined} as {profile?: string})
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toMatch(/and that of line 3 write the same key of a\/\.env\.keys from another secret/)
  })

  it('C68 sees two folders that share one keys file', async () => {
    const {write, fail} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `[vault.sync]\nenv_keys_filename = "../.env.keys"\n${two('secret_name = "one"\nfolder_path = "s/a"\nenvironment = "x"', 'secret_name = "two"\nfolder_path = "s/b"\nenvironment = "x"')}`,
    )
    expect((await fail()).message).toContain('write the same key of s/.env.keys')
  })

  it('C67 leaves two environments of one folder alone, and one environment of two folders', async () => {
    const {write, load} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `${two('secret_name = "one"\nfolder_path = "a"\nenvironment = "staging"', 'secret_name = "two"\nfolder_path = "a"\nenvironment = "production"')}[[vault.sync.mappings]]\nsecret_name = "three"\nfolder_path = "b"\nenvironment = "staging"\n`,
    )
    expect((await load()).mappings).toHaveLength(3)
  })

  it('C68 leaves mappings of different profiles alone, as only one of them runs', async () => {
    const {write, load} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      two(
        'secret_name = "one"\nfolder_path = "a"\nenvironment = "x"\nprofile = "p"',
        'secret_name = "two"\nfolder_path = "a"\nenvironment = "x"\nprofile = "q"',
      ),
    )
    const config = await load({profile: 'q'})
    expect(config.mappings.map(({ref}) => ref.name)).toEqual(['two'])
    expect(config.unselected.map(({ref}) => ref.name)).toEqual(['one'])
  })

  it('C68 takes an exact repetition once, and says so', async () => {
    const {write, load} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      two('secret_name = "one"\nfolder_path = "a"', 'secret_name = "one"\nfolder_path = "./a"'),
    )
    const config = await load()
    expect(config.mappings).toHaveLength(1)
    expect(config.warnings).toEqual([
      'envdrift.toml:6:1: this mapping repeats that of line 3: it is taken once, remove one of them',
    ])
  })

  it('C68 refuses a repetition that wants something else', async () => {
    const {write, fail} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      two('secret_name = "one"\nfolder_path = "a"\nephemeral_keys = true', 'secret_name = "one"\nfolder_path = "a"'),
    )
    expect((await fail()).message).toContain('from the same secret, set up otherwise')
  })
})

describe('profiles', () => {
  const text = `${azureTable}[[vault.sync.mappings]]
secret_name = "always"
folder_path = "a"
[[vault.sync.mappings]]
secret_name = "local"
folder_path = "b"
profile = "local"
[[vault.sync.mappings]]
secret_name = "local-staging"
folder_path = "c"
profile = "local"
environment = "staging"
`

  it('C54 runs the mappings of the profile and the untagged ones', async () => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', text)
    expect((await load({profile: 'local'})).mappings.map(({ref}) => ref.name)).toEqual([
      'always',
      'local',
      'local-staging',
    ])
    expect((await load()).mappings.map(({ref}) => ref.name)).toEqual(['always'])
    expect((await load({}, {env: {ENVDRIFT_PROFILE: ' local '}})).mappings).toHaveLength(3)
  })

  it('C54 takes --profile over ENVDRIFT_PROFILE', async () => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', `${text}${oneMapping}profile = "other"\n`)
    const config = await load({profile: 'other'}, {env: {ENVDRIFT_PROFILE: 'local'}})
    expect(config.mappings.map(({ref}) => ref.name)).toEqual(['always', 'myapp-key'])
    expect(config.unselected.map(({ref}) => ref.name)).toEqual(['local', 'local-staging'])
  })

  it('C55 keeps environment and profile apart', async () => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', text)
    const [, local, staging] = (await load({profile: 'local'})).mappings
    expect(local).toMatchObject({profile: 'local'})
    expect(local?.environment).toBeUndefined()
    expect(staging).toMatchObject({profile: 'local', environment: 'staging'})
  })

  it.each([undefined, 'nosuch'])(
    'C56 ends when only tagged mappings are there and the profile is %j',
    async (profile) => {
      const {write, fail} = await makePlace()
      await write('home/repo/envdrift.toml', `${azureTable}${oneMapping}profile = "local"\n`)
      const error = await fail(profile === undefined ? {} : {profile})
      expect(error.code).toBe('NOTHING_TO_DO')
      expect(error.suggestions.join()).toContain('--profile local')
    },
  )

  it('C56 refuses an unknown --profile also where untagged mappings are left', async () => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', text)
    expect(await fail({profile: 'lokal'})).toMatchObject({
      code: 'NOTHING_TO_DO',
      message: expect.stringContaining('"lokal"'),
    })
  })

  it('C56 only warns when ENVDRIFT_PROFILE is unknown here', async () => {
    const {write, load} = await makePlace()
    await write('home/repo/envdrift.toml', text)
    const config = await load({}, {env: {ENVDRIFT_PROFILE: 'other'}})
    expect(config.mappings).toHaveLength(1)
    expect(config.warnings).toEqual(['ENVDRIFT_PROFILE is "other", and no mapping has that profile.'])
  })

  it.each(['[vault.sync]\n', '[vault.sync]\nmappings = []\n', ''])('C123 names what is missing in %j', async (sync) => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', azureTable + sync)
    expect(await fail()).toMatchObject({
      code: 'NOTHING_TO_DO',
      message: 'envdrift.toml has no [[vault.sync.mappings]], so there is nothing to sync',
    })
  })
})

it('sends a mapping without a name to the declared default vault, not to that of the provider’s table', async () => {
  const {write, load} = await makePlace()
  await write(
    'home/repo/envdrift.toml',
    `[vault]\nprovider = "aws"\n[vault.aws]\nregion = "us-east-1"\n[vaults.team]\nprovider = "aws"\nregion = "eu-west-1"\n[vault.sync]\ndefault_vault_name = "team"\n${oneMapping}`,
  )
  const {mappings, vaults} = await load()
  expect(mappings.map(({ref}) => ref.vault)).toEqual(['team'])
  expect(vaults.get('team')?.settings).toMatchObject({region: 'eu-west-1'})
})

describe('a mistyped name is said first, as what probably is wrong', () => {
  const local = 'provider = "local"\n'
  it.each([
    ['a table', `[valut]\n${local}`, 'envdrift.toml:1:2: unknown key "valut" in a configuration: did you mean vault?'],
    [
      'provider',
      '[vault]\nprovdier = "local"\n',
      'envdrift.toml:2:1: unknown key "provdier" in [vault]: did you mean provider?',
    ],
    [
      'the table of a provider',
      '[vault.azrue]\nvault_url = "https://myapp-vault.vault.azure.net/"\n',
      'envdrift.toml:1:2: unknown key "azrue" in [vault]: did you mean azure?',
    ],
  ])('%s: no other provider is guessed and blamed', async (_, toml, message) => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', toml + oneMapping)
    const error = await fail()
    expect(error).toMatchObject({code: 'CONFIG_INVALID', message})
    expect(error.suggestions.join('\n')).not.toMatch(/Azure|did you mean/)
  })

  it('the list of mappings', async () => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', `[vault]\n${local}${oneMapping.replace('mappings', 'maping')}`)
    expect(await fail()).toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'envdrift.toml:3:3: unknown key "maping" in [vault.sync]: did you mean mappings?',
    })
  })

  it('a key of a mapping, before what is missing because of it', async () => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', `[vault]\n${local}${oneMapping.replace('folder_path', 'folder')}`)
    const error = await fail()
    expect(error.message.split('\n')).toEqual([
      '2 mistakes in the configuration:',
      '  envdrift.toml:5:1: unknown key "folder" in a mapping: did you mean folder_path?',
      expect.stringContaining('folder_path is missing'),
    ])
    expect(error.suggestions.join('\n')).not.toContain('did you mean')
  })

  it('the provider of a vault with a name', async () => {
    const {write, fail} = await makePlace()
    await write('home/repo/envdrift.toml', `[vault]\n${local}[vaults.pay]\nprovdier = "local"\n${oneMapping}`)
    expect((await fail()).message.split('\n')[1]).toBe(
      '  envdrift.toml:4:1: unknown key "provdier" in [vaults.pay]: did you mean provider?',
    )
  })

  it('but not one that has nothing to do with the mistake', async () => {
    const {write, fail} = await makePlace()
    await write(
      'home/repo/envdrift.toml',
      `[vault]\n${local}[vault.sync]\nmax_worker = 3\nbackups = "x"\n${oneMapping}`,
    )
    const error = await fail()
    expect(error.message).toMatch(/^envdrift\.toml:5:1: backups/)
    expect(error.suggestions[0]).toContain('did you mean max_workers?')
  })
})

it.each([
  ['[vault]\nprovider = "local\n', 'Is a closing quote missing, there or before it?'],
  ['[vault]\nprovider = local\n', 'Write text in quotes: provider = "local".'],
  ['[vault\n', 'Correct that place; https://toml.io/en/v1.0.0 has the grammar.'],
])('says of %j what probably is wrong', async (toml, suggestion) => {
  const {write, fail} = await makePlace()
  await write('home/repo/envdrift.toml', toml)
  const error = await fail()
  expect(error.code).toBe('CONFIG_SYNTAX')
  expect(error.suggestions[0]).toBe(suggestion)
})

it('a problem of a client’s own variable carries no place in the file', async () => {
  const {write, fail} = await makePlace()
  await write('home/repo/envdrift.toml', `[vault]\nprovider = "hashicorp"\n${oneMapping}`)
  const error = await fail({}, {env: {VAULT_ADDR: '127.0.0.1:8299'}})
  expect(error.message).toMatch(/^VAULT_ADDR/)
})
