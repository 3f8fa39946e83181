import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync} from 'node:fs'
import {homedir} from 'node:os'
import {join} from 'node:path'

/** Where the tools that we compare with are kept, outside the repository. */
const benchCache = (): string =>
  process.env['ENVDRIFT_BENCH_DIR'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'envdrift-bench')

/** The Python tool of the same name, at the version that was measured. */
export const pythonVersion = '11.1.1'
export const secretspecVersion = '0.21.1'

export type Rivals = {
  /** Path of the program; `undefined` where it isn't installed. */
  readonly python: string | undefined
  readonly secretspec: string | undefined
}

export function findRivals(): Rivals {
  const at = (path: string): string | undefined => (existsSync(path) ? path : undefined)
  return {
    python: at(join(benchCache(), 'python', 'bin', 'envdrift')),
    secretspec: at(join(benchCache(), 'secretspec', 'bin', 'secretspec')),
  }
}

/** Makes a virtual environment with the Python tool in it. */
export function installPython(directory: string): void {
  execFileSync('python3', ['-m', 'venv', directory], {stdio: 'inherit'})
  execFileSync(join(directory, 'bin', 'pip'), pipArguments, {stdio: 'inherit'})
}

const pipArguments = ['install', '--quiet', '--disable-pip-version-check', `envdrift[aws]==${pythonVersion}`]

/** `npm run bench:install`: puts the rivals where `npm run bench` looks for them. One that can't be had is said, and left out. */
export function installRivals(say: (line: string) => void): void {
  mkdirSync(benchCache(), {recursive: true})
  const {python, secretspec} = findRivals()
  const attempt = (name: string, there: string | undefined, install: () => void): void => {
    if (there !== undefined) return say(`${name}: there already (${there})`)
    try {
      install()
      say(`${name}: installed`)
    } catch (error) {
      say(
        `${name}: could not be installed, so the bench leaves it out (${error instanceof Error ? error.message : ''})`,
      )
    }
  }
  attempt(`Python envdrift ${pythonVersion}`, python, () => installPython(join(benchCache(), 'python')))
  attempt(`secretspec ${secretspecVersion} (cargo, about 18 minutes of one core)`, secretspec, () =>
    execFileSync(
      'cargo',
      [
        'install',
        'secretspec',
        '--version',
        secretspecVersion,
        '--locked',
        '--no-default-features',
        '--features',
        'cli,awssm',
        '--root',
        join(benchCache(), 'secretspec'),
      ],
      {stdio: 'inherit'},
    ),
  )
}
