import type {Env} from '../core/provider-spec.ts'

/** What reading a configuration needs of the machine. All paths are absolute. */
export type ConfigPort = {
  /** Working directory; discovery starts here, and paths in flags and variables are relative to it. */
  readonly cwd: string
  /** The user's home directory; discovery ends here at the latest. */
  readonly home: string
  readonly env: Env
  /** `$XDG_CONFIG_HOME/envdrift/config.toml`; it need not exist. `undefined`: there is no such place. */
  readonly userConfigPath: string | undefined
  /** What lies at a path, after symlinks. */
  readonly kind: (path: string) => Promise<'file' | 'directory' | 'other' | 'absent'>
  /**
   * The text of a regular file, byte order mark included, or `undefined` when nothing lies there.
   *
   * @throws EnvdriftError when it is not UTF-8, too large, or closed to us.
   */
  readonly readText: (path: string) => Promise<string | undefined>
  /**
   * Files below a directory (links to files, too) whose paths match one of the patterns and none to leave out, in any order:
   * relative, with slashes. Links to folders are not followed, node_modules and .git not entered.
   */
  readonly glob: (patterns: readonly string[], exclude: readonly string[], cwd: string) => Promise<readonly string[]>
  /** The same path without symlinks, as far as something is there. Folders are asked for more than once. */
  readonly realPath: (path: string) => Promise<string>
}
