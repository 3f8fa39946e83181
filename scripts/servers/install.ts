import {execFileSync, type ExecFileSyncOptionsWithStringEncoding} from 'node:child_process'
import {createHash} from 'node:crypto'
import {cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {dirname, join} from 'node:path'

import {buildProgram, fetchModule, go, type GoModule} from './go-programs.ts'
import {type Place, programPath} from './place.ts'
import {leaveOutClouds} from './vault-source.ts'

/** The Vault that tests were written against. A newer patch than .0 doesn't build from what is published. */
const vaultVersion = '1.21.0'

/** One folder of programs, made whole or not at all. */
type Step = {
  readonly name: string
  /** What is installed, to the letter: another text, and the folder is made anew. */
  readonly stamp: () => string
  /** A program of it, which may go although the stamp stays: it may be a link to one of the machine's. */
  readonly program: string
  /** What it takes on two cores that have nothing else to do. */
  readonly takes: string
  readonly make: (folder: string) => void
}

const vaultModule: GoModule = {
  path: 'github.com/hashicorp/vault',
  version: `v${vaultVersion}`,
  sum: 'h1:Fip95/8GZy7kqddL26/42AXmBJPsvgaXil/M93Q1/N0=',
}

const steps = (place: Place, say: (line: string) => void): readonly Step[] => [
  {
    name: 'python',
    program: 'bin/python',
    stamp: () => `python ${createHash('sha256').update(readFileSync(requirements)).digest('hex')}`,
    takes: 'half a minute',
    make: makePython,
  },
  goStep(
    place,
    'toxiproxy',
    {
      path: 'github.com/Shopify/toxiproxy/v2',
      version: 'v2.5.0',
      sum: 'h1:i4LPT+qrSlKNtQf5QliVjdP08GyAH8+BUIc9gT0eahc=',
    },
    {packagePath: './cmd/server', versionIn: 'github.com/Shopify/toxiproxy/v2.Version', takes: 'a minute'},
  ),
  goStep(
    place,
    'actionlint',
    {path: 'github.com/rhysd/actionlint', version: 'v1.7.12', sum: 'h1:vQ4GeJN86C0QH+gTUQcs8McmK62OLT3kmakPMtEWYnY='},
    {packagePath: './cmd/actionlint', versionIn: 'github.com/rhysd/actionlint.version', takes: 'a quarter of a minute'},
  ),
  goStep(
    place,
    'act',
    {path: 'github.com/nektos/act', version: 'v0.2.89', sum: 'h1:d9oFeJ6jUkaVExuG+XzAaMPDqoDrNHaGeiRb8IU+N5w='},
    {packagePath: '.', takes: 'two minutes'},
  ),
  vaultStep(place, say),
]

/**
 * Installs every server and tool at its pinned version; what is there already stays as it is.
 *
 * @throws Error when Python 3.11 or Go 1.26 is missing and something has to be made with it, or a registry serves other
 * files than those that are pinned.
 */
export function install(place: Place, say: (line: string) => void): void {
  for (const {name, program, stamp, takes, make} of steps(place, say)) {
    const folder = join(place.programs, name)
    const stampFile = join(folder, '.stamp')
    const wanted = stamp()
    const isThere = existsSync(join(folder, program)) && existsSync(stampFile)
    if (isThere && readFileSync(stampFile, 'utf8') === wanted) {
      say(`${name}: already there`)
      continue
    }
    say(`${name}: installing; takes ${takes} where nothing is cached`)
    const start = performance.now()
    rmSync(folder, {recursive: true, force: true})
    mkdirSync(folder, {recursive: true})
    make(folder)
    writeFileSync(stampFile, wanted)
    say(`${name}: installed in ${Math.round((performance.now() - start) / 1000)} s`)
  }
}

function goStep(
  place: Place,
  name: 'toxiproxy' | 'actionlint' | 'act',
  module: GoModule,
  {packagePath, versionIn, takes}: {readonly packagePath: string; readonly versionIn?: string; readonly takes: string},
): Step {
  return {
    name,
    program: name,
    stamp: () => `${module.path} ${module.version} ${module.sum}`,
    takes,
    make() {
      needGo()
      const settings = versionIn === undefined ? {} : {[versionIn]: module.version.slice(1)}
      buildProgram(fetchModule(module), packagePath, programPath(place, name), {settings})
    },
  }
}

function vaultStep(place: Place, say: (line: string) => void): Step {
  const found = vaultOnPath()
  const target = programPath(place, 'vault')
  if (found !== undefined) {
    return {
      name: 'vault',
      program: 'vault',
      stamp: () => `found at ${found}`,
      takes: 'no time',
      make() {
        say(`vault: takes ${found}, which is in the PATH`)
        symlinkSync(found, target)
      },
    }
  }
  return {
    name: 'vault',
    program: 'vault',
    stamp: () => `${vaultModule.path} ${vaultModule.version} ${vaultModule.sum} ${hashOf('vault-source.ts')}`,
    takes: 'three minutes',
    make(folder) {
      needGo()
      const source = mkdtempSync(join(folder, 'source-'))
      cpSync(fetchModule(vaultModule), source, {recursive: true})
      // Go's own cache is read-only.
      execFileSync('chmod', ['-R', 'u+w', source])
      leaveOutClouds(source)
      buildProgram(source, '.', target, {tags: ['minimal']})
      rmSync(source, {recursive: true})
    },
  }
}

/** A Vault 1.21 that this machine has already; OpenBao and other versions answer differently here and there. */
function vaultOnPath(): string | undefined {
  const program = (process.env['PATH'] ?? '')
    .split(':')
    .map((folder) => join(folder, 'vault'))
    .find((path) => path.startsWith('/') && existsSync(path))
  if (program === undefined) return undefined
  try {
    const printed = execFileSync(program, ['version'], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']})
    return printed.startsWith('Vault v1.21.') ? program : undefined
  } catch {
    return undefined
  }
}

const requirements = join(import.meta.dirname, 'requirements.txt')

const hashOf = (file: string): string =>
  createHash('sha256')
    .update(readFileSync(join(import.meta.dirname, file)))
    .digest('hex')

/** Packages as requirements.txt pins them, each by its hash, and nothing that would have to be built. */
function makePython(folder: string): void {
  const quietly: ExecFileSyncOptionsWithStringEncoding = {stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8'}
  try {
    execFileSync(python(), ['-m', 'venv', folder], quietly)
    const pip = join(folder, 'bin/pip')
    const args = ['--disable-pip-version-check', '--quiet', '--require-hashes', '--only-binary', ':all:']
    execFileSync(pip, ['install', ...args, '--requirement', requirements], quietly)
  } catch (error) {
    if (error instanceof Error && 'stderr' in error) {
      throw new Error(
        `The Python packages could not be installed; \`python3 -m venv\` has to work (Debian's package is python3-venv):\n${String(error.stderr)}`,
        {cause: error},
      )
    }
    throw error
  }
}

/** The name of a Python from 3.11 on. */
function python(): string {
  const probe = 'import sys; sys.exit(sys.version_info < (3, 11))'
  for (const name of ['python3.11', 'python3']) {
    try {
      execFileSync(name, ['-c', probe], {stdio: 'ignore'})
      return name
    } catch {
      // Not there, or too old.
    }
  }
  throw new Error(
    'Python 3.11 or newer is missing: neither `python3.11` nor `python3` in the PATH is one. Install it with its venv module.',
  )
}

/** @throws Error unless `go` is 1.26 or newer. */
function needGo(): void {
  let version: string | undefined
  try {
    version = go(dirname(requirements), ['env', 'GOVERSION']).trim()
  } catch {
    // Not there.
  }
  const [, major = '0', minor = '0'] = /^go(\d+)\.(\d+)/.exec(version ?? '') ?? []
  if (Number(major) === 1 ? Number(minor) < 26 : Number(major) < 1) {
    const what = version === undefined ? '`go` is not in the PATH' : `\`go\` in the PATH is ${version}`
    throw new Error(`Go 1.26 or newer is missing: ${what}. Install it from https://go.dev/dl/`)
  }
}
