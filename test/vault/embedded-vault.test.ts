import {execFileSync, fork} from 'node:child_process'
import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import {hostname} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {describe, expect, it} from 'vitest'

import {Secret} from '../../src/core/secret.ts'
import {withLock} from '../../src/system/lock.ts'
import {openVault, readHeader, seal} from '../../src/vault/container.ts'
import {embeddedVault, type EmbeddedVault} from '../../src/vault/embedded-vault.ts'
import {withDeletion, withValue} from '../../src/vault/payload.ts'
import {closedToOthers} from '../support/closed-to-others.ts'
import {cheapVault, password, placeAt, temporaryDirectory, writeCheapVault} from './cheap-vault.ts'

const mode = (path: string): string => (lstatSync(path).mode & 0o777).toString(8)
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
const put = (vault: EmbeddedVault, name: string, value: string | Buffer) => vault.put(name, Buffer.from(value), 'any')
const valueOf = async (vault: EmbeddedVault, name: string) => String((await vault.read()).get(name)?.[0].value)
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: {code?: string}) => error.code ?? error,
  )
const headerAt = (path: string) => readHeader({path, bytes: readFileSync(join(path, 'vault.enc'))})

describe('init', () => {
  it('V1 makes a directory with mode 0700 and files with 0600', async () => {
    const path = join(temporaryDirectory(), 'a', 'vault')
    await embeddedVault(placeAt(path)).init()
    expect(mode(path)).toBe('700')
    expect(readdirSync(path).toSorted()).toEqual(['vault.enc', 'vault.enc.meta.json'])
    expect(readdirSync(path).map((name) => mode(join(path, name)))).toEqual(['600', '600'])
    const {payload, header} = await openVault({path, bytes: readFileSync(join(path, 'vault.enc'))}, password)
    expect(payload.entries).toEqual({})
    expect(header).toMatchObject({gen: 1, parents: [], wraps: [{kdf: {N: 131072}}]})
  })

  it('V2 leaves an existing vault as it is, and asks for no password', async () => {
    const {path} = await cheapVault()
    const before = sha256(join(path, 'vault.enc'))
    const again = embeddedVault(placeAt(path, {password: () => expect.unreachable('asked for a password')}))
    expect(await codeOf(again.init())).toBe('VAULT_EXISTS')
    expect(sha256(join(path, 'vault.enc'))).toBe(before)
    expect(readdirSync(path)).toEqual(['vault.enc'])
  })

  it.each<[string, (base: string) => string]>([
    ['the home directory', (base) => make(join(base, 'home'))],
    ['a link to the home directory', (base) => link(make(join(base, 'home')), join(base, 'link'))],
    ['the root of the file system', () => '/'],
    ['a git root', (base) => (make(join(base, 'repository', '.git')), join(base, 'repository'))],
    ['a directory with other files', (base) => (write(join(make(join(base, 'work')), 'a')), join(base, 'work'))],
    ['a directory with backups of a vault', (base) => (make(join(base, 'v', 'backups')), join(base, 'v'))],
    ['a regular file', (base) => write(join(base, 'file'))],
  ])('V15 refuses %s, and changes nothing', async (_, prepare) => {
    const base = temporaryDirectory()
    const path = prepare(base)
    const before = [mode(path), statSync(path).isDirectory() && readdirSync(path)]
    const vault = embeddedVault(placeAt(path, {home: join(base, 'home'), password: () => expect.unreachable('asked')}))
    expect(await codeOf(vault.init())).toBe('VAULT_PATH_REFUSED')
    expect([mode(path), statSync(path).isDirectory() && readdirSync(path)]).toEqual(before)
  })

  it('takes an empty directory, and one that a killed run left', async () => {
    for (const names of [[], [`vault.enc.envdrift-00000000-1-${'0'.repeat(16)}.tmp`]]) {
      const path = temporaryDirectory()
      chmodSync(path, 0o755)
      for (const name of names) writeFileSync(join(path, name), 'half')
      await embeddedVault(placeAt(path)).init()
      expect(mode(path)).toBe('700')
    }
  })
})

const make = (path: string): string => (mkdirSync(path, {recursive: true}) === undefined ? path : path)
const link = (to: string, path: string): string => (symlinkSync(to, path), path)
const write = (path: string): string => (writeFileSync(path, 'text'), path)

describe('reading and writing', () => {
  it('V3 gives back every byte, in another process of the vault', async () => {
    const vault = await cheapVault()
    const values = [
      'line\n',
      'a=b',
      `"it's"`,
      Buffer.from([1, 255, 254, 128, 195, 40]),
      'x'.repeat(65_536),
      '🔑',
      '\ufeffbom',
    ]
    for (const [n, value] of values.entries()) await put(vault, `service-${n}`, value)
    const other = await embeddedVault(placeAt(vault.path)).read()
    for (const [n, value] of values.entries())
      expect((other.get(`service-${n}`)![0].value as Buffer).equals(Buffer.from(value))).toBe(true)
  })

  it('asks for the password once, however much is read and written', async () => {
    let asked = 0
    const vault = await cheapVault({
      password: async () => {
        asked++
        return password
      },
    })
    await Promise.all([vault.read(), vault.read()])
    await put(vault, 'myapp-production', 'one')
    await vault.read()
    expect(asked).toBe(1)
  })

  it('numbers the versions of each secret, deletions included, and keeps the earlier ones', async () => {
    const vault = await cheapVault()
    expect(await put(vault, 'myapp-production', 'one')).toBe(1)
    expect(await put(vault, 'myapp-staging', 'other')).toBe(1)
    expect(await put(vault, 'myapp-production', 'two')).toBe(2)
    await vault.remove('myapp-production')
    expect(await put(vault, 'myapp-production', 'four')).toBe(4)
    const versions = (await vault.read()).get('myapp-production')!
    expect(versions.map(({version, value}) => [version, String(value)])).toEqual([
      [4, 'four'],
      [3, 'deleted'],
      [2, 'two'],
      [1, 'one'],
    ])
  })

  it('keeps the newest 20 earlier versions', async () => {
    const vault = await cheapVault()
    for (let n = 1; n <= 25; n++) await put(vault, 'myapp-production', `value ${n}`)
    const versions = (await vault.read()).get('myapp-production')!
    expect(versions.map(({version}) => version)).toEqual(Array.from({length: 21}, (_, n) => 25 - n))
  })

  it.each<[number | 'absent', string]>([
    ['absent', 'VERSION_CONFLICT'],
    [1, 'VERSION_CONFLICT'],
    [3, 'VERSION_CONFLICT'],
    [2, 'done'],
  ])('writes over version %s only if it is current', async (expected, outcome) => {
    const vault = await cheapVault()
    await put(vault, 'myapp-production', 'one')
    await put(vault, 'myapp-production', 'two')
    const before = sha256(join(vault.path, 'vault.enc'))
    expect(await codeOf(vault.put('myapp-production', Buffer.from('three'), expected))).toBe(outcome)
    expect(sha256(join(vault.path, 'vault.enc')) === before).toBe(outcome !== 'done')
  })

  it('says NOT_IN_VAULT when there is nothing to delete, and writes nothing', async () => {
    const vault = await cheapVault()
    const before = sha256(join(vault.path, 'vault.enc'))
    expect(await codeOf(vault.remove('myapp-production'))).toBe('NOT_IN_VAULT')
    await put(vault, 'myapp-staging', 'one')
    await vault.remove('myapp-staging')
    expect(await codeOf(vault.remove('myapp-staging'))).toBe('NOT_IN_VAULT')
    expect(before).not.toBe(sha256(join(vault.path, 'vault.enc')))
  })

  it('V5 leaves the file as it is after a wrong password', async () => {
    const {path} = await cheapVault()
    const before = sha256(join(path, 'vault.enc'))
    const other = embeddedVault(placeAt(path, {password: async () => new Secret('wrong')}))
    expect(await codeOf(other.read())).toBe('VAULT_WRONG_PASSWORD')
    expect(await codeOf(put(other, 'myapp-production', 'one'))).toBe('VAULT_WRONG_PASSWORD')
    expect(sha256(join(path, 'vault.enc'))).toBe(before)
  })

  it('V6 never writes over a vault that does not open', async () => {
    const vault = await cheapVault()
    await put(vault, 'myapp-production', 'one')
    for (const damage of [
      () => truncateSync(join(vault.path, 'vault.enc'), 3000),
      () => writeFileSync(join(vault.path, 'vault.enc'), ''),
    ]) {
      damage()
      const before = sha256(join(vault.path, 'vault.enc'))
      const fresh = embeddedVault(placeAt(vault.path))
      expect(await codeOf(put(fresh, 'myapp-staging', 'two'))).toBe('VAULT_CORRUPT')
      expect(await codeOf(put(vault, 'myapp-staging', 'two'))).toBe('VAULT_CORRUPT')
      expect(await codeOf(fresh.init())).toBe('VAULT_EXISTS')
      expect(sha256(join(vault.path, 'vault.enc'))).toBe(before)
    }
  })

  it('reads change no byte and add no file', async () => {
    const vault = await cheapVault()
    await put(vault, 'myapp-production', 'one')
    rmSync(join(vault.path, 'vault.enc.meta.json'))
    const before = [readdirSync(vault.path), sha256(join(vault.path, 'vault.enc'))]
    await embeddedVault(placeAt(vault.path)).read()
    expect([readdirSync(vault.path), sha256(join(vault.path, 'vault.enc'))]).toEqual(before)
  })

  it('V12 opens by the new password only after it was changed; a backup still opens by the old one', async () => {
    const vault = await cheapVault()
    await put(vault, 'myapp-production', 'one')
    await vault.changePassword(async () => new Secret('next'))
    expect(await codeOf(embeddedVault(placeAt(vault.path)).read())).toBe('VAULT_WRONG_PASSWORD')
    const next = embeddedVault(placeAt(vault.path, {password: async () => new Secret('next')}))
    expect(await valueOf(next, 'myapp-production')).toBe('one')
    expect(headerAt(vault.path)).toMatchObject({wraps: [{kdf: {N: 131072}}]})
    // This process knows the new data key.
    expect(await put(vault, 'myapp-production', 'two')).toBe(2)
    const [backup] = readdirSync(join(vault.path, 'backups')).filter((name) => name.endsWith('g2'))
    const bytes = readFileSync(join(vault.path, 'backups', backup!))
    expect(Object.keys((await openVault({path: backup!, bytes}, password)).payload.entries)).toEqual([
      'myapp-production',
    ])
  })

  it('asks for the new password only when the old one was right', async () => {
    const {path} = await cheapVault()
    const other = embeddedVault(placeAt(path, {password: async () => new Secret('wrong')}))
    expect(await codeOf(other.changePassword(() => expect.unreachable('asked')))).toBe('VAULT_WRONG_PASSWORD')
  })
})

describe('files', () => {
  it('V11 keeps a public summary beside it, and makes it anew with the next write whatever became of it', async () => {
    const vault = await cheapVault()
    const meta = join(vault.path, 'vault.enc.meta.json')
    for (const harm of [
      () => {},
      () => rmSync(meta),
      () => writeFileSync(meta, ''),
      () => writeFileSync(meta, '{"audit_salt":1}'),
    ]) {
      harm()
      await put(vault, 'myapp-production', 'one')
      const header = headerAt(vault.path)
      expect(JSON.parse(readFileSync(meta, 'utf8'))).toEqual({
        version: '1.0',
        vault_id: header.vault_id,
        created_at: header.created,
        last_modified: header.modified,
        generation: header.gen,
        vault_sha256: sha256(join(vault.path, 'vault.enc')),
        audit_salt: expect.stringMatching(/^[\w-]{43}$/),
        audit_enabled: false,
        kdf: (header.wraps[0] as {kdf?: unknown}).kdf,
      })
      expect(mode(meta)).toBe('600')
    }
  })

  it('warns, and keeps the write, when the summary cannot be written', async () => {
    const warnings: string[] = []
    const vault = await cheapVault({warn: (text) => warnings.push(text)})
    mkdirSync(join(vault.path, 'vault.enc.meta.json'))
    expect(await put(vault, 'myapp-production', 'one')).toBe(1)
    expect(await valueOf(vault, 'myapp-production')).toBe('one')
    expect(warnings).toEqual([expect.stringContaining('vault.enc.meta.json')])
  })

  it('keeps the newest 20 generations as backups, mode 0600, out of git', async () => {
    const vault = await cheapVault()
    chmodSync(join(vault.path, 'vault.enc'), 0o644)
    for (let n = 1; n <= 25; n++) await put(vault, 'myapp-production', `value ${n}`)
    const folder = join(vault.path, 'backups')
    const copies = readdirSync(folder).filter((name) => name.startsWith('vault.enc.'))
    const generations = copies.map((name) => Number(name.split('.g')[1])).toSorted((a, b) => a - b)
    expect(generations).toEqual(Array.from({length: 20}, (_, n) => n + 6))
    for (const name of copies) {
      const bytes = readFileSync(join(folder, name))
      const {header} = await openVault({path: name, bytes}, password)
      expect([mode(join(folder, name)), header.gen]).toEqual(['600', Number(name.split('.g')[1])])
    }
    expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('*\n')
    expect([mode(folder), mode(join(vault.path, 'vault.enc'))]).toEqual(['700', '600'])
  })

  it('names the parent by the SHA-256 of the file that was replaced, and the same device each time', async () => {
    const vault = await cheapVault()
    const parents: string[] = []
    const devices = new Set<string>()
    for (let n = 0; n < 3; n++) {
      parents.unshift(sha256(join(vault.path, 'vault.enc')))
      await put(vault, 'myapp-production', 'one')
      expect(headerAt(vault.path)).toMatchObject({gen: n + 2, parents: [parents[0]], recent: parents})
      devices.add(headerAt(vault.path).device)
    }
    expect(devices.size).toBe(1)
    await put(embeddedVault(placeAt(vault.path)), 'myapp-production', 'two')
    expect(devices.has(headerAt(vault.path).device)).toBe(false)
  })

  it('makes room by deleting, in a vault that takes nothing any more', async () => {
    const author = {device: 'd0'.repeat(16), now: new Date('2026-11-21T09:30:00.000Z')}
    const vault = await cheapVault()
    const file = join(vault.path, 'vault.enc')
    const opened = await openVault({path: file, bytes: readFileSync(file)}, password)
    let {payload} = opened
    const room = 16 * 2 ** 20 - 70_000
    for (const [name, share] of [
      ['current', 0.4],
      ['deleted', 0.3],
      ['rest', 0.3],
    ] as const)
      payload = withValue(payload, name, Buffer.alloc(Math.floor(room * share), 'x'), author)
    payload = withDeletion(payload, 'deleted', author)
    writeFileSync(file, seal({...opened, payload}, {path: file, ...author}))

    const value = Buffer.alloc(64 * 1024, 'y')
    expect(await codeOf(vault.put('new', value, 'any'))).toBe('FILE_TOO_LARGE')
    expect(await vault.remove('deleted')).toBe('gone')
    expect(await vault.put('new', value, 'any')).toBe(1)
    expect(await codeOf(vault.remove('deleted'))).toBe('NOT_IN_VAULT')
    const secrets = await vault.read()
    expect(secrets.get('deleted')!.map((version) => version.value)).toEqual(['deleted'])
    expect(secrets.get('rest')![0].value).toHaveLength(Math.floor(room * 0.3))
    expect(await vault.put('current', Buffer.from('small'), 'any')).toBe(2)
    expect(await vault.remove('current')).toBe('kept')
    expect((await vault.read()).get('current')).toHaveLength(3)
  })

  it('follows vault.enc as a link inside its directory, and refuses one that leads out', async () => {
    const vault = await cheapVault()
    const [file, inside] = [join(vault.path, 'vault.enc'), join(vault.path, 'current.enc')]
    renameSync(file, inside)
    symlinkSync('current.enc', file)
    await put(vault, 'myapp-production', 'one')
    expect(lstatSync(file).isSymbolicLink()).toBe(true)
    const outside = join(vault.path, '..', 'outside.enc')
    renameSync(inside, outside)
    rmSync(file)
    symlinkSync(outside, file)
    const before = sha256(outside)
    expect(await codeOf(vault.read())).toBe('VAULT_PATH_REFUSED')
    expect(await codeOf(put(vault, 'myapp-production', 'two'))).toBe('VAULT_PATH_REFUSED')
    expect(sha256(outside)).toBe(before)
  })

  it('refuses backups as a link', async () => {
    const vault = await cheapVault()
    const outside = temporaryDirectory()
    symlinkSync(outside, join(vault.path, 'backups'))
    expect(await codeOf(put(vault, 'myapp-production', 'one'))).toBe('VAULT_PATH_REFUSED')
    expect(readdirSync(outside)).toEqual([])
    expect(headerAt(vault.path).gen).toBe(1)
  })

  it('refuses a directory, a pipe and a huge file in the place of vault.enc, at once', async () => {
    const {path} = await cheapVault()
    const file = join(path, 'vault.enc')
    rmSync(file)
    mkdirSync(file)
    expect(await codeOf(embeddedVault(placeAt(path)).read())).toBe('NOT_A_FILE')
    rmSync(file, {recursive: true})
    execFileSync('/usr/bin/env', ['mkfifo', file])
    expect(await codeOf(embeddedVault(placeAt(path)).read())).toBe('NOT_A_FILE')
    rmSync(file)
    writeFileSync(file, '')
    truncateSync(file, 2 ** 40)
    expect(await codeOf(embeddedVault(placeAt(path)).read())).toBe('FILE_TOO_LARGE')
  })

  it('says VAULT_NOT_FOUND when the path is nothing, a file, an empty directory or the file of the vault', async () => {
    const base = temporaryDirectory()
    writeFileSync(join(base, 'vault.enc'), 'text')
    mkdirSync(join(base, 'empty'))
    for (const name of ['nothing', 'vault.enc', 'empty'])
      expect(await codeOf(embeddedVault(placeAt(join(base, name))).read())).toBe('VAULT_NOT_FOUND')
  })

  it('starts anew when somebody without the lock changed the file under it, and loses neither write', async () => {
    const {path} = await cheapVault()
    const file = join(path, 'vault.enc')
    const before = readFileSync(file)
    await put(embeddedVault(placeAt(path)), 'myapp-staging', 'theirs')
    const after = readFileSync(file)
    writeFileSync(file, before)
    let calls = 0
    const now = (): Date => {
      if (calls++ === 0) writeFileSync(file, after)
      return new Date()
    }
    await put(embeddedVault(placeAt(path, {now})), 'myapp-production', 'ours')
    expect([...(await embeddedVault(placeAt(path)).read()).keys()]).toEqual(['myapp-production', 'myapp-staging'])
  })

  it('leaves vault and backups as they were when the new file cannot be written', async () => {
    const vault = await cheapVault()
    await put(vault, 'myapp-production', 'one')
    const before = readdirSync(join(vault.path, 'backups'))
    let seen = 0
    // Between backup and replacement somebody puts another file there, each time.
    const meddled = embeddedVault(
      placeAt(vault.path, {
        now: () => {
          seen++
          writeFileSync(
            join(vault.path, 'vault.enc'),
            Buffer.concat([readFileSync(join(vault.path, 'vault.enc')), Buffer.from('!')]),
          )
          return new Date()
        },
      }),
    )
    expect(await codeOf(put(meddled, 'myapp-production', 'two'))).toMatch(/^(FILE_CHANGED|VAULT_CORRUPT)$/)
    expect(seen).toBeGreaterThan(0)
    expect(readdirSync(join(vault.path, 'backups'))).toEqual(before)
  })
})

describe('processes', () => {
  it('I6 fails with LOCKED, naming the holder, while another process keeps the lock', async () => {
    const vault = await cheapVault({waitMs: 100})
    const place = placeAt(vault.path, {waitMs: 100})
    await withLock(realpathSync(vault.path), {stateDir: place.stateDir}, async () => {
      const blocked = embeddedVault(place)
      await expect(put(blocked, 'myapp-production', 'one')).rejects.toMatchObject({
        code: 'LOCKED',
        message: expect.stringContaining(String(process.pid)),
      })
    })
  })

  it('F5 loses none of 2×10 secrets that two processes store at once', async () => {
    const vault = await cheapVault()
    const place = placeAt(vault.path)
    const children = ['a', 'b'].map((prefix) => writer(place.path, place.stateDir, prefix, 10))
    expect(await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number))).toEqual([0, 0])
    const names = [...(await vault.read()).keys()].toSorted()
    expect(names).toEqual(['a', 'b'].flatMap((prefix) => Array.from({length: 10}, (_, n) => `${prefix}-${n}`)))
    expect(headerAt(vault.path).gen).toBe(21)
  })

  it('F1 opens with every stored secret after a writer was killed at any moment, and leaves no stray file', async () => {
    const vault = await cheapVault()
    const place = placeAt(vault.path)
    for (let round = 0; round < 12; round++) {
      const child = writer(place.path, place.stateDir, `round-${round}`, 1000)
      const stored: string[] = []
      child.on('message', (name: string) => stored.push(name))
      await once(child, 'message')
      await sleep(round * 3)
      child.kill('SIGKILL')
      await once(child, 'exit')
      const names = (await embeddedVault({...place, home: '/nonexistent'}).read()).keys()
      expect([...names]).toEqual(expect.arrayContaining(stored))
    }
    await put(embeddedVault(place), 'last', 'one')
    expect(readdirSync(vault.path).toSorted()).toEqual(['backups', 'vault.enc', 'vault.enc.meta.json'])
  })

  it('F1 sweeps what a killed writer left', async () => {
    const vault = await cheapVault()
    const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
    const stray = join(vault.path, `vault.enc.envdrift-${host}-4194305-${'0'.repeat(16)}.tmp`)
    writeFileSync(stray, 'half')
    await put(vault, 'myapp-production', 'one')
    expect(existsSync(stray)).toBe(false)
  })

  const whyNot = process.getuid?.() === 0 ? closedToOthers : ' (skipped: only root becomes another user)'
  it.skipIf(whyNot)(`F8 reads a vault on a read-only disk, without a home${whyNot}`, async () => {
    const base = temporaryDirectory()
    const path = join(base, 'vault')
    await writeCheapVault(path)
    chmodSync(join(path, 'vault.enc'), 0o444)
    chmodSync(path, 0o555)
    chmodSync(base, 0o755)
    const child = fork(new URL('vault-writer.ts', import.meta.url), [path, join(path, 'state'), 'read', '0'], {
      uid: 65_534,
      gid: 65_534,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {TMPDIR: '/tmp'},
    })
    const messages: unknown[] = []
    child.on('message', (message) => messages.push(message))
    await once(child, 'exit')
    expect(messages).toEqual(['opened with 0 secrets', 'FILE_UNWRITABLE'])
    expect(readdirSync(path)).toEqual(['vault.enc'])
  })
})

const writer = (path: string, stateDir: string, prefix: string, count: number) =>
  fork(new URL('vault-writer.ts', import.meta.url), [path, stateDir, prefix, String(count)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
