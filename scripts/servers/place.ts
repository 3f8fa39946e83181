import {createHash} from 'node:crypto'
import {homedir} from 'node:os'
import {isAbsolute, join} from 'node:path'

/** Where the servers lie, all paths absolute; nothing of it is in the clone. */
export type Place = {
  readonly root: string
  /** What `install` makes: one folder for each program, shared by all clones. */
  readonly programs: string
  /** What `start` makes for this clone: the state file, logs, certificates, and the servers' home directory. */
  readonly run: string
}

/** The folder that ENVDRIFT_SERVERS_DIR names, else `envdrift-servers` in the user's cache directory. */
export function placeOf(env: NodeJS.ProcessEnv = process.env): Place {
  const cache = env['XDG_CACHE_HOME']
  const root =
    env['ENVDRIFT_SERVERS_DIR'] ||
    join(cache !== undefined && isAbsolute(cache) ? cache : join(homedir(), '.cache'), 'envdrift-servers')
  if (!isAbsolute(root)) throw new Error(`ENVDRIFT_SERVERS_DIR must be an absolute path, not ${root}`)
  const clone = createHash('sha256')
    .update(join(import.meta.dirname, '../..'))
    .digest('hex')
    .slice(0, 12)
  return {root, programs: join(root, 'programs'), run: join(root, 'run', clone)}
}

/** Every program that `install` brings, and where it lies below {@link Place.programs}. */
const paths = {
  moto: 'python/bin/moto_server',
  zizmor: 'python/bin/zizmor',
  'check-jsonschema': 'python/bin/check-jsonschema',
  'pre-commit': 'python/bin/pre-commit',
  vault: 'vault/vault',
  toxiproxy: 'toxiproxy/toxiproxy',
  act: 'act/act',
  actionlint: 'actionlint/actionlint',
} as const

/** Path of a program, whether it is installed or not. */
export const programPath = (place: Place, name: keyof typeof paths): string => join(place.programs, paths[name])
