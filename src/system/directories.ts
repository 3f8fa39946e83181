import {join, posix, win32} from 'node:path'

import type {Env} from '../core/provider-spec.ts'

type Kind = {readonly variable: string; readonly inHome: readonly string[]; readonly onWindows: string}

const state: Kind = {variable: 'XDG_STATE_HOME', inHome: ['.local', 'state'], onWindows: 'state'}
const config: Kind = {variable: 'XDG_CONFIG_HOME', inHome: ['.config'], onWindows: 'config'}
const cache: Kind = {variable: 'XDG_CACHE_HOME', inHome: ['.cache'], onWindows: 'cache'}

/** Where locks lie: `$XDG_STATE_HOME/envdrift`, else `~/.local/state/envdrift`; `%LOCALAPPDATA%\envdrift\state` on Windows. */
export const stateDir = (env: Env, home: string, platform: NodeJS.Platform = process.platform): string =>
  directory(state, env, home, platform)

/** Where the user file lies: `$XDG_CONFIG_HOME/envdrift`, else `~/.config/envdrift`; `%LOCALAPPDATA%\envdrift\config` on Windows. */
export const configDir = (env: Env, home: string, platform: NodeJS.Platform = process.platform): string =>
  directory(config, env, home, platform)

/** What may be thrown away: `$XDG_CACHE_HOME/envdrift`, else `~/.cache/envdrift`; `%LOCALAPPDATA%\envdrift\cache` on Windows. */
export const cacheDir = (env: Env, home: string, platform: NodeJS.Platform = process.platform): string =>
  directory(cache, env, home, platform)

function directory({variable, inHome, onWindows}: Kind, env: Env, home: string, platform: NodeJS.Platform): string {
  const chosen = env[variable]
  // A relative value must be ignored: https://specifications.freedesktop.org/basedir-spec/latest/ ("All paths … must be absolute").
  if (chosen !== undefined && (platform === 'win32' ? win32 : posix).isAbsolute(chosen)) return join(chosen, 'envdrift')
  if (platform !== 'win32') return join(home, ...inHome, 'envdrift')
  return win32.join(env['LOCALAPPDATA'] ?? win32.join(home, 'AppData', 'Local'), 'envdrift', onWindows)
}
