type Quote = '' | "'" | '"' | '`'

/** One `NAME=value` of an env file or keys file, with its place in the text. Offsets count UTF-16 units. */
export type Assignment = {
  readonly name: string
  /** 1-based line of the name; LF, CRLF and a lone CR end lines. */
  readonly line: number
  /** As dotenvx 2.x reads it before it decrypts, runs and expands: trimmed, unquoted, escapes resolved. */
  readonly value: string
  /** The character that the value starts with if it is a quote, closed or not: dotenvx takes its rules from that. */
  readonly quote: Quote
  /** First character of the assignment: of `export` or of the name; indentation lies before it. */
  readonly start: number
  /** Just behind the `=`, or behind the `:` and the one space that it needs. */
  readonly afterSeparator: number
  readonly separator: '=' | ':'
  /** The value between its quotes. An empty value without quotes has both at {@link afterSeparator}. */
  readonly valueStart: number
  readonly valueEnd: number
  /** Behind the value and its closing quote. */
  readonly end: number
}

/**
 * Every assignment that dotenvx sees in a text, in order, those that come twice twice.
 *
 * The grammar is the one expression that dotenvx 1.x (`dotenvParse.js`) and 2.x (`scan` of @dotenvx/primitives) share.
 * That expression takes quadratic time on blank lines and on quotes that nobody closed; this reads each character a
 * bounded number of times. Nothing is executed, expanded or decrypted.
 */
export function scanAssignments(text: string): readonly Assignment[] {
  const found: Assignment[] = []
  let line = 1
  let counted = 0
  for (let at = 0; at < text.length;) {
    const start = skip(/\s*/y, text, at)
    const head = headAt(text, start)
    if (head === undefined) {
      at = nextLine(text, start)
      continue
    }
    line += lineBreaks(text, counted, start)
    counted = start
    const value = valueAt(text, head.afterSeparator)
    found.push({...head, ...value, start, line})
    at = nextLine(text, value.end)
  }
  return found
}

/** The name and what stands around it. `\s` may cross lines everywhere, as it does in dotenvx. */
function headAt(text: string, start: number): Pick<Assignment, 'name' | 'separator' | 'afterSeparator'> | undefined {
  const behindExport = skip(/export\s+/y, text, start)
  const nameStart = skip(/[\w.-]+/y, text, behindExport) > behindExport ? behindExport : start
  const nameEnd = skip(/[\w.-]+/y, text, nameStart)
  if (nameEnd === nameStart) return undefined
  const name = text.slice(nameStart, nameEnd)
  const behindSpace = skip(/\s*/y, text, nameEnd)
  if (text[behindSpace] === '=') return {name, separator: '=', afterSeparator: behindSpace + 1}
  const behindColon = skip(/:(?:\r\n|\s)/y, text, nameEnd)
  return behindColon > nameEnd ? {name, separator: ':', afterSeparator: behindColon} : undefined
}

function valueAt(text: string, from: number): Pick<Assignment, 'value' | 'quote' | 'valueStart' | 'valueEnd' | 'end'> {
  const open = skip(/\s*/y, text, from)
  const quote = quoteOf(text[open])
  const close = quote === '' ? undefined : closingQuote(text, quote, open)
  if (close !== undefined) {
    const [valueStart, valueEnd] = [open + 1, close]
    return {value: read(text.slice(open, close + 1), quote), quote, valueStart, valueEnd, end: close + 1}
  }
  const raw = text.slice(from, skip(/[^#\r\n]*/y, text, from))
  const trimmed = raw.trim()
  if (trimmed === '') return {value: '', quote: '', valueStart: from, valueEnd: from, end: from}
  const start = from + raw.indexOf(trimmed)
  const end = start + trimmed.length
  // `"a" b "c"` is unquoted to the expression, and yet its outer quotes go
  const inQuotes = trimmed.length > 1 && quoteOf(trimmed[0]) !== '' && trimmed.at(-1) === trimmed[0] ? 1 : 0
  const first = quoteOf(trimmed[0])
  return {value: read(trimmed, first), quote: first, valueStart: start + inQuotes, valueEnd: end - inQuotes, end}
}

function quoteOf(character: string | undefined): Quote {
  return character === "'" || character === '"' || character === '`' ? character : ''
}

/**
 * The quote that closes the value opened at `open`: the first one without a backslash, else the last one with, and only
 * where nothing but space or a comment follows on its line. That is the order in which the expression backtracks.
 */
function closingQuote(text: string, quote: string, open: number): number | undefined {
  const escaped: number[] = []
  for (let at = text.indexOf(quote, open + 1); at !== -1; at = text.indexOf(quote, at + 1)) {
    if (text[at - 1] === '\\') escaped.push(at)
    else if (lineEndsAt(text, at + 1)) return at
    else break
  }
  return escaped.findLast((at) => lineEndsAt(text, at + 1))
}

function lineEndsAt(text: string, at: number): boolean {
  const end = /\s*?(?:#|$)/my
  end.lastIndex = at
  return end.test(text)
}

/** What dotenvx makes of the trimmed text of a value: quotes off, then the escapes of the quote it starts with. */
function read(trimmed: string, quote: Quote): string {
  const bare = withoutQuotes(trimmed.replaceAll(/\r\n?/g, '\n'))
  switch (quote) {
    case "'":
      return bare.replaceAll(String.raw`\'`, "'")
    case '"':
      return bare
        .replaceAll(String.raw`\n`, '\n')
        .replaceAll(String.raw`\r`, '\r')
        .replaceAll(String.raw`\t`, '\t')
    case '`':
    case '':
      return bare
  }
}

/**
 * What `/^(['"`])([\s\S]*)\1$/gm` replaced by its second group gives, in linear time. Beyond the plain case the flag `m`
 * matters only where U+2028 or U+2029 split a value that isn't quoted as a whole.
 */
function withoutQuotes(value: string): string {
  if (quoteOf(value[0]) !== '' && value.length > 1 && value.at(-1) === value[0]) return value.slice(1, -1)
  if (!/[\u2028\u2029]/.test(value)) return value
  const lastClosing = new Map<string, number>()
  for (const {0: quote, index} of value.matchAll(/['"`]$/gm)) lastClosing.set(quote, index)
  let result = ''
  let copied = 0
  for (const {0: quote, index} of value.matchAll(/^['"`]/gm)) {
    const close = lastClosing.get(quote)
    if (index < copied || close === undefined || close <= index) continue
    result += value.slice(copied, index) + value.slice(index + 1, close)
    copied = close + 1
  }
  return result + value.slice(copied)
}

/** Where a run that matches ends; `at` itself when there is none. `pattern` is sticky. */
function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return at + (pattern.exec(text)?.[0].length ?? 0)
}

/** The first start of a line behind `at`, by what JavaScript's `^` takes for one. */
function nextLine(text: string, at: number): number {
  const terminator = /[\n\r\u2028\u2029]/g
  terminator.lastIndex = at
  return terminator.test(text) ? terminator.lastIndex : text.length
}

function lineBreaks(text: string, from: number, to: number): number {
  return text.slice(from, to).match(/\r\n|[\r\n]/g)?.length ?? 0
}
