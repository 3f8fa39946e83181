/**
 * Text from files and services, made safe to print: on one line, without escape sequences, and without the two
 * spellings that CI systems take for commands (`::error::` on GitHub, `##vso[` on Azure Pipelines).
 *
 * Every byte that was changed can be recognised: control and format characters become `\xNN` or `\u{NNNN}`, and the two
 * command spellings get a backslash in their middle.
 */
export function printable(text: string): string {
  return (
    text
      // C0, DEL, C1, line separators, and the bidirectional and zero-width marks that make text read otherwise
      // eslint-disable-next-line no-control-regex
      .replaceAll(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, escapeOne)
      // no command starts with a digit, but accounts in ARNs and IPv6 addresses do
      .replaceAll(/:(?=:(?!\d))/g, ':\\')
      .replaceAll(/##(?=(?:vso|teamcity)?\[)/gi, '#\\#')
  )
}

function escapeOne(character: string): string {
  switch (character) {
    case '\n':
      return String.raw`\n`
    case '\r':
      return String.raw`\r`
    case '\t':
      return String.raw`\t`
    default: {
      const hex = character.codePointAt(0)!.toString(16)
      return hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`
    }
  }
}

/** The longest name or sentence that is shown whole, in characters: what a person still reads. */
const longestShown = 2_000

/** The beginning of a text that nobody would read to its end, with the number of characters that were left out. */
export function shortened(text: string, maxLength: number = longestShown): string {
  if (text.length <= maxLength) return text
  return `${text.slice(0, maxLength)}… (and ${text.length - maxLength} more characters)`
}

/** The first lines of a list that nobody would read to its end, and one that says how many were left out. */
export function firstFew(lines: readonly string[], max: number, more: (left: number) => string): readonly string[] {
  return lines.length <= max ? lines : [...lines.slice(0, max), more(lines.length - max)]
}
