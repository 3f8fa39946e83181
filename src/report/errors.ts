import type {EnvdriftError} from '../core/errors.ts'
import {shownMessage, type Output, type Style} from '../core/report.ts'
import {printable, shortened} from '../core/text.ts'
import {paint} from './paint.ts'
import {withShownPaths} from './shown-path.ts'
import {wrapped} from './wrapped.ts'

type Look = Pick<Style, 'color' | 'width' | 'cwd'>

/** An error for people: one `[ERROR]` line, then what to do, each on lines of its own. */
export function errorOutputs(error: EnvdriftError, {color, width, cwd}: Look): readonly Output[] {
  const line = (text: string, indent: number): Output => ({
    to: 'stderr',
    text: `${wrapped(withShownPaths(text, cwd), width, indent)}\n`,
  })
  return [
    line(`${paint(color).red('[ERROR]')} ${shownMessage(error)}`, 2),
    ...error.suggestions.map((text) => line(`  → ${shortened(printable(text))}`, 4)),
  ]
}

export function warningOutput(message: string, {color, width, cwd}: Look): Output {
  const text = withShownPaths(shortened(printable(message)), cwd)
  return {to: 'stderr', text: `${wrapped(`${paint(color).yellow('[WARN]')} ${text}`, width, 2)}\n`}
}
