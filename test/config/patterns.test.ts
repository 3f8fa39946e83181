import {mkdir, rename, symlink} from 'node:fs/promises'
import {join} from 'node:path'

import {describe, expect, it} from 'vitest'

import {environmentOf} from '../../src/config/config.ts'
import {makePlace, type Place} from './place.ts'

const head = '[vault.local]\n'

/** A repository with these env files and these patterns and mappings. */
async function placeWith(files: readonly string[], toml: string): Promise<Place> {
  const place = await makePlace()
  for (const file of files) await place.write(`home/repo/${file}`, 'A=encrypted:x\n')
  await place.write('home/repo/envdrift.toml', head + toml)
  return place
}

const pattern = (lines: string): string => `[[vault.sync.patterns]]\n${lines}\n`
const everyService = pattern(
  'env_files = "services/*/.env.{staging,production}"\nsecret_name = "{folder}-{environment}"',
)

/** What the mappings are, in short: where, environment, secret. */
async function listed(place: Place, flags = {}): Promise<readonly string[]> {
  const {mappings} = await place.load(flags)
  return mappings.map(
    ({folderPath, envFile = '', ref}) => `${folderPath}/${envFile} ← ${ref.name}${ref.field ? `#${ref.field}` : ''}`,
  )
}

const shop = ['services/auth/.env.production', 'services/auth/.env.staging', 'services/pay/.env.production']

describe('a pattern', () => {
  it('becomes a mapping for each env file that it finds, with its environment', async () => {
    const place = await placeWith([...shop, 'services/pay/.env.local', 'tools/.env.production'], everyService)
    expect(await listed(place)).toEqual([
      'services/auth/.env.production ← auth-production',
      'services/auth/.env.staging ← auth-staging',
      'services/pay/.env.production ← pay-production',
    ])
    const {mappings} = await place.load()
    expect(mappings[0]).toMatchObject({environment: 'production', fromPattern: true, line: 2, required: 'always'})
  })

  it('takes neither keys files nor examples, nor what it excludes, nor what others have installed', async () => {
    const place = await placeWith(
      [
        ...shop,
        'services/auth/.env.keys',
        'services/auth/.env.example',
        'services/auth/.env.production.bak',
        'services/old/.env.production',
        'services/auth/node_modules/x/.env.production',
      ],
      pattern(
        'env_files = ["services/**/.env.*"]\nexclude = ["services/old/**", "**/.env.staging"]\nsecret_name = "{folder}-{environment}"',
      ),
    )
    expect(await listed(place)).toEqual([
      'services/auth/.env.production ← auth-production',
      'services/pay/.env.production ← pay-production',
    ])
  })

  it('fills in the whole path of a folder, and picks fields of one secret', async () => {
    const place = await placeWith(
      shop,
      pattern('env_files = "services/*/.env.production"\nsecret_name = "{path}/{environment}#{folder}"'),
    )
    expect(await listed(place)).toEqual([
      'services/auth/.env.production ← services/auth/production#auth',
      'services/pay/.env.production ← services/pay/production#pay',
    ])
  })

  it('hands on profile, vault, ephemeral_keys and required', async () => {
    const place = await placeWith(
      shop,
      `${pattern('env_files = "services/pay/.env.production"\nsecret_name = "k"\nprofile = "eu"\nvault_name = "other"\nephemeral_keys = true\nrequired = "ci"')}[vaults.other]\nprovider = "local"\n`,
    )
    const {mappings} = await place.load({profile: 'eu'})
    expect(mappings).toMatchObject([{profile: 'eu', ephemeral: true, required: 'ci', ref: {vault: 'other'}}])
    await expect(place.load()).rejects.toMatchObject({code: 'NOTHING_TO_DO'})
  })

  it('takes a link to a file for that file, and is named in its folder', async () => {
    const place = await placeWith(shop, everyService)
    await symlink('.env.staging', join(place.repo, 'services/auth/.env.production.tmp'))
    await rename(
      join(place.repo, 'services/auth/.env.production.tmp'),
      join(place.repo, 'services/auth/.env.production'),
    )
    expect(await listed(place)).toContain('services/auth/.env.production ← auth-production')
  })

  it('takes vault.env and default.env like any other', async () => {
    const place = await placeWith(
      ['a/vault.env', 'b/default.env', 'c/example.env'],
      pattern('env_files = "*/*.env"\nsecret_name = "{folder}"'),
    )
    expect(await listed(place)).toEqual(['a/vault.env ← a', 'b/default.env ← b'])
  })

  it('is about the environment that its file says, whatever its profile', async () => {
    const place = await placeWith(
      ['a/.env'],
      pattern('env_files = "*/.env"\nsecret_name = "{folder}"\nprofile = "nightly"'),
    )
    const {mappings} = await place.load({profile: 'nightly'})
    expect(mappings.map(environmentOf)).toEqual([undefined])
  })

  it('follows no links, and looks at nothing outside of the folder of its file', async () => {
    const place = await placeWith(shop, everyService)
    await mkdir(join(place.outside, 'far'))
    await place.write('outside/far/.env.production', 'A=encrypted:x\n')
    await symlink(join(place.outside, 'far'), join(place.repo, 'services/far'))
    expect(await listed(place)).toHaveLength(3)
  })

  it.each(['linked/**/.env.*', 'linked/far/.env.production', 'l[i]nked/*/.env.*', '{linked,services}/far/.env.*'])(
    'does not enter a link that it names: %s',
    async (glob) => {
      const place = await placeWith(shop, everyService + pattern(`env_files = "${glob}"\nsecret_name = "k"`))
      await place.write('outside/far/.env.production', 'A=encrypted:x\n')
      await symlink(place.outside, join(place.repo, 'linked'))
      expect(await listed(place)).toHaveLength(3)
    },
  )

  it.each(['services/legacy/*', '**/legacy/*', 'services/leg*', 'services/legacy/', '**/*.production', '**/.e*'])(
    'leaves out what %s excludes, names that begin with a dot as well',
    async (exclude) => {
      const place = await placeWith(
        [...shop, 'services/legacy/.env.production'],
        pattern(`env_files = "services/legacy/.env.*"\nexclude = "${exclude}"\nsecret_name = "k"`) + everyService,
      )
      const names = (await place.load()).mappings.map(({ref}) => ref.name)
      expect(names).not.toContain('k')
      expect(names).toContain('auth-production')
    },
  )

  it.each([
    ['env_files = "services/[!_p]*/.env.production"', ['services/auth/.env.production']],
    ['env_files = "services/[^_p]*/.env.production"', ['services/auth/.env.production']],
    ['env_files = "services/[a-b]*/.env.production"', ['services/auth/.env.production']],
    ['env_files = "services/*/.env.production"\nexclude = "services/[!a]*"', ['services/auth/.env.production']],
    ['env_files = "services/*/.env.production"\nexclude = \'services\\[_p]*\\**\'', ['services/auth/.env.production']],
    ["env_files = 'services\\a*\\.env.production'", ['services/auth/.env.production']],
    ['env_files = "services/a?th/.env.p*n"', ['services/auth/.env.production']],
  ])('means what it means in a shell: %s', async (lines, files) => {
    const place = await placeWith([...shop, 'services/_x/.env.production'], pattern(`${lines}\nsecret_name = "k"`))
    expect((await listed(place)).map((line) => line.replace(/ .*/, ''))).toEqual(files)
  })

  it('enters a hidden folder where it names one, and takes names as they are written', async () => {
    const folders = ['.deploy', '(group)', 'a+b', 'a|b', '"q"']
    const place = await placeWith(
      folders.map((folder) => `${folder}/.env.production`),
      pattern('env_files = "**/.env.production"\nsecret_name = "all"') +
        pattern(
          `env_files = ['.deploy/.env.*', '(group)/.env.*', 'a+b/.env.*', 'a|b/.env.*', '"q"/.env.*']\nsecret_name = "all"`,
        ),
    )
    expect((await listed(place)).toSorted()).toEqual(
      folders.map((folder) => `${folder}/.env.production ← all`).toSorted(),
    )
  })

  it('takes vault.env.production like any other, and no example of one', async () => {
    const place = await placeWith(
      ['a/vault.env.production', 'a/default.env.staging', 'a/template.env.staging', 'a/.env.vault'],
      pattern('env_files = ["a/*.env", "a/*.env.*", "a/.env.*"]\nsecret_name = "k"'),
    )
    expect(await listed(place)).toEqual(['a/default.env.staging ← k', 'a/vault.env.production ← k'])
  })

  it('that finds nothing is warned of, and alone is nothing to do', async () => {
    const nothing = pattern('env_files = "nowhere/*/.env"\nsecret_name = "k"')
    const {warnings} = await (await placeWith(shop, everyService + nothing)).load()
    expect(warnings).toEqual([expect.stringMatching(/envdrift\.toml:5:1: pattern 2 finds no env file: nowhere/)])
    const error = await (await placeWith(shop, nothing)).fail()
    expect(error.code).toBe('NOTHING_TO_DO')
    expect(error.message).toContain('pattern 1 (line 2) finds no env file: nowhere/*/.env')
    expect(error.suggestions).toEqual([expect.stringMatching(/env_files.*relative to the folder of this file/)])
  })

  it.each([
    ['env_files = "/etc/*"', 'relative'],
    ['env_files = "../*/.env"', '".."'],
    ['env_files = ["a/*", "!b"]', 'exclude'],
    ['env_files = "services/*a*b*/.env"', 'more than two *'],
    ['env_files = "**/a/**/b/**/.env"', 'more than two **'],
    ['env_files = "services/+(a|aa)/.env"', 'write {a,b}'],
    [`env_files = "${'{a,b}'.repeat(30)}/.env"`, 'more than 100 patterns'],
    ['env_files = "{1..9}/.env"', 'a range'],
    ['env_files = "{a,{b,c}}/.env"', 'braces inside of braces'],
    ['env_files = "{a,b/c}/.env"', 'a slash inside of braces'],
    ["env_files = '{a,b\\c}/.env'", 'a slash inside of braces'],
    ['env_files = "{[a}],[a}][a}]}/.env"', 'brackets and braces in each other'],
    ['env_files = "{a],b}/.env"', 'brackets and braces in each other'],
    ['env_files = "[a{]b}/.env"', 'brackets and braces in each other'],
    [`env_files = "a/.env"\nexclude = "${'{a,b}'.repeat(30)}"`, 'more than 100 patterns'],
    ['env_files = []', 'a list of them'],
    ['env_files = 3', 'a list of them'],
    ['', 'env_files is missing'],
    ['env_files = "services/*/.env.production"\nexclude = "../x"', '".."'],
  ])('with %j is refused', async (line, said) => {
    const error = await (await placeWith(shop, pattern(`${line}\nsecret_name = "k"`))).fail()
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain(said)
  })

  it.each([
    ['services/*/.env.production', '{service}', '{service}'],
    ['services/auth/.env', '{environment}', 'services/auth/.env names no environment'],
    ['.env.production', '{folder}', '.env.production lies in no folder'],
    ['services/pay/.env.production', 'a\\u0007b', 'control characters'],
    ['services/x#y/.env.production', '{folder}', 'services/x#y/.env.production has a # in {folder}'],
  ])('of %s with the name %s says what is wrong', async (glob, template, said) => {
    const place = await placeWith(
      [...shop, 'services/auth/.env', '.env.production', 'services/x#y/.env.production'],
      pattern(`env_files = "${glob}"\nsecret_name = "${template}"`),
    )
    const error = await place.fail()
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain(said)
  })

  it('warns of a key that it does not know', async () => {
    const place = await placeWith(shop, everyService.replace('env_files', 'folder_path = "x"\nenv_files'))
    expect((await place.load()).warnings.join()).toContain('unknown key "folder_path"')
  })
})

describe('a mapping that is written down', () => {
  it.each([
    ['its environment', 'environment = "production"'],
    ['its file', 'env_file = ".env.production"'],
    ['nothing but the folder', ''],
  ])('wins over a pattern by %s', async (_, line) => {
    const place = await placeWith(
      shop,
      `[[vault.sync.mappings]]\nsecret_name = "special"\nfolder_path = "services/auth"\n${line}\n${everyService}`,
    )
    const names = (await place.load()).mappings.map(({ref}) => ref.name)
    expect(names).not.toContain('auth-production')
    expect(names).toEqual(expect.arrayContaining(['auth-staging', 'pay-production']))
  })

  it.each([
    ['services/auth', 'config/.env.production'],
    ['services', 'auth/config/.env.production'],
    ['linked', 'config/.env.production'],
    ['services/auth', 'elsewhere/.env.production'],
  ])('wins over a pattern that finds its file in another folder: %s, %s', async (folder, file) => {
    const place = await placeWith(
      ['services/auth/config/.env.production'],
      `[[vault.sync.mappings]]\nsecret_name = "special"\nfolder_path = "${folder}"\nenv_file = "${file}"\n${pattern('env_files = "services/**/.env.production"\nsecret_name = "{folder}"')}`,
    )
    await symlink('services/auth', join(place.repo, 'linked'))
    await symlink('config', join(place.repo, 'services/auth/elsewhere'))
    expect((await place.load()).mappings.map(({ref}) => ref.name)).toEqual(['special'])
  })

  it('collides with a pattern that finds another file for the same key', async () => {
    const place = await placeWith(
      ['a/.env.production', 'a/api.env.production'],
      `[[vault.sync.mappings]]\nsecret_name = "special"\nfolder_path = "a"\nenvironment = "production"\n${pattern('env_files = "*/*.env.production"\nsecret_name = "{folder}-api"')}`,
    )
    const error = await place.fail()
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain('a/api.env.production, and that of line 2 write the same key')
  })

  it('of a profile that is not asked for leaves the file to the pattern', async () => {
    const place = await placeWith(
      shop,
      `[[vault.sync.mappings]]\nsecret_name = "special"\nfolder_path = "services/auth"\nenvironment = "production"\nprofile = "other"\n${everyService}`,
    )
    expect((await place.load()).mappings.map(({ref}) => ref.name)).toContain('auth-production')
    expect((await place.load({profile: 'other'})).mappings.map(({ref}) => ref.name)).not.toContain('auth-production')
  })

  it('wins over a pattern that finds the only file of a folder', async () => {
    const place = await placeWith(
      ['services/a/app.env', 'services/b/.env'],
      `[[vault.sync.mappings]]\nsecret_name = "special"\nfolder_path = "services/a"\n[[vault.sync.mappings]]\nsecret_name = "special-b"\nfolder_path = "services/b"\n${pattern('env_files = "services/*/*.env"\nsecret_name = "{folder}"')}${pattern('env_files = "services/*/.env"\nsecret_name = "{folder}"')}`,
    )
    expect((await place.load()).mappings.map(({ref}) => ref.name)).toEqual(['special', 'special-b'])
  })
})

it('a shard keeps its mappings when one comes that has another name for their vault', async () => {
  const keys = Array.from({length: 40}, (_, n) => `k${n}`)
  const lines = (name: string, more = ''): string =>
    `[[vault.sync.mappings]]\nsecret_name = "${name}"\nfolder_path = "${name}"\n${more}`
  const inShard = async (toml: string): Promise<readonly string[]> =>
    (await (await placeWith([], toml)).load({shard: '1/3'})).mappings.map(({ref}) => ref.name)
  const same = '[vaults.same]\nprovider = "local"\n'
  const before = await inShard(same + keys.map((name) => lines(name)).join(''))
  const after = await inShard(same + lines('new', 'vault_name = "same"\n') + keys.map((name) => lines(name)).join(''))
  expect(before.length).toBeGreaterThan(5)
  expect(after.filter((name) => name !== 'new')).toEqual(before)
})

describe('two patterns', () => {
  it('that want one key from two secrets are an error that names the file', async () => {
    const place = await placeWith(
      shop,
      everyService + pattern('env_files = "services/auth/.env.staging"\nsecret_name = "elsewhere"'),
    )
    const error = await place.fail()
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain('pattern 2, for services/auth/.env.staging, and that of line 2 write the same key')
  })

  it('that mean the same are one', async () => {
    const place = await placeWith(shop, everyService + everyService)
    expect(await place.load()).toMatchObject({mappings: {length: 3}, warnings: []})
  })
})
