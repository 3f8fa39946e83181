/**
 * `npm run bench`: how long the packed program takes, as medians of runs in turn and ratios within this run.
 *
 * What is measured is the file that users install, in a folder of its own, against our fake AWS, which runs in this process
 * while the program runs in another. Rivals that `npm run bench:install` has installed run beside it. `--quick` runs less,
 * for CI; `--write` puts the tables into docs/benchmarks.md.
 */
import {execFileSync} from 'node:child_process'
import {globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {availableParallelism, cpus, tmpdir} from 'node:os'
import {delimiter, dirname, join} from 'node:path'

import {interleaved, median, once, peakMiB, type Command} from './bench/measure.ts'
import {makeProject, type BenchProject} from './bench/project.ts'
import {findRivals, installPython, pythonVersion, secretspecVersion} from './bench/rivals.ts'
import {bundleEntries} from './build/bundle.ts'
import type {Stages} from './build/join-chunks.ts'

const root = join(import.meta.dirname, '..')
const quick = process.argv.includes('--quick')
/** Runs of each command that are counted: of short ones, and of those that take seconds. */
const [runs, longRuns] = [quick ? 5 : 11, 5]
const atOnce = 16

const place = mkdtempSync(join(tmpdir(), 'envdrift-bench-'))
const home = join(place, 'home')
mkdirSync(home)
const bareEnv = {PATH: process.env['PATH'] ?? '', HOME: home, NO_COLOR: '1'}

const report: string[] = []
const say = (line: string): void => {
  report.push(line)
  process.stdout.write(`${line}\n`)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)))
  for (const row of [head, widths.map((width) => '-'.repeat(width)), ...rows]) {
    say(`| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  }
}

const ms = (value: number): string => `${value.toFixed(0)} ms`
const times = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)}×`
/** How a figure stands to its target; a rival that isn't there leaves it open. */
const verdict = (isMet: boolean | undefined): string =>
  isMet === undefined ? 'not measured' : isMet ? 'met' : 'missed'

/** Packs the program and installs it as a user would, without the network. */
function installPacked(prefix: string): {
  readonly program: string
  readonly packedBytes: number
  readonly installedBytes: number
} {
  const printed = execFileSync('npm', ['pack', '--silent', '--pack-destination', place], {cwd: root, encoding: 'utf8'})
  const file = join(place, printed.trim().split('\n').at(-1)!)
  npmInstall(file, prefix)
  const installed = join(prefix, 'node_modules')
  const sizes = globSync('**/*', {cwd: installed}).map((path) => statSync(join(installed, path)))
  return {
    program: join(installed, 'envdrift/bin/run.js'),
    packedBytes: statSync(file).size,
    installedBytes: sizes.reduce((sum, one) => sum + (one.isFile() ? one.size : 0), 0),
  }
}

function npmInstall(file: string, prefix: string): void {
  mkdirSync(prefix)
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', '--offline', '--prefix', prefix, file], {
    cwd: prefix,
  })
}

const {python, secretspec} = findRivals()
const [node] = [process.execPath]
const {program, packedBytes, installedBytes} = installPacked(join(place, 'prefix'))

const bare: Command = {name: 'node -e 0', argv: [node, '-e', '0'], cwd: place, env: bareEnv}
const ours = (args: readonly string[], project?: BenchProject): Command => ({
  name: `envdrift ${args.join(' ')}`,
  argv: [node, program, ...args],
  cwd: project?.cwd ?? place,
  env: {...bareEnv, ...project?.login},
})
const theirs = (args: readonly string[], project: BenchProject): readonly Command[] =>
  python === undefined
    ? []
    : [
        {
          name: `Python envdrift ${args.join(' ')}`,
          argv: [python, ...args],
          cwd: project.cwd,
          // It runs dotenvx for each file that it decrypts.
          env: {...bareEnv, ...project.login, PATH: [join(root, 'node_modules/.bin'), bareEnv.PATH].join(delimiter)},
        },
      ]

let projects = 0
async function withProject<T>(
  size: number,
  options: Parameters<typeof makeProject>[2],
  use: (project: BenchProject) => Promise<T>,
): Promise<T> {
  const project = await makeProject(join(place, `project-${(projects += 1)}`), size, options)
  try {
    return await use(project)
  } finally {
    await project.vault.stop()
    rmSync(project.cwd, {recursive: true, force: true})
  }
}

type Target = readonly [task: string, figure: string, target: string, state: string]
const targets: Target[] = []

async function startUp(): Promise<number> {
  const commands = [bare, ours(['--version']), ours(['--help']), ours(['sync', '--help'])]
  const [bareMs = Number.NaN, ...more] = await interleaved(commands, runs)
  say('### Start\n')
  table(
    ['command', 'ms', 'times bare Node'],
    [bareMs, ...more].map((one, index) => [commands[index]!.name, one.toFixed(0), (one / bareMs).toFixed(2)]),
  )
  const worst = Math.max(...more) / bareMs
  targets.push(['`--version`, `--help`', times(worst), 'at most 1.5× `node -e 0`', verdict(worst <= 1.5)])
  return bareMs
}

const verify = ['sync', '--verify', '--ci'] as const
const pythonVerify = ['sync', '-c', 'python.toml', '--verify', '--ci'] as const

/** What no verify can do without, each bundled as the program is. */
async function floors(project: BenchProject): Promise<readonly Command[]> {
  const out = join(place, 'floor')
  const entry = 'scripts/bench/one-read.ts'
  const stages: Stages = {
    always: [{name: 'sdk', ways: [[entry, 'node_modules/@aws-sdk/client-secrets-manager/dist-es/index.js']]}],
    either: [],
  }
  await bundleEntries(root, out, {entries: [{in: entry, out: 'one-read'}], stages})
  writeFileSync(join(out, 'package.json'), '{"type": "module"}')
  const modules = ['crypto', 'https', 'fs/promises', 'child_process'].map((name) => `'node:${name}'`)
  return [
    {
      ...bare,
      name: 'node, with its modules for HTTPS, hashes, files and git',
      argv: [node, '-e', `for (const name of [${modules.join()}]) process.getBuiltinModule(name)`],
    },
    {
      name: "node, with AWS's SDK and one read",
      argv: [node, join(out, 'one-read.js'), 'service-0-key'],
      cwd: place,
      env: {...bareEnv, ...project.login, ENVDRIFT_BENCH_COMPILED: join(place, 'compiled')},
    },
  ]
}

async function oneMapping(): Promise<void> {
  await withProject(1, {delayMs: 0}, async (project) => {
    const floor = await floors(project)
    const [bareMs = Number.NaN, withModules = Number.NaN, withSdk = Number.NaN, one = Number.NaN, py] =
      await interleaved([bare, ...floor, ours(verify, project), ...theirs(pythonVerify, project)], runs)
    const factor = py === undefined ? undefined : py / one
    say(`\n### One mapping, no latency\n`)
    table(
      ['command', 'ms', 'times bare Node'],
      [
        ['node -e 0', bareMs.toFixed(0), '1.00'],
        [floor[0]!.name, withModules.toFixed(0), (withModules / bareMs).toFixed(2)],
        [floor[1]!.name, withSdk.toFixed(0), (withSdk / bareMs).toFixed(2)],
        ['envdrift sync --verify --ci', one.toFixed(0), (one / bareMs).toFixed(2)],
        [
          `Python envdrift ${pythonVersion}`,
          py?.toFixed(0) ?? 'not installed',
          py === undefined ? '' : (py / bareMs).toFixed(2),
        ],
      ],
    )
    targets.push(
      ['verify of 1 mapping, no latency', times(one / bareMs), 'at most 3× `node -e 0`', verdict(one / bareMs <= 3)],
      [
        'the same, against Python envdrift',
        factor === undefined ? 'not installed' : `${times(factor)} faster`,
        'at least 5× faster',
        verdict(factor === undefined ? undefined : factor >= 5),
      ],
    )
  })
}

async function manyMappings(): Promise<void> {
  const delayMs = 50
  const sizes = quick ? [1, 100] : [1, 10, 100, 500]
  say(`\n### Single reads, each answered after ${delayMs} ms, ${atOnce} at once\n`)
  const rows: string[][] = []
  for (const size of sizes) {
    await withProject(size, {delayMs, batch: 'off'}, async (project) => {
      const command = ours(verify, project)
      const [taken = Number.NaN] = await interleaved([command], size > 50 ? longRuns : runs)
      const before = project.vault.requests().length
      const peak = await peakMiB(command)
      const log = project.vault.requests().slice(before)
      const limitMs = Math.ceil(size / atOnce) * delayMs
      rows.push([
        String(size),
        taken.toFixed(0),
        String(log.length),
        String(Math.max(...log.map(({inFlight}) => inFlight))),
        peak.toFixed(0),
        String(limitMs),
        (taken / limitMs).toFixed(2),
      ])
      if (size === 500)
        targets.push([
          'verify of 500 mappings, 50 ms each, single reads',
          `${ms(taken)}, ${times(taken / limitMs)}`,
          `at most 1.3× ceil(500/16) × 50 ms = ${limitMs} ms`,
          verdict(taken / limitMs <= 1.3),
        ])
    })
  }
  table(['mappings', 'ms', 'requests', 'at once', 'peak MiB', 'limit ms', 'times limit'], rows)
}

async function batches(): Promise<void> {
  const size = quick ? 100 : 500
  await withProject(size, {delayMs: 50}, async (project) => {
    const spec: readonly Command[] =
      secretspec === undefined
        ? []
        : [
            {
              name: `secretspec ${secretspecVersion}`,
              argv: [secretspec, 'check', '--provider', 'awssm://us-east-1', '--no-prompt'],
              cwd: project.cwd,
              env: {...bareEnv, ...project.login},
            },
          ]
    const before = project.vault.requests().length
    await once(ours(verify, project))
    const requests = project.vault.requests().length - before
    // It takes half a minute a run.
    const slowOnes = quick ? [] : theirs(pythonVerify, project)
    const measured = await interleaved([ours(verify, project), ...spec, ...slowOnes], longRuns)
    const one = measured[0] ?? Number.NaN
    const theirsMs = spec.length === 0 ? undefined : measured[1]
    const slow = slowOnes.length === 0 ? undefined : measured.at(-1)
    say(`\n### ${size} mappings with batch reads, each answered after 50 ms\n`)
    table(
      ['command', 'ms'],
      [
        [`envdrift sync --verify --ci (${requests} requests)`, one.toFixed(0)],
        [`secretspec ${secretspecVersion}`, theirsMs?.toFixed(0) ?? 'not installed'],
        [`Python envdrift ${pythonVersion}`, slow?.toFixed(0) ?? (quick ? 'not measured' : 'not installed')],
      ],
    )
    if (quick) return
    const [byPython, bySpec] = [
      slow === undefined ? undefined : slow / one,
      theirsMs === undefined ? undefined : theirsMs / one,
    ]
    targets.push(
      ['the same with batch reads', ms(one), 'at most 500 ms', verdict(one <= 500)],
      [
        'the same, against Python envdrift',
        byPython === undefined ? 'not installed' : `${times(byPython)} faster`,
        'at least 40× faster',
        verdict(byPython === undefined ? undefined : byPython >= 40),
      ],
      [
        'the same, against secretspec',
        bySpec === undefined ? 'not installed' : `${times(bySpec)} faster`,
        'at least 2.5× faster',
        verdict(bySpec === undefined ? undefined : bySpec >= 2.5),
      ],
    )
  })
}

async function decryption(): Promise<void> {
  const size = quick ? 10 : 100
  await withProject(size, {delayMs: 0, values: 20}, async (project) => {
    // It takes a minute a run.
    const slowOnes = quick ? [] : theirs(['sync', '-c', 'python.toml', '--check-decryption', '--ci'], project)
    const [one = Number.NaN, slow] = await interleaved(
      [ours(['sync', '--check-decryption', '--ci'], project), ...slowOnes],
      longRuns,
    )
    say(`\n### --check-decryption of ${size} services with 20 values each\n`)
    table(
      ['command', 'ms'],
      [
        ['envdrift sync --check-decryption --ci', one.toFixed(0)],
        [
          `Python envdrift ${pythonVersion} with dotenvx`,
          slow?.toFixed(0) ?? (quick ? 'not measured' : 'not installed'),
        ],
      ],
    )
    if (quick) return
    const factor = slow === undefined ? undefined : slow / one
    targets.push([
      '`--check-decryption` of 100 services with 20 values each',
      factor === undefined ? 'not installed' : `${times(factor)} faster`,
      'at least 50× faster than Python envdrift with dotenvx',
      verdict(factor === undefined ? undefined : factor >= 50),
    ])
  })
}

async function thousands(): Promise<void> {
  const sizes = quick ? [1000] : [1000, 10_000]
  const rows: string[][] = []
  const figures: {readonly taken: number; readonly peak: number}[] = []
  const measure = async (projects: readonly BenchProject[]): Promise<void> => {
    const commands = projects.flatMap((project) => [
      ours(verify, project),
      ours([...verify, '--config', 'pattern.toml'], project),
    ])
    const taken = await interleaved(commands, longRuns)
    for (const [index, command] of commands.entries()) {
      const peaks: number[] = []
      for (let run = 0; run < longRuns; run += 1) peaks.push(await peakMiB(command))
      figures.push({taken: taken[index]!, peak: median(peaks)})
      rows.push([
        String(sizes[Math.floor(index / 2)]),
        index % 2 === 0 ? 'each written down' : 'one pattern',
        taken[index]!.toFixed(0),
        median(peaks).toFixed(0),
      ])
    }
  }
  await withProject(sizes[0]!, {delayMs: 0}, (first) =>
    sizes[1] === undefined
      ? measure([first])
      : withProject(sizes[1], {delayMs: 0}, (second) => measure([first, second])),
  )
  say('\n### Thousands of mappings in one configuration, no latency\n')
  table(['mappings', 'as', 'ms', 'peak MiB'], rows)
  const [thousand, thousandFound, tenThousand, tenThousandFound] = figures
  if (thousand === undefined || thousandFound === undefined) return
  if (tenThousand === undefined || tenThousandFound === undefined) return
  const peak = Math.max(tenThousand.peak, tenThousandFound.peak)
  const time = Math.max(tenThousand.taken / thousand.taken, tenThousandFound.taken / thousandFound.taken)
  const memory = Math.max(tenThousand.peak / thousand.peak, tenThousandFound.peak / thousandFound.peak)
  targets.push(
    ['10,000 mappings, no latency', `${peak.toFixed(0)} MiB`, 'at most 120 MB peak', verdict(peak <= 120 / 1.048576)],
    [
      '10,000 mappings against 1,000',
      `${times(time)} the time, ${times(memory)} the memory`,
      'at most 11× the time, 2× the memory',
      verdict(time <= 11 && memory <= 2),
    ],
  )
}

async function installing(): Promise<void> {
  const file = globSync('envdrift-*.tgz', {cwd: place})[0]!
  const oursMs: number[] = []
  const pip: number[] = []
  for (let run = 0; run < longRuns; run += 1) {
    const prefix = join(place, `install-${run}`)
    const start = performance.now()
    npmInstall(join(place, file), prefix)
    await once({...ours(['--version']), argv: [node, join(prefix, 'node_modules/envdrift/bin/run.js'), '--version']})
    oursMs.push(performance.now() - start)
    if (python === undefined || quick) continue
    const directory = join(place, `python-${run}`)
    const startOfPip = performance.now()
    installPython(directory)
    await once({...bare, name: 'Python envdrift', argv: [join(directory, 'bin/envdrift'), '--version']})
    pip.push(performance.now() - startOfPip)
  }
  say('\n### Installing into an empty folder, and a first run\n')
  table(
    ['what', 'ms'],
    [
      ['npm install of the packed file, --version', median(oursMs).toFixed(0)],
      [
        `pip install envdrift[aws]==${pythonVersion} into a new venv, --version`,
        pip.length === 0 ? 'not measured' : median(pip).toFixed(0),
      ],
    ],
  )
  const factor = pip.length === 0 ? undefined : median(pip) / median(oursMs)
  const [packed, installed] = [packedBytes / 1e6, installedBytes / 1e6]
  targets.push(
    [
      'install and a first run',
      factor === undefined ? 'not measured' : `${times(factor)} faster`,
      'at least 5× faster than pip install envdrift[aws] and a run',
      verdict(factor === undefined ? undefined : factor >= 5),
    ],
    [
      'packed size, installed size',
      `${packed.toFixed(2)} MB, ${installed.toFixed(2)} MB`,
      'at most 2 MB, at most 6 MB',
      verdict(packed <= 2 && installed <= 6),
    ],
  )
}

try {
  const cpu = cpus()[0]?.model ?? 'unknown processor'
  say(
    `Node ${process.version}, ${process.platform}-${process.arch}, ${availableParallelism()} cores (${cpu}), ${new Date().toISOString().slice(0, 10)}. Medians of ${runs} runs in turn, of ${longRuns} where one takes seconds.\n`,
  )
  await startUp()
  await oneMapping()
  await manyMappings()
  await batches()
  await decryption()
  await thousands()
  await installing()
  say('\n### Targets\n')
  table(['task', 'figure', 'target', ''], targets)
  if (process.argv.includes('--write')) writePage()
} finally {
  rmSync(place, {recursive: true, force: true})
}

/** The tables go between two marks of the page, whose other words people write. */
function writePage(): void {
  const page = join(root, 'docs/benchmarks.md')
  const [start, end] = ['<!-- figures -->', '<!-- end of figures -->']
  const text = readFileSync(page, 'utf8')
  const [before, after] = [text.slice(0, text.indexOf(start) + start.length), text.slice(text.indexOf(end))]
  mkdirSync(dirname(page), {recursive: true})
  writeFileSync(page, `${before}\n\n${report.join('\n')}\n\n${after}`)
}
