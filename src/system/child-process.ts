import {spawn} from 'node:child_process'

import type {Env} from '../core/provider-spec.ts'

export type ProgramOptions = {
  /** Written to standard input, which is closed then. Left out: standard input is empty. */
  readonly stdin?: string | Uint8Array
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Env
  readonly cwd?: string
  readonly timeoutMs: number
  /** Cap on what it prints. */
  readonly maxOutputBytes: number
  readonly signal?: AbortSignal
}

/** How a program ended, with what it had printed on stdout by then. */
export type ProgramResult = {readonly stdout: Buffer} & (
  | {readonly kind: 'exited'; readonly code: number}
  /** By a signal that wasn't ours. */
  | {readonly kind: 'killed'; readonly signal: NodeJS.Signals}
  /** `ENOENT`: no such program; `EACCES`: not executable. */
  | {readonly kind: 'not-started'; readonly code: string}
  | {readonly kind: 'timed-out'}
  | {readonly kind: 'too-much-output'}
  | {readonly kind: 'aborted'}
)

type Ending = {readonly kind: 'timed-out'} | {readonly kind: 'too-much-output'} | {readonly kind: 'aborted'}

/**
 * How long output may still come after the program itself has exited, in milliseconds. A child that it left behind
 * (an agent that goes to the background) may hold the pipe open for ever; what was printed before is in the pipe by then.
 */
const afterExitMs = 500

/**
 * Run a program without a shell and wait for its end; how it ends is a value, never a throw. Nobody hears its stderr.
 *
 * On timeout, abort or too much output the program and what it started (its process group) are killed.
 *
 * @param argv - program and arguments; a program without a slash is looked for in `env.PATH`.
 */
export async function runProgram(
  argv: readonly [string, ...string[]],
  options: ProgramOptions,
): Promise<ProgramResult> {
  const {stdin, env, cwd, timeoutMs, maxOutputBytes, signal} = options
  if (signal?.aborted === true) return {kind: 'aborted', stdout: Buffer.alloc(0)}
  const [program, ...args] = argv
  return await new Promise((resolve) => {
    const child = spawn(program, args, {
      env: {...env},
      cwd,
      // A group of its own, so that what it starts can be killed with it.
      detached: process.platform !== 'win32',
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'ignore'],
      windowsHide: true,
    })
    const output = capped(maxOutputBytes)
    let ending: Ending | undefined
    let notStarted: string | undefined
    let patience: NodeJS.Timeout | undefined

    const end = (how: Ending): void => {
      ending ??= how
      killGroup(child.pid)
    }
    const deadline = setTimeout(() => end({kind: 'timed-out'}), timeoutMs)
    const onAbort = (): void => end({kind: 'aborted'})
    signal?.addEventListener('abort', onAbort, {once: true})

    const finish = (): void => {
      clearTimeout(deadline)
      clearTimeout(patience)
      signal?.removeEventListener('abort', onAbort)
      const stdout = output.bytes()
      if (notStarted !== undefined) resolve({stdout, kind: 'not-started', code: notStarted})
      else if (ending !== undefined) resolve({stdout, ...ending})
      else if (child.signalCode !== null) resolve({stdout, kind: 'killed', signal: child.signalCode})
      else resolve({stdout, kind: 'exited', code: child.exitCode ?? 0})
    }

    child.stdout?.on('data', (chunk: Buffer) => {
      if (!output.add(chunk)) end({kind: 'too-much-output'})
    })
    // A program that doesn't read its input closes the pipe: no trouble of ours.
    child.stdin?.on('error', () => {})
    child.stdin?.end(stdin)
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return
      notStarted = error.code ?? 'UNKNOWN'
      finish()
    })
    child.on('exit', () => {
      patience = setTimeout(() => child.stdout?.destroy(), afterExitMs)
    })
    child.on('close', finish)
  })
}

/** Bytes up to a limit; `add` says false when a chunk went over it, and doesn't keep it then. */
function capped(limit: number): {readonly add: (chunk: Buffer) => boolean; readonly bytes: () => Buffer} {
  const chunks: Buffer[] = []
  let size = 0
  return {
    add: (chunk) => {
      size += chunk.length
      if (size <= limit) chunks.push(chunk)
      return size <= limit
    },
    bytes: () => Buffer.concat(chunks),
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  if (process.platform === 'win32') {
    spawn('taskkill', ['/pid', String(pid), '/t', '/f'], {stdio: 'ignore', windowsHide: true}).on('error', () => {})
    return
  }
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: the whole group is gone already.
  }
}
