import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

/** A module of the Go proxy. */
export type GoModule = {
  readonly path: string
  readonly version: string
  /** Hash of the module's files, as go.sum has it. Its own go.sum pins everything that it is built with. */
  readonly sum: string
}

/**
 * Go's own settings for a build that takes nothing but what a go.sum pins, with the Go that is there. The checksum database
 * isn't asked: all hashes are known before.
 */
const goEnv = {
  CGO_ENABLED: '0',
  GOTOOLCHAIN: 'local',
  GOWORK: 'off',
  GOSUMDB: 'off',
  GOFLAGS: '-buildvcs=false',
}

/**
 * Run `go`, and keep quiet as long as it works.
 *
 * @returns what it printed to stdout.
 * @throws Error with the end of what it printed to stderr.
 */
export function go(cwd: string, args: readonly string[]): string {
  try {
    return execFileSync('go', args, {
      cwd,
      env: {...process.env, ...goEnv},
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 * 1024 * 1024,
    })
  } catch (error) {
    const printed = String((error as {readonly stderr?: unknown}).stderr ?? error)
    const lines = printed.split('\n').filter((line) => !line.startsWith('go: downloading'))
    throw new Error(`go ${args.join(' ')} failed:\n${lines.slice(-40).join('\n')}`, {cause: error})
  }
}

/**
 * Fetch a module into Go's own cache.
 *
 * @returns the folder of its sources, which can't be written to.
 * @throws Error when the proxy serves other files than those that are pinned.
 */
export function fetchModule({path, version, sum}: GoModule): string {
  // Outside of any module, so that none has a say in it.
  const outside = mkdtempSync(join(tmpdir(), 'envdrift-servers-'))
  try {
    const answer = go(outside, ['mod', 'download', '-json', `${path}@${version}`])
    const {Dir, Sum} = JSON.parse(answer) as {readonly Dir: string; readonly Sum: string}
    if (Sum !== sum) throw new Error(`${path} ${version} is not the one that is pinned: its hash is ${Sum}, not ${sum}`)
    return Dir
  } finally {
    rmSync(outside, {recursive: true, force: true})
  }
}

/**
 * Build a program from the folder of its module.
 *
 * @param target - the program to make; absolute.
 * @param settings - texts that are set at build time, by their full names in Go.
 */
export function buildProgram(
  source: string,
  packagePath: string,
  target: string,
  {
    tags = [],
    settings = {},
  }: {readonly tags?: readonly string[]; readonly settings?: Readonly<Record<string, string>>} = {},
): void {
  const flags = ['-s', '-w', ...Object.entries(settings).map(([name, text]) => `-X ${name}=${text}`)].join(' ')
  go(source, [
    'build',
    '-mod=readonly',
    '-trimpath',
    `-tags=${tags.join(',')}`,
    `-ldflags=${flags}`,
    '-o',
    target,
    packagePath,
  ])
}
