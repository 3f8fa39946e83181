import type {EnvdriftError} from '../core/errors.ts'

/** How many pages may hold nothing: AWS's own lists have such. */
const emptyPages = 5

/**
 * Asks for the pages of one answer, to the last. A server that never says which one that is must not be asked for ever.
 *
 * @param most - as many things as there can be: the most pages with something in them.
 * @param endless - thrown when a token comes again, or after too many pages.
 */
export async function* pagesOf<Page extends {readonly NextToken?: string | undefined}>(
  ask: (next: {readonly NextToken?: string}) => Promise<Page>,
  {most, endless}: {readonly most: number; readonly endless: () => EnvdriftError},
): AsyncGenerator<Page, void> {
  const seen = new Set<string>()
  let next: {readonly NextToken?: string} = {}
  for (let n = 0; n < most + emptyPages; n++) {
    const page = await ask(next)
    yield page
    const {NextToken} = page
    // Some servers have an empty one, or null, on the last page.
    if (!NextToken) return
    if (seen.has(NextToken)) break
    seen.add(NextToken)
    next = {NextToken}
  }
  throw endless()
}
