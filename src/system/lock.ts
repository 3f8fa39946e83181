import {execFileSync} from 'node:child_process'
import {createHash, randomBytes} from 'node:crypto'
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import {hostname, tmpdir, userInfo} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {EnvdriftError} from '../core/errors.ts'
import {isCode, isRunning} from './files.ts'
import {removeAtExit} from './leftovers.ts'

// Why not `proper-lockfile`: it knows a dead owner only by a modification time that a timer must keep fresh, so a run that
// was killed blocks the next one for ten seconds, and one that was suspended loses its lock. An owner's process id and
// start time say at once, and for certain, whether it lives.

export type LockOptions = {
  /** Where locks lie; made when it isn't there. Never in the checkout: `stateDir` of directories.ts. */
  readonly stateDir: string
  /** How long to wait for another owner, in milliseconds; 10 s unless given. */
  readonly waitMs?: number
  /** Ends the waiting. What runs under the lock is ended by its own means. */
  readonly signal?: AbortSignal
}

/** What a lock file says of its owner. */
type Owner = {
  /** What is locked, for the person who looks into the folder. */
  readonly name: string
  readonly pid: number
  /** Start of the process, in the system's own words; tells a reused process id apart. Empty where the system won't say. */
  readonly start: string
  readonly host: string
  readonly since: string
  /** Tells this lock from every later one at the same path. */
  readonly token: string
}

/** A lock file that another process is just writing is empty for some microseconds; after this it is nobody's, in milliseconds. */
const unreadableAfterMs = 2_000

const defaultWaitMs = 10_000

/**
 * Run something while no other process on this machine runs something under the same name.
 *
 * The lock goes when `run` is done, throws, or the process exits; that of a killed process is taken over at once.
 *
 * @param name - what is locked, the same for everyone: the absolute path of a file after symlinks.
 * @throws EnvdriftError LOCKED when another owner keeps it for `waitMs`; INTERRUPTED (or the signal's own EnvdriftError)
 * when `signal` fires first; FILE_UNWRITABLE when there is no safe place for a lock.
 */
export async function withLock<T>(name: string, options: LockOptions, run: () => Promise<T>): Promise<T> {
  const {stateDir, waitMs = defaultWaitMs, signal} = options
  const path = join(lockDirectory(stateDir), `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.lock`)
  const release = await acquire(path, name, waitMs, signal)
  try {
    return await run()
  } finally {
    release()
  }
}

async function acquire(
  path: string,
  name: string,
  waitMs: number,
  signal: AbortSignal | undefined,
): Promise<() => void> {
  const end = performance.now() + waitMs
  const me: Owner = {...thisProcess(), name, since: new Date().toISOString(), token: randomBytes(12).toString('hex')}
  for (;;) {
    if (signal?.aborted === true) throw interrupted(name, signal)
    if (createExclusively(path, me)) {
      const forget = removeAtExit(path)
      return () => {
        forget()
        try {
          // Only our own: a person may have removed the file by hand, and another process may hold the next one.
          if (read(path)?.owner?.token === me.token) unlinkSync(path)
        } catch {
          // What ran under it is done, whatever became of the folder; the next process sees that its owner is gone.
        }
      }
    }
    const held = read(path)
    if (held !== undefined && isAbandoned(held) && breakLock(path, held, me)) continue
    if (performance.now() >= end) throw locked(path, name, held)
    // Jitter, so that many waiting processes don't look at the same moments.
    await sleep(20 + Math.random() * 60, undefined, {signal}).catch(() => {})
  }
}

type Held = {
  /** `undefined`: the file isn't one of ours, or not written yet. */
  readonly owner: Owner | undefined
  readonly ageMs: number
  /** Names this very lock. */
  readonly id: string
}

/** @returns the lock that lies there, or `undefined` when there is none. */
function read(path: string): Held | undefined {
  try {
    const status = statSync(path, {bigint: true})
    const owner = parse(readFileSync(path, 'utf8'))
    // From the future, after a clock was set back: how old it is can't be known, but it isn't from just now.
    const ageMs = Math.abs(Date.now() - Number(status.mtimeMs))
    return {owner, ageMs, id: owner?.token ?? `${status.ino}-${status.mtimeNs}`}
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw noPlace(path, error)
  }
}

function parse(text: string): Owner | undefined {
  try {
    const value = JSON.parse(text) as Partial<Owner> | null
    const isOwner = typeof value?.pid === 'number' && typeof value.start === 'string' && typeof value.host === 'string'
    return isOwner && /^[\da-f]{24}$/.test(value.token ?? '') ? (value as Owner) : undefined
  } catch {
    return undefined
  }
}

function isAbandoned({owner, ageMs}: Held): boolean {
  if (owner === undefined) return ageMs > unreadableAfterMs
  if (owner.host !== thisHost()) return false
  if (!isRunning(owner.pid)) return true
  const start = startOf(owner.pid)
  return owner.start !== '' && start !== '' && start !== owner.start
}

/**
 * Remove an abandoned lock, and surely not the one that someone else took after we looked: the right to remove this very
 * lock goes to the process that creates the file named after it, and that process looks once more. Who was killed in
 * between leaves that file behind, and it is removed in the same way.
 *
 * @returns true when something was cleared away, and it is worth to look again; false when another process has that right.
 */
function breakLock(path: string, held: Held, me: Owner): boolean {
  const claim = `${path}.${held.id}.break`
  if (!createExclusively(claim, me)) {
    const other = read(claim)
    return other !== undefined && isAbandoned(other) && breakLock(claim, other, me)
  }
  try {
    if (read(path)?.id === held.id) unlinkIfThere(path)
    return true
  } finally {
    unlinkIfThere(claim)
  }
}

function createExclusively(path: string, content: object): boolean {
  try {
    writeFileSync(path, `${JSON.stringify(content)}\n`, {flag: 'wx', mode: 0o600})
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw noPlace(path, error)
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw noPlace(path, error)
  }
}

/**
 * The folder of all locks. Where the state directory can't be had (a read-only home, no home), a folder of the same user
 * in the system's temporary directory serves; all processes of that user decide alike, so they still meet.
 */
function lockDirectory(stateDir: string): string {
  const locks = join(stateDir, 'locks')
  try {
    mkdirSync(locks, {recursive: true, mode: 0o700})
    accessSync(locks, constants.W_OK | constants.X_OK)
    return locks
  } catch {
    return temporaryLockDirectory()
  }
}

function temporaryLockDirectory(): string {
  const uid = process.getuid?.()
  const path = join(tmpdir(), `envdrift-${uid ?? userInfo().username}`)
  try {
    mkdirSync(path, {recursive: true, mode: 0o700})
  } catch (error) {
    throw noPlace(path, error)
  }
  // Anyone may have put something there before us: in a folder of theirs they could remove our locks or plant links.
  const status = lstatSync(path)
  const isOurs = status.isDirectory() && (uid === undefined || (status.uid === uid && (status.mode & 0o077) === 0))
  if (!isOurs) throw noPlace(path, new Error('it belongs to another user, or others may write there'))
  return path
}

const thisHost = (): string => {
  // A process id means something within one namespace of them only: containers often share a host name and a home.
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

const thisProcess = (): Pick<Owner, 'pid' | 'start' | 'host'> => ({
  pid: process.pid,
  start: startOf(process.pid),
  host: thisHost(),
})

/**
 * When a process started, in the system's own words: with its id, it names a process for good, since ids are used again.
 *
 * @returns empty text where there is no such process, or the system won't say; `ended` for one that has ended.
 */
export function startOf(pid: number): string {
  if (process.platform === 'win32') return ''
  try {
    if (process.platform !== 'linux') {
      const options = {
        encoding: 'utf8',
        env: {PATH: '/bin:/usr/bin', LC_ALL: 'C'},
        timeout: 5_000,
        stdio: 'pipe',
      } as const
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], options).trim()
    }
    // Field 22, in clock ticks since boot: proc_pid_stat(5). Field 2 is the program's name and may hold spaces and
    // parentheses, so fields are counted from its end.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    // A killed process whose parent never asks for its end (a container without init) keeps its id for ever.
    return fields[0] === 'Z' ? 'ended' : (fields[22 - 3] ?? '')
  } catch {
    return ''
  }
}

function locked(path: string, name: string, held: Held | undefined): EnvdriftError {
  const owner = held?.owner
  const who =
    owner === undefined
      ? 'another process'
      : `process ${owner.pid} on ${owner.host.split(' ')[0]}, since ${owner.since}`
  return new EnvdriftError('LOCKED', `${name} is in use by another envdrift: ${who}`, {
    suggestions: ['Wait until it has finished, then run the command again.', `If that process is gone, remove ${path}`],
  })
}

const interrupted = (name: string, {reason}: AbortSignal): EnvdriftError =>
  reason instanceof EnvdriftError
    ? reason
    : new EnvdriftError('INTERRUPTED', `Stopped while waiting for the lock of ${name}`, {
        suggestions: ['Run the command again.'],
        cause: reason,
      })

const noPlace = (path: string, error: unknown): EnvdriftError =>
  new EnvdriftError(
    'FILE_UNWRITABLE',
    `Could not keep a lock at ${path}: ${error instanceof Error ? error.message : String(error)}`,
    {suggestions: ['Set XDG_STATE_HOME to a folder that only you can write to.'], cause: error},
  )
