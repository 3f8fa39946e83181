import {chmodSync, mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {configText, makeProject} from '../support/project.ts'
import {plantKey, runInWorkspace} from '../support/run-envdrift.ts'
import {encryptEnvFile} from '../support/workspace.ts'
import {password, writeCheapVault} from '../vault/cheap-vault.ts'
import {repository, type Block} from './pages.ts'

/** What a `console` block of a page finds when it starts: `<!-- in: STATE -->` above it. */
const states = ['clean', 'synced', 'drifted', 'uncovered', 'patterns', 'local-empty', 'local', 'local-filled'] as const
export type State = (typeof states)[number]

/** A small monorepo in which the commands of a page are run. */
export type Shop = {
  /** What a command of a shell prints on both streams, as a page may show it. */
  readonly run: (command: string) => Promise<string>
}

export function stateOf({mark, page, line}: Block): State | 'continue' {
  const state = mark === 'continue' ? mark : mark.replace(/^in: /, '')
  if (state === 'continue' || (states as readonly string[]).includes(state)) return state as State | 'continue'
  throw new Error(`${page}:${line} does not say in which state it starts: write <!-- in: STATE --> above it`)
}

const patterns = '[[vault.sync.patterns]]\nenv_files = "services/*/.env.production"\nsecret_name = "{folder}-key"\n'

/** Two services, `auth` and `api`, whose keys are in a vault; the rest is what `state` says. */
export async function openShop(state: State): Promise<Shop> {
  const keys = {auth: plantKey(), api: plantKey(), stale: plantKey()}
  const services = ['auth', 'api'] as const
  const envFile = (service: keyof typeof keys) =>
    encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', keys[service].publicKey, {GREETING: 'hello'})
  const keysFile = (key: keyof typeof keys) => `DOTENV_PRIVATE_KEY_PRODUCTION=${keys[key].privateKey}\n`
  const isLocal = state.startsWith('local')
  const mapped = state === 'uncovered' ? (['auth'] as const) : services
  const mappings = mapped.map((service) => ({secret_name: `${service}-key`, folder_path: `services/${service}`}))
  const hasKeys = isLocal || state === 'synced' || state === 'drifted'

  const {workspace, env} = await makeProject({
    mappings,
    secrets: {'auth-key': keys.auth.privateKey, 'api-key': keys.api.privateKey},
    files: {
      ...(state === 'patterns' ? {'envdrift.toml': configText([]) + patterns} : {}),
      ...(isLocal ? {'envdrift.toml': configText(mappings).replace(/"aws"\n.*\n.*/, '"local"')} : {}),
      ...Object.fromEntries(
        services.flatMap((service) => [
          [`services/${service}/.env.production`, envFile(service)],
          ...(hasKeys
            ? [
                [
                  `services/${service}/.env.keys`,
                  keysFile(service === 'api' && state === 'drifted' ? 'stale' : service),
                ],
              ]
            : []),
        ]),
      ),
    },
  })
  const bin = join(workspace.base, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'envdrift'), `#!/bin/sh\nexec "${process.execPath}" "${repository}/bin/run.js" "$@"\n`)
  chmodSync(join(bin, 'envdrift'), 0o755)
  const options = {
    cwd: workspace.root,
    env: {...env, PATH: `${bin}:${process.env['PATH']}`, ENVDRIFT_VAULT_PASSWORD: password.reveal()},
  }
  const run = async (command: string): Promise<string> => {
    const {stdout} = await runInWorkspace(['bash', '-c', `{ ${command}\n} 2>&1`], options)
    return stdout.replaceAll(workspace.root, '/home/me/shop')
  }
  if (state === 'local' || state === 'local-filled') await writeCheapVault(workspace.path('.envdrift/vault'))
  if (state === 'local-filled') {
    await run('envdrift vault set auth-key < services/auth/.env.keys')
    await run('envdrift vault set api-key < services/api/.env.keys')
  }
  return {run}
}

/** What changes from run to run, made the same. */
export const steady = (text: string): string =>
  text
    .replaceAll(/\b0[23][0-9a-f]{8}…/g, '02d050282e…')
    .replaceAll(/\b\d{8}_\d{6}\b/g, '20260102_030405')
    .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, '3646917d-a23c-4673-8468-1dd02105bf1d')
    .replaceAll(/\(version [0-9a-f]{8}…\)/g, '(version 3646917d…)')
    .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '2026-01-02T03:04:05.678Z')

/** The commands of a `console` block, each with what it prints. */
export const sessionOf = ({text}: Block): readonly {readonly command: string; readonly output: string}[] =>
  text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n')
      return {command: part.slice(0, end), output: part.slice(end + 1)}
    })
