import {execFileSync, spawn} from 'node:child_process'
import {closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {describe, expect, it, onTestFinished} from 'vitest'

import {readDescriptor, readPath, type Limits} from '../../src/cli/given-bytes.ts'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'envdrift-bytes-'))
  onTestFinished(() => rmSync(path, {recursive: true}))
  return path
}

function fifo(): string {
  const path = join(folder(), 'pipe')
  execFileSync('/usr/bin/env', ['mkfifo', path])
  return path
}

/** A shell that ends with the test. */
function run(script: string, ...args: readonly string[]): void {
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...args], {stdio: 'ignore', detached: true})
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  })
}

const limits = (given: Partial<Limits> = {}): Limits => ({
  maxBytes: 1000,
  timeoutMs: 20_000,
  signal: new AbortController().signal,
  ...given,
})

/** The text that was read, or the message of what was thrown. */
const outcome = (read: Promise<Buffer>): Promise<string> =>
  read.then(String, (error: unknown) => (error instanceof Error ? error.message : String(error)))

/** Ways to a pipe that somebody can write to and nobody does. */
const silent: readonly [string, (given?: Partial<Limits>) => Promise<Buffer>][] = [
  ['a pipe by its path, which nobody opened', (given) => readPath(fifo(), limits(given))],
  [
    'a pipe by its path, which somebody keeps open',
    (given) => {
      const path = fifo()
      run('exec 3>"$1"; sleep 60', path)
      return readPath(path, limits(given))
    },
  ],
  ['an open pipe by its file descriptor', (given) => readDescriptor(openSync(fifo(), 'r+'), limits(given))],
]

describe.each(silent)('%s', (_, read) => {
  it('is given up after the limit, which the message says', async () => {
    expect(await outcome(read({timeoutMs: 400}))).toMatch(/^did not end within 0.4 s/)
  })

  it('is left at once when the run is cancelled, with the reason of the run', async () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(new Error('Interrupted')), 200)
    expect(await outcome(read({signal: controller.signal}))).toBe('Interrupted')
  })
})

it('waits for a slow writer, who comes late and writes in pieces', async () => {
  const path = fifo()
  run('sleep 0.5; { printf "correct "; sleep 0.5; printf "horse"; } > "$1"', path)
  expect(await outcome(readPath(path, limits()))).toBe('correct horse')
})

it('reads a file by its path and by its file descriptor, from where that stands', async () => {
  const path = join(folder(), 'file')
  writeFileSync(path, 'correct horse')
  expect(await outcome(readPath(path, limits()))).toBe('correct horse')
  expect(await outcome(readDescriptor(openSync(path, 'r'), limits()))).toBe('correct horse')
})

it.each([
  ['a device', () => '/dev/zero'],
  [
    'a pipe',
    () => {
      const path = fifo()
      run('exec cat /dev/zero > "$1"', path)
      return path
    },
  ],
  [
    'a file',
    () => {
      const path = join(folder(), 'file')
      writeFileSync(path, Buffer.alloc(5_000_000))
      return path
    },
  ],
])('stops reading %s without end soon after the limit', async (_, make) => {
  const bytes = await readPath(make(), limits())
  expect(bytes.length).toBeGreaterThan(1000)
  expect(bytes.length).toBeLessThan(200_000)
})

it('refuses a file descriptor that is not open, a folder, and what is not there', async () => {
  const fd = openSync('/dev/null', 'r')
  closeSync(fd)
  expect(await outcome(readDescriptor(fd, limits()))).toBe('is not open for reading')
  const directory = folder()
  mkdirSync(join(directory, 'inner'))
  expect(await outcome(readPath(join(directory, 'inner'), limits()))).toBe('is a directory')
  expect(await outcome(readPath(join(directory, 'none'), limits()))).toBe('could not be read (ENOENT)')
})

it.runIf(process.platform === 'linux')('refuses the pipes that Node keeps for itself', async () => {
  const links = readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [{fd: Number(name), to: readlinkSync(`/proc/self/fd/${name}`)}]
    } catch {
      return []
    }
  })
  const own = links.filter(({to}) => to.startsWith('pipe:') && links.filter((other) => other.to === to).length === 2)
  expect(own.length).toBeGreaterThan(0)
  for (const {fd} of own)
    expect(await outcome(readDescriptor(fd, limits({timeoutMs: 400})))).toMatch(/^is not open for/)
})
