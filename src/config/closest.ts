/** Longer words than this are nobody's typing mistake, and the comparison takes time with the square of the length. */
const maxLength = 40

/**
 * The candidate that a mistyped word most likely meant, upper and lower case aside. `folder` means `folder_path`, too, and
 * `url` the only candidate that ends in `_url`.
 *
 * @returns `undefined` when none is near: more than a third of its letters would have to change.
 */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > maxLength) return undefined
  let best: {readonly candidate: string; readonly distance: number} | undefined
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance <= Math.max(1, Math.floor(candidate.length / 3)) && distance < (best?.distance ?? Infinity))
      best = {candidate, distance}
  }
  return best?.candidate ?? longerForm(word.toLowerCase(), candidates)
}

/** The candidate that has more words than were typed: the first that begins so, or the only one that ends so. */
function longerForm(word: string, candidates: readonly string[]): string | undefined {
  const begins = candidates.find((candidate) => candidate.startsWith(`${word}_`))
  if (begins !== undefined || word === '') return begins
  const ends = candidates.filter((candidate) => candidate.endsWith(`_${word}`))
  return ends.length === 1 ? ends[0] : undefined
}

/** How many letters must be put in, taken out or exchanged; two neighbours that changed places count as one. */
function editDistance(a: string, b: string): number {
  let before: readonly number[] = []
  let row = Array.from({length: b.length + 1}, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const exchanged = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? Infinity) + 1 : Infinity
      next.push(Math.min(exchanged, row[j]! + 1, next[j - 1]! + 1, swapped))
    }
    before = row
    row = next
  }
  return row[b.length]!
}
