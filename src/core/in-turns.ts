/** How many files are open at once: far below the usual limit of 1,024, and more than the disk has hands. */
const atOnce = 32

/** `Promise.all` over many files without opening all of them at once; answers keep their order. */
export async function inTurns<In, Out>(
  items: readonly In[],
  run: (item: In, index: number) => Promise<Out>,
): Promise<Out[]> {
  const answers: Out[] = []
  for (let start = 0; start < items.length; start += atOnce) {
    const turn = items.slice(start, start + atOnce)
    answers.push(...(await Promise.all(turn.map((item, index) => run(item, start + index)))))
  }
  return answers
}
