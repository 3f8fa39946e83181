import {spawn} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type AddressInfo, type Server as NetServer} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {isCode} from '../../src/system/files.ts'
import {startOf} from '../../src/system/lock.ts'
import {type Place, programPath} from './place.ts'
import {isAlive, readState, removeState, type Server, type ServerName, type Servers, writeState} from './state.ts'

/** How long a server may take until it answers, in milliseconds: fifty times what it takes on an idle machine. */
const readyWithinMs = 60_000

/** How long a server may take to end when it is asked to, in milliseconds; then it is killed, and may take as long again. */
const endsWithinMs = 10_000

type Say = (line: string) => void

/**
 * Starts what doesn't run yet, each server on ports of 127.0.0.1 that are free, and waits until it answers.
 *
 * @throws Error when a program isn't installed, or a server doesn't come up; it says where its log lies. Those before it
 * run on, until `stop` ends them.
 */
export async function start(place: Place, say: Say): Promise<void> {
  await serve(place, 'moto', say, startMoto)
  await serve(place, 'vault', say, startVault)
  await serve(place, 'toxiproxy', say, startToxiproxy)
}

/** Ends every server that was started, and none besides: a process that got the id of one later is left alone. */
export async function stop(place: Place, say: Say): Promise<void> {
  for (const [name, server] of entries(readState(place))) {
    say(`${name}: ${(await end(server)) ? 'stopped' : 'has ended before'}`)
  }
  removeState(place)
}

/**
 * @returns false when it had ended before.
 * @throws Error when it can't be ended.
 */
async function end(server: Server): Promise<boolean> {
  if (!isAlive(server)) return false
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    send(server, signal)
    const asked = performance.now()
    while (performance.now() - asked < endsWithinMs) {
      if (!isAlive(server)) return true
      await sleep(20)
    }
  }
  throw new Error(`Process ${server.pid} can't be ended`)
}

function send({pid}: Server, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // It has ended since we looked.
    if (!isCode(error, 'ESRCH')) throw error
  }
}

/** One line for each server that was started. */
export function status(place: Place, say: Say): void {
  const known = entries(readState(place))
  if (known.length === 0) say('Nothing was started.')
  for (const [name, server] of known)
    say(`${name}: ${isAlive(server) ? `${server.url}, process ${server.pid}` : 'has ended'}, log ${server.log}`)
}

const entries = (state: Partial<Servers>): readonly (readonly [ServerName, Server])[] =>
  Object.entries(state) as [ServerName, Server][]

async function serve<Name extends ServerName>(
  place: Place,
  name: Name,
  say: Say,
  starting: (place: Place, started: (server: Server) => void) => Promise<Servers[Name]>,
): Promise<void> {
  const before = readState(place)[name]
  if (before?.ready === true && isAlive(before)) return say(`${name}: runs already at ${before.url}`)
  // Somebody interrupted the start.
  if (before !== undefined) await end(before)
  if (!existsSync(programPath(place, name)))
    throw new Error(`${name} is not installed. Run \`npm run servers -- install\` first.`)
  // Written down at once, so that `stop` knows of one that never answers.
  const note = (server: Server): void => writeState(place, {...readState(place), [name]: server})
  for (let attempt = 1; ; attempt += 1) {
    let started: Server | undefined
    try {
      const server = await starting(place, (one) => note((started = one)))
      note({...server, ready: true})
      return say(`${name}: started at ${server.url}`)
    } catch (error) {
      // Somebody else may have taken its port before it could: then it ends by itself.
      const hasEnded = started !== undefined && !(await end(started))
      if (!hasEnded || attempt === 3) throw error
    }
  }
}

async function startMoto(place: Place, started: (server: Server) => void): Promise<Server> {
  const [port = 0] = await freePorts(1)
  const url = `http://127.0.0.1:${port}`
  const server = launch(place, 'moto', url, ['-H', '127.0.0.1', '-p', String(port)])
  started(server)
  await ready('moto', server, `${url}/moto-api/data.json`)
  return server
}

async function startToxiproxy(place: Place, started: (server: Server) => void): Promise<Server> {
  const [port = 0] = await freePorts(1)
  const url = `http://127.0.0.1:${port}`
  const server = launch(place, 'toxiproxy', url, ['-host', '127.0.0.1', '-port', String(port)])
  started(server)
  await ready('toxiproxy', server, `${url}/version`)
  return server
}

/** A development server: in memory, unsealed, with TLS by a certificate of its own on one port, and without on another. */
async function startVault(place: Place, started: (server: Server) => void): Promise<Servers['vault']> {
  const [port = 0, tlsPort = 0] = await freePorts(2)
  const url = `http://127.0.0.1:${port}`
  const folder = join(place.run, 'vault')
  rmSync(folder, {recursive: true, force: true})
  mkdirSync(folder, {recursive: true, mode: 0o700})
  const [config, auditLog] = [join(folder, 'config.json'), join(folder, 'audit.log')]
  writeFileSync(config, JSON.stringify({listener: [{tcp: {address: `127.0.0.1:${port}`, tls_disable: true}}]}))
  const rootToken = `root-${randomBytes(16).toString('hex')}`
  const server = launch(
    place,
    'vault',
    url,
    [
      'server',
      '-dev',
      '-dev-tls',
      `-dev-tls-cert-dir=${folder}`,
      '-dev-no-store-token',
      `-dev-listen-address=127.0.0.1:${tlsPort}`,
      `-config=${config}`,
    ],
    // In the environment: every user of the machine sees the arguments.
    {VAULT_DEV_ROOT_TOKEN_ID: rootToken},
  )
  started(server)
  await ready('vault', server, `${url}/v1/sys/health`)
  const audit = await fetch(`${url}/v1/sys/audit/file`, {
    method: 'PUT',
    headers: {'x-vault-token': rootToken},
    body: JSON.stringify({type: 'file', options: {file_path: auditLog}}),
  })
  if (!audit.ok) throw new Error(`vault keeps no audit log: ${audit.status} ${await audit.text()}`)
  return {
    ...server,
    httpsUrl: `https://127.0.0.1:${tlsPort}`,
    caFile: join(folder, 'vault-ca.pem'),
    rootToken,
    auditLog,
    program: programPath(place, 'vault'),
  }
}

/** Starts a program that outlives us, with an empty environment and home directory. */
function launch(
  place: Place,
  name: ServerName,
  url: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Server {
  const home = join(place.run, 'home')
  mkdirSync(home, {recursive: true, mode: 0o700})
  const log = join(place.run, `${name}.log`)
  const output = openSync(log, 'w', 0o600)
  try {
    const child = spawn(programPath(place, name), args, {
      cwd: home,
      env: {PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, ...env},
      detached: true,
      stdio: ['ignore', output, output],
    })
    if (child.pid === undefined) throw new Error(`${programPath(place, name)} can't be started`)
    child.unref()
    return {pid: child.pid, start: startOf(child.pid), url, log, ready: false}
  } finally {
    closeSync(output)
  }
}

/** Waits until `url` answers with success. */
async function ready(name: ServerName, server: Server, url: string): Promise<void> {
  const end = performance.now() + readyWithinMs
  while (performance.now() < end) {
    if (!isAlive(server)) {
      const lines = readFileSync(server.log, 'utf8').trimEnd().split('\n')
      throw new Error(`${name} ended before it answered. The end of ${server.log}:\n${lines.slice(-15).join('\n')}`)
    }
    const answers = await fetch(url, {signal: AbortSignal.timeout(2_000)}).then(
      ({ok}) => ok,
      () => false,
    )
    if (answers) return
    await sleep(50)
  }
  throw new Error(`${name} runs, and did not answer within ${readyWithinMs / 1000} s; its log is ${server.log}`)
}

/**
 * Ports of 127.0.0.1 that nobody listens on, each with the one after it free, too: Vault takes that for its cluster,
 * although it has none.
 */
async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  const held: NetServer[] = []
  while (ports.length < count) {
    const first = await listen(0)
    const {port} = first.address() as AddressInfo
    held.push(first)
    const second = await listen(port + 1).catch(() => undefined)
    if (second === undefined) continue
    held.push(second)
    ports.push(port)
  }
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

async function listen(port: number): Promise<NetServer> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}
