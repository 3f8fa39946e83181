import type {Output} from '../core/report.ts'
import {printable, shortened} from '../core/text.ts'

/** The one document of `--json`. Its shape is promised in docs/stability.md. */
export function documentOutput(
  command: string | null,
  document: Readonly<Record<string, unknown>>,
  warnings: readonly string[],
): Output {
  const whole = {schemaVersion: 1, command, ...document, warnings: warnings.map((text) => shortened(printable(text)))}
  return {to: 'stdout', text: `${JSON.stringify(whole, null, 2)}\n`}
}
