import {printable} from './text.ts'

/**
 * A word for a command line that a person may copy, on one line: quoted for a POSIX shell where it needs to be.
 *
 * Names and paths come from files that a pull request can change; unquoted, `$(…)` in one would run.
 */
export function shellWord(text: string): string {
  const shown = printable(text)
  return /^[\w./@:=+-]+$/.test(shown) && !shown.startsWith('-') ? shown : `'${shown.replaceAll("'", String.raw`'\''`)}'`
}
