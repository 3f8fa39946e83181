import {PassThrough} from 'node:stream'

import {expect, it, vi} from 'vitest'

import {makeQuestions} from '../../src/cli/questions.ts'

/** A terminal that remembers what it showed. */
function makeTerminal() {
  const shown: string[] = []
  const output = new PassThrough()
  output.on('data', (chunk: Buffer) => shown.push(chunk.toString()))
  const input = new PassThrough()
  const clear = (): void => void shown.push('(cleared)')
  return {shown, input, ask: makeQuestions({input, output, signal: new AbortController().signal, clear})}
}

const untilShown = (shown: readonly string[], text: string): Promise<void> =>
  vi.waitFor(() => expect(shown.join('')).toContain(text))

it('asks the second question when the first is answered, so that no answer is heard by two', async () => {
  const {shown, input, ask} = makeTerminal()
  const answers = Promise.all([ask('First? '), ask('Second? ')])
  await untilShown(shown, 'First? ')
  expect(shown.join('')).not.toContain('Second? ')
  input.write('one\n')
  await untilShown(shown, 'Second? ')
  input.write('two\n')
  expect(await answers).toEqual(['one', 'two'])
  expect(shown).not.toContain('one')
})

it('takes the line of progress away before each question', async () => {
  const {shown, input, ask} = makeTerminal()
  const answer = ask('First? ')
  await untilShown(shown, 'First? ')
  expect(shown.slice(0, 2)).toEqual(['(cleared)', 'First? '])
  input.write('one\n')
  await answer
})

it('asks the next question also when one got no answer', async () => {
  const {shown, input, ask} = makeTerminal()
  const first = ask('First? ')
  await untilShown(shown, 'First? ')
  const second = ask('Second? ')
  // Ctrl-C: https://www.unicode.org/charts/PDF/U0000.pdf, END OF TEXT.
  input.write('\u0003')
  await expect(first).rejects.toMatchObject({code: 'INTERRUPTED'})
  await untilShown(shown, 'Second? ')
  input.write('two\n')
  expect(await second).toBe('two')
})
