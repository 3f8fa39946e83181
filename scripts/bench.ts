/**
 * `npm run bench`: how long the built program takes, as medians of runs in turn and ratios within this run.
 *
 * Start-up is compared with a bare `node -e 0`. Verifying is compared with the limit that the network sets: rounds of 16
 * requests, each answered after 50 ms by our fake AWS, which runs in this process while the program runs in another. `--quick` runs less, for CI.
 */
import {execFileSync, spawn} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'

import {exampleCredentials, startAwsFake} from '../test/fakes/aws.ts'

const root = join(import.meta.dirname, '..')
const quick = process.argv.includes('--quick')
const runs = quick ? 3 : 9
const [atOnce, delayMs] = [16, 50]
const sizes = quick ? [1, 100] : [1, 10, 100, 500]

execFileSync(process.execPath, ['scripts/build.ts'], {cwd: root})
const place = mkdtempSync(join(tmpdir(), 'envdrift-bench-'))
const home = join(place, 'home')
mkdirSync(home)
const env = {PATH: process.env['PATH'] ?? '', HOME: home, NO_COLOR: '1', AWS_EC2_METADATA_DISABLED: 'true'}

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
const table = (head: readonly string[], rows: readonly (readonly string[])[]): void => {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)))
  for (const row of [head, widths.map((width) => '-'.repeat(width)), ...rows]) {
    say(`| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  }
}

type Command = {
  readonly name: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Wall time of one run in milliseconds, and what it printed; a run that fails ends the bench. */
async function once({name, args, cwd = place, env: more = {}}: Command): Promise<{ms: number; stderr: string}> {
  const start = performance.now()
  const child = spawn(process.execPath, args, {cwd, env: {...env, ...more}, stdio: ['ignore', 'pipe', 'pipe']})
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`${name} ended with ${code}:\n${stdout}${stderr}`)
  return {ms: performance.now() - start, stderr}
}

/** Each command in turn, so that a slow moment of the machine meets all of them; the first round isn't counted. */
async function interleaved(commands: readonly Command[], rounds: number): Promise<readonly number[]> {
  const times = commands.map((): number[] => [])
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, command] of commands.entries()) {
      const {ms} = await once(command)
      if (round > 0) times[index]!.push(ms)
    }
  }
  return times.map(median)
}

/** Peak memory of one run, in MiB, as the process itself knows it when it ends. */
async function peakOf(command: Command): Promise<number> {
  const reporter = `data:text/javascript,process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS))`
  const {stderr} = await once({...command, args: ['--import', reporter, ...command.args]})
  return Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024
}

const program = join(root, 'bin/run.js')

try {
  const bare: Command = {name: 'node -e 0', args: ['-e', '0']}
  const starts: readonly Command[] = [
    bare,
    {name: 'envdrift --version', args: [program, '--version']},
    {name: 'envdrift --help', args: [program, '--help']},
    {name: 'envdrift sync --help', args: [program, 'sync', '--help']},
  ]
  const [bareMs = Number.NaN, ...startMs] = await interleaved(starts, runs)
  say(`Node ${process.version}, ${process.platform}-${process.arch}, median of ${runs} runs in turn\n`)
  table(
    ['command', 'ms', 'times bare node'],
    [bareMs, ...startMs].map((ms, index) => [starts[index]!.name, ms.toFixed(0), (ms / bareMs).toFixed(2)]),
  )

  say(`\nsync --verify --ci, single reads, a fake AWS that answers after ${delayMs} ms\n`)
  const rows: string[][] = []
  for (const size of sizes) {
    const {cwd, vault, login} = await makeProject(size)
    try {
      const verify: Command = {name: `verify ${size}`, args: [program, 'sync', '--verify', '--ci'], cwd, env: login}
      const rounds = size > 50 ? Math.ceil(runs / 3) : runs
      const [ms = Number.NaN] = await interleaved([verify], rounds)
      const before = vault.requests().length
      const peakMiB = await peakOf(verify)
      const log = vault.requests().slice(before)
      const limitMs = Math.ceil(size / atOnce) * delayMs
      rows.push([
        String(size),
        ms.toFixed(0),
        String(log.length),
        String(Math.max(...log.map(({inFlight}) => inFlight))),
        peakMiB.toFixed(0),
        String(limitMs),
        (ms / limitMs).toFixed(2),
      ])
    } finally {
      await vault.stop()
    }
  }
  table(['mappings', 'ms', 'requests', 'at once', 'peak MiB', 'limit ms', 'times limit'], rows)
} finally {
  rmSync(place, {recursive: true, force: true})
}

/** A repository with so many services, and a fake AWS that holds their keys. */
async function makeProject(size: number) {
  const cwd = join(place, `project-${size}`)
  const names = Array.from({length: size}, (_, index) => `service-${index}`)
  const vault = await startAwsFake({delayMs})
  mkdirSync(cwd)
  for (const name of names) {
    const key = randomBytes(32).toString('hex')
    vault.put(`${name}-key`, key)
    mkdirSync(join(cwd, name))
    writeFileSync(join(cwd, name, '.env.production'), 'A="encrypted:nothing is decrypted here"\n')
    writeFileSync(join(cwd, name, '.env.keys'), `DOTENV_PRIVATE_KEY_PRODUCTION=${key}\n`, {mode: 0o600})
  }
  const mappings = names.map(
    (name) => `[[vault.sync.mappings]]\nsecret_name = "${name}-key"\nfolder_path = "${name}"\n`,
  )
  writeFileSync(
    join(cwd, 'envdrift.toml'),
    `[vault]\nprovider = "aws"\n[vault.aws]\nregion = "us-east-1"\n${mappings.join('')}`,
  )
  execFileSync('git', ['init', '--quiet', cwd])
  writeFileSync(join(cwd, '.gitignore'), '.env.keys*\n')
  const login = {
    AWS_ENDPOINT_URL: vault.url,
    AWS_ACCESS_KEY_ID: exampleCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: exampleCredentials.secretAccessKey,
  }
  return {cwd, vault, login}
}
