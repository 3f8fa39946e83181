import {basename, dirname, join} from 'node:path'

import {EnvdriftError} from '../core/errors.ts'
import type {Mapping} from '../core/plan.ts'
import {shellWord} from '../core/shell-word.ts'
import {printable} from '../core/text.ts'
import {inTurns} from './in-turns.ts'
import type {SyncPorts} from './ports.ts'

type Ports = Pick<SyncPorts, 'files' | 'git' | 'warn'>

/** A private key in git's history is out for good: no key is written into a file that git tracks. By keys file. */
export async function refuseTracked(
  mappings: readonly Mapping[],
  repository: string | undefined,
  {files, git}: Ports,
): Promise<ReadonlyMap<string, EnvdriftError>> {
  if (repository === undefined) return new Map()
  const keysFiles = [...new Set(mappings.map(({keysFile}) => keysFile))]
  const candidates = await inTurns(keysFiles, async (keysFile) => {
    const names = await files.list(dirname(keysFile)).catch(() => [])
    const backups = names.filter((name) => name.startsWith(`${basename(keysFile)}.backup.`))
    return [keysFile, ...backups.map((name) => join(dirname(keysFile), name))]
  })
  const tracked = await git.tracked(repository, candidates.flat())
  return new Map(
    candidates.flatMap((paths) => {
      const [first] = paths.filter((path) => tracked.has(path))
      return first === undefined ? [] : [[paths[0]!, trackedError(first)] as const]
    }),
  )
}

/** Says once which line .gitignore lacks: a key that isn't ignored is one `git add .` away from being published. */
export async function warnUnignored(
  mappings: readonly Mapping[],
  repository: string | undefined,
  {git, warn}: Ports,
): Promise<void> {
  if (repository === undefined) return
  const keysFiles = [...new Set(mappings.flatMap(({ephemeral, keysFile}) => (ephemeral ? [] : [keysFile])))]
  const wanted = keysFiles.flatMap((path) => [path, `${path}.backup.20000101_000000`])
  const ignored = await git.ignored(repository, wanted)
  const open = keysFiles.find((path) => !ignored.has(path) || !ignored.has(`${path}.backup.20000101_000000`))
  if (open === undefined) return
  const line = `${basename(open)}*`
  warn(`${printable(open)} and its backups are not ignored by git; add this line to .gitignore: ${printable(line)}`)
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
