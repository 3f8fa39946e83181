import {execFileSync, spawn} from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {describe, expect, it, onTestFinished} from 'vitest'

import {
  backupName,
  readTextFile,
  replaceFile,
  statKind,
  sweepTemporaries,
  temporaryName,
} from '../../src/system/files.ts'

const project = join(import.meta.dirname, '../..')
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'envdrift-files-')))
  onTestFinished(() => rmSync(folder, {recursive: true, force: true}))
  return folder
}

/** A repository and, beside it, a folder that it must not reach. */
function twoFolders(): {readonly inside: string; readonly outside: string} {
  const folder = temporaryFolder()
  const [inside, outside] = [join(folder, 'repository'), join(folder, 'repository-of-others')]
  for (const one of [inside, outside]) mkdirSync(one)
  return {inside, outside}
}

/** A child that runs a script with files.ts at hand; `shell` may narrow what it is allowed before. */
function inChild(script: string, shell = ''): string {
  const source = `import {replaceFile} from ${JSON.stringify(join(project, 'src/system/files.ts'))}; ${script}`
  return execFileSync('/bin/sh', ['-c', `${shell} exec "$0" --input-type=module -e "$1"`, process.execPath, source], {
    encoding: 'utf8',
    stdio: 'pipe',
  })
}

describe('readTextFile', () => {
  it.each(['', 'a\n', 'línea\r\nsegunda', '\uFEFFwith a mark', 'x'.repeat(10_000)])(
    'reads back %j unchanged',
    async (text) => {
      const path = join(temporaryFolder(), '.env')
      writeFileSync(path, text)
      expect(await readTextFile(path)).toBe(text)
    },
  )

  it('says undefined for what is not there, and only for that', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'file'), '')
    expect(await readTextFile(join(folder, 'absent', '.env'))).toBeUndefined()
    symlinkSync('nowhere', join(folder, 'dangling'))
    symlinkSync('loop', join(folder, 'loop'))
    await expect(readTextFile(join(folder, 'dangling'))).rejects.toMatchObject({code: 'NOT_A_FILE'})
    await expect(readTextFile(join(folder, 'loop'))).rejects.toMatchObject({code: 'NOT_A_FILE'})
    await expect(readTextFile(join(folder, 'file', '.env'))).rejects.toMatchObject({code: 'FILE_UNREADABLE'})
  })

  it('C134 refuses a FIFO, a device, a socket and a folder without waiting', async () => {
    const folder = temporaryFolder()
    execFileSync('/usr/bin/env', ['mkfifo', join(folder, 'fifo')])
    symlinkSync('/dev/zero', join(folder, 'zero'))
    const server = createServer().listen(join(folder, 'socket'))
    onTestFinished(() => void server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    for (const path of [join(folder, 'fifo'), join(folder, 'zero'), '/dev/zero', join(folder, 'socket'), folder]) {
      await expect(readTextFile(path)).rejects.toMatchObject({code: 'NOT_A_FILE'})
    }
  })

  it('C134 refuses a file over the limit, and takes one of just that size', async () => {
    const path = join(temporaryFolder(), '.env')
    writeFileSync(path, 'x'.repeat(1024 * 1024))
    expect(await readTextFile(path)).toHaveLength(1024 * 1024)
    writeFileSync(path, 'x'.repeat(1024 * 1024 + 1))
    await expect(readTextFile(path)).rejects.toMatchObject({code: 'FILE_TOO_LARGE'})
    await expect(readTextFile(path, {maxBytes: 10})).rejects.toMatchObject({code: 'FILE_TOO_LARGE'})
  })

  it.runIf(process.platform === 'linux')('does not believe a file that says it is empty', async () => {
    // Files of /proc have size 0 and content.
    expect(await readTextFile('/proc/self/status')).toContain('Pid:')
    expect((await readTextFile('/proc/self/smaps', {maxBytes: 64 * 1024 * 1024}))?.length).toBeGreaterThan(100_000)
    await expect(readTextFile('/proc/self/status', {maxBytes: 10})).rejects.toMatchObject({code: 'FILE_TOO_LARGE'})
  })

  it.each([
    Buffer.from([0x61, 0xff]),
    Buffer.from([0xc3]),
    Buffer.from('text', 'utf16le').subarray(1).fill(0xd8, 0, 1),
  ])('C80 refuses bytes that are not UTF-8: %j', async (bytes) => {
    const path = join(temporaryFolder(), '.env')
    writeFileSync(path, bytes)
    await expect(readTextFile(path)).rejects.toMatchObject({
      code: 'FILE_NOT_TEXT',
      message: expect.stringContaining(path),
    })
  })

  it('C62 C134 refuses what lies outside `within` after symlinks', async () => {
    const {inside, outside} = twoFolders()
    writeFileSync(join(outside, 'secret'), 'secret')
    writeFileSync(join(inside, 'own'), 'own')
    symlinkSync(join(outside, 'secret'), join(inside, 'link'))
    symlinkSync(outside, join(inside, 'folder'))
    symlinkSync('own', join(inside, 'good'))
    expect(await readTextFile(join(inside, 'good'), {within: inside})).toBe('own')
    for (const path of ['link', 'folder/secret', '../repository-of-others/secret']) {
      await expect(readTextFile(join(inside, path), {within: inside})).rejects.toMatchObject({
        code: 'OUTSIDE_REPOSITORY',
      })
    }
  })
})

it('tells files, folders, others and nothing apart', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'file'), '')
  symlinkSync('file', join(folder, 'link'))
  symlinkSync('nowhere', join(folder, 'dangling'))
  const kinds = []
  for (const name of ['file', 'link', '.', 'dangling', 'absent', 'file/below'])
    kinds.push(await statKind(join(folder, name)))
  expect([...kinds, await statKind('/dev/null')]).toEqual([
    'file',
    'file',
    'directory',
    'absent',
    'absent',
    'absent',
    'other',
  ])
})

describe('replaceFile', () => {
  const now = new Date('2026-11-21T09:30:05.999Z')

  it('makes a new file of mode 0600 whatever the umask, and no backup', async () => {
    const path = join(temporaryFolder(), '.env.keys')
    const umask = process.umask(0o000)
    const result = await replaceFile(path, {before: undefined, after: 'new', backup: {keep: 10, now}})
    process.umask(umask)
    expect({...result, text: readFileSync(path, 'utf8'), mode: modeOf(path)}).toEqual({
      backup: undefined,
      target: path,
      text: 'new',
      mode: '600',
    })
    expect(readdirSync(join(path, '..'))).toEqual(['.env.keys'])
  })

  it.each([
    ['644', '600'],
    ['666', '600'],
    ['600', '600'],
    ['400', '400'],
    ['444', '400'],
    ['700', '600'],
  ])('C77 turns mode %s into %s, and the backup into 600', async (before, after) => {
    const path = join(temporaryFolder(), '.env.keys')
    writeFileSync(path, 'old')
    chmodSync(path, Number.parseInt(before, 8))
    const {backup} = await replaceFile(path, {before: 'old', after: 'new', backup: {keep: 10, now}})
    expect([modeOf(path), modeOf(backup ?? '')]).toEqual([after, '600'])
    expect(readFileSync(path, 'utf8')).toBe('new')
  })

  it('C132 names backups by their time in UTC, and never writes over one', async () => {
    const path = join(temporaryFolder(), '.env.keys')
    writeFileSync(path, '0')
    const backups = []
    for (const text of ['1', '2', '3']) {
      const before = readFileSync(path, 'utf8')
      backups.push((await replaceFile(path, {before, after: text, backup: {keep: 10, now}})).backup)
    }
    expect(backups).toEqual([
      `${path}.backup.20261121_093005`,
      `${path}.backup.20261121_093005.1`,
      `${path}.backup.20261121_093005.2`,
    ])
    expect(backups.map((backup) => readFileSync(backup ?? '', 'utf8'))).toEqual(['0', '1', '2'])
  })

  it('C132 keeps the newest backups, and touches nothing that only looks like one', async () => {
    const folder = temporaryFolder()
    const path = join(folder, '.env.keys')
    const others = [
      '.env.keys.backup',
      '.env.keys.backup.20200101_000000.old',
      '.env.keys.backup.2020',
      '.env.keys.other.backup.20200101_000000',
      'my.env.keys.backup.20200101_000000',
    ]
    const backups = ['20250101_000000', '20260101_000000', '20260101_000000.2', '20260101_000000.10'].map(
      (time) => `.env.keys.backup.${time}`,
    )
    for (const name of [...others, ...backups]) writeFileSync(join(folder, name), name)
    mkdirSync(`${path}.backup.20190101_000000`)
    writeFileSync(path, 'old')
    await replaceFile(path, {before: 'old', after: 'new', backup: {keep: 3, now}})
    expect(readdirSync(folder).toSorted()).toEqual(
      [
        '.env.keys',
        '.env.keys.backup.20190101_000000',
        '.env.keys.backup.20260101_000000.10',
        '.env.keys.backup.20260101_000000.2',
        '.env.keys.backup.20261121_093005',
        ...others,
      ].toSorted(),
    )
  })

  it('C132 keeps the copy just made, even when the clock was set back or none should be kept', async () => {
    const path = join(temporaryFolder(), '.env.keys')
    writeFileSync(path, 'old')
    writeFileSync(`${path}.backup.20300101_000000`, 'later')
    const {backup} = await replaceFile(path, {before: 'old', after: 'new', backup: {keep: 0, now}})
    expect(readFileSync(backup ?? '', 'utf8')).toBe('old')
    expect(existsSync(`${path}.backup.20300101_000000`)).toBe(false)
  })

  it('C78 writes through a link inside the repository and keeps the link', async () => {
    const {inside} = twoFolders()
    mkdirSync(join(inside, 'service'))
    writeFileSync(join(inside, 'shared.keys'), 'old', {mode: 0o600})
    const link = join(inside, 'service', '.env.keys')
    symlinkSync('../shared.keys', link)
    const result = await replaceFile(link, {before: 'old', after: 'new', within: inside, backup: {keep: 10, now}})
    expect(result).toEqual({
      target: join(inside, 'shared.keys'),
      backup: join(inside, 'shared.keys.backup.20261121_093005'),
    })
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(inside, 'shared.keys'), 'utf8')).toBe('new')
    expect(readdirSync(join(inside, 'service'))).toEqual(['.env.keys'])
  })

  it('C78 refuses a link to anything else, and leaves its target alone', async () => {
    const {inside, outside} = twoFolders()
    writeFileSync(join(outside, 'victim'), 'old')
    const link = join(inside, '.env.keys')
    const tries = [
      [join(outside, 'victim'), 'OUTSIDE_REPOSITORY'],
      [join(outside, 'absent'), 'NOT_A_FILE'],
      [outside, 'OUTSIDE_REPOSITORY'],
      [inside, 'NOT_A_FILE'],
      ['/dev/null', 'OUTSIDE_REPOSITORY'],
    ] as const
    for (const [target, code] of tries) {
      symlinkSync(target, link)
      for (const before of ['old', undefined]) {
        await expect(
          replaceFile(link, {before, after: 'new', within: inside, backup: {keep: 1, now}}),
        ).rejects.toMatchObject({code})
      }
      rmSync(link)
    }
    symlinkSync('/dev/null', link)
    await expect(replaceFile(link, {before: undefined, after: 'new'})).rejects.toMatchObject({code: 'NOT_A_FILE'})
    rmSync(link)
    symlinkSync(outside, join(inside, 'folder'))
    await expect(
      replaceFile(join(inside, 'folder', 'new'), {before: undefined, after: 'new', within: inside}),
    ).rejects.toMatchObject({
      code: 'OUTSIDE_REPOSITORY',
    })
    expect([readFileSync(join(outside, 'victim'), 'utf8'), readdirSync(outside), readdirSync(inside)]).toEqual([
      'old',
      ['victim'],
      ['folder'],
    ])
  })

  it('C80 names the path when it is a folder, or its folder is missing', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, '.env.keys'))
    await expect(replaceFile(join(folder, '.env.keys'), {before: undefined, after: 'new'})).rejects.toMatchObject({
      code: 'NOT_A_FILE',
      message: expect.stringContaining(join(folder, '.env.keys')),
    })
    await expect(
      replaceFile(join(folder, 'absent', '.env.keys'), {before: undefined, after: 'new'}),
    ).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringContaining(join(folder, 'absent', '.env.keys')),
    })
    expect(readdirSync(folder)).toEqual(['.env.keys'])
  })

  it('C80 leaves nothing in a folder that it may not write to', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, '.env.keys'), 'old')
    chmodSync(folder, 0o755)
    chmodSync(join(folder, '.env.keys'), 0o644)
    // Root may write everywhere, so as root the child becomes somebody else first.
    const become =
      process.getuid?.() === 0 ? 'process.setgroups([]); process.setgid(65534); process.setuid(65534);' : ''
    if (become === '') chmodSync(folder, 0o555)
    const path = JSON.stringify(join(folder, '.env.keys'))
    const said =
      inChild(`${become} await replaceFile(${path}, {before: 'old', after: 'new', backup: {keep: 1, now: new Date()}})
      .catch(({code, message}) => console.log(code, message))`)
    chmodSync(folder, 0o755)
    expect(said).toMatch(/^FILE_UNWRITABLE .*\.env\.keys: EACCES/)
    expect([readdirSync(folder), readFileSync(join(folder, '.env.keys'), 'utf8')]).toEqual([['.env.keys'], 'old'])
  })

  it.each([undefined, {keep: 1, now}])(
    'C81 keeps the old file and the system’s words when nothing more can be written (backup: %j)',
    (backup) => {
      const folder = temporaryFolder()
      const path = join(folder, '.env.keys')
      const [old, text] = ['old\n'.repeat(5), 'new\n'.repeat(5_000)]
      writeFileSync(path, old)
      // The kernel refuses the write half-way (EFBIG), as it does on a full disk: that one takes root to set up.
      const said = inChild(
        `await replaceFile(${JSON.stringify(path)}, {before: ${JSON.stringify(old)}, after: ${JSON.stringify(text)},
        backup: ${backup === undefined ? 'undefined' : '{keep: 1, now: new Date()}'}}).catch(({code, message}) => console.log(code, message))`,
        'ulimit -f 8;',
      )
      expect(said).toMatch(/^FILE_UNWRITABLE .*\.env\.keys: EFBIG: file too large/)
      expect([readdirSync(folder), readFileSync(path, 'utf8')]).toEqual([['.env.keys'], old])
    },
  )

  it('C81 removes a backup that could not be written whole', () => {
    const folder = temporaryFolder()
    const path = join(folder, '.env.keys')
    const old = 'old\n'.repeat(5_000)
    writeFileSync(path, old)
    const said = inChild(
      `await replaceFile(${JSON.stringify(path)}, {before: ${JSON.stringify(old)}, after: 'new', backup: {keep: 1, now: new Date()}})
        .catch(({code, message}) => console.log(code, message))`,
      'ulimit -f 8;',
    )
    expect(said).toMatch(/^FILE_UNWRITABLE .*EFBIG/)
    expect([readdirSync(folder), readFileSync(path, 'utf8')]).toEqual([['.env.keys'], old])
  })

  it('C82 leaves alone what lies at names that somebody could guess', async () => {
    const folder = temporaryFolder()
    const path = join(folder, '.env.keys')
    writeFileSync(path, 'old')
    writeFileSync(join(folder, 'victim'), 'victim')
    const planted = [
      '.env.keys.tmp',
      '.env.keys.backup.20261121_093005',
      `.env.keys.envdrift-${process.pid}.tmp`,
      '.env.keys~',
    ]
    for (const name of planted) symlinkSync('victim', join(folder, name))
    const {backup} = await replaceFile(path, {before: 'old', after: 'new', backup: {keep: 5, now}})
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('victim')
    expect(backup).toBe(`${path}.backup.20261121_093005.1`)
    expect(planted.every((name) => lstatSync(join(folder, name)).isSymbolicLink())).toBe(true)
  })

  it.each([
    ['old', 'changed'],
    ['old', 'old and more'],
    ['old', undefined],
    [undefined, 'came up'],
    [undefined, ''],
  ])('refuses to replace %j when %j is there', async (before, there) => {
    const folder = temporaryFolder()
    const path = join(folder, '.env.keys')
    if (there !== undefined) writeFileSync(path, there)
    await expect(replaceFile(path, {before, after: 'new', backup: {keep: 1, now}})).rejects.toMatchObject({
      code: 'FILE_CHANGED',
    })
    expect(readdirSync(folder)).toEqual(there === undefined ? [] : ['.env.keys'])
    expect(existsSync(path) ? readFileSync(path, 'utf8') : undefined).toBe(there)
  })

  it('never loses what two writers of one new file write', async () => {
    const path = join(temporaryFolder(), '.env.keys')
    const tries = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map(async (after) => await replaceFile(path, {before: undefined, after})),
    )
    expect(tries.filter(({status}) => status === 'fulfilled')).toHaveLength(1)
    expect(tries.filter((one) => one.status === 'rejected').map((one) => (one.reason as {code: string}).code)).toEqual(
      Array(3).fill('FILE_CHANGED'),
    )
    expect(readdirSync(join(path, '..'))).toEqual(['.env.keys'])
  })

  it('sees a change that comes while it writes', async () => {
    const folder = temporaryFolder()
    const path = join(folder, '.env.keys')
    writeFileSync(path, 'old')
    const looking = watch(folder, (_, name) => {
      if (name?.endsWith('.tmp') === true && readFileSync(path, 'utf8') === 'old')
        writeFileSync(path, 'of someone else')
    })
    onTestFinished(() => looking.close())
    // Large, so that the change surely comes before the end.
    const replacing = replaceFile(path, {before: 'old', after: 'x'.repeat(32 * 1024 * 1024), backup: {keep: 1, now}})
    await expect(replacing).rejects.toMatchObject({code: 'FILE_CHANGED'})
    expect([readdirSync(folder), readFileSync(path, 'utf8')]).toEqual([['.env.keys'], 'of someone else'])
  })

  it('leaves a hard link to the old file with the old text', async () => {
    const path = join(temporaryFolder(), '.env.keys')
    writeFileSync(path, 'old')
    linkSync(path, `${path}.link`)
    await replaceFile(path, {before: 'old', after: 'new'})
    expect(readFileSync(`${path}.link`, 'utf8')).toBe('old')
  })

  it('takes bytes as well as text', async () => {
    const path = join(temporaryFolder(), 'vault.enc')
    writeFileSync(path, Buffer.from([0, 255]))
    await replaceFile(path, {before: Buffer.from([0, 255]), after: Buffer.from([255, 0, 255])})
    expect([...readFileSync(path)]).toEqual([255, 0, 255])
  })

  it.runIf(process.getuid?.() === 0)('gives the file back to its owner when root replaces it', async () => {
    const path = join(temporaryFolder(), '.env.keys')
    execFileSync('/bin/sh', ['-c', 'printf old > "$0" && chown 65534:65534 "$0"', path])
    await replaceFile(path, {before: 'old', after: 'new'})
    expect([statSync(path).uid, statSync(path).gid, modeOf(path)]).toEqual([65534, 65534, '600'])
  })
})

describe('temporary files', () => {
  it('are covered by the usual ignore line, and recognised', () => {
    const name = '.env.keys.envdrift-00c0ffee-4711-0123456789abcdef.tmp'
    expect(temporaryName.exec(name)?.slice(1)).toEqual(['.env.keys', '00c0ffee', '4711'])
    expect(temporaryName.test('.env.keys.tmp')).toBe(false)
    expect(backupName.exec('.env.keys.backup.20261121_093005.2')?.slice(1)).toEqual([
      '.env.keys',
      '20261121_093005',
      '2',
    ])
  })

  it('have that name while they are there', () => {
    const folder = temporaryFolder()
    const path = join(folder, '.env.keys')
    inChild(`import fs from 'node:fs'
      const looking = fs.watch(${JSON.stringify(folder)}, (_, name) => { if (name.endsWith('.tmp')) fs.writeFileSync(${JSON.stringify(join(folder, 'seen'))}, name) })
      await replaceFile(${JSON.stringify(path)}, {before: undefined, after: 'new'})
      setTimeout(() => looking.close(), 200)`)
    expect(temporaryName.exec(readFileSync(join(folder, 'seen'), 'utf8'))?.[1]).toBe('.env.keys')
  })

  it('of a dead process go at once, those of a live one and of others stay', async () => {
    const folder = temporaryFolder()
    const path = join(folder, '.env.keys')
    // Our own writer gives away this machine's tag.
    const dead = spawn(process.execPath, ['-e', ''], {stdio: 'ignore'})
    await new Promise((resolve) => dead.once('exit', resolve))
    const tag =
      inChild(`import fs from 'node:fs'; import {sweepTemporaries} from ${JSON.stringify(join(project, 'src/system/files.ts'))}
      const {writeFile} = fs.promises
      const looking = fs.watch(${JSON.stringify(folder)}, (_, name) => { const tag = /envdrift-([0-9a-f]{8})-/.exec(name)?.[1]; if (tag) { console.log(tag); looking.close() } })
      await replaceFile(${JSON.stringify(path)}, {before: undefined, after: 'new'})`).slice(0, 8)
    const names = [
      `.env.keys.envdrift-${tag}-${dead.pid}-0123456789abcdef.tmp`,
      `.env.keys.envdrift-${tag}-${process.pid}-0123456789abcdef.tmp`,
      `.env.keys.envdrift-ffffffff-${dead.pid}-0123456789abcdef.tmp`,
      `.env.envdrift-${tag}-${dead.pid}-0123456789abcdef.tmp`,
      `.env.keys.${dead.pid}.tmp`,
    ]
    for (const name of names) writeFileSync(join(folder, name), 'key')
    await sweepTemporaries(path)
    expect(readdirSync(folder).toSorted()).toEqual(['.env.keys', ...names.slice(1)].toSorted())
    // An hour later nobody is still writing, wherever he was.
    for (const name of names.slice(1)) execFileSync('touch', ['-d', '2020-01-01', join(folder, name)])
    await sweepTemporaries(path)
    expect(readdirSync(folder).toSorted()).toEqual(['.env.keys', ...names.slice(3)].toSorted())
  })

  it('go when the process exits in the middle of a write', () => {
    const folder = temporaryFolder()
    inChild(`import fs from 'node:fs'
      fs.watch(${JSON.stringify(folder)}, (_, name) => { if (name.endsWith('.tmp')) process.exit(0) })
      for (let n = 0; ; n++) await replaceFile(${JSON.stringify(join(folder, '.env.keys'))}, {before: n ? String(n - 1) : undefined, after: String(n)})`)
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('go when the process exits while it makes a backup, and that backup with them', () => {
    const folder = temporaryFolder()
    const path = join(folder, '.env.keys')
    const before = 'a'.repeat(8_000_000)
    writeFileSync(path, before)
    inChild(`import fs from 'node:fs'
      fs.watch(${JSON.stringify(folder)}, (_, name) => { if (name.includes('.backup.')) process.exit(0) })
      const before = fs.readFileSync(${JSON.stringify(path)})
      await replaceFile(${JSON.stringify(path)}, {before, after: 'b', backup: {keep: 2, now: new Date()}})`)
    // Where it was too late to stop, the backup is the only copy of what was there.
    const whole = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8').length)
    expect([[before.length], [1, before.length]]).toContainEqual(whole)
  })
})

it('killed at any moment leaves the old text or the new one whole, and one temporary file at most, which the next run sweeps', async () => {
  const folder = temporaryFolder()
  const path = join(folder, '.env.keys')
  const text = (n: number): string => `${String(n).padStart(8, '0')}\n`.repeat(2_000)
  writeFileSync(path, text(0))
  const script = `import fs from 'node:fs'; import {replaceFile} from ${JSON.stringify(join(project, 'src/system/files.ts'))}
    const path = ${JSON.stringify(path)}; const text = (n) => (String(n).padStart(8, '0') + '\\n').repeat(2000)
    for (;;) {
      const before = fs.readFileSync(path, 'utf8')
      await replaceFile(path, {before, after: text(Number(before.slice(0, 8)) + 1), backup: {keep: 2, now: new Date()}})
      process.stdout.write('.')
    }`
  let strays = 0
  for (let kill = 0; kill < 25; kill++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {stdio: ['ignore', 'pipe', 'ignore']})
    await new Promise((resolve) => child.stdout.once('data', resolve))
    await sleep(Math.random() * 15)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    const found = readFileSync(path, 'utf8')
    expect(found).toBe(text(Number(found.slice(0, 8))))
    const left = readdirSync(folder).filter((name) => temporaryName.test(name))
    expect(left.length).toBeLessThanOrEqual(1)
    strays += left.length
  }
  const before = readFileSync(path, 'utf8')
  await replaceFile(path, {before, after: 'end', backup: {keep: 2, now: new Date()}})
  expect(readdirSync(folder).filter((name) => temporaryName.test(name))).toEqual([])
  // Else the kills all came between two writes, and this test shows nothing.
  expect(strays).toBeGreaterThan(0)
}, 60_000)
