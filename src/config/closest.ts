/** Longer words than this are nobody's typing mistake, and the comparison takes time with the square of the length. */
const maxLength = 40

/**
 * The candidate that a mistyped word most likely meant, upper and lower case aside.
 *
 * @returns `undefined` when none is near: more than a third of its letters would have to change.
 */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > maxLength) return undefined
  let best: {readonly candidate: string; readonly distance: number} | undefined
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance <= Math.max(1, Math.floor(candidate.length / 3)) && distance < (best?.distance ?? Infinity))
      best = {candidate, distance}
  }
  return best?.candidate
}

/** Levenshtein's distance: how many letters must be put in, taken out or exchanged. */
function editDistance(a: string, b: string): number {
  let row = Array.from({length: b.length + 1}, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const exchanged = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(exchanged, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
