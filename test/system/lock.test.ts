import {execFileSync, spawn} from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {expect, it, onTestFinished, vi} from 'vitest'

import {withLock} from '../../src/system/lock.ts'

const project = join(import.meta.dirname, '../..')

function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'envdrift-lock-')))
  onTestFinished(() => rmSync(folder, {recursive: true, force: true}))
  return folder
}

/** A child that takes the lock, prints `held`, and runs `script` under it. */
function holder(stateDir: string, script: string): ReturnType<typeof spawn> {
  const source = `import {withLock} from ${JSON.stringify(join(project, 'src/system/lock.ts'))}; import fs from 'node:fs'
    await withLock('/repo/.env.keys', {stateDir: ${JSON.stringify(stateDir)}, waitMs: 30000}, async () => { process.stdout.write('held'); ${script} })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {stdio: ['ignore', 'pipe', 'inherit']})
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}
const held = async (child: ReturnType<typeof spawn>): Promise<unknown> =>
  await new Promise((resolve) => child.stdout?.once('data', resolve))
const ended = async (child: ReturnType<typeof spawn>): Promise<number | null> =>
  await new Promise((resolve) => child.once('exit', resolve))
const untilKilled = 'await new Promise(() => setInterval(() => {}, 1000))'

const locksIn = (stateDir: string): readonly string[] => readdirSync(join(stateDir, 'locks'))
/** Path of the lock of `a`, which only this test needs to know. */
async function lockPath(stateDir: string): Promise<string> {
  let path = ''
  await withLock('a', {stateDir}, async () => {
    path = join(stateDir, 'locks', (await Promise.resolve(locksIn(stateDir)))[0] ?? '')
  })
  return path
}

/** That path, and what stands there while this process holds the lock. */
async function lockOfOurs(stateDir: string): Promise<{readonly path: string; readonly mine: Record<string, unknown>}> {
  const path = await lockPath(stateDir)
  const text = await withLock('a', {stateDir}, async () => await Promise.resolve(readFileSync(path, 'utf8')))
  return {path, mine: JSON.parse(text) as Record<string, unknown>}
}

/** Takes the lock and gives it back. */
const takeLock = async (stateDir: string, waitMs?: number): Promise<void> =>
  await withLock('a', {stateDir, ...(waitMs !== undefined && {waitMs})}, async () => await Promise.resolve())

it('returns what ran, and leaves nothing', async () => {
  const stateDir = join(temporaryFolder(), 'not', 'there', 'yet')
  expect(await withLock('a', {stateDir}, async () => await Promise.resolve(locksIn(stateDir).length))).toBe(1)
  expect(locksIn(stateDir)).toEqual([])
})

it('goes when what runs throws, and passes the error on', async () => {
  const stateDir = temporaryFolder()
  const failing = withLock('a', {stateDir}, async () => await Promise.reject(new Error('mine')))
  await expect(failing).rejects.toThrow('mine')
  expect(locksIn(stateDir)).toEqual([])
})

it('keeps two runs in one process apart, and leaves other names alone', async () => {
  const stateDir = temporaryFolder()
  let inside = 0
  let most = 0
  const enter = async (): Promise<void> => {
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setTimeout(resolve, 20))
    inside--
  }
  await Promise.all(
    [1, 2, 3, 4].map(async () => {
      await withLock('a', {stateDir}, enter)
    }),
  )
  expect(most).toBe(1)
  await withLock('a', {stateDir}, async () => {
    await withLock('b', {stateDir, waitMs: 0}, enter)
  })
})

it('lets eight processes add one by one to a file without losing a step', async () => {
  const stateDir = temporaryFolder()
  const counter = join(stateDir, 'counter')
  writeFileSync(counter, '0')
  const source = `import {withLock} from ${JSON.stringify(join(project, 'src/system/lock.ts'))}; import fs from 'node:fs/promises'
    for (let n = 0; n < 15; n++) await withLock('a', {stateDir: ${JSON.stringify(stateDir)}, waitMs: 60000}, async () => {
      await fs.writeFile(${JSON.stringify(counter)}, String(Number(await fs.readFile(${JSON.stringify(counter)}, 'utf8')) + 1)) })`
  const children = Array.from({length: 8}, () =>
    spawn(process.execPath, ['--input-type=module', '-e', source], {stdio: 'inherit'}),
  )
  expect(await Promise.all(children.map(ended))).toEqual(Array(8).fill(0))
  expect(readFileSync(counter, 'utf8')).toBe('120')
}, 60_000)

it('says LOCKED with the holder and the file after the wait, and does not run', async () => {
  const stateDir = temporaryFolder()
  const child = holder(stateDir, untilKilled)
  await held(child)
  const run = vi.fn<() => Promise<void>>()
  const error: unknown = await withLock('/repo/.env.keys', {stateDir, waitMs: 100}, run).catch(
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({
    code: 'LOCKED',
    message: expect.stringMatching(`^/repo/.env.keys is in use .* process ${child.pid} on `),
  })
  expect(error).toMatchObject({
    suggestions: [expect.any(String), expect.stringContaining(join(stateDir, 'locks', locksIn(stateDir)[0] ?? '?'))],
  })
  expect(run).not.toHaveBeenCalled()
})

it('waits for the holder to finish', async () => {
  const stateDir = temporaryFolder()
  const child = holder(
    stateDir,
    `await new Promise((r) => setTimeout(r, 500)); fs.writeFileSync(${JSON.stringify(join(stateDir, 'done'))}, 'yes')`,
  )
  await held(child)
  expect(
    await withLock(
      '/repo/.env.keys',
      {stateDir},
      async () => await Promise.resolve(readFileSync(join(stateDir, 'done'), 'utf8')),
    ),
  ).toBe('yes')
})

it('takes the lock of a killed process over', async () => {
  const stateDir = temporaryFolder()
  const child = holder(stateDir, untilKilled)
  await held(child)
  child.kill('SIGKILL')
  await ended(child)
  expect(locksIn(stateDir)).toHaveLength(1)
  expect(await withLock('/repo/.env.keys', {stateDir, waitMs: 0}, async () => await Promise.resolve('mine'))).toBe(
    'mine',
  )
  expect(locksIn(stateDir)).toEqual([])
})

it('gives the lock of a killed process to one only of many that want it', async () => {
  const stateDir = temporaryFolder()
  const [go, inside] = [join(stateDir, 'go'), join(stateDir, 'inside')]
  // They start at the same moment, and two that are inside at once would trip over the file.
  const source = `import {withLock} from ${JSON.stringify(join(project, 'src/system/lock.ts'))}; import fs from 'node:fs'
    process.stdout.write('ready'); while (!fs.existsSync(${JSON.stringify(go)}));
    await withLock('/repo/.env.keys', {stateDir: ${JSON.stringify(stateDir)}, waitMs: 30000}, async () => {
      fs.writeFileSync(${JSON.stringify(inside)}, '', {flag: 'wx'})
      await new Promise((resolve) => setTimeout(resolve, 5))
      fs.unlinkSync(${JSON.stringify(inside)}) })`
  for (let round = 0; round < 4; round++) {
    const dead = holder(stateDir, untilKilled)
    await held(dead)
    dead.kill('SIGKILL')
    await ended(dead)
    const children = Array.from({length: 5}, () =>
      spawn(process.execPath, ['--input-type=module', '-e', source], {stdio: ['ignore', 'pipe', 'pipe']}),
    )
    const codes = children.map(ended)
    await Promise.all(children.map(held))
    writeFileSync(go, '')
    expect(await Promise.all(codes)).toEqual(Array(5).fill(0))
    rmSync(go)
  }
  expect(locksIn(stateDir)).toEqual([])
}, 60_000)

/** A lock that nobody holds any more, and the path of the claim of a process that breaks it. */
async function abandoned(stateDir: string): Promise<{mine: Record<string, unknown>; claim: string}> {
  const {path, mine} = await lockOfOurs(stateDir)
  writeFileSync(path, JSON.stringify({...mine, start: '1'}))
  return {mine, claim: `${path}.${String(mine['token'])}.break`}
}

it.each([
  ['that is three seconds old', '', -3],
  ['from the future, by a clock that was set back', '', 86_400],
  ['that says by whom it is', {start: '1'}, 0],
] as const)('clears away a claim %s, of a process that was killed while it broke a lock', async (_, text, ageS) => {
  const stateDir = temporaryFolder()
  const {mine, claim} = await abandoned(stateDir)
  writeFileSync(claim, typeof text === 'string' ? text : JSON.stringify({...mine, ...text}))
  const time = new Date(Date.now() + ageS * 1000)
  utimesSync(claim, time, time)
  expect(await withLock('a', {stateDir, waitMs: 0}, async () => await Promise.resolve('mine'))).toBe('mine')
  expect(locksIn(stateDir)).toEqual([])
})

it('waits no longer than it may for one who breaks a lock', async () => {
  const stateDir = temporaryFolder()
  const {mine, claim} = await abandoned(stateDir)
  writeFileSync(claim, JSON.stringify({...mine, host: 'build-7'}))
  await expect(takeLock(stateDir, 100)).rejects.toMatchObject({code: 'LOCKED'})
})

it('waits no longer than it may where something lies that is neither there nor not', async () => {
  const stateDir = temporaryFolder()
  const path = await lockPath(stateDir)
  symlinkSync('/nonexistent/lock', path)
  await expect(takeLock(stateDir, 100)).rejects.toMatchObject({
    code: 'LOCKED',
    suggestions: [expect.any(String), expect.stringContaining(path)],
  })
})

it('calls what ran done, although its lock can’t be removed any more', async () => {
  const stateDir = temporaryFolder()
  const path = await lockPath(stateDir)
  const run = async (): Promise<string> => {
    rmSync(path)
    mkdirSync(path)
    return await Promise.resolve('written')
  }
  expect(await withLock('a', {stateDir}, run)).toBe('written')
})

it('takes over from a process whose id belongs to another one by now', async () => {
  const stateDir = temporaryFolder()
  const {path, mine} = await lockOfOurs(stateDir)
  writeFileSync(path, JSON.stringify({...mine, start: '1'}))
  await takeLock(stateDir, 0)
  writeFileSync(path, JSON.stringify(mine))
  await expect(takeLock(stateDir, 0)).rejects.toMatchObject({code: 'LOCKED'})
})

it('never takes over from another machine', async () => {
  const stateDir = temporaryFolder()
  const {path, mine} = await lockOfOurs(stateDir)
  writeFileSync(path, JSON.stringify({...mine, host: 'build-7', pid: 999_999_999}))
  await expect(takeLock(stateDir, 0)).rejects.toMatchObject({
    code: 'LOCKED',
    message: expect.stringContaining('process 999999999 on build-7'),
  })
})

it.each(['', 'garbage', 'null', '{"pid":1}'])(
  'reclaims an unreadable lock (%j) after two seconds, not before',
  async (text) => {
    const stateDir = temporaryFolder()
    const path = await lockPath(stateDir)
    writeFileSync(path, text)
    await expect(takeLock(stateDir, 0)).rejects.toMatchObject({code: 'LOCKED'})
    const earlier = new Date(Date.now() - 3_000)
    utimesSync(path, earlier, earlier)
    expect(await withLock('a', {stateDir, waitMs: 0}, async () => await Promise.resolve('mine'))).toBe('mine')
  },
)

it('stops waiting when the signal fires', async () => {
  const stateDir = temporaryFolder()
  const controller = new AbortController()
  await withLock('a', {stateDir}, async () => {
    const waiting = withLock('a', {stateDir, signal: controller.signal}, async () => {
      await Promise.resolve()
    })
    controller.abort()
    await expect(waiting).rejects.toMatchObject({code: 'INTERRUPTED'})
  })
})

it('goes when the process exits under it', async () => {
  const stateDir = temporaryFolder()
  const child = holder(stateDir, 'process.exit(130)')
  expect(await ended(child)).toBe(130)
  expect(locksIn(stateDir)).toEqual([])
})

it('removes nobody else’s lock when its own was taken away by hand', async () => {
  const stateDir = temporaryFolder()
  const path = await lockPath(stateDir)
  await withLock('a', {stateDir}, async () => {
    rmSync(path)
    await Promise.resolve()
    writeFileSync(
      path,
      JSON.stringify({pid: 1, start: '', host: 'build-7', since: '', name: 'a', token: '0'.repeat(24)}),
    )
  })
  expect(readFileSync(path, 'utf8')).toContain('build-7')
})

it('uses a folder of its own in the temporary directory when the state directory can’t be had', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'file'), '')
  vi.stubEnv('TMPDIR', folder)
  onTestFinished(() => void vi.unstubAllEnvs())
  const fallback = join(folder, `envdrift-${process.getuid?.()}`)
  const stateDir = join(folder, 'file', 'state')
  expect(await withLock('a', {stateDir}, async () => await Promise.resolve(readdirSync(fallback).length))).toBe(1)
  // Others could remove locks there, or plant links: not safe.
  chmodSync(fallback, 0o777)
  await expect(takeLock(stateDir)).rejects.toMatchObject({code: 'FILE_UNWRITABLE'})
  rmSync(fallback, {recursive: true})
  execFileSync('ln', ['-s', folder, fallback])
  await expect(takeLock(stateDir)).rejects.toMatchObject({code: 'FILE_UNWRITABLE'})
})

it('makes its folder for the user alone', async () => {
  const stateDir = join(temporaryFolder(), 'state')
  mkdirSync(stateDir)
  await takeLock(stateDir)
  expect(execFileSync('ls', ['-ld', join(stateDir, 'locks')], {encoding: 'utf8'})).toMatch(/^drwx------/)
})
