import {basename, dirname, isAbsolute, join, relative} from 'node:path'

import {EnvdriftError} from '../core/errors.ts'
import {isInside} from '../core/inside.ts'
import {printable} from '../core/text.ts'
import type {ConfigPort} from './config-port.ts'
import {parseToml} from './parse-toml.ts'
import {isRepositoryRoot, repositoryOf, upwards} from './reach.ts'

/** A file that the configuration comes from, read but not understood yet. */
export type SourceFile = {
  /** Absolute. */
  readonly path: string
  /** As messages name it: relative to the working directory where that is shorter; safe to print. */
  readonly shown: string
  /** Relative paths in it start here. */
  readonly base: string
  /** `repository` for everything but the user file: also outside of git, where a checkout may have lost its `.git`. */
  readonly origin: 'repository' | 'user'
  readonly format: 'toml' | 'pyproject' | 'pair'
  /** Without a byte order mark. */
  readonly text: string
}

/** How a person can configure the tool; for the error when there is nothing. */
const waysToConfigure = [
  'Put an envdrift.toml with [[vault.sync.mappings]] into the root of the repository.',
  'Or put the same into [tool.envdrift] of pyproject.toml.',
  'Or name a file: envdrift sync -c path/to/envdrift.toml (or pair.txt, with -p).',
] as const

/**
 * The file that `-c` or ENVDRIFT_CONFIG names, else the nearest one from the working directory upwards.
 *
 * @returns `undefined` when there is none upwards.
 * @throws EnvdriftError CONFIG_NOT_FOUND when the named file isn't there; CONFIG_UNREADABLE.
 */
export async function findSource(named: string | undefined, port: ConfigPort): Promise<SourceFile | undefined> {
  if (named === undefined) return discover(port)
  const path = isAbsolute(named) ? named : join(port.cwd, named)
  const kind = await port.kind(path)
  if (kind === 'absent') {
    throw new EnvdriftError('CONFIG_NOT_FOUND', `There is no configuration file ${printable(named)}`, {
      suggestions: [`Check the path: it is relative to ${printable(port.cwd)}.`, ...waysToConfigure],
    })
  }
  if (kind !== 'file') {
    throw new EnvdriftError('CONFIG_UNREADABLE', `${printable(named)} is not a regular file`, {
      suggestions: ['Name the file itself, for example -c envdrift.toml.'],
    })
  }
  const format = basename(path) === 'pyproject.toml' ? 'pyproject' : path.endsWith('.toml') ? 'toml' : 'pair'
  return readSource(path, format, 'repository', port)
}

/** @returns the user file, or `undefined` when there is none. */
export async function findUserFile(port: ConfigPort): Promise<SourceFile | undefined> {
  const path = port.userConfigPath
  if (path === undefined || (await port.kind(path)) !== 'file') return undefined
  return readSource(path, 'toml', 'user', port)
}

export function nothingFound(port: ConfigPort): EnvdriftError {
  return new EnvdriftError(
    'CONFIG_NOT_FOUND',
    `No configuration: there is no envdrift.toml and no pyproject.toml with [tool.envdrift] in ${printable(port.cwd)} or above it, up to the root of the repository`,
    {suggestions: waysToConfigure},
  )
}

async function discover(port: ConfigPort): Promise<SourceFile | undefined> {
  for (const folder of upwards(port.cwd)) {
    const own = join(folder, 'envdrift.toml')
    if ((await port.kind(own)) === 'file') return readSource(own, 'toml', 'repository', port)
    const shared = join(folder, 'pyproject.toml')
    if ((await port.kind(shared)) === 'file') {
      const source = await readSource(shared, 'pyproject', 'repository', port)
      // Without the word there is no [tool.envdrift] in it, and whether it is sound TOML is not our business.
      if (source.text.includes('envdrift') && holdsOurs(source)) return source
    }
    if (folder === port.home || (await isRepositoryRoot(folder, port))) return undefined
  }
  return undefined
}

function holdsOurs(source: SourceFile): boolean {
  const tool = parseToml(source)['tool']
  return typeof tool === 'object' && tool !== null && 'envdrift' in tool
}

async function readSource(
  path: string,
  format: SourceFile['format'],
  origin: SourceFile['origin'],
  port: ConfigPort,
): Promise<SourceFile> {
  const way = relative(port.cwd, path)
  const shown = printable(way.startsWith('..') ? path : way)
  const around = await repositoryOf(dirname(path), port)
  const real = await port.realPath(path)
  // A link to another file of this machine would have its lines quoted in messages.
  if (around !== undefined && !isInside(real, around)) {
    throw new EnvdriftError(
      'OUTSIDE_REPOSITORY',
      `The configuration ${shown} is a link that leads out of the repository`,
      {
        suggestions: ['Put the file itself into the repository, or name the one outside with -c.'],
      },
    )
  }
  const text = await port.readText(path).catch((error: unknown) => {
    if (!(error instanceof EnvdriftError)) throw error
    throw new EnvdriftError('CONFIG_UNREADABLE', `The configuration can't be read: ${error.message}`, {
      suggestions: [error.suggestions[0] ?? 'Check the file.', ...error.suggestions.slice(1)],
      cause: error,
    })
  })
  if (text === undefined) {
    throw new EnvdriftError('CONFIG_UNREADABLE', `${shown} went away while it was read`, {
      suggestions: ['Run the command again.'],
    })
  }
  return {path, shown, base: dirname(path), origin, format, text: text.replace(/^\ufeff/, '')}
}
