import {readdir} from 'node:fs/promises'
import {setDefaultAutoSelectFamilyAttemptTimeout} from 'node:net'
import {join} from 'node:path'

import packageJson from '../../package.json' with {type: 'json'}
import type {ConfigPort} from '../config/config-port.ts'
import type {Config, ProviderSpecs, VaultConfig} from '../config/config.ts'
import type {Host} from '../core/provider-spec.ts'
import type {Secret} from '../core/secret.ts'
import type {Provider} from '../providers/provider.ts'
import {registry, type ProviderId} from '../providers/registry.ts'
import {configDir, stateDir} from '../system/directories.ts'
import {readAnyTextFile, readTextFile, replaceFile, statKind, unreadable} from '../system/files.ts'
import {findRepositories, ignoredFiles, listEnvFiles, trackedFiles} from '../system/git.ts'
import {withLock} from '../system/lock.ts'
import {realPathOf, rememberRealPaths, type RealPathOf} from '../system/real-path.ts'
import {homeDirectory, workingDirectory} from '../system/surroundings.ts'
import type {Files, Git} from '../workflows/ports.ts'
import {givenEnvironment} from './environment.ts'
import {keepHeapSmall} from './small-heap.ts'

/** Node tries a second address of a host after so long, in milliseconds; its own 250 are too short across continents. */
const addressAttemptMs = 2_000

export const specs: ProviderSpecs = Object.fromEntries(Object.entries(registry).map(([id, {spec}]) => [id, spec]))

/** `azure, aws, … or local`: what a person may choose. */
export const providerNames = Object.keys(specs)
  .join(', ')
  .replace(/, (?=[^,]*$)/, ' or ')

/**
 * The machine as reading a configuration sees it.
 *
 * @param realFolder - shared with {@link makeFiles} and {@link makeGit}, so that no folder is looked up twice.
 */
export function configPort(realFolder: RealPathOf = realPathOf): ConfigPort {
  return {
    cwd: workingDirectory(),
    home: homeDirectory(),
    env: givenEnvironment,
    userConfigPath: join(configDir(process.env, homeDirectory()), 'config.toml'),
    kind: statKind,
    readText: async (path) => {
      const text = await readTextFile(path, {maxBytes: configLimitBytes})
      keepHeapSmall({characters: text?.length ?? 0})
      return text
    },
    glob: async (patterns, exclude, cwd) => {
      // Loaded only where a configuration has patterns.
      const {globFiles} = await import('../system/glob.ts')
      return globFiles(patterns, exclude, cwd, (names) => keepHeapSmall({names}))
    },
    realPath: realFolder,
  }
}

/** 10,000 mappings take about 1 MB, in bytes. */
const configLimitBytes = 16 * 1024 * 1024

/** The file system as workflows see it. */
export function makeFiles(
  {backups}: Pick<Config, 'backups'>,
  signal: AbortSignal,
  now: () => Date,
  realFolder: RealPathOf = rememberRealPaths(),
): Files {
  return {
    kind: statKind,
    list: async (directory) => {
      try {
        return await readdir(directory)
      } catch (error) {
        throw unreadable(directory, error)
      }
    },
    realPath: realPathOf,
    realFolder,
    readText: (path, within) => readTextFile(path, {within}),
    readAnyText: (path, within) => readAnyTextFile(path, {within}),
    replace: (path, change) => replaceFile(path, {...change, backup: {keep: backups, now: now()}}),
    // Two names of one file are one lock; a file that isn't there yet is named by its folder.
    withLock: async (path, run) =>
      withLock(await realPathOf(path), {stateDir: stateDir(process.env, homeDirectory()), signal}, run),
  }
}

export function makeGit(signal: AbortSignal, realFolder: RealPathOf = rememberRealPaths()): Git {
  const options = {env: process.env, signal, realFolder, listings: new Map()}
  return {
    repositoryOf: findRepositories(realFolder),
    tracked: (repository, paths) => trackedFiles(repository, paths, options),
    ignored: (repository, paths, {mayBeThere}) => ignoredFiles(repository, paths, {...options, mayBeThere}),
    listEnvFiles: (repository, known) => listEnvFiles(repository, {...options, known}),
  }
}

export type HostOptions = {
  readonly config: Pick<Config, 'maxWorkers' | 'callTimeoutMs'>
  readonly interactive: boolean
  readonly ask?: Host['ask']
  readonly token: Secret | undefined
  readonly warn: (message: string) => void
  readonly verbose?: Host['verbose']
  readonly vaultPassword: Host['vaultPassword']
}

/** Connects vaults; a provider's code is loaded here, when the first of its vaults is used. */
export function connectWith({
  config,
  interactive,
  ask,
  token,
  warn,
  verbose,
  vaultPassword,
}: HostOptions): (vault: VaultConfig) => Promise<Provider> {
  const host: Host = {
    env: givenEnvironment,
    home: homeDirectory(),
    maxInFlight: config.maxWorkers,
    callTimeoutMs: config.callTimeoutMs,
    interactive,
    warn,
    version: packageJson.version,
    vaultPassword,
    ...(verbose === undefined ? {} : {verbose}),
    ...(ask === undefined ? {} : {ask}),
    ...(token === undefined ? {} : {token}),
  }
  return async ({name, provider: id, settings}) => {
    setDefaultAutoSelectFamilyAttemptTimeout(addressAttemptMs)
    const {provider} = await registry[id as ProviderId].load()
    return provider.connect({name, settings}, host)
  }
}
