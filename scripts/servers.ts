/**
 * `npm run servers -- install|start|stop|status`: the real servers and tools that `npm run test:servers` and `.ci/run` use.
 *
 * Everything lies outside the clone, in ENVDRIFT_SERVERS_DIR or `envdrift-servers` in the user's cache directory, and
 * listens on 127.0.0.1 alone. Each command may be run again at any time. `install` needs Python 3.11 and Go 1.26.
 */
import {withLock} from '../src/system/lock.ts'
import {install} from './servers/install.ts'
import {placeOf} from './servers/place.ts'
import {start, status, stop} from './servers/run.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** Longer than any of them takes, in milliseconds: the second of two waits for the first. */
const waitMs = 20 * 60_000

const [command = ''] = process.argv.slice(2)
try {
  if (process.platform === 'win32') throw new Error('The servers run on Linux and macOS only.')
  const place = placeOf()
  const alone = (folder: string, run: () => void | Promise<void>): Promise<void> =>
    withLock(folder, {stateDir: place.root, waitMs}, async () => run())
  if (command === 'install') await alone(place.programs, () => install(place, say))
  else if (command === 'start') await alone(place.run, () => start(place, say))
  else if (command === 'stop') await alone(place.run, () => stop(place, say))
  else if (command === 'status') status(place, say)
  else throw new Error('Say one of: npm run servers -- install, start, stop, status')
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
