/**
 * Tests what users get: `npm run test:package`, or `npm run test:package -- ARCHIVE` for one that is packed already.
 *
 * The archive is installed outside the checkout, without a network and with an empty npm cache, and every command test runs
 * on the oldest Node. The newest runs those of the package itself: providers, contents, start; `npm test` has run the rest on
 * it, from the same bundle.
 */
import {execFileSync} from 'node:child_process'
import {chmodSync, copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync} from 'node:fs'
import {homedir, tmpdir} from 'node:os'
import {isAbsolute, join, resolve} from 'node:path'

const root = join(import.meta.dirname, '..')
const windows = process.platform === 'win32'
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const place = mkdtempSync(join(tmpdir(), 'envdrift-package-'))
// Some tests run the program as another user.
chmodSync(place, 0o755)
try {
  const [given] = process.argv.slice(2)
  const archive = given === undefined ? pack() : resolve(process.env['INIT_CWD'] ?? '.', given)
  const oldest = oldestNode()
  const entry = install(archive)
  test('oldest', oldest, entry, [])
  test('newest', process.execPath, entry, ['test/package', 'test/commands/start.test.ts'])
} finally {
  rmSync(place, {recursive: true, force: true})
}

function pack(): string {
  npm(['pack', '--pack-destination', place], root)
  return join(place, globSync('envdrift-*.tgz', {cwd: place})[0]!)
}

/** @returns path of the program's entry, where it is installed. */
function install(archive: string): string {
  const prefix = join(place, 'app')
  mkdirSync(prefix)
  npm(['install', '--offline', '--cache', join(place, 'no-cache'), '--no-audit', '--no-fund', archive], prefix)
  return join(prefix, 'node_modules/envdrift/bin/run.js')
}

/**
 * The oldest Node that is supported, from the registry, held against the lock file beside its package.json.
 *
 * @returns path of its executable, in the user's cache directory, so that it is downloaded once.
 */
function oldestNode(): string {
  const pinned = join(root, 'test/package/oldest-node')
  const xdg = process.env['XDG_CACHE_HOME']
  const cache = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.cache')
  const folder = join(process.env['ENVDRIFT_NODES_DIR'] ?? join(cache, 'envdrift-nodes'), '22.23.2')
  const find = (): string | undefined =>
    globSync(windows ? 'node_modules/node-*/bin/node.exe' : 'node_modules/node-*/bin/node', {cwd: folder})[0]
  mkdirSync(folder, {recursive: true})
  for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(pinned, name), join(folder, name))
  if (find() === undefined) npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], folder)
  const found = find()
  if (found === undefined) throw new Error(`No Node 22.23.2 for ${process.platform}-${process.arch} in the registry`)
  return join(folder, found)
}

function test(name: string, node: string, entry: string, only: readonly string[]): void {
  const version = execFileSync(node, ['--version'], {encoding: 'utf8'}).trim()
  say(`\n${name} Node: ${version}, ${entry}`)
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  execFileSync(process.execPath, [vitest, 'run', '--project', 'package', ...only], {
    cwd: root,
    stdio: 'inherit',
    env: {...process.env, ENVDRIFT_TEST_ENTRY: entry, ENVDRIFT_TEST_NODE: node},
  })
}

function npm(args: readonly string[], cwd: string): void {
  say(`npm ${args.join(' ')}`)
  // npm's own variables would tell the inner one which package it works for.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^npm_(?!config_(?:registry|cafile))/i.test(key)),
  )
  execFileSync('npm', args, {cwd, env, stdio: ['ignore', 'ignore', 'inherit'], shell: windows})
}
