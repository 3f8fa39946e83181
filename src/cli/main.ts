import './environment.ts'
import {existsSync} from 'node:fs'
import {extname, join} from 'node:path'
import {pathToFileURL} from 'node:url'

import {EnvdriftError} from '../core/errors.ts'
import {errorDocument, exitCodeOf} from '../core/report.ts'
import {documentOutput} from '../report/document.ts'
import {errorOutputs} from '../report/errors.ts'
import {shownDirectory, workingDirectory} from '../system/surroundings.ts'
import type {CommandClass} from './base-command.ts'
import {commandLineError, unexpected} from './command-line-error.ts'
import {endWhenOutputFails, failUnlessFinished, flushAndExit, isOfOutput, write} from './emit.ts'
import type {Layout} from './oclif.ts'
import {widthOf} from './terminal.ts'

/** Run one command line to its end; the process ends here. */
export async function main(argv: readonly string[], {root, packageJson}: Layout): Promise<never> {
  endWhenOutputFails()
  failUnlessFinished()
  // An SDK may throw where nobody waits for it; Node would print the error whole, with whatever it quotes.
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (error: unknown) => {
      if (isOfOutput(error)) return
      reportFailure(error, [], argv.includes('--json'))
      void flushAndExit()
    })
  }
  let commands: readonly string[] = []
  try {
    refuseNodeDebug()
    workingDirectory()
    const named = await commandNamedBy(argv, {root, packageJson})
    if (named === undefined) {
      const {loadOclif} = await import('./oclif.ts')
      const oclif = await loadOclif({root, packageJson})
      commands = oclif.commands
      refuseBesideTopic(argv, oclif.topics)
      await oclif.run(argv)
    } else {
      await named.run()
    }
  } catch (error) {
    reportFailure(error, commands, argv.includes('--json'))
  }
  return flushAndExit()
}

/**
 * oclif shows the help of a topic whatever else stands there, and all is well.
 *
 * @throws EnvdriftError USAGE
 */
function refuseBesideTopic(argv: readonly string[], topics: readonly string[]): void {
  const topic = topics.find((one) => one === argv[0])
  if (topic === undefined || argv.length === 1) return
  // Words may be a command; what oclif says of them is better.
  if (!argv[1]!.startsWith('-') || ['--help', '-h'].includes(argv[1]!)) return
  throw new EnvdriftError('USAGE', `envdrift ${topic} is no command by itself`, {
    suggestions: [`Run \`envdrift ${topic} --help\` to see its commands.`],
  })
}

/**
 * The command of a line that says it plainly: its words first, arguments only where it takes some, and no wish for help.
 * oclif itself finds the same one, after it has looked for plugins, shells and themes (30 ms); everything else is left to it.
 */
async function commandNamedBy(
  argv: readonly string[],
  {root, packageJson: {oclif}}: Layout,
): Promise<{readonly run: () => Promise<void>} | undefined> {
  const firstOther = argv.findIndex((word) => !/^[a-z]+$/.test(word))
  const words = argv.slice(0, firstOther === -1 ? undefined : firstOther)
  const fileOf = (some: readonly string[]): string =>
    join(root, oclif.commands, ...some) + extname(import.meta.filename)
  while (words.length > 0 && !existsSync(fileOf(words))) words.pop()
  if (words.length === 0) return undefined
  const {default: Command} = (await import(pathToFileURL(fileOf(words)).href)) as {readonly default: CommandClass}
  const rest = argv.slice(words.length)
  if (wantsHelp(rest, Command)) return undefined
  const hasWord = rest[0] !== undefined && !rest[0].startsWith('-')
  if (hasWord && Object.keys(Command.args).length === 0) return undefined
  return Command.ready({id: words.join(':'), argv: rest, bin: oclif.bin})
}

/** `--filter -h` wishes for no help: what stands behind a flag with a value is that value. */
function wantsHelp(words: readonly string[], {flags, baseFlags}: CommandClass): boolean {
  const withValue = Object.entries({...baseFlags, ...flags}).flatMap(([name, {type, char}]) =>
    type === 'option' ? [`--${name}`, ...(char === undefined ? [] : [`-${char}`])] : [],
  )
  const end = words.indexOf('--')
  return words
    .slice(0, end === -1 ? undefined : end)
    .some((word, index) => ['--help', '-h'].includes(word) && !withValue.includes(words[index - 1] ?? ''))
}

/** What oclif throws before a command of ours runs: an unknown command, its own bugs. Commands report their own errors. */
function reportFailure(error: unknown, commands: readonly string[], json: boolean): void {
  const known = error instanceof EnvdriftError ? error : (commandLineError(error, commands) ?? unexpected(error))
  process.exitCode = exitCodeOf(known.reason, false)
  if (json) return write(documentOutput(null, {exitReason: known.reason, error: errorDocument(known)}, []))
  for (const output of errorOutputs(known, {
    color: false,
    width: widthOf(process.stderr, process.env),
    cwd: shownDirectory(),
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
