import {writeSync} from 'node:fs'

import type {Output} from '../core/report.ts'
import {printable, shortened} from '../core/text.ts'

/** The one place where text becomes bytes on a stream. */
export function write({to, text}: Output): void {
  process[to].write(text)
}

/** The one document of `--json`. Its shape is promised in docs/stability.md. */
export function documentOutput(
  command: string | null,
  document: Readonly<Record<string, unknown>>,
  warnings: readonly string[],
): Output {
  const whole = {schemaVersion: 1, command, ...document, warnings: warnings.map((text) => shortened(printable(text)))}
  return {to: 'stdout', text: `${JSON.stringify(whole, null, 2)}\n`}
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
export async function flushAndExit(): Promise<never> {
  process.off('exit', unfinished)
  for (const stream of [process.stdout, process.stderr]) {
    // One that broke takes nothing any more, and would never say that it has.
    if (stream.writable) await new Promise((done) => stream.write('', done))
  }
  process.exit()
}
