/**
 * `npm run demo`: a small monorepo in a temporary directory, an embedded vault, env files encrypted by the real dotenvx,
 * and the real program on them. Everything that is shown was printed by a command; one that ends otherwise than it should
 * ends the demo with exit code 1.
 */
import {spawnSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

const repository = join(import.meta.dirname, '..')
const place = mkdtempSync(join(tmpdir(), 'envdrift-demo-'))
const project = join(place, 'shop')
const home = join(place, 'home')
for (const folder of [project, home]) mkdirSync(folder)

/** A bare environment: nothing of this machine's logins, and the answers that dotenvx would look for elsewhere. */
const env = {
  PATH: process.env['PATH'] ?? '',
  HOME: home,
  TERM: process.env['TERM'] ?? 'dumb',
  ...(process.stdout.isTTY ? {FORCE_COLOR: '1', COLUMNS: String(process.stdout.columns)} : {NO_COLOR: '1'}),
  DOTENVX_NO_ARMOR: 'true',
  DOTENVX_NO_NATIVE: 'true',
  DOTENVX_NO_1PASSWORD: 'true',
  DOTENVX_NO_BITWARDEN: 'true',
}
const vaultPassword = 'a password for the demo only'

const programs = {
  envdrift: join(repository, 'bin/run.js'),
  dotenvx: join(repository, 'node_modules/@dotenvx/dotenvx/src/cli/dotenvx.js'),
} as const

const say = (text: string): void => void process.stdout.write(`${text}\n`)

type Run = {
  readonly cwd?: string
  readonly stdin?: string
  /** What the line shows for stdin: `< FILE` or `echo … |` aren't run by a shell here. */
  readonly shown?: string
  readonly expect?: number
}

/** Run a program, show the command and all that it prints. */
function run(
  program: keyof typeof programs,
  args: readonly string[],
  {cwd = project, stdin = '', shown, expect = 0}: Run = {},
): void {
  say(`\n$ ${shown ?? [program, ...args].join(' ')}`)
  const {stdout, stderr, status} = spawnSync(process.execPath, [programs[program], ...args], {
    cwd,
    env: {...env, ENVDRIFT_VAULT_PASSWORD: vaultPassword},
    input: stdin,
    encoding: 'utf8',
    timeout: 60_000,
  })
  process.stdout.write(stdout + stderr)
  if (status === expect) return
  say(`\nThe demo failed: exit code ${status}, expected ${expect}.`)
  process.exit(1)
}

function git(...args: readonly string[]): void {
  const {status, stderr} = spawnSync('git', args, {cwd: project, env, encoding: 'utf8'})
  if (status === 0) return
  say(`git ${args.join(' ')}: ${stderr}`)
  process.exit(1)
}

const services = [
  {name: 'auth', variables: {JWT_SECRET: 'demo-jwt-secret', DATABASE_URL: 'postgres://auth@localhost/auth'}},
  {name: 'api', variables: {STRIPE_KEY: 'demo-stripe-key', LOG_LEVEL: 'info'}},
] as const

try {
  say('A monorepo with two services, their env files encrypted by dotenvx')
  git('init', '--quiet')
  writeFileSync(join(project, '.gitignore'), '.env.keys*\n')
  for (const {name, variables} of services) {
    const folder = join(project, 'services', name)
    mkdirSync(folder, {recursive: true})
    const lines = Object.entries(variables).map(([key, value]) => `${key}=${value}\n`)
    writeFileSync(join(folder, '.env.production'), lines.join(''))
    run('dotenvx', ['encrypt', '-f', '.env.production'], {
      cwd: folder,
      shown: `(cd services/${name} && dotenvx encrypt -f .env.production)`,
    })
  }

  say('\n\nThe keys go into a vault; here the embedded one, which needs no account')
  run('envdrift', ['vault', 'init'])
  for (const {name} of services) {
    const keysFile = join(project, 'services', name, '.env.keys')
    run('envdrift', ['vault', 'set', `${name}-key`], {
      stdin: readFileSync(keysFile, 'utf8'),
      shown: `envdrift vault set ${name}-key < services/${name}/.env.keys`,
    })
    rmSync(keysFile)
  }
  const config = [
    '[vault]',
    'provider = "local"',
    ...services.flatMap(({name}) => [
      '',
      '[[vault.sync.mappings]]',
      `secret_name = "${name}-key"`,
      `folder_path = "services/${name}"`,
    ]),
  ]
  writeFileSync(join(project, 'envdrift.toml'), `${config.join('\n')}\n`)
  git('add', '.')
  say(`\n$ cat envdrift.toml\n${config.join('\n')}`)

  say('\n\nIn a pipeline, on a clean checkout: does the vault still hold the keys of the committed files?')
  run('envdrift', ['sync', '--verify', '--ci'])

  say('\n\nA new colleague, on the first morning: every key with one command')
  run('envdrift', ['sync'])
  run('envdrift', ['sync', '--verify', '--ci'])

  say('\n\nDrift: somebody has an old key')
  const stale = join(project, 'services/api/.env.keys')
  const auth =
    /DOTENV_PRIVATE_KEY_PRODUCTION=(\w+)/.exec(readFileSync(join(project, 'services/auth/.env.keys'), 'utf8'))?.[1] ??
    ''
  writeFileSync(stale, readFileSync(stale, 'utf8').replace(/(DOTENV_PRIVATE_KEY_PRODUCTION=).*/, `$1${auth}`))
  run('envdrift', ['sync', '--verify', '--ci'], {expect: 1})

  say("\n\nThe vault's keys are taken, and proven to open the files; the old one is kept")
  run('envdrift', ['sync', '--force', '--check-decryption'])
  say('\nThat was all of it: real files, real dotenvx, a real vault, in a directory that is gone now.')
} finally {
  rmSync(place, {recursive: true, force: true})
}
