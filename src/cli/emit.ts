import {writeSync} from 'node:fs'

import type {Output} from '../core/report.ts'

/** The one place where text becomes bytes on a stream. */
export function write({to, text}: Output): void {
  try {
    process[to].write(text)
  } catch (error) {
    loseOutput(to, error as NodeJS.ErrnoException)
  }
}

const streams = ['stdout', 'stderr'] as const

/** What a stream told us last. */
let told: unknown

/** Is this what a stream told us? oclif, which listens, too, throws it again. */
export const isOfOutput = (error: unknown): boolean => error === told

/** From now on the process ends when a stream fails; to be called before oclif listens. */
export function endWhenOutputFails(): void {
  for (const to of streams) {
    process[to].prependListener('error', (error: NodeJS.ErrnoException) => {
      told = error
      // Who closed a pipe may not have seen everything; a stream that fails otherwise has lost something.
      if (error.code === 'EPIPE') process.exitCode ??= 1
      else loseOutput(to, error)
      void flushAndExit()
    })
  }
}

/** A stream took less than it was given. */
let isLost = false

/** The process fails from now on: a full disk, or a device that is gone, must not pass for a result that was printed. */
function loseOutput(to: Output['to'], {code = 'unknown error'}: NodeJS.ErrnoException): void {
  const isFirst = !isLost
  isLost = true
  if (!isFirst || to === 'stderr') return
  const advice = 'Free space on the disk that it goes to, or send it elsewhere, then run the command again.'
  write({to: 'stderr', text: `[ERROR] The standard output could not be written: ${code}\n  → ${advice}\n`})
}

/** Exit codes that a signal gave. */
const signalled: ReadonlySet<number> = new Set([130, 143])

/**
 * From now on the process fails unless it ends through {@link flushAndExit}: when nothing is left to wait for although the
 * command isn't done, or when somebody else's code ends the process, nothing was proven.
 */
export function failUnlessFinished(): void {
  process.once('exit', unfinished)
}

function unfinished(code: number): void {
  if (signalled.has(code)) return
  process.exitCode = 1
  writeSync(
    2,
    '[ERROR] envdrift ended before it was done: nothing was proven\n  → Run the command again; with --schema, look at what the module does.\n',
  )
}

/** End the process once both streams have taken everything: a socket that an SDK left open must not keep us waiting. */
export function flushAndExit(): Promise<never> {
  ending ??= end()
  return ending
}

/** What fails while the process ends must not end it again. */
let ending: Promise<never> | undefined

async function end(): Promise<never> {
  process.off('exit', unfinished)
  // A stream says a little later that it failed.
  await new Promise(setImmediate)
  for (const to of streams) {
    const stream = process[to]
    // One that broke takes nothing any more, and would never say that it has.
    if (!stream.writable || stream.writableLength === 0) continue
    await new Promise<unknown>((done) => {
      try {
        stream.write('', done)
      } catch (error) {
        loseOutput(to, error as NodeJS.ErrnoException)
        done(undefined)
      }
    })
  }
  if (isLost) process.exitCode ||= 1
  process.exit()
}
