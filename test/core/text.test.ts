import fc from 'fast-check'
import {expect, it} from 'vitest'

import {firstFew, printable, shortened} from '../../src/core/text.ts'

it.each([
  ['services/myapp', 'services/myapp'],
  ['two\nlines', String.raw`two\nlines`],
  ['\u001B[31mred', String.raw`\x1b[31mred`],
  ['::error::fake', String.raw`:\:error:\:fake`],
  ['::warning::x', String.raw`:\:warning:\:x`],
  ['::group::x', String.raw`:\:group:\:x`],
  ['::Warning file=a::x', String.raw`:\:Warning file=a:\:x`],
  ['##vso[task.setvariable]x', String.raw`##\#vso[task.setvariable]x`.replace('##\\#', '#\\#')],
  ['##[add-mask]x', '#\\#[add-mask]x'],
  ['\u202Egnp.exe', String.raw`\u{202e}gnp.exe`],
  ['my\u200Bapp', String.raw`my\u{200b}app`],
  ['my\u2066app\uFEFF', String.raw`my\u{2066}app\u{feff}`],
  ['arn:aws:iam::123456789012:role/ci', 'arn:aws:iam::123456789012:role/ci'],
  ['größe/日本語', 'größe/日本語'],
])('C133 shows %j as %j', (text, shown) => {
  expect(printable(text)).toBe(shown)
})

it('C133 leaves no line break, no escape and no CI command in any text', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', ':', '#', '\n', '\r', '\u001B', '##vso[', '::', '\u0085', '\u2028', '##VSO[')),
      (parts) => {
        const shown = printable(parts.join(''))
        // eslint-disable-next-line no-control-regex
        expect(shown).not.toMatch(/[\u0000-\u001F\u007F-\u009F\u2028\u2029]|::|##vso\[/i)
      },
    ),
  )
})

it('shows the beginning of what is too long, and how much is missing', () => {
  expect(shortened('abcdef', 6)).toBe('abcdef')
  expect(shortened('abcdef', 4)).toBe('abcd… (and 2 more characters)')
  expect(firstFew(['a', 'b'], 2, (left) => `${left} more`)).toEqual(['a', 'b'])
  expect(firstFew(['a', 'b', 'c'], 1, (left) => `${left} more`)).toEqual(['a', '2 more'])
})
