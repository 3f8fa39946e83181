import {spawn, type ChildProcess} from 'node:child_process'
import {mkdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {createInterface} from 'node:readline'

import {onTestFinished} from 'vitest'

import {repository} from '../docs/pages.ts'
import {envdrift, plantKey, type Run} from '../support/run-envdrift.ts'
import {encryptEnvFile, makeWorkspace, type Workspace} from '../support/workspace.ts'

/** The project of one provider's example, and the server behind it. */
export type Shop = {
  readonly workspace: Workspace
  /** What the provider needs of the environment. */
  readonly env: Readonly<Record<string, string>>
  /** Path of the keys file, in the workspace. */
  readonly keysFile: string
  /** What a sync writes into it. */
  readonly line: string
}

/** A workspace as the provider's example has it: its envdrift.toml, one service, one key that only the vault has. */
export async function openShop(provider: string): Promise<Shop> {
  const key = plantKey()
  const workspace = makeWorkspace({
    '.gitignore': '.env.keys*\n',
    'envdrift.toml': readFileSync(join(repository, 'examples', provider, 'envdrift.toml'), 'utf8'),
    'services/myapp/.env.production': encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', key.publicKey, {A: '1'}),
  })
  const env = provider === 'local' ? await fillVault(workspace, key.privateKey) : await serve(provider, key.privateKey)
  const line = `DOTENV_PRIVATE_KEY_PRODUCTION=${key.privateKey}\n`
  return {workspace, env, keysFile: 'services/myapp/.env.keys', line}

  /** Start examples/serve.ts, which prints what the shell has to set. */
  async function serve(name: string, privateKey: string): Promise<Readonly<Record<string, string>>> {
    const directory = join(workspace.home, 'server')
    mkdirSync(directory)
    const child = spawn(process.execPath, [join(repository, 'examples/serve.ts'), name, directory], {
      env: {PATH: process.env['PATH'], SYSTEMROOT: process.env['SYSTEMROOT']},
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    onTestFinished(() => stop(child))
    child.stdin.end(privateKey)
    const found: Record<string, string> = {}
    for await (const text of createInterface(child.stdout)) {
      if (text === '# ready') return found
      const [, variable, value] = /^export (\w+)="(.*)"$/.exec(text) ?? []
      if (variable !== undefined && value !== undefined) found[variable] = value
    }
    throw new Error(`the server behind examples/${name} ended before it was ready`)
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await ended
}

async function fillVault(workspace: Workspace, privateKey: string): Promise<Readonly<Record<string, string>>> {
  const env = {ENVDRIFT_VAULT_PASSWORD: 'correct horse battery staple'}
  const run = (args: readonly string[], stdin = ''): Promise<Run> =>
    envdrift(['vault', ...args], {cwd: workspace.root, env, stdin})
  for (const {code, stderr} of [await run(['init']), await run(['set', 'myapp-key'], privateKey)]) {
    if (code !== 0) throw new Error(stderr)
  }
  return env
}
