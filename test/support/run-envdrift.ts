import {spawn} from 'node:child_process'
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {basename, join, relative, resolve} from 'node:path'

import {spawn as spawnInTerminal} from '@lydell/node-pty'

import {plantedKeyIn} from './planted-keys.ts'
import type {Workspace} from './workspace.ts'
import {workspaceAround} from './workspace.ts'

export {plantKey} from './planted-keys.ts'

export type RunOptions = {
  /** Inside a workspace of `makeWorkspace`; its repository unless it is run from a subdirectory. */
  readonly cwd: string
  /** Added to the scrubbed environment; `undefined` takes a variable out. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /**
   * Text of standard input, a pipe; empty unless given. The word `closed` is special: there is no standard input at all.
   * With `tty`: what is typed at the start.
   */
  readonly stdin?: string
  /** Run in a pseudo terminal: all three streams are one, and come back as `stdout`. */
  readonly tty?: boolean | {readonly columns: number}
  /** On a terminal: each text is typed once its pattern has been printed, in this order. */
  readonly answers?: readonly {readonly after: RegExp; readonly type: string}[]
  /** Sent once the pattern has been printed on either stream. */
  readonly signal?: {readonly after: RegExp; readonly name: NodeJS.Signals}
  /** Names of keys files that this test configures; `.env.keys` and `*.keys` are known. */
  readonly keysFiles?: readonly string[]
  readonly timeoutMs?: number
}

export type Run = {
  readonly stdout: string
  readonly stderr: string
  /** `null` when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const project = resolve(import.meta.dirname, '../..')

/**
 * The program and the Node that runs it: the built one, by the Node of the tests; or what `ENVDRIFT_TEST_ENTRY` and
 * `ENVDRIFT_TEST_NODE` name, such as `bin/dev.js`, or an installed package.
 */
export const program: readonly [node: string, entry: string] = [
  process.env['ENVDRIFT_TEST_NODE'] ?? process.execPath,
  resolve(project, process.env['ENVDRIFT_TEST_ENTRY'] ?? 'bin/run.js'),
]

/**
 * Run the real program in a workspace, with nothing of the developer's environment.
 *
 * After each run it looks for 12 digits of any planted key in all that was printed and in every file of the workspace, the
 * home and the temporary directory that isn't a keys file or a backup of one; and whether the canary was executed.
 *
 * @throws Error when it finds one, or when the run lasts over `timeoutMs` (50 s).
 */
export async function envdrift(args: readonly string[], options: RunOptions): Promise<Run> {
  return await runInWorkspace([...program, ...args], options)
}

/** {@link envdrift} for any other program: the same environment, the same search. */
export async function runInWorkspace(argv: readonly [string, ...string[]], options: RunOptions): Promise<Run> {
  const workspace = workspaceAround(options.cwd)
  if (workspace === undefined) throw new Error('`cwd` lies in no workspace: make one with makeWorkspace()')
  const tty = options.tty ?? false
  const run = await (tty === false ? inPipes : inTerminal)(argv, options, scrubbed(workspace, options))
  searchForLeaks(workspace, run, options.keysFiles ?? [])
  if (!run.timedOut) return {stdout: run.stdout, stderr: run.stderr, code: run.code, signal: run.signal}
  throw new Error(`${argv.join(' ')} was killed for lasting too long, and had printed:\n${run.stdout}\n${run.stderr}`)
}

type Ended = Run & {readonly timedOut: boolean}

/** How long a run may take unless the test says otherwise, in milliseconds; below the test's own limit, so that its output is seen. */
const patienceMs = 50_000

/** The whole environment of a run. */
function scrubbed({home, temporary}: Workspace, {env}: RunOptions): Record<string, string> {
  const all = {
    PATH: process.env['PATH'],
    SYSTEMROOT: process.env['SYSTEMROOT'],
    HOME: home,
    USERPROFILE: home,
    LOCALAPPDATA: join(home, 'local'),
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_STATE_HOME: join(home, '.local', 'state'),
    XDG_CACHE_HOME: join(home, '.cache'),
    TMPDIR: temporary,
    TEMP: temporary,
    TMP: temporary,
    // Megabytes of our own code that no search needs to go through.
    NODE_COMPILE_CACHE: join(tmpdir(), 'envdrift-test-compile-cache'),
    LC_ALL: 'C.UTF-8',
    NO_COLOR: '1',
    // The SDKs would look for a cloud's metadata service, which tests must never reach.
    AWS_EC2_METADATA_DISABLED: 'true',
    METADATA_SERVER_DETECTION: 'none',
    ...env,
  }
  return Object.fromEntries(Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined))
}

async function inPipes(
  argv: readonly [string, ...string[]],
  options: RunOptions,
  env: Record<string, string>,
): Promise<Ended> {
  const {cwd, stdin = '', signal, timeoutMs = patienceMs} = options
  const [program, ...args] = argv
  // A closed stream can't be had from spawn: 'ignore' is /dev/null, which reads as an end of input, not as an error.
  const [command, given] =
    stdin === 'closed'
      ? (['/bin/sh', ['-c', 'exec "$0" "$@" <&-', program, ...args]] as const)
      : ([program, args] as const)
  return await new Promise((resolveRun, reject) => {
    const child = spawn(command, [...given], {cwd, env, stdio: ['pipe', 'pipe', 'pipe']})
    const chunks: {readonly stdout: Buffer[]; readonly stderr: Buffer[]} = {stdout: [], stderr: []}
    const text = (name: 'stdout' | 'stderr'): string => Buffer.concat(chunks[name]).toString('utf8')
    let pending = signal
    let timedOut = false
    const deadline = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
      // What it started may hold the pipes for ever.
      child.stdout.destroy()
      child.stderr.destroy()
    }, timeoutMs)
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Buffer) => {
        chunks[name].push(chunk)
        if (pending?.after.test(text(name)) === true) {
          child.kill(pending.name)
          pending = undefined
        }
      })
    }
    // A program that ends without reading its input breaks the pipe.
    child.stdin.on('error', () => {})
    child.stdin.end(stdin === 'closed' ? '' : stdin)
    child.on('error', reject)
    child.on('close', (code, by) => {
      clearTimeout(deadline)
      resolveRun({stdout: text('stdout'), stderr: text('stderr'), code, signal: by, timedOut})
    })
  })
}

async function inTerminal(
  argv: readonly [string, ...string[]],
  options: RunOptions,
  env: Record<string, string>,
): Promise<Ended> {
  const {cwd, stdin, tty, answers = [], signal, timeoutMs = patienceMs} = options
  const [program, ...args] = argv
  const cols = typeof tty === 'object' ? tty.columns : 80
  return await new Promise((resolveRun) => {
    const terminal = spawnInTerminal(program, args, {cwd, env: {...env, TERM: 'xterm'}, cols, rows: 40})
    const waiting = [...answers]
    let pending = signal
    let text = ''
    let answered = 0
    let timedOut = false
    const deadline = setTimeout(() => {
      timedOut = true
      terminal.kill('SIGKILL')
    }, timeoutMs)
    terminal.onData((chunk) => {
      text += chunk
      const next = waiting[0]
      // Each answer waits for text that came after the last one.
      if (next?.after.test(text.slice(answered)) === true) {
        waiting.shift()
        answered = text.length
        terminal.write(next.type)
      }
      if (pending?.after.test(text) === true) {
        terminal.kill(pending.name)
        pending = undefined
      }
    })
    if (stdin !== undefined && stdin !== 'closed') terminal.write(stdin)
    terminal.onExit(({exitCode, signal: by}) => {
      clearTimeout(deadline)
      const killed = by !== undefined && by !== 0
      resolveRun({
        stdout: text.replaceAll('\r\n', '\n'),
        stderr: '',
        code: killed ? null : exitCode,
        signal: killed ? signalName(by) : null,
        timedOut,
      })
    })
  })
}

const signalName = (number: number): NodeJS.Signals => (number === 2 ? 'SIGINT' : number === 15 ? 'SIGTERM' : 'SIGKILL')

/** @throws Error that names the place, and of the key its public half only. */
function searchForLeaks(workspace: Workspace, run: Run, keysFiles: readonly string[]): void {
  for (const name of ['stdout', 'stderr'] as const) complain(`on ${name}`, run[name])
  for (const path of filesBelow(workspace.base)) {
    // Of names, too: a key that became a file name is a leak as well.
    complain(`in a file name in ${relative(workspace.base, path)}`, basename(path))
    if (!mayHoldKeys(basename(path), keysFiles)) complain(`in ${relative(workspace.base, path)}`, contentOf(path))
  }
  if (existsSync(workspace.canary.touched)) throw new Error('the canary was executed: somebody ran $(…) of an env file')
}

function complain(place: string, text: string): void {
  const key = plantedKeyIn(text)
  if (key !== undefined) throw new Error(`leak ${place}: digits of the private key of ${key.publicKey.slice(0, 10)}…`)
}

/** Keys files and whole backups of them. A temporary file isn't one: none may be left. */
function mayHoldKeys(name: string, keysFiles: readonly string[]): boolean {
  const original = name.replace(/\.backup\.\d{8}_\d{6}(?:\.\d+)?$/, '')
  return original.endsWith('.keys') || keysFiles.some((path) => basename(path) === original)
}

/** Empty for what is closed to us, as the program that ran under the same user could put nothing there either. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, {recursive: true, withFileTypes: true})
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name))
}
