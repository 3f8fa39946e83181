import wrapAnsi from 'wrap-ansi'

/**
 * Text wrapped at `width` columns, every line after the first indented by `indent`. A word is never cut, so that a path
 * or a command can be copied whole; `Infinity` wraps nothing.
 */
export function wrapped(text: string, width: number, indent: number): string {
  if (width === Infinity) return text
  const lines = text.split('\n').flatMap((line) => {
    const lead = /^ */.exec(line)?.[0] ?? ''
    const [first = '', ...rest] = wrapAnsi(
      line.slice(lead.length),
      Math.max(10, width - Math.max(indent, lead.length)),
      {
        hard: false,
        trim: true,
      },
    ).split('\n')
    return [lead + first, ...rest.map((part) => ' '.repeat(indent) + part)]
  })
  return lines.join('\n')
}
