import type {askHidden} from './hidden-question.ts'

/**
 * Hidden questions on a terminal, one after the other: vaults log in and are opened side by side, and what is typed for one
 * must not be heard by the next.
 *
 * @param terminal - as {@link askHidden} takes it; `clear` takes a line of progress away before each question.
 * @returns what {@link askHidden} returns and throws, question by question.
 */
export function makeQuestions(
  terminal: Parameters<typeof askHidden>[1] & {readonly clear: () => void},
): (question: string) => Promise<string | undefined> {
  let before: Promise<unknown> = Promise.resolve()
  return (question) => {
    const asked = before.then(async () => {
      const {askHidden} = await import('./hidden-question.ts')
      terminal.clear()
      return askHidden(question, terminal)
    })
    before = asked.catch(() => undefined)
    return asked
  }
}
