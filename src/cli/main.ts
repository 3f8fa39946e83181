import './environment.ts'
import {Config} from '@oclif/core/config'
import {run} from '@oclif/core/run'

import {EnvdriftError} from '../core/errors.ts'
import {errorDocument, exitCodeOf} from '../core/report.ts'
import {errorOutputs} from '../report/errors.ts'
import {commandLineError, unexpected} from './command-line-error.ts'
import {documentOutput, failUnlessFinished, flushAndExit, write} from './emit.ts'
import {widthOf} from './terminal.ts'

/** Where the commands lie: `dist` in a build, `src` in development. */
export type Layout = {
  /** Absolute; holds package.json's oclif part, or the one given here. */
  readonly root: string
  readonly packageJson: Record<string, unknown>
}

/** Run one command line to its end; the process ends here. */
export async function main(argv: readonly string[], {root, packageJson}: Layout): Promise<never> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', endOnBrokenPipe)
  failUnlessFinished()
  // An SDK may throw where nobody waits for it; Node would print the error whole, with whatever it quotes.
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (error: unknown) => {
      reportFailure(error, [], argv.includes('--json'))
      void flushAndExit()
    })
  }
  let commands: readonly string[] = []
  try {
    refuseNodeDebug()
    // We have no plugins; oclif would look for some in the home directory, and warn where that is closed to us.
    const config = await Config.load({root, pjson: packageJson as never, userPlugins: false, devPlugins: false})
    commands = config.commandIDs.map((id) => id.replaceAll(':', ' '))
    await run([...argv], config)
  } catch (error) {
    reportFailure(error, commands, argv.includes('--json'))
  }
  return flushAndExit()
}

/** What oclif throws before a command of ours runs: an unknown command, its own bugs. Commands report their own errors. */
function reportFailure(error: unknown, commands: readonly string[], json: boolean): void {
  const known = error instanceof EnvdriftError ? error : (commandLineError(error, commands) ?? unexpected(error))
  process.exitCode = exitCodeOf(known.reason, false)
  if (json) return write(documentOutput(null, {exitReason: known.reason, error: errorDocument(known)}, []))
  for (const output of errorOutputs(known, {
    color: false,
    width: widthOf(process.stderr, process.env),
    cwd: process.cwd(),
  }))
    write(output)
}

/**
 * Node itself prints requests with their tokens for these words in NODE_DEBUG, and has read them before any of our code runs.
 */
function refuseNodeDebug(): void {
  if (!/http|tls|net|fetch|undici|stream|\*/i.test(process.env['NODE_DEBUG'] ?? '')) return
  throw new EnvdriftError(
    'CONFIG_NOT_ALLOWED',
    'NODE_DEBUG is set to a word that makes Node print requests with their tokens',
    {
      suggestions: ['Unset NODE_DEBUG for this command: env -u NODE_DEBUG envdrift …'],
    },
  )
}

function endOnBrokenPipe(error: NodeJS.ErrnoException): void {
  // Who closed the pipe may not have seen everything.
  process.exitCode ??= 1
  if (error.code === 'EPIPE') return void flushAndExit()
  throw error
}
