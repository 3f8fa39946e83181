import {isUtf8} from 'node:buffer'
import {createHash, randomBytes} from 'node:crypto'
import type {Stats} from 'node:fs'
import {
  close,
  closeSync,
  constants,
  fchmod,
  fchown,
  fstatSync,
  fsync,
  open as openFd,
  openSync,
  read,
  writeFile,
} from 'node:fs'
import {link, lstat, open, readdir, realpath, rename, stat, unlink} from 'node:fs/promises'
import {hostname} from 'node:os'
import {basename, dirname, join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {promisify} from 'node:util'

import {EnvdriftError} from '../core/errors.ts'
import {isInside} from '../core/inside.ts'
import {removeAtExit} from './leftovers.ts'

/** Env files and keys files are read up to this size unless the caller says otherwise, in bytes. Source: docs/configuration.md. */
const textLimitBytes = 1024 * 1024

/** Stray temporary files of processes that we can't ask about (another machine, another container) are swept after this. */
const strayAfterMs = 60_000

// Windows has neither flag, and no such files in a checkout.
const nonBlocking = (constants.O_NONBLOCK as number | undefined) ?? 0
const noTerminal = (constants.O_NOCTTY as number | undefined) ?? 0
const noFollow = (constants.O_NOFOLLOW as number | undefined) ?? 0

/**
 * Names of the temporary files that {@link replaceFile} makes beside `.env.keys`: `.env.keys.envdrift-<host>-<pid>-<random>.tmp`.
 * They hold keys, and the usual ignore line `.env.keys*` covers them. Groups: file name, host tag, process id.
 */
export const temporaryName: RegExp = /^(.+)\.envdrift-([\da-f]{8})-(\d+)-[\da-f]{16}\.tmp$/

/** Names of backups: `.env.keys.backup.20261121_093000`, with `.1`, `.2` … on collision. Groups: file name, time in UTC, number. */
export const backupName: RegExp = /^(.+)\.backup\.(\d{8}_\d{6})(?:\.(\d+))?$/

// Made once: `promisify` costs more than the calls.
const openFile = promisify(openFd)
const readFd = promisify(read)

/** What lies at a path, after symlinks. `other`: a FIFO, a device, a socket. */
export type Kind = 'file' | 'directory' | 'other' | 'absent'

/**
 * What lies at a path, after symlinks; a link to nothing is `absent`, and so is what would lie below a regular file.
 *
 * @throws EnvdriftError FILE_UNREADABLE when a directory on the way is closed to us.
 */
export async function statKind(path: string): Promise<Kind> {
  try {
    return kindOf(await stat(path))
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return 'absent'
    throw unreadable(path, error)
  }
}

/**
 * The whole text of a regular file, byte order mark included, or `undefined` when nothing lies there.
 *
 * Never waits and never reads without end: a FIFO, a device, a socket, a folder is an error at once.
 *
 * @param options.maxBytes - 1 MiB unless given.
 * @param options.within - an absolute directory, after symlinks: the file itself, after symlinks, must lie in it.
 * @throws EnvdriftError NOT_A_FILE (a link to nothing, too), FILE_TOO_LARGE, FILE_NOT_TEXT (not UTF-8), FILE_UNREADABLE,
 * OUTSIDE_REPOSITORY.
 */
export async function readTextFile(
  path: string,
  {maxBytes = textLimitBytes, within}: {readonly maxBytes?: number; readonly within?: string | undefined} = {},
): Promise<string | undefined> {
  const read = await readAnyTextFile(path, {maxBytes, within})
  if (read === undefined || read.isText) return read?.text
  throw new EnvdriftError('FILE_NOT_TEXT', `${path} is not UTF-8 text`, {
    suggestions: ['Save the file as UTF-8, or restore it from a copy.'],
  })
}

/**
 * {@link readTextFile} for a file that may not be UTF-8: then `isText` is false, every byte is one character, and only
 * what is ASCII in the text can be relied on. `realPath` is the file after symlinks.
 *
 * @throws as there, but for FILE_NOT_TEXT.
 */
export async function readAnyTextFile(
  path: string,
  {maxBytes = textLimitBytes, within}: {readonly maxBytes?: number; readonly within?: string | undefined} = {},
): Promise<{readonly text: string; readonly isText: boolean; readonly realPath: string} | undefined> {
  const target = await resolveExisting(path, within)
  if (target === undefined) return undefined
  const bytes = await readBytes(target, path, maxBytes)
  if (bytes === undefined) return undefined
  const isText = isUtf8(bytes)
  return {text: bytes.toString(isText ? 'utf8' : 'latin1'), isText, realPath: target}
}

export type Replacement = {
  /** What the file must still hold; `undefined`: there must be no file. */
  readonly before: string | Uint8Array | undefined
  readonly after: string | Uint8Array
  /** An absolute directory, after symlinks, that the file must lie in after symlinks. */
  readonly within?: string | undefined
  /** Keeps a copy of `before` beside the file, and the newest `keep` (one at least) of all such copies. */
  readonly backup?: {readonly keep: number; readonly now: Date}
}

/**
 * Replace a file in one step: a reader sees the old bytes or the new ones, never half of one, whenever the machine stops.
 *
 * A symlink is followed, and its target replaced. The file's mode becomes 0600, or stays what it was where that is
 * narrower; its owner stays. The folder must exist.
 *
 * @returns `target`: the file after symlinks; `backup`: its copy (mode 0600), or `undefined` when there was no file or no
 * copy was asked for.
 * @throws EnvdriftError FILE_CHANGED when the file isn't `before` any more, FILE_UNWRITABLE, NOT_A_FILE,
 * OUTSIDE_REPOSITORY; the file is untouched then, and neither a temporary file nor a backup stays behind.
 */
export async function replaceFile(
  path: string,
  {before, after, within, backup}: Replacement,
): Promise<{readonly backup: string | undefined; readonly target: string}> {
  const target = (await resolveExisting(path, within)) ?? (await resolveNew(path, within))
  await sweepTemporaries(target)

  const expected = before === undefined ? undefined : Buffer.from(before)
  const existing = await unchanged(target, path, expected)
  let copy: Made | undefined
  try {
    if (backup !== undefined && expected !== undefined) copy = await createBackup(target, expected, backup.now)
    const temporary = temporaryPath(target)
    const made = await createFile(temporary, Buffer.from(after), existing)
    try {
      // As late as can be: someone else may have written since the caller read.
      await unchanged(target, path, expected)
      // From here on it may be the only copy.
      copy?.forget()
      await putInPlace(temporary, target, expected === undefined)
    } finally {
      await unlinkIfThere(temporary)
      made.forget()
    }
  } catch (error) {
    if (copy !== undefined) await unlinkIfThere(copy.path)
    copy?.forget()
    if (error instanceof EnvdriftError) throw error
    if (expected === undefined && isCode(error, 'EEXIST')) throw changed(path)
    throw unwritable(path, error)
  }
  await syncDirectory(dirname(target))
  if (backup !== undefined && copy !== undefined) await removeOldBackups(target, copy.path, backup.keep)
  return {backup: copy?.path, target}
}

/**
 * Remove the temporary files that killed runs of ours left beside a file; {@link replaceFile} does it each time.
 * A file of a process that still runs stays, and so does a fresh one of another machine. What can't be removed stays.
 *
 * @param target - absolute, after symlinks.
 */
export async function sweepTemporaries(target: string): Promise<void> {
  const folder = dirname(target)
  for (const name of await namesIn(folder)) {
    const [, of, host, pid] = temporaryName.exec(name) ?? []
    if (of !== basename(target)) continue
    const stray = join(folder, name)
    const status = await lstat(stray).catch(() => undefined)
    if (status?.isFile() !== true) continue
    const abandoned = host === hostTag() && !isRunning(Number(pid))
    if (abandoned || Date.now() - status.mtimeMs > strayAfterMs) await unlinkIfThere(stray)
  }
}

/** Is there a process with this id on this machine? True also for one of another user. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isCode(error, 'EPERM')
  }
}

/** @returns the file after symlinks, or `undefined` when nothing lies there. */
async function resolveExisting(path: string, within: string | undefined): Promise<string | undefined> {
  let target: string
  try {
    target = await realpath(path)
  } catch (error) {
    if (isCode(error, 'ENOENT')) {
      if (await isLink(path)) throw notAFile(path, 'is a link to something that is not there', error)
      return undefined
    }
    if (isCode(error, 'ELOOP')) throw notAFile(path, 'is a link that leads back to itself', error)
    throw unreadable(path, error)
  }
  checkWithin(path, target, within)
  // One text in memory where both are the same.
  return target === path ? path : target
}

/** @returns where a file that isn't there yet will lie. */
async function resolveNew(path: string, within: string | undefined): Promise<string> {
  try {
    const target = join(await realpath(dirname(path)), basename(path))
    checkWithin(path, target, within)
    return target
  } catch (error) {
    throw error instanceof EnvdriftError ? error : unwritable(path, error)
  }
}

function checkWithin(path: string, target: string, within: string | undefined): void {
  if (within === undefined || isInside(target, within)) return
  const leads = path === target ? '' : ` (it leads to ${target})`
  throw new EnvdriftError('OUTSIDE_REPOSITORY', `${path} lies outside the repository ${within}${leads}`, {
    suggestions: ['Keep env files and keys files inside the repository whose configuration names them.'],
  })
}

/** @returns the bytes of a regular file, or `undefined` when it is gone. */
async function readBytes(target: string, path: string, maxBytes: number): Promise<Buffer | undefined> {
  let fd: number
  try {
    // Looked at before it is opened: opening some devices does something (a tape rewinds, a watchdog starts).
    if (!(await lstat(target)).isFile()) throw notAFile(path, 'is not a regular file')
    fd = await openFile(target, constants.O_RDONLY | nonBlocking | noTerminal | noFollow)
  } catch (error) {
    if (error instanceof EnvdriftError) throw error
    if (isCode(error, 'ENOENT')) return undefined
    throw unreadable(path, error)
  }
  // Of a file that is open, what it is and its end are known without waiting; a turn in the thread pool costs far more.
  try {
    const status = fstatSync(fd)
    if (!status.isFile()) throw notAFile(path, 'is not a regular file')
    return await readToEnd(fd, status.size, path, maxBytes)
  } catch (error) {
    throw error instanceof EnvdriftError ? error : unreadable(path, error)
  } finally {
    closeSync(fd)
  }
}

/** @param expected - size of the file in bytes; a hint only: it may grow, and files of /proc say that they are empty. */
async function readToEnd(fd: number, expected: number, path: string, maxBytes: number): Promise<Buffer> {
  // One byte more than is expected, so that the first answer shows that there is no more.
  const chunkBytes = expected === 0 ? 4096 : Math.min(expected + 1, 65_536)
  const chunks: Buffer[] = []
  let size = 0
  for (;;) {
    const {buffer, bytesRead} = await readFd(fd, Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null)
    size += bytesRead
    if (size > maxBytes) throw tooLarge(path, maxBytes)
    if (bytesRead > 0) chunks.push(buffer.subarray(0, bytesRead))
    if (bytesRead === 0 || (size === expected && bytesRead < chunkBytes)) return Buffer.concat(chunks, size)
  }
}

/**
 * @returns what the file system says of the file, or `undefined` when there is none.
 * @throws EnvdriftError FILE_CHANGED when it doesn't hold `expected`.
 */
async function unchanged(target: string, path: string, expected: Buffer | undefined): Promise<Stats | undefined> {
  let status: Stats
  try {
    status = await lstat(target)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw unreadable(path, error)
    if (expected === undefined) return undefined
    throw changed(path, error)
  }
  if (!status.isFile()) throw notAFile(path, 'is not a regular file')
  if (expected === undefined || status.size !== expected.length) throw changed(path)
  const bytes = await readBytes(target, path, expected.length)
  if (bytes?.equals(expected) !== true) throw changed(path)
  return status
}

/** A file that is removed when the process exits before `forget` is called. */
type Made = {readonly path: string; readonly forget: () => void}

/**
 * A new file with these bytes on the disk. Mode 0600, or what of it `like` has; the owner of `like`. Nothing of it stays
 * when it can't be written whole.
 */
async function createFile(path: string, bytes: Uint8Array, like: Stats | undefined): Promise<Made> {
  // Opened without a pause before `removeAtExit`, so that there is no moment in which nobody knows of the file.
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow, 0o600)
  const forget = removeAtExit(path)
  try {
    await promisify(writeFile)(fd, bytes)
    if (like !== undefined && process.platform !== 'win32') {
      // Not our own file: as root we give it back; as anyone else we can't, and would lock its owner out.
      if (like.uid !== process.getuid?.()) await promisify(fchown)(fd, like.uid, like.gid)
      await promisify(fchmod)(fd, like.mode & 0o600)
    }
    await promisify(fsync)(fd)
    return {path, forget}
  } catch (error) {
    await unlinkIfThere(path)
    forget()
    throw error
  } finally {
    await promisify(close)(fd)
  }
}

async function createBackup(target: string, bytes: Uint8Array, now: Date): Promise<Made> {
  // 2026-11-21T09:30:00.000Z → 20261121_093000
  const time = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_')
  for (let number = 0; ; number++) {
    const path = `${target}.backup.${time}${number === 0 ? '' : `.${number}`}`
    try {
      return await createFile(path, bytes, undefined)
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error
    }
  }
}

/** The file is written by now: a backup too many is no reason to call that a failure. */
async function removeOldBackups(target: string, newest: string, keep: number): Promise<void> {
  const folder = dirname(target)
  const old = (await namesIn(folder))
    .map((name) => ({name, match: backupName.exec(name)}))
    .filter(({name, match}) => match?.[1] === basename(target) && name !== basename(newest))
    .map(({name, match}) => ({path: join(folder, name), time: match?.[2] ?? '', number: Number(match?.[3] ?? 0)}))
    .toSorted((a, b) => (a.time === b.time ? b.number - a.number : a.time < b.time ? 1 : -1))
  for (const {path} of old.slice(Math.max(keep, 1) - 1)) {
    if ((await lstat(path).catch(() => undefined))?.isFile() === true) await unlinkIfThere(path)
  }
}

async function putInPlace(temporary: string, target: string, isNew: boolean): Promise<void> {
  if (isNew) {
    try {
      // Unlike a rename, a link never replaces a file that came up in the meantime.
      await link(temporary, target)
      return
    } catch (error) {
      // Some file systems know no links (FAT, a few network shares); some containers forbid them.
      if (!isCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES', 'EMLINK', 'EXDEV')) throw error
    }
  }
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(temporary, target)
      return
    } catch (error) {
      // Windows refuses while a virus scanner or an editor has the file open, mostly for some milliseconds.
      const mayPass = process.platform === 'win32' && isCode(error, 'EPERM', 'EACCES', 'EBUSY')
      if (!mayPass || attempt === 8) throw error
      await sleep(2 ** attempt)
    }
  }
}

/** Makes the rename last through a power cut, where the system can; the file is in place either way. */
async function syncDirectory(directory: string): Promise<void> {
  // Windows opens no directories, some network file systems sync none, and a folder may be writable but not readable.
  const handle = await open(directory, constants.O_RDONLY).catch(() => undefined)
  await handle?.sync().catch(() => {})
  await handle?.close()
}

const temporaryPath = (target: string): string =>
  `${target}.envdrift-${hostTag()}-${process.pid}-${randomBytes(8).toString('hex')}.tmp`

/** Tells machines (and containers) apart that share a folder: a process id means something on one of them only. */
const hostTag = (): string => createHash('sha256').update(hostname()).digest('hex').slice(0, 8)

/** Nothing, where the folder can't be listed: the caller only tidies up. */
const namesIn = async (folder: string): Promise<readonly string[]> => await readdir(folder).catch(() => [])

async function unlinkIfThere(path: string): Promise<void> {
  // Gone, or in a folder that turned read-only: the failure that led here says more than this one could.
  await unlink(path).catch(() => {})
}

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isSymbolicLink() === true
}

const kindOf = (status: Stats): Kind => (status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other')

/** Is this a failure of a system call with one of these codes? */
export const isCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')

/** The system's own words, without the call and the path behind the comma: that may be a temporary file's. */
const textOf = (error: unknown): string =>
  error instanceof Error ? error.message.replace(/, [a-z]+(?: '.*')?$/s, '') : String(error)

/** A failed look at a path, as our error. */
export const unreadable = (path: string, error: unknown): EnvdriftError =>
  new EnvdriftError('FILE_UNREADABLE', `Could not read ${path}: ${textOf(error)}`, {
    suggestions: ['Check the permissions of the file and of the folders above it.'],
    cause: error,
  })

const unwritable = (path: string, error: unknown): EnvdriftError =>
  new EnvdriftError('FILE_UNWRITABLE', `Could not write ${path}: ${textOf(error)}`, {
    suggestions: [
      isCode(error, 'ENOENT', 'ENOTDIR')
        ? 'Create its folder first, or correct the path in the configuration.'
        : isCode(error, 'ENOSPC', 'EDQUOT', 'EFBIG')
          ? 'Make room on the disk, then run the command again.'
          : 'Check the permissions of the folder and of the file, then run the command again.',
    ],
    cause: error,
  })

const notAFile = (path: string, what: string, cause?: unknown): EnvdriftError =>
  new EnvdriftError('NOT_A_FILE', `${path} ${what}`, {
    suggestions: ['Put a regular file there, or remove what lies there.'],
    cause,
  })

const tooLarge = (path: string, maxBytes: number): EnvdriftError =>
  new EnvdriftError('FILE_TOO_LARGE', `${path} is larger than ${maxBytes} bytes`, {
    suggestions: ['Check that the configuration names the file that you mean.'],
  })

const changed = (path: string, cause?: unknown): EnvdriftError =>
  new EnvdriftError('FILE_CHANGED', `${path} was changed by someone else in the meantime`, {
    suggestions: ['Run the command again: it starts from what the file says now.'],
    cause,
  })
