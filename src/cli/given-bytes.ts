import {closeSync, constants, createReadStream, fstatSync, openSync, readdirSync, readFileSync, readSync} from 'node:fs'
import type {Stats} from 'node:fs'
import {stat} from 'node:fs/promises'
import {Socket} from 'node:net'
import {addAbortSignal, type Readable} from 'node:stream'
import {setTimeout as sleep} from 'node:timers/promises'
import {isatty, ReadStream} from 'node:tty'

import {isCode} from '../system/files.ts'

// Why nothing here opens or reads a pipe the usual way: Node does that in threads of a small pool. Where nobody writes, the
// thread waits for ever, and not even process.exit ends a process one of whose threads is in a system call.

export type Limits = {
  /** Reading ends soon after so many bytes; what is returned is longer then. */
  readonly maxBytes: number
  /** How long the whole of it may take, in milliseconds; 30 s unless given. */
  readonly timeoutMs?: number | undefined
  readonly signal: AbortSignal
}

/** How long somebody may take to write what we were told to read, in milliseconds: a password manager asks for a touch first. */
const patienceMs = 30_000

/** How often a pipe that was opened by its path is looked at, in milliseconds. */
const pollMs = 20

const standardInput = 0

/** What was to be read could not be; the message ends a sentence that begins with the name of the source. */
export class NotRead extends Error {}

/** The file descriptor that a path stands for (`/dev/stdin`, `/dev/fd/63` of a `<(…)`), or `undefined`. */
export function descriptorOf(path: string): number | undefined {
  if (path === '-' || path === '/dev/stdin') return standardInput
  const [, number] = /^\/(?:dev|proc\/self)\/fd\/(\d{1,9})$/.exec(path) ?? []
  return number === undefined ? undefined : Number(number)
}

/**
 * All bytes of an open file descriptor, from where it stands: a file, a pipe, a socket or a terminal.
 *
 * @throws NotRead; the reason of `signal`.
 */
export async function readDescriptor(fd: number, limits: Limits): Promise<Buffer> {
  return collect(streamOf(fd), limits)
}

/**
 * All bytes at a path: `-` is standard input, and a pipe is waited for.
 *
 * @param look - gets what the file system says of a regular file, before it is read.
 * @throws NotRead; the reason of `signal`.
 */
export async function readPath(path: string, limits: Limits, look?: (status: Stats) => void): Promise<Buffer> {
  const fd = descriptorOf(path)
  if (fd !== undefined) return readDescriptor(fd, limits)
  const status = await stat(path).catch(refuse)
  if (status.isDirectory()) throw new NotRead('is a directory')
  if (!status.isFile()) return waitAt(path, limits)
  look?.(status)
  return collect(createReadStream(path), limits)
}

function streamOf(fd: number): Readable {
  // Node has standard input open already: a second reader of a pipe may find it drained.
  if (fd === standardInput) return process.stdin
  let status: Stats
  try {
    status = fstatSync(fd)
  } catch (error) {
    return refuse(error)
  }
  const isPipe = status.isFIFO() || status.isSocket()
  // 1 and 2 are where we write. A descriptor that nobody gave us may be one of Node's own, which is not ours to read.
  const isGiven = fd > 2 && (status.isFile() || status.isCharacterDevice() || (isPipe && !isOurOwn(fd, status)))
  if (!isGiven) throw new NotRead('is not open for reading')
  if (isPipe) return new Socket({fd, readable: true, writable: false})
  return isatty(fd) ? new ReadStream(fd) : createReadStream('', {fd})
}

/**
 * Is this the end of a pipe that is written to, or does this process hold that end, too? Then it is one of Node's own: to
 * read it takes signals away, to close it ends the process. Only Linux tells.
 */
function isOurOwn(fd: number, {ino, dev}: Stats): boolean {
  try {
    const others = readdirSync('/proc/self/fd').map(Number)
    return isWriteOnly(fd) || others.some((other) => other !== fd && isSame(other, ino, dev) && isWriteOnly(other))
  } catch {
    return false
  }
}

function isSame(fd: number, ino: number, dev: number): boolean {
  try {
    const status = fstatSync(fd)
    return status.ino === ino && status.dev === dev
  } catch {
    // The folder was listed through a descriptor that is closed by now.
    return false
  }
}

/** The lowest bits of the flags, in octal, are the access mode: proc_pid_fdinfo(5), open(2). */
const isWriteOnly = (fd: number): boolean => /^flags:\s*\d*[15]$/m.test(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))

async function collect(stream: Readable, limits: Limits): Promise<Buffer> {
  const {maxBytes, timeoutMs = patienceMs, signal} = limits
  const late = AbortSignal.timeout(timeoutMs)
  addAbortSignal(AbortSignal.any([signal, late]), stream)
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      size += chunk.length
      if (size > maxBytes) break
    }
    return Buffer.concat(chunks)
  } catch (error) {
    signal.throwIfAborted()
    if (late.aborted) throw tooLate(timeoutMs)
    return refuse(error)
  }
}

/** A pipe or a device by its path, opened so that nothing waits for the one who writes. */
async function waitAt(path: string, {maxBytes, timeoutMs = patienceMs, signal}: Limits): Promise<Buffer> {
  const end = performance.now() + timeoutMs
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch (error) {
    return refuse(error)
  }
  try {
    const isPipe = fstatSync(fd).isFIFO()
    const chunks: Buffer[] = []
    let size = 0
    let someoneWrites = !isPipe
    while (size <= maxBytes) {
      const read = readNow(fd)
      if (read === 'nothing yet' || read.length > 0) someoneWrites = true
      // A pipe also says that it is at its end as long as nobody has opened its other one.
      else if (someoneWrites) break
      if (read !== 'nothing yet' && read.length > 0) {
        chunks.push(read)
        size += read.length
        continue
      }
      signal.throwIfAborted()
      if (performance.now() >= end) throw tooLate(timeoutMs)
      await sleep(pollMs)
    }
    return Buffer.concat(chunks)
  } finally {
    closeSync(fd)
  }
}

function readNow(fd: number): Buffer | 'nothing yet' {
  const bytes = Buffer.alloc(16 * 1024)
  try {
    return bytes.subarray(0, readSync(fd, bytes))
  } catch (error) {
    if (isCode(error, 'EAGAIN', 'EWOULDBLOCK')) return 'nothing yet'
    return refuse(error)
  }
}

const tooLate = (timeoutMs: number): NotRead =>
  new NotRead(`did not end within ${timeoutMs / 1000} s: nobody writes to it, or somebody keeps it open`)

function refuse(error: unknown): never {
  if (isCode(error, 'EBADF')) throw new NotRead('is not open for reading', {cause: error})
  const code = (error as NodeJS.ErrnoException).code
  throw new NotRead(`could not be read${code === undefined ? '' : ` (${code})`}`, {cause: error})
}
