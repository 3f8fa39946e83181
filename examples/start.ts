/**
 * `npm run --silent example PROVIDER`: makes one of the examples ready, and prints what the shell has to do to use it.
 *
 *     eval "$(npm run --silent example aws)"
 *
 * The folder is copied to a temporary directory and becomes a repository of its own. A new key is made there by the real
 * dotenvx, which encrypts .env.production with it, so no key is ever part of this repository. For a cloud, a server that
 * speaks its protocol is started with that key in it; it ends with `kill "$EXAMPLE_PID"`, or by itself after an hour.
 */
import {spawn, spawnSync} from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

const repository = join(import.meta.dirname, '..')
const provider = process.argv[2] ?? ''
const providers = readdirSync(import.meta.dirname).filter((name) =>
  existsSync(join(import.meta.dirname, name, 'envdrift.toml')),
)
if (!providers.includes(provider)) fail(`Name one of the examples: ${providers.join(', ')}`)

const place = mkdtempSync(join(tmpdir(), `envdrift-example-${provider}-`))
const project = join(place, 'project')
cpSync(join(import.meta.dirname, provider), project, {recursive: true})
run('git', ['init', '--quiet'], project)
const folder = join(project, 'services/myapp')
const dotenvx = join(repository, 'node_modules/@dotenvx/dotenvx/src/cli/dotenvx.js')
run(process.execPath, [dotenvx, 'encrypt', '-f', '.env.production'], folder)

const bin = join(place, 'bin')
mkdirSync(bin)
writeFileSync(join(bin, 'envdrift'), `#!/bin/sh\nexec "${process.execPath}" "${join(repository, 'bin/run.js')}" "$@"\n`)
chmodSync(join(bin, 'envdrift'), 0o755)

const lines = [`cd "${project}"`, `export PATH="${bin}:$PATH"`]
if (provider === 'local') {
  const passwordFile = join(place, 'vault-password')
  writeFileSync(passwordFile, 'a password for the example only\n', {mode: 0o600})
  lines.push(`export ENVDRIFT_VAULT_PASSWORD_FILE="${passwordFile}"`)
} else {
  // Where people would have stored it: only the vault has the key now.
  const keysFile = join(folder, '.env.keys')
  const key = readFileSync(keysFile, 'utf8')
  rmSync(keysFile)
  lines.push(...(await serve(key)))
}
process.stdout.write(`${lines.join('\n')}\n`)

/** Starts the cloud's stand-in, apart from this process. @returns the lines that make a shell use it. */
async function serve(key: string): Promise<readonly string[]> {
  const said = join(place, 'server.txt')
  const out = openSync(said, 'w', 0o600)
  const child = spawn(process.execPath, [join(import.meta.dirname, 'serve.ts'), provider, place], {
    detached: true,
    stdio: ['pipe', out, out],
  })
  child.stdin!.end(key)
  child.unref()
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 100) {
    await sleep(100)
    const text = readFileSync(said, 'utf8')
    if (text.endsWith('# ready\n'))
      return [...text.trimEnd().split('\n').slice(0, -1), `export EXAMPLE_PID=${child.pid}`]
    if (child.exitCode !== null) fail(`The server of the example ended:\n${text}`)
  }
  return fail('The server of the example did not start within 20 s')
}

function run(program: string, args: readonly string[], cwd: string): void {
  const env = {...process.env, DOTENVX_NO_ARMOR: 'true', DOTENVX_NO_1PASSWORD: 'true', DOTENVX_NO_BITWARDEN: 'true'}
  const {status, stderr, error} = spawnSync(program, args, {cwd, env, encoding: 'utf8'})
  if (status !== 0) fail(`${program} ${args.join(' ')} failed: ${error?.message ?? stderr}`)
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
