import {describe, expect, it} from 'vitest'

import {plantKey} from '../../support/planted-keys.ts'
import {makeProject, makeUsualProject, production} from '../../support/project.ts'
import {encryptEnvFile} from '../../support/workspace.ts'

const keysFile = 'svc/.env.keys'
const encrypted = (publicKey: string, values: Readonly<Record<string, string>> = {A: '1', B: '2'}): string =>
  encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', publicKey, values)
/** The same without the header: nothing says which key it belongs to. */
const headless = (text: string): string => text.replace(/^DOTENV_PUBLIC_KEY.*\n/m, '')

describe('ephemeral keys', () => {
  it('C103 stay off the disk, and are counted', async () => {
    const {sync, workspace} = await makeUsualProject({settings: ['ephemeral_keys = true']})
    const run = await sync()
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('  - svc - ephemeral\n')
    expect(run.stdout).toContain('Ephemeral: 1')
    expect(workspace.exists(keysFile)).toBe(false)
  })

  it.each([
    [true, false, true],
    [false, true, false],
  ])('C103 central %s, of the mapping %s: written %s', async (central, own, written) => {
    const {sync, workspace} = await makeUsualProject({
      settings: [`ephemeral_keys = ${central}`],
      mappings: [{secret_name: 'myapp-key', folder_path: 'svc', ephemeral_keys: own}],
    })
    expect(await sync()).toMatchObject({code: 0})
    expect(workspace.exists(keysFile)).toBe(written)
  })

  it('C103 are proven to open the file all the same', async () => {
    const {sync, other, vault, workspace} = await makeUsualProject({settings: ['ephemeral_keys = true']})
    expect((await sync(['--check-decryption'])).stdout).toContain('Decryption: PASSED')
    workspace.write('svc/.env.production', headless(workspace.read('svc/.env.production')))
    vault.put('myapp-key', other.privateKey, 'eu-west-1')
    const run = await sync(['--check-decryption'])
    expect(run.stdout).toContain('Decryption: FAILED')
    expect(run.code).toBe(1)
  })
})

describe('--check-decryption', () => {
  it('C106 passes with the right key, and changes nothing', async () => {
    const key = plantKey()
    const {sync, workspace} = await makeProject({
      mappings: [{secret_name: 'myapp-key', folder_path: 'services/api'}],
      secrets: {'myapp-key': key.privateKey},
      files: {'services/api/.env.production': encrypted(key.publicKey)},
    })
    const before = workspace.read('services/api/.env.production')
    const run = await sync(['--check-decryption'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('  + services/api - created\n    Decryption: PASSED\n')
    expect(run.stdout).toMatch(/Decryption Tests:\s+│\n│ {3}Passed: 1\s+│\n│ {3}Failed: 0/)
    expect(workspace.read('services/api/.env.production')).toBe(before)
    const {readdirSync} = await import('node:fs')
    expect(readdirSync(workspace.path('services/api')).toSorted()).toEqual(['.env.keys', '.env.production'])
  })

  it.each([['--force', '--check-decryption'], ['--check-decryption']])(
    'C107 fails with a wrong key (%j)',
    async (...flags) => {
      const {sync, workspace, vault, other} = await makeUsualProject({local: (key) => production(key)})
      workspace.write('svc/.env.production', headless(workspace.read('svc/.env.production')))
      const before = workspace.read('svc/.env.production')
      vault.put('myapp-key', other.privateKey, 'eu-west-1')
      const run = await sync(flags, {stdin: 'y\n'})
      expect(run.code).toBe(1)
      expect(run.stdout).toContain('Decryption: FAILED (the key does not open DATABASE_URL)')
      expect(workspace.read('svc/.env.production')).toBe(before)
    },
  )

  it('C107 fails for one value of many that the key does not open, and names it', async () => {
    const [key, other] = [plantKey(), plantKey()]
    const {sync} = await makeProject({
      secrets: {'myapp-key': key.privateKey},
      files: {
        'svc/.env.production': `${encrypted(key.publicKey)}${headless(encrypted(other.publicKey, {STALE: 'old'}))}`,
      },
    })
    const run = await sync(['--check-decryption'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('Decryption: FAILED (the key does not open STALE)')
  })

  it('C107 judges the key that stays in the file when the new one was declined', async () => {
    const right = await makeUsualProject({local: (key) => production(key)})
    right.workspace.write('svc/.env.production', headless(right.workspace.read('svc/.env.production')))
    right.vault.put('myapp-key', right.other.privateKey, 'eu-west-1')
    const kept = await right.sync(['--check-decryption'], {stdin: 'n\n'})
    expect(kept.stdout).toContain('  = svc - skipped (declined)\n    Decryption: PASSED\n')
    expect(kept.code).toBe(0)

    const wrong = await makeUsualProject({local: (_, old) => production(old)})
    const stale = await wrong.sync(['--check-decryption'], {stdin: 'n\n'})
    expect(stale.stdout).toContain('  = svc - skipped (declined)\n    Decryption: FAILED')
    expect(stale.code).toBe(1)
  })

  it('C107 fails where the key was declined and the file has none that can be used', async () => {
    const {sync, workspace} = await makeUsualProject({local: () => 'DOTENV_PRIVATE_KEY_PRODUCTION=\n'})
    const schema = workspace.write('schema.json', '{"type": "object"}')
    const run = await sync(['--check-decryption'], {stdin: 'n\n'})
    expect(run.stdout).toContain('Decryption: FAILED (the keys file holds no usable key)')
    expect(run.code).toBe(1)
    const validated = await sync(['--validate-schema', '--schema', schema], {stdin: 'n\n'})
    expect(validated.stdout).toContain('    Schema: Not validated: no key for ')
    expect(validated.code).toBe(1)
  })

  it('C108 judges the key of the file, not the one in the shell', async () => {
    const {sync, workspace, vault, key, other} = await makeUsualProject()
    workspace.write('svc/.env.production', headless(workspace.read('svc/.env.production')))
    vault.put('myapp-key', other.privateKey, 'eu-west-1')
    const run = await sync(['--check-decryption'], {env: {DOTENV_PRIVATE_KEY_PRODUCTION: key.privateKey}})
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('Decryption: FAILED')
  })

  it('C109 says so when nothing is encrypted', async () => {
    const {sync} = await makeUsualProject({files: {'svc/.env.production': 'A=plain\n'}})
    const run = await sync(['--check-decryption'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('Decryption: skipped (nothing encrypted)')
  })

  it.each(['--check-decryption', '--verify'])(
    'C109a fails a file with a public key and nothing encrypted, under %s',
    async (flag) => {
      const {sync, workspace, key} = await makeUsualProject({local: (k) => production(k)})
      workspace.write('svc/.env.production', `DOTENV_PUBLIC_KEY_PRODUCTION="${key.publicKey}"\nA=plain\n`)
      const run = await sync([flag])
      expect(run.code).toBe(1)
      expect(run.stdout).toContain('has a public key, but nothing in it is encrypted')
    },
  )

  it('C109b counts what is not encrypted, and lists it when asked', async () => {
    const {sync, workspace} = await makeUsualProject()
    workspace.write('svc/.env.production', `${workspace.read('svc/.env.production')}LOG_LEVEL=info\nPORT=80\n`)
    const run = await sync(['--check-decryption'])
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('    Decryption: PASSED\n    Not encrypted: 2 values\n')
    expect(run.stdout).not.toContain('LOG_LEVEL')
    expect((await sync(['--check-decryption', '--verbose'])).stdout).toContain(
      'Not encrypted: 2 values (LOG_LEVEL, PORT)',
    )
    const verified = await sync(['--verify', '--ci', '--verbose'])
    expect(verified.stdout).toContain('Not encrypted: 2 values (LOG_LEVEL, PORT)')
    expect(JSON.parse((await sync(['--verify', '--ci', '--json'])).stdout).rows[0].notEncrypted).toEqual([
      'LOG_LEVEL',
      'PORT',
    ])
  })

  it('C110 fails a file that is not UTF-8, and finishes the run', async () => {
    const key = plantKey()
    const {sync, workspace} = await makeProject({
      mappings: ['latin', 'fine'].map((name) => ({secret_name: 'myapp-key', folder_path: name})),
      secrets: {'myapp-key': key.privateKey},
      files: {'fine/.env.production': encrypted(key.publicKey)},
    })
    workspace.write(
      'latin/.env.production',
      Buffer.concat([Buffer.from(encrypted(key.publicKey)), Buffer.from([0x42, 0x3d, 0xe4, 0x0a])]),
    )
    const run = await sync(['--check-decryption'])
    expect(run.code).toBe(1)
    expect(run.stdout).toMatch(/latin - created\n {4}Decryption: FAILED \(the file is not UTF-8 text\)/)
    expect(run.stdout).toMatch(/fine - created\n {4}Decryption: PASSED/)
  })

  it('C128 leaves a file of SOPS alone', async () => {
    const {sync, workspace} = await makeUsualProject({
      files: {'svc/.env.production': 'A=ENC[AES256_GCM,data:x,type:str]\nsops_version=3.9.0\n'},
    })
    for (const flags of [[], ['--check-decryption'], ['--verify']]) {
      const run = await sync(flags)
      expect(run.code).toBe(0)
      expect(run.stdout).toContain('  = svc - skipped (managed by SOPS)\n')
      expect(run.stdout).not.toContain('nothing encrypted')
    }
    expect(workspace.exists(keysFile)).toBe(false)
  })

  it('C128 is not fooled: a file of dotenvx with a word of SOPS is checked', async () => {
    const {sync, workspace, vault, other} = await makeUsualProject()
    workspace.write('svc/.env.production', `${workspace.read('svc/.env.production')}sops_version=3.9.0\nX=ENC[no]\n`)
    vault.put('myapp-key', other.privateKey, 'eu-west-1')
    expect((await sync(['--verify', '--ci'])).code).toBe(1)
  })

  it('stays inert on a canary that is mapped', async () => {
    const project = await makeUsualProject({mappings: [{secret_name: 'canary-key', folder_path: 'canary'}]})
    project.vault.put('canary-key', project.workspace.canary.key.privateKey, 'eu-west-1')
    const schema = project.workspace.write('schema.json', '{"type": "object", "required": ["EVIL"]}')
    for (const flags of [
      [],
      ['--check-decryption'],
      ['--verify', '--ci', '--check-decryption'],
      ['--validate-schema', '--schema', schema],
      ['--json', '--verbose'],
    ]) {
      expect((await project.sync(flags)).code).toBe(0)
    }
  })
})

describe('the vault key and the file', () => {
  it('C52 must belong together, and there is no question about it', async () => {
    const {sync, workspace, vault, other, key} = await makeUsualProject({local: (k) => production(k)})
    vault.put('myapp-key', other.privateKey, 'eu-west-1')
    for (const flags of [[], ['--force'], ['--verify'], ['--ci']]) {
      const run = await sync(flags, {stdin: 'y\n'})
      expect(run.code).toBe(1)
      expect(run.stdout).toContain('The vault key does not belong to this file')
      expect(run.stderr).not.toContain('Update local file')
    }
    expect(workspace.read(keysFile)).toBe(production(key))
  })

  it('C52 may be overruled, with a warning, but not when it only verifies', async () => {
    const {sync, workspace, vault, other} = await makeUsualProject()
    vault.put('myapp-key', other.privateKey, 'eu-west-1')
    await sync(['--ci'])
    expect(vault.requests()).toHaveLength(2)
    const run = await sync(['--skip-key-match'])
    expect(run.code).toBe(0)
    // Which earlier version would fit is of no use to who takes this one in any case.
    expect(vault.requests()).toHaveLength(3)
    expect(run.stderr).toMatch(/\[WARN\].*--skip-key-match/)
    expect(workspace.read(keysFile)).toContain(production(other))
    expect((await sync(['--skip-key-match', '--verify'])).code).toBe(2)
  })

  it('C50 may be a list of which one part belongs', async () => {
    const {sync, workspace, vault, key, other} = await makeUsualProject()
    vault.put('myapp-key', `${other.privateKey}, ${key.privateKey}`, 'eu-west-1')
    const run = await sync(['--check-decryption'])
    expect(run.code).toBe(0)
    expect(workspace.read(keysFile)).toContain(`DOTENV_PRIVATE_KEY_PRODUCTION=${other.privateKey},${key.privateKey}\n`)
    expect((await sync(['--verify'])).code).toBe(0)
  })

  it('C127 are not matched by a second, different public key: both lines are named', async () => {
    const {sync, workspace, other} = await makeUsualProject()
    const text = workspace.read('svc/.env.production')
    workspace.write(
      'svc/.env.production',
      `${text}# DOTENV_PUBLIC_KEY_PRODUCTION="${other.publicKey}"\nM="one\nDOTENV_PUBLIC_KEY_PRODUCTION=${other.publicKey}\n"\n`,
    )
    expect((await sync(['--verify', '--ci'])).code).toBe(0)
    workspace.write('svc/.env.production', `DOTENV_PUBLIC_KEY_PRODUCTION="${other.publicKey}"\n${text}`)
    const run = await sync(['--verify', '--ci'])
    expect(run.code).toBe(1)
    expect(run.stdout).toMatch(/line 1\b[^]*line 6\b|:1\b[^]*:6\b/)
  })

  it('C140 name the earlier version that fits', async () => {
    const {sync, vault, other, workspace} = await makeUsualProject()
    vault.put('myapp-key', other.privateKey, 'eu-west-1')
    const run = await sync()
    expect(run.code).toBe(1)
    expect(run.stdout).toMatch(/version [\w-]+ does/)
    expect(run.stdout).toContain('secret_version = ')
    expect(workspace.exists(keysFile)).toBe(false)
  })

  it('C49 C24 C41 are no key, somebody else’s label, or no text: nothing is written', async () => {
    const {sync, vault, workspace, key} = await makeUsualProject()
    for (const value of [
      'hello',
      key.publicKey,
      'encrypted:abc',
      `DOTENV_PRIVATE_KEY_STAGING=${key.privateKey}`,
      Buffer.from([0xff, 0xfe, 0x00, 0x80]),
    ]) {
      vault.put('myapp-key', value, 'eu-west-1')
      const run = await sync(['--force'])
      expect(run.code).toBe(1)
      expect(workspace.exists(keysFile)).toBe(false)
    }
  })
})

describe('--validate-schema', () => {
  const schema = {
    type: 'object',
    required: ['DATABASE_URL', 'PORT'],
    properties: {
      DATABASE_URL: {type: 'string'},
      PORT: {type: 'integer'},
      DEBUG: {type: 'boolean'},
      RATE: {type: 'number'},
    },
    additionalProperties: false,
  }
  async function withValues(values: Readonly<Record<string, string>>) {
    const key = plantKey()
    const project = await makeProject({
      secrets: {'myapp-key': key.privateKey},
      files: {
        'svc/.env.production': encrypted(key.publicKey, values),
        'schemas/svc.json': JSON.stringify(schema),
        'schemas/svc.mjs': `export const settings = {'~standard': {version: 1, vendor: 'ours', validate: (value) =>
          /^\\d+$/.test(value.PORT) ? {value} : {issues: [{message: 'bad value ' + value.PORT, path: ['PORT'], code: 'not_a_port'}]}}}\n`,
      },
    })
    return project
  }

  it('accepts strings that spell numbers and booleans', async () => {
    const {sync} = await withValues({DATABASE_URL: 'postgres://db', PORT: '8080', DEBUG: 'true', RATE: '0.5'})
    const run = await sync(['--validate-schema', '--schema', 'schemas/svc.json'])
    expect(run.stdout).toContain('    Schema: valid\n')
    expect(run.code).toBe(0)
  })

  it('is not valid where it could not be held: the key opens nothing, or the file is no text', async () => {
    const {sync, workspace, vault} = await withValues({DATABASE_URL: 'postgres://db', PORT: '80'})
    const text = workspace.read('svc/.env.production')
    workspace.write('svc/.env.production', Buffer.concat([Buffer.from(text), Buffer.from([0x42, 0x3d, 0xe4, 0x0a])]))
    const binary = await sync(['--validate-schema', '--schema', 'schemas/svc.json'])
    expect(binary.stdout).toContain('is not UTF-8 text')
    expect(binary.code).toBe(1)

    workspace.write('svc/.env.production', headless(text))
    vault.put('myapp-key', plantKey().privateKey, 'eu-west-1')
    const closed = await sync(['--force', '--validate-schema', '--schema', 'schemas/svc.json', '--json'])
    expect(closed.code).toBe(1)
    expect(JSON.parse(closed.stdout)).toMatchObject({
      ok: false,
      exitReason: 'decryption',
      rows: [{status: 'updated', schema: {status: 'failed', error: {code: 'DECRYPTION_FAILED'}}}],
    })
    expect((await sync(['--quiet', '--validate-schema', '--schema', 'schemas/svc.json'])).stdout).toContain(
      'Schema: The key does not open DATABASE_URL, PORT',
    )
  })

  it('is not valid when the module throws, and its words are not repeated', async () => {
    const {sync, workspace} = await withValues({PORT: 'canary-value-4'})
    workspace.write(
      'schemas/throws.mjs',
      "export default {'~standard': {version: 1, vendor: 'ours', validate: (value) => { throw new Error(value.PORT) }}}\n",
    )
    const run = await sync(['--validate-schema', '-s', 'schemas/throws.mjs'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('threw while it validated')
    expect(run.stdout + run.stderr).not.toContain('canary-value')
  })

  it('names variable and rule of a violation, never the value, and fails', async () => {
    const {sync} = await withValues({DATABASE_URL: 'postgres://db', PORT: 'canary-value-1', EXTRA: 'canary-value-2'})
    const run = await sync(['--validate-schema', '-s', 'svc.json', '-d', 'schemas'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('      PORT: type integer\n')
    expect(run.stdout).toContain('      EXTRA: not in the schema\n')
    expect(run.stdout + run.stderr).not.toContain('canary-value')
  })

  it('has no value spelt out by a schema that tries it letter by letter', async () => {
    const {sync, workspace} = await withValues({DATABASE_URL: 'abc'})
    const tries = [0, 1, 2].flatMap((at) =>
      Array.from('abcdef', (other) => ({pattern: `^.{${at}}[^${other}]`, maxLength: at})),
    )
    workspace.write('spell.json', JSON.stringify({type: 'object', properties: {DATABASE_URL: {allOf: tries}}}))
    const run = await sync(['--validate-schema', '-s', 'spell.json', '--ci', '--verify'])
    expect(run.code).toBe(1)
    expect(run.stdout.match(/DATABASE_URL: .*/g)).toEqual(['DATABASE_URL: maxLength', 'DATABASE_URL: pattern'])
  })

  it('takes a Standard Schema from a module that a person named', async () => {
    const {sync} = await withValues({PORT: '80'})
    expect((await sync(['--validate-schema', '-s', 'schemas/svc.mjs:settings'])).stdout).toContain('Schema: valid')
    const bad = await withValues({PORT: 'canary-value-3'})
    const run = await bad.sync(['--validate-schema', '-s', 'schemas/svc.mjs:settings'])
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('      PORT: not_a_port\n')
    expect(run.stdout + run.stderr).not.toContain('canary-value')
  })

  it('C138 runs no module under --ci unless it is allowed', async () => {
    const {sync, workspace} = await withValues({DATABASE_URL: 'postgres://db', PORT: '80'})
    workspace.write(
      'schemas/evil.mjs',
      `import {writeFileSync} from 'node:fs'\nwriteFileSync('ran', '')\nexport default {}\n`,
    )
    const refused = await sync(['--ci', '--validate-schema', '-s', 'schemas/evil.mjs'])
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('--allow-schema-code')
    expect(workspace.exists('ran')).toBe(false)
    expect(
      (await sync(['--ci', '--validate-schema', '-s', 'schemas/svc.mjs:settings', '--allow-schema-code'])).code,
    ).toBe(0)
    expect((await sync(['--ci', '--validate-schema', '-s', 'schemas/svc.json'])).code).toBe(0)
  })

  it.each([
    [
      'never answers',
      'export default {"~standard": {version: 1, vendor: "ours", validate: () => new Promise(() => {})}}',
    ],
    ['never loads', 'await new Promise(() => {})\nexport default 1'],
    ['ends the process', 'process.exit(0)'],
  ])('is never green because of a module that %s', async (_, text) => {
    const {sync, workspace} = await withValues({PORT: '80'})
    workspace.write('schema.mjs', `${text}\n`)
    const flags = ['--validate-schema', '-s', 'schema.mjs', '--verify', '--ci', '--allow-schema-code']
    const runs = await Promise.all([sync(flags), sync([...flags, '--json'])])
    expect(runs.map(({code}) => code)).toEqual([1, 1])
    for (const {stdout, stderr} of runs) {
      expect(stdout + stderr).toMatch(/did not answer within 10 s|ended before it was done/)
    }
  })

  it.each([
    ['schemas/missing.json', undefined],
    ['schemas/broken.json', '{'],
    ['schemas/senseless.json', '{"type": 5}'],
    ['schemas/missing.mjs', undefined],
    ['schemas/empty.mjs', 'export default 1\n'],
    ['config.settings:ProductionSettings', undefined],
  ])('fails before anything else when the schema is unusable: %s', async (path, text) => {
    const {sync, workspace, vault} = await withValues({PORT: '80'})
    if (text !== undefined) workspace.write(path, text)
    const run = await sync(['--validate-schema', '-s', path])
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('[ERROR] The schema ')
    expect(vault.requests()).toEqual([])
  })

  it.each([[['--schema', 'schemas/svc.json']], [['--validate-schema']], [['--service-dir', 'schemas']]])(
    'is a usage error by halves: %j',
    async (flags) => {
      const {sync} = await withValues({PORT: '80'})
      expect((await sync(flags)).code).toBe(2)
    },
  )
})
