/**
 * Fails when the registry knows a high or critical vulnerability of a package that is in the bundle: `npm run audit:bundle`,
 * after a build. What only we work with is left out. A registry that doesn't answer is a failure, too: nothing was checked.
 */
import {spawnSync} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import type {Sbom} from './build/sbom.ts'

type Advisory = {readonly title: string; readonly url: string; readonly severity: string; readonly range: string}
/** Of `npm audit --json`; a string in `via` is the name of another vulnerable package. */
type Audit = {
  readonly vulnerabilities?: Readonly<
    Record<string, {readonly via: readonly (string | Advisory)[]; readonly nodes: readonly string[]}>
  >
  readonly message?: string
}
type Lock = {readonly packages: Readonly<Record<string, {readonly version?: string}>>}

const root = join(import.meta.dirname, '..')
const read = (file: string): unknown => JSON.parse(readFileSync(join(root, file), 'utf8'))

const {components} = read('dist/sbom.cdx.json') as Sbom
const bundled = new Set(
  components.map(({group, name, version}) => `${group === undefined ? '' : `${group}/`}${name} ${version}`),
)
const lock = read('package-lock.json') as Lock

const locked = new Set(
  Object.entries(lock.packages).map(([path, {version}]) => `${path.replace(/^.*node_modules\//, '')} ${version}`),
)
const unlocked = [...bundled].filter((one) => !locked.has(one))

const audit = ask()
if (unlocked.length > 0) {
  fail(
    `Nothing was checked: dist has ${unlocked.join(', ')}, and package-lock.json doesn't. Build it anew: npm run build`,
  )
} else if (audit.vulnerabilities === undefined) {
  fail(
    `Nothing was checked: the registry doesn't say what it knows of vulnerabilities (${audit.message ?? 'no answer'})`,
  )
} else {
  const found = Object.entries(audit.vulnerabilities).flatMap(([name, {via, nodes}]) => {
    const versions = new Set(nodes.map((path) => `${name} ${lock.packages[path]?.version ?? 'of unknown version'}`))
    const ours = [...versions].filter((one) => bundled.has(one))
    const advisories = via.filter((one): one is Advisory => typeof one !== 'string')
    return ours.flatMap((one) => advisories.map((advisory) => ({one, advisory})))
  })
  const lines = found.map(({one, advisory}) => `  ${advisory.severity}: ${one}: ${advisory.title} (${advisory.url})`)
  if (found.some(({advisory}) => ['high', 'critical'].includes(advisory.severity))) {
    fail(`In the bundle:\n${lines.join('\n')}`)
  } else {
    const lower = lines.length === 0 ? '' : `; lower ones:\n${lines.join('\n')}`
    process.stdout.write(`${bundled.size} bundled packages, no high or critical vulnerability known${lower}\n`)
  }
}

function ask(): Audit {
  // Whatever an .npmrc or a variable says: npm without a network finds no vulnerability, and says that all is well.
  const {stdout} = spawnSync('npm', ['audit', '--json', '--offline=false'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    shell: process.platform === 'win32',
    maxBuffer: 64 * 1024 * 1024,
  })
  try {
    return JSON.parse(stdout) as Audit
  } catch {
    return {}
  }
}

function fail(text: string): void {
  process.stderr.write(`${text}\n`)
  process.exitCode = 1
}
