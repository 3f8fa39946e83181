import type {VaultConfig} from '../config/config.ts'
import type {Sight} from '../core/plan.ts'
import type {Provider} from '../providers/provider.ts'

/** The file system as workflows see it. Errors are EnvdriftErrors with the codes of the file group. */
export type Files = {
  /** What lies at a path, symlinks followed. */
  readonly kind: (path: string) => Promise<'file' | 'directory' | 'other' | 'absent'>
  /** Names in a directory. */
  readonly list: (directory: string) => Promise<readonly string[]>
  /** The path without symlinks, as far as something is there. */
  readonly realPath: (path: string) => Promise<string>
  /** The same for a folder, looked up once in a run. */
  readonly realFolder: (path: string) => Promise<string>
  /** Text of a regular file up to 1 MiB; `undefined` when there is none. `within`: where it must lie after symlinks. */
  readonly readText: (path: string, within: string | undefined) => Promise<string | undefined>
  /**
   * The same for text that may not be UTF-8: its ASCII part is right, the rest is not, and `isText` says so. With the path
   * without symlinks.
   */
  readonly readAnyText: (
    path: string,
    within: string | undefined,
  ) => Promise<{readonly text: string; readonly isText: boolean; readonly realPath: string} | undefined>
  /**
   * Replace in one step, with a backup of what was there.
   * @throws EnvdriftError FILE_CHANGED when the text is no longer `before`.
   */
  readonly replace: (
    path: string,
    change: {readonly before: string | undefined; readonly after: string; readonly within: string | undefined},
  ) => Promise<{readonly backup: string | undefined}>
  /** Run while no other process of ours writes that file. */
  readonly withLock: <T>(path: string, run: () => Promise<T>) => Promise<T>
}

/** What git says; every answer is made without running anything that the repository could choose. */
export type Git = {
  /** The innermost repository around a folder; `undefined` outside of one. */
  readonly repositoryOf: (directory: string) => Promise<string | undefined>
  /** Of these files those that are tracked, or a backup of which is; with the path of what is tracked. */
  readonly tracked: (repository: string, paths: readonly string[]) => Promise<ReadonlyMap<string, string>>
  /** Those that `mayBeThere` are looked for first: of what is there, and of its backups, git has told already. */
  readonly ignored: (
    repository: string,
    paths: readonly string[],
    how: {readonly mayBeThere: boolean},
  ) => Promise<ReadonlySet<string>>
  /** Absolute paths of env files that git tracks, or would; those that are `known` to be there need no look. */
  readonly listEnvFiles: (
    repository: string,
    known: {readonly has: (path: string) => boolean},
  ) => Promise<readonly string[]>
}

export type Question = {
  readonly secret: string
  readonly folderPath: string
  readonly local: Sight
  readonly vault: Sight
}

/** `unanswered`: the input is at its end, or three answers made no sense. */
export type Answer = 'yes' | 'no' | 'all' | 'none' | 'unanswered'

/** What `sync` needs from the world. `cli/wire.ts` passes the real ones. */
export type SyncPorts = {
  readonly connect: (vault: VaultConfig) => Promise<Provider>
  readonly files: Files
  readonly git: Git
  readonly ask: (question: Question) => Promise<Answer>
  /** Called often; draws at most a few times a second, and only where somebody watches. */
  readonly progress: (done: number, total: number, what: string) => void
  readonly warn: (message: string) => void
  readonly signal: AbortSignal
}
