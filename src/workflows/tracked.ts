import {basename, dirname, join} from 'node:path'

import {EnvdriftError} from '../core/errors.ts'
import type {Mapping} from '../core/plan.ts'
import {shellWord} from '../core/shell-word.ts'
import {printable} from '../core/text.ts'
import {inTurns} from './in-turns.ts'
import type {SyncPorts} from './ports.ts'

type Ports = Pick<SyncPorts, 'files' | 'git' | 'warn'>

/** A keys file and the paths that must not be in git: itself, and its backups. */
type Watched = {readonly keysFile: string; readonly paths: readonly string[]}

/** A private key in git's history is out for good: no key is written into a file that git tracks. By keys file. */
export async function refuseTracked(
  mappings: readonly Mapping[],
  {files, git}: Ports,
): Promise<ReadonlyMap<string, EnvdriftError>> {
  const watched = await inTurns(keysFilesOf(mappings), async (keysFile): Promise<Watched> => {
    const names = await files.list(dirname(keysFile)).catch(() => [])
    const backups = names.filter((name) => name.startsWith(`${basename(keysFile)}.backup.`))
    return {keysFile, paths: [keysFile, ...backups.map((name) => join(dirname(keysFile), name))]}
  })
  const tracked = await inRepositories(watched, git, git.tracked)
  return new Map(
    watched.flatMap(({keysFile, paths}) => {
      const found = paths.find((path) => tracked.has(path))
      return found === undefined ? [] : [[keysFile, trackedError(found)] as const]
    }),
  )
}

/**
 * Says once which line .gitignore lacks: a key that isn't ignored is one `git add .` away from being published. Files that
 * git tracks already are an error by themselves.
 */
export async function warnUnignored(
  mappings: readonly Mapping[],
  tracked: ReadonlyMap<string, EnvdriftError>,
  {git, warn}: Ports,
): Promise<void> {
  const wanted = keysFilesOf(mappings.filter(({ephemeral}) => !ephemeral))
    .filter((keysFile) => !tracked.has(keysFile))
    .map((keysFile): Watched => ({keysFile, paths: [keysFile, `${keysFile}.backup.20000101_000000`]}))
  const inGit = (
    await inTurns(wanted, async (one) => ((await repositoryOf(one, git)) === undefined ? [] : [one]))
  ).flat()
  const ignored = await inRepositories(inGit, git, git.ignored)
  const open = inGit.find(({paths}) => paths.some((path) => !ignored.has(path)))?.keysFile
  if (open === undefined) return
  const name = basename(open)
  // `k*` would ignore far too much.
  const lines = name.startsWith('.env.keys')
    ? `this line to .gitignore: ${name}*`
    : `these lines to .gitignore: ${name} and ${name}.*`
  warn(`${open} and its backups are not ignored by git; add ${lines}`)
}

const keysFilesOf = (mappings: readonly Mapping[]): readonly string[] => [
  ...new Set(mappings.map(({keysFile}) => keysFile)),
]

/** A folder that is missing has no repository of its own; its row says that it is missing. */
const repositoryOf = async ({keysFile}: Watched, git: Ports['git']): Promise<string | undefined> =>
  git.repositoryOf(dirname(keysFile)).catch(() => undefined)

/** Ask git of each repository once. A service may be a repository of its own, inside that of the configuration. */
async function inRepositories(
  watched: readonly Watched[],
  git: Ports['git'],
  ask: (repository: string, paths: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<ReadonlySet<string>> {
  const placed = await inTurns(watched, async (one) => ({...one, repository: await repositoryOf(one, git)}))
  const answers = await inTurns([...Map.groupBy(placed, ({repository}) => repository)], async ([repository, group]) =>
    repository === undefined
      ? new Set<string>()
      : ask(
          repository,
          group.flatMap(({paths}) => paths),
        ),
  )
  return new Set(answers.flatMap((answer) => [...answer]))
}

const trackedError = (path: string): EnvdriftError =>
  new EnvdriftError(
    'TRACKED_BY_GIT',
    `${printable(path)} is tracked by git: private keys would be published with the next commit`,
    {
      suggestions: [
        `Untrack it: git rm --cached -- ${shellWord(path)}`,
        'Then add it to .gitignore, and take its keys for leaked if it was ever pushed.',
      ],
    },
  )
