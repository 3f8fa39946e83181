import {basename, dirname} from 'node:path'

import {EnvdriftError} from '../core/errors.ts'
import {inTurns} from '../core/in-turns.ts'
import type {Mapping, Mode} from '../core/plan.ts'
import {shellWord} from '../core/shell-word.ts'
import {printable} from '../core/text.ts'
import type {Git} from './ports.ts'

/** The keys files of a run by the repository around each; under `undefined` those that lie in none. */
type Placed = ReadonlyMap<string | undefined, readonly string[]>

/** What git says of the keys files of a run. */
export type GitVerdict = {
  /** No key is written into these: a private key in git's history is out for good. By keys file. */
  readonly tracked: ReadonlyMap<string, EnvdriftError>
  /** Which line .gitignore lacks, if it lacks one: a key that isn't ignored is one `git add .` away from being published. */
  readonly unignored: string | undefined
}

/** Ask git of each repository once. A service may be a repository of its own, inside that of the configuration. */
export async function askGit(
  mappings: readonly Mapping[],
  {verify}: Pick<Mode, 'verify'>,
  git: Git,
): Promise<GitVerdict> {
  const keysFiles = [...new Set(mappings.map(({keysFile}) => keysFile))]
  const repositories = await inTurns(keysFiles, (keysFile) => git.repositoryOf(dirname(keysFile)))
  const placed: Placed = Map.groupBy(keysFiles, (_, index) => repositories[index])
  const written = new Set(mappings.flatMap(({ephemeral, keysFile}) => (ephemeral ? [] : [keysFile])))
  // Side by side: git takes some milliseconds for each answer.
  const [tracked, unignored] = await Promise.all([
    refuseTracked(placed, git),
    unignoredAmong(placed, (file) => written.has(file), {verify}, git),
  ])
  const open = unignored.find((keysFile) => !tracked.has(keysFile))
  return {tracked, unignored: open === undefined ? undefined : ignoreAdvice(open)}
}

async function refuseTracked(placed: Placed, git: Git): Promise<ReadonlyMap<string, EnvdriftError>> {
  const answers = await inTurns([...placed], async ([repository, keysFiles]) =>
    repository === undefined ? [] : [...(await git.tracked(repository, keysFiles))],
  )
  return new Map(answers.flat().map(([keysFile, path]) => [keysFile, trackedError(path)]))
}

/** Keys files that git doesn't ignore, or a backup of which it doesn't; a run that verifies makes none, and needs no rule for them. */
async function unignoredAmong(
  placed: Placed,
  isMeant: (keysFile: string) => boolean,
  {verify}: Pick<Mode, 'verify'>,
  git: Git,
): Promise<readonly string[]> {
  const answers = await inTurns([...placed], async ([repository, keysFiles]) => {
    if (repository === undefined) return []
    const asked = keysFiles.filter(isMeant)
    const ignored = await git.ignored(repository, asked.flatMap(withBackup), {mayBeThere: verify})
    return asked.filter((keysFile) => withBackup(keysFile).some((path) => !ignored.has(path)))
  })
  return answers.flat()
}

function ignoreAdvice(open: string): string {
  const name = basename(open)
  // `k*` would ignore far too much.
  const lines = name.startsWith('.env.keys')
    ? `this line to .gitignore: ${name}*`
    : `these lines to .gitignore: ${name} and ${name}.*`
  return `${open} and its backups are not ignored by git; add ${lines}`
}

const withBackup = (keysFile: string): readonly [string, string] => [keysFile, `${keysFile}.backup.20000101_000000`]

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
