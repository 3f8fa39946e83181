import {spawn, spawnSync} from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'

import {describe, expect, it, onTestFinished} from 'vitest'

import {type Place, placeOf, programPath} from '../../scripts/servers/place.ts'
import {isAlive, readState, runningServers, writeState} from '../../scripts/servers/state.ts'
import {startOf} from '../../src/system/lock.ts'

const root = join(import.meta.dirname, '../..')

type Script = {
  readonly place: Place
  readonly run: (command: string, path?: string) => {readonly status: number | null; readonly printed: string}
}

/** The script with a place of its own, so that nobody else's servers are touched; the programs are those that others use. */
function ownScript(programs: readonly string[] = readdirSync(placeOf().programs)): Script {
  const folder = mkdtempSync(join(tmpdir(), 'envdrift-own-servers-'))
  const place = placeOf({ENVDRIFT_SERVERS_DIR: folder})
  mkdirSync(place.programs, {recursive: true})
  for (const name of programs) symlinkSync(join(placeOf().programs, name), join(place.programs, name))
  const run: Script['run'] = (command, path = process.env['PATH'] ?? '') => {
    const env = {HOME: folder, PATH: path, ENVDRIFT_SERVERS_DIR: folder}
    const {status, stdout, stderr} = spawnSync(process.execPath, ['scripts/servers.ts', command], {
      cwd: root,
      env,
      encoding: 'utf8',
      timeout: 120_000,
    })
    return {status, printed: stdout + stderr}
  }
  onTestFinished(() => {
    run('stop')
    rmSync(folder, {recursive: true, force: true})
  })
  return {place, run}
}

const notLinux = process.platform === 'linux' ? '' : ' (skipped: needs /proc)'

describe('start', () => {
  it('leaves what runs as it is', () => {
    const {place, run} = ownScript()
    expect(run('start')).toMatchObject({status: 0})
    const first = readState(place)
    expect(Object.keys(first)).toEqual(['moto', 'vault', 'toxiproxy'])
    expect(run('start')).toEqual({
      status: 0,
      printed: Object.entries(first)
        .map(([name, {url}]) => `${name}: runs already at ${url}\n`)
        .join(''),
    })
    expect(readState(place)).toEqual(first)
  })

  it('starts again what has ended, and nothing else', async () => {
    const {place, run} = ownScript()
    run('start')
    const first = runningServers(place)
    process.kill(first.moto.pid, 'SIGKILL')
    await expect.poll(() => isAlive(first.moto)).toBe(false)
    expect(() => runningServers(place)).toThrow('Not running: moto. Run `npm run servers -- install &&')
    expect(run('start')).toMatchObject({status: 0})
    const second = runningServers(place)
    expect(second.moto.pid).not.toBe(first.moto.pid)
    expect({...second, moto: undefined}).toEqual({...first, moto: undefined})
  })

  it.skipIf(notLinux !== '')(`listens on nothing but 127.0.0.1${notLinux}`, () => {
    const {place, run} = ownScript()
    run('start')
    for (const {pid, url} of Object.values(runningServers(place))) {
      const listening = listeningOf(pid)
      expect(listening).toContain(`127.0.0.1:${new URL(url).port}`)
      expect(listening.filter((address) => !address.startsWith('127.0.0.1:'))).toEqual([])
    }
  })

  it('shows its state, with the root token of Vault, to nobody else', () => {
    const {place, run} = ownScript()
    run('start')
    const {vault} = runningServers(place)
    expect(spawnSync('ls', ['-ld', place.run], {encoding: 'utf8'}).stdout).toMatch(/^drwx------/)
    expect(spawnSync('ps', ['-ww', '-o', 'args=', '-p', String(vault.pid)], {encoding: 'utf8'}).stdout).not.toContain(
      vault.rootToken,
    )
  })

  it('says what to run when nothing is installed', () => {
    const {run} = ownScript([])
    expect(run('start')).toEqual({
      status: 1,
      printed: 'moto is not installed. Run `npm run servers -- install` first.\n',
    })
  })
})

describe('a server that ends before it answers', () => {
  /** The first `times` it ends at once; afterwards it is the real one. */
  function failingMoto(place: Place, times: number): void {
    const program = programPath(place, 'moto')
    mkdirSync(dirname(program), {recursive: true})
    const text = `#!/bin/sh
echo attempt >> "$HOME/attempts"
test "$(wc -l < "$HOME/attempts")" -gt ${times} || { echo "Address already in use"; exit 1; }
exec "${programPath(placeOf(), 'moto')}" "$@"
`
    writeFileSync(program, text, {mode: 0o755})
  }

  it('is started again', () => {
    const {place, run} = ownScript(['vault', 'toxiproxy'])
    failingMoto(place, 2)
    expect(run('start')).toMatchObject({status: 0})
    expect(runningServers(place).moto.url).toMatch(/^http:/)
  })

  it('is given up after three times, with the end of its log', () => {
    const {place, run} = ownScript(['vault', 'toxiproxy'])
    failingMoto(place, 3)
    expect(run('start')).toEqual({
      status: 1,
      printed: `moto ended before it answered. The end of ${join(place.run, 'moto.log')}:\nAddress already in use\n`,
    })
  })
})

describe('stop', () => {
  it.skipIf(notLinux !== '')(`leaves nothing running${notLinux}`, () => {
    const {place, run} = ownScript()
    run('start')
    expect(processesAt(place)).toHaveLength(3)
    expect(run('stop')).toEqual({status: 0, printed: 'moto: stopped\nvault: stopped\ntoxiproxy: stopped\n'})
    expect(processesAt(place)).toEqual([])
    expect(readState(place)).toEqual({})
    expect(run('status')).toEqual({status: 0, printed: 'Nothing was started.\n'})
    expect(run('stop')).toEqual({status: 0, printed: ''})
  })

  it('lets a process live that has the id of a server now', () => {
    const {place, run} = ownScript([])
    const stranger = spawn('sleep', ['60'], {stdio: 'ignore'})
    onTestFinished(() => void stranger.kill())
    const pid = stranger.pid ?? 0
    const server = {pid, start: 'long ago', url: 'http://127.0.0.1:1', log: '/nonexistent', ready: true}
    writeState(place, {moto: server})
    expect(run('stop')).toEqual({status: 0, printed: 'moto: has ended before\n'})
    expect(isAlive({...server, start: startOf(pid)})).toBe(true)
  })
})

describe('install', () => {
  it('leaves what is there as it is', () => {
    const {run} = ownScript()
    expect(
      run('install')
        .printed.split('\n')
        .filter((line) => !line.endsWith(': already there')),
    ).toEqual([''])
  })

  it.each([
    ['Python 3.11', [], 'Python 3.11 or newer is missing: neither `python3.11` nor `python3` in the PATH is one.'],
    ['Go 1.26', ['python'], 'Go 1.26 or newer is missing: `go` is not in the PATH.'],
  ])('says so when %s is missing', (_, programs, sentence) => {
    const {run} = ownScript(programs)
    const {status, printed} = run('install', '/nonexistent')
    expect(status).toBe(1)
    expect(printed).toContain(sentence)
  })
})

/** Addresses that a process listens on, `127.0.0.1:80`, as the kernel says. Source: proc_pid_net(5). */
function listeningOf(pid: number): readonly string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap(
      (fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [],
    ),
  )
  return ['tcp', 'tcp6']
    .flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode = '']) => state === '0A' && sockets.has(inode))
    .map(([, local = '']) => {
      const [address = '', port = ''] = local.split(':')
      // An IPv4 address stands there as one number of this machine's byte order; another one is told by its length.
      const bytes = address.length === 8 ? [...Buffer.from(address, 'hex')].toReversed().join('.') : address
      return `${bytes}:${Number.parseInt(port, 16)}`
    })
}

/** Processes with the home directory that the servers of this place have, whoever started them. */
function processesAt(place: Place): readonly string[] {
  const home = `HOME=${join(place.run, 'home')}`
  return readdirSync('/proc').filter((pid) => {
    const file = `/proc/${pid}/environ`
    try {
      return /^\d+$/.test(pid) && existsSync(file) && readFileSync(file, 'utf8').split('\0').includes(home)
    } catch {
      // Ended just now, or another user's.
      return false
    }
  })
}
