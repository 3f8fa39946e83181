import type {Output} from '../core/report.ts'
import {printable} from '../core/text.ts'

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
  const whole = {schemaVersion: 1, command, ...document, warnings: warnings.map((text) => printable(text))}
  return {to: 'stdout', text: `${JSON.stringify(whole, null, 2)}\n`}
}

/** End the process once both streams have taken everything: a socket that an SDK left open must not keep us waiting. */
export async function flushAndExit(): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))))
  process.exit()
}
