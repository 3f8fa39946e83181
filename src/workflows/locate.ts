import {isAbsolute, join, sep} from 'node:path'

import {environmentOf, type Config, type MappingConfig} from '../config/config.ts'
import {EnvdriftError} from '../core/errors.ts'
import {isInside} from '../core/inside.ts'
import type {Mapping} from '../core/plan.ts'
import {printable} from '../core/text.ts'
import {environmentAtEnd, environmentOfFile, isCompanion} from '../keys/env-file-name.ts'
import {scanEnvFile, type EnvFileScan} from '../keys/env-file.ts'
import {keyNameOfEnvironment, keyNameOfFile, keyNameOfPublicKey} from '../keys/key-name.ts'
import type {Files} from './ports.ts'

/** An env file as it was read; `realPath` is without symlinks, `isText` says that it is valid UTF-8. */
type EnvFile = {
  readonly text: string
  readonly isText: boolean
  readonly realPath: string
  readonly scan: EnvFileScan
}

/** One mapping with its files found, or with the reason why they can't be. */
export type Located = {readonly mapping: Mapping} & (
  | {
      readonly kind: 'ready'
      /** The env file's text and what was found in it; `undefined` when there is no file. */
      readonly env: EnvFile | undefined
    }
  | {readonly kind: 'lost'; readonly error: EnvdriftError}
)

/** What is known of a mapping that this run leaves to others. */
export type Whereabouts = {
  readonly kind: Located['kind']
  readonly mapping: Mapping
  /** Absolute, after symlinks; `undefined`: none was found. */
  readonly envFile: string | undefined
}

/** The same without the env file's text. */
export async function whereaboutsOf(one: Located, files: Pick<Files, 'realPath'>): Promise<Whereabouts> {
  const {kind, mapping} = one
  if (kind === 'ready' && one.env !== undefined) return {kind, mapping, envFile: one.env.realPath}
  return {kind, mapping, envFile: mapping.envFile === undefined ? undefined : await files.realPath(mapping.envFile)}
}

/**
 * Find folder, env file, key name and keys file of one mapping.
 *
 * Which env file and which key name: docs/configuration.md, "Which env file". Never throws for a mapping's own trouble:
 * that becomes its error row, and the others go on.
 */
export async function locate(written: MappingConfig, config: Config, files: Files): Promise<Located> {
  const environment = environmentOf(written)
  const base = (found: {envFile?: string; scan?: EnvFileScan} = {}): Mapping => ({
    ref: written.ref,
    key: keyOf(environment, found),
    folderPath: written.folderPath,
    folder: written.folder,
    keysFile: join(written.folder, config.envKeysFilename),
    envFile: found.envFile,
    envFileName: `.env.${environment ?? 'production'}`,
    environment,
    ephemeral: written.ephemeral,
    required: written.required,
  })
  let envFile: string | undefined
  try {
    await stayInside(written, config, files)
    envFile = await findEnvFile(written, environment, config, files)
    if (envFile === undefined) return {kind: 'ready', mapping: base(), env: undefined}
    const read = await files.readAnyText(envFile, config.repository)
    if (read === undefined) return {kind: 'ready', mapping: base(), env: undefined}
    const scan = scanEnvFile(read.text)
    return {kind: 'ready', mapping: base({envFile, scan}), env: {...read, scan}}
  } catch (error) {
    if (error instanceof EnvdriftError)
      return {kind: 'lost', mapping: base(envFile === undefined ? {} : {envFile}), error}
    throw error
  }
}

/** With an environment: dotenvx's name for `.env.E`. Without: what the file's public key says, then its name, then production. */
function keyOf(
  environment: string | undefined,
  {envFile, scan}: {envFile?: string; scan?: EnvFileScan},
): Mapping['key'] {
  if (environment !== undefined) return keyNameOfEnvironment(environment)
  const named = keyNameOfPublicKey(scan?.publicKeys[0]?.name ?? '')
  if (named !== undefined) return named
  const name = envFile === undefined ? '' : (envFile.split(sep).at(-1) ?? '')
  return /^\.env(?:\.|$)/i.test(name) ? keyNameOfFile(name) : keyNameOfEnvironment('production')
}

async function requireFolder({folderPath, folder}: MappingConfig, files: Files): Promise<void> {
  const shown = printable(folderPath)
  switch (await files.kind(folder)) {
    case 'directory':
      return
    case 'absent':
      throw new EnvdriftError('FOLDER_MISSING', `Folder does not exist: ${shown} (folder_path)`, {
        suggestions: [`Create ${shown}, or correct folder_path in the configuration; it is relative to that file.`],
      })
    case 'file':
    case 'other':
      throw new EnvdriftError('FOLDER_MISSING', `Not a folder: ${shown} (folder_path)`, {
        suggestions: ['Let folder_path name the folder, and env_file the file in it.'],
      })
  }
}

async function stayInside(written: MappingConfig, {repository}: Config, files: Files): Promise<void> {
  if (repository === undefined || isInside(await files.realFolder(written.folder), repository)) return
  await requireFolder(written, files)
  throw new EnvdriftError(
    'OUTSIDE_REPOSITORY',
    `${printable(written.folderPath)} (folder_path) leads out of the repository`,
    {
      suggestions: [
        'A configuration inside a repository reaches only into that repository; move the folder, or keep the configuration outside.',
      ],
    },
  )
}

/** Names that are looked for before all others, in this order. */
const firstNames = (environment: string | undefined): readonly [string, ...string[]] =>
  environment === undefined ? ['.env.production', '.env'] : [`.env.${environment}`]

const isCandidate = (name: string, {envKeysFilename}: Config): boolean => !isCompanion(name) && name !== envKeysFilename

async function findEnvFile(
  written: MappingConfig,
  environment: string | undefined,
  config: Config,
  files: Files,
): Promise<string | undefined> {
  const {envFile, folder, folderPath} = written
  const [usual] = firstNames(environment)
  // Of most mappings this is all: a folder in which that file lies is there, and need not be looked through.
  const isUsual = envFile === undefined && isCandidate(usual, config)
  if (isUsual && (await files.kind(join(folder, usual))) === 'file') return join(folder, usual)
  await requireFolder(written, files)
  if (envFile !== undefined) return namedEnvFile(envFile, folder, folderPath, files)
  const names = (await files.list(folder)).filter((name) => isCandidate(name, config)).toSorted()
  const isFile = async (name: string): Promise<boolean> => (await files.kind(join(folder, name))) !== 'directory'
  for (const name of firstNames(environment))
    if (names.includes(name) && (await isFile(name))) return join(folder, name)

  const custom = names.filter((name) =>
    environment === undefined
      ? /^[^.].*\.env$/.test(name) && environmentAtEnd(name) === undefined
      : (name.endsWith(`.env.${environment}`) || name.endsWith(`-${environment}.env`)) && !name.startsWith('.'),
  )
  const [only, ...more] = await filterAsync(custom, isFile)
  if (only !== undefined && more.length > 0) throw ambiguous(folderPath, [only, ...more])
  if (only !== undefined) return join(folder, only)
  if (environment === undefined) await refuseOtherEnvironment(names, folderPath, isFile)
  return undefined
}

async function namedEnvFile(name: string, folder: string, folderPath: string, files: Files): Promise<string> {
  const shown = printable(`${folderPath}/${name}`)
  const outside = (what: string, how: string): EnvdriftError =>
    new EnvdriftError(
      'OUTSIDE_REPOSITORY',
      `env_file ${printable(JSON.stringify(name))} ${what} its folder ${printable(folderPath)}${how}`,
      {
        suggestions: ['Let env_file name a file inside folder_path.'],
      },
    )
  if (isAbsolute(name) || name.split(/[/\\]/).includes('..')) throw outside('must be a path inside', ', without ".."')
  const path = join(folder, name)
  if ((await files.kind(path)) === 'absent') {
    throw new EnvdriftError('ENV_FILE_MISSING', `Env file does not exist: ${shown} (env_file)`, {
      suggestions: ['Correct env_file in the configuration, or leave it out to have the file found by its name.'],
    })
  }
  if (!isInside(await files.realPath(path), await files.realFolder(folder)))
    throw outside('leads out of', ', through a link')
  return path
}

/** A lone file of another environment must not be adopted: its key would be installed under the wrong name. */
async function refuseOtherEnvironment(
  names: readonly string[],
  folderPath: string,
  isFile: (name: string) => Promise<boolean>,
): Promise<void> {
  const others = await filterAsync(
    names.filter(
      (name) => /^\.env\..+$/.test(name) || /^[^.].*\.env\..+$/.test(name) || environmentAtEnd(name) !== undefined,
    ),
    isFile,
  )
  const [first] = others
  if (first === undefined) return
  const guess = environmentOfFile(first) ?? ''
  throw new EnvdriftError(
    'ENV_FILE_OTHER_ENVIRONMENT',
    `Only ${others.map((name) => printable(name)).join(', ')} in ${printable(folderPath)}, and the mapping names no environment`,
    {
      suggestions: [
        `Add environment = "${printable(guess)}" to the mapping if it means ${printable(first)}.`,
        'Or name the file with env_file.',
      ],
    },
  )
}

const ambiguous = (folderPath: string, names: readonly string[]): EnvdriftError =>
  new EnvdriftError(
    'ENV_FILE_AMBIGUOUS',
    `More than one env file in ${printable(folderPath)}: ${names.map((name) => printable(name)).join(', ')}`,
    {suggestions: [`Add env_file = "${printable(names[0] ?? '')}" to the mapping, with the one that is meant.`]},
  )

async function filterAsync<T>(items: readonly T[], keep: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept = await Promise.all(items.map(keep))
  return items.filter((_, index) => kept[index])
}
