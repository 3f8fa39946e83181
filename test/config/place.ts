import {mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'

import {onTestFinished} from 'vitest'

import type {ConfigPort} from '../../src/config/config-port.ts'
import type {Config, ConfigFlags} from '../../src/config/config.ts'
import {loadConfig} from '../../src/config/load.ts'
import {EnvdriftError} from '../../src/core/errors.ts'
import {spec as aws} from '../../src/providers/aws/spec.ts'
import {spec as azure} from '../../src/providers/azure/spec.ts'
import {spec as gcp} from '../../src/providers/gcp/spec.ts'
import {spec as hashicorp} from '../../src/providers/hashicorp/spec.ts'
import {spec as local} from '../../src/providers/local/spec.ts'
import {globFiles} from '../../src/system/glob.ts'
import {realPathOf} from '../../src/system/real-path.ts'

export const specs = {azure, aws, hashicorp, gcp, local}

/** A directory of this test alone: `repo` is a git repository in `home`, and `outside` lies beside it. */
export type Place = {
  readonly root: string
  readonly repo: string
  readonly home: string
  readonly outside: string
  readonly userFile: string
  readonly write: (path: string, text: string) => Promise<string>
  readonly port: (changes?: Partial<ConfigPort>) => ConfigPort
  readonly load: (flags?: ConfigFlags, changes?: Partial<ConfigPort>) => Promise<Config>
  /** The error of a load that must fail. */
  readonly fail: (flags?: ConfigFlags, changes?: Partial<ConfigPort>) => Promise<EnvdriftError>
}

export async function makePlace(): Promise<Place> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'envdrift-config-')))
  onTestFinished(() => rm(root, {recursive: true, force: true}))
  const home = join(root, 'home')
  const repo = join(home, 'repo')
  const outside = join(root, 'outside')
  const userFile = join(home, '.config', 'envdrift', 'config.toml')
  await mkdir(join(repo, '.git'), {recursive: true})
  await mkdir(outside)
  const write = async (path: string, text: string): Promise<string> => {
    const whole = join(root, path)
    await mkdir(dirname(whole), {recursive: true})
    await writeFile(whole, text)
    return whole
  }
  const port = (changes: Partial<ConfigPort> = {}): ConfigPort => ({
    cwd: repo,
    home,
    env: {},
    userConfigPath: userFile,
    kind: async (path) => {
      const found = await stat(path).catch(orAbsent)
      if (found === undefined) return 'absent'
      return found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'other'
    },
    readText: (path) => readFile(path, 'utf8').catch(orAbsent),
    realPath: realPathOf,
    glob: globFiles,
    ...changes,
  })
  const load: Place['load'] = (flags = {}, changes = {}) => loadConfig(flags, port(changes), specs)
  const fail: Place['fail'] = async (flags, changes) => {
    const outcome = await load(flags, changes).then(
      () => new Error('a configuration was loaded where an error was expected'),
      (error: unknown) => error,
    )
    if (outcome instanceof EnvdriftError) return outcome
    throw outcome
  }
  return {root, repo, home, outside, userFile, write, port, load, fail}
}

function orAbsent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code))) return undefined
  throw error
}
