import type {EnvdriftError} from '../core/errors.ts'
import {shownMessage, type Output} from '../core/report.ts'
import {printable} from '../core/text.ts'
import {paint} from './paint.ts'
import {wrapped} from './wrapped.ts'

type Look = {readonly color: boolean; readonly width: number}

/** An error for people: one `[ERROR]` line, then what to do, each on lines of its own. */
export function errorOutputs(error: EnvdriftError, {color, width}: Look): readonly Output[] {
  const {red} = paint(color)
  return [
    {to: 'stderr', text: `${wrapped(`${red('[ERROR]')} ${shownMessage(error)}`, width, 2)}\n`},
    ...error.suggestions.map((text) => ({
      to: 'stderr' as const,
      text: `${wrapped(`  → ${printable(text)}`, width, 4)}\n`,
    })),
  ]
}

export function warningOutput(message: string, {color, width}: Look): Output {
  return {to: 'stderr', text: `${wrapped(`${paint(color).yellow('[WARN]')} ${printable(message)}`, width, 2)}\n`}
}
