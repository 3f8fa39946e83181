import {describe, expect, it} from 'vitest'

import type {ConfigFlags} from '../../src/config/config.ts'
import {makePlace} from './place.ts'

const azure: ConfigFlags = {config: 'pair.txt', provider: 'azure', vaultUrl: 'https://main.vault.azure.net'}
const aws: ConfigFlags = {config: 'pair.txt', provider: 'aws'}

async function pairs(text: string, flags: ConfigFlags, userFile = '') {
  const place = await makePlace()
  await place.write('home/repo/pair.txt', text)
  await place.write('home/.config/envdrift/config.toml', userFile)
  const {mappings} = await place.load(flags)
  return mappings.map(({ref, folderPath, line}) => [ref.vault, ref.name, folderPath, line])
}

async function failure(text: string, flags: ConfigFlags) {
  const place = await makePlace()
  await place.write('home/repo/pair.txt', text)
  return place.fail(flags)
}

describe('pair.txt', () => {
  it('C100 takes comments, blanks, CRLF, spaces around "=" and a byte order mark', async () => {
    const text =
      '\ufeff# Secret name = folder path\r\n\r\n  myapp-key = services/my app \r\n\t# more\nauth-key=services/auth=old'
    expect(await pairs(text, azure)).toEqual([
      ['default', 'myapp-key', 'services/my app', 3],
      ['default', 'auth-key', 'services/auth=old', 5],
    ])
  })

  it('C100 reads v/s=f as vault v on azure', async () => {
    expect(await pairs('myvault/api-key=services/api\n', azure)).toEqual([['myvault', 'api-key', 'services/api', 1]])
  })

  it('C100 refuses team/app/key on azure: vault team, and app/key is no name', async () => {
    const error = await failure('team/app/key=f\n', azure)
    expect(error.message).toMatch(/^pair\.txt:1:1: secret_name "app\/key" holds a slash/)
  })

  it('C100 reads team/app/key elsewhere as a secret, unless team is declared', async () => {
    expect(await pairs('team/app/key=f\n', aws)).toEqual([['default', 'team/app/key', 'f', 1]])
    const declared = '[vaults.team]\nprovider = "aws"\nregion = "eu-west-1"\n'
    expect(await pairs('team/app/key=f\n', aws, declared)).toEqual([['team', 'app/key', 'f', 1]])
  })

  it('C100 C114 reads a full name of gcp as a name, and anything else before a slash as a vault', async () => {
    const gcp: ConfigFlags = {config: 'pair.txt', provider: 'gcp', projectId: 'myapp-project'}
    const name = 'projects/other-project/secrets/x'
    expect(await pairs(`${name}=f\n`, gcp)).toEqual([['default', name, 'f', 1]])
    expect((await failure('team/x=f\n', gcp)).message).toMatch(/^pair\.txt:1:1: vault_name "team" is declared nowhere/)
  })

  it.each([
    ['# x\nmyapp-key\n', 2, /there is no "="/],
    ['=services/api\n', 1, /no secret name before/],
    ['myapp-key=\n', 1, /no folder after/],
    ['\n\nmyapp-key=f # the app\n', 3, /comment needs a line of its own/],
    ['v/=f\n', 1, /no secret name between/],
  ])('C100 points at the line of %j', async (text, line, expected) => {
    for (const flags of [azure, aws]) {
      const error = await failure(text, flags)
      expect(error.code).toBe('CONFIG_INVALID')
      expect(error.message).toMatch(new RegExp(`^pair\\.txt:${line}:1: `))
      expect(error.message).toMatch(expected)
    }
  })

  it('C100 tells all broken lines at once', async () => {
    expect((await failure('a\nb=\n', aws)).message).toBe(
      '2 mistakes in the configuration:\n  pair.txt:1:1: there is no "=": write secret-name=folder, or vault/secret-name=folder\n  pair.txt:2:1: there is no folder after the "="',
    )
  })

  it.each(['', '# only a comment\n', '\ufeff\r\n'])('C100 C123 has nothing to do for %j', async (text) => {
    expect((await failure(text, azure)).code).toBe('NOTHING_TO_DO')
  })

  it('C100 needs -p, ENVDRIFT_PROVIDER or a provider of the user file, and guesses none', async () => {
    const place = await makePlace()
    await place.write('home/repo/pair.txt', 'k=f\n')
    // Its neighbour is not consulted: pair.txt stands by itself.
    await place.write('home/repo/envdrift.toml', '[vault]\nprovider = "aws"\n')
    const error = await place.fail({config: 'pair.txt'})
    expect(error.reason).toBe('config')
    expect(error.message).toContain('-p')
    expect((await place.load({config: 'pair.txt'}, {env: {ENVDRIFT_PROVIDER: 'aws'}})).mappings).toHaveLength(1)
    await place.write('home/.config/envdrift/config.toml', '[vault]\nprovider = "aws"\n')
    expect((await place.load({config: 'pair.txt'})).mappings).toHaveLength(1)
  })

  it('C99 C97 holds folders of pair.txt to the same rules', async () => {
    expect((await failure('k=.git/hooks\n', aws)).message).toMatch(/^pair\.txt:1:1: .*\.git/)
  })
})
