/** So far may clocks differ before a login suffers, in milliseconds. Google allows some minutes. */
const toleranceMs = 5 * 60_000

/**
 * Tells a wrong clock from other reasons to refuse a login.
 *
 * @param date - of the answer's `date` header, as HTTP writes it.
 * @returns a sentence, or `undefined` when the clocks agree or nothing is known.
 */
export function clockNote(date: string | undefined, nowMs = Date.now()): string | undefined {
  const differenceMs = date === undefined ? Number.NaN : nowMs - Date.parse(date)
  if (!(Math.abs(differenceMs) > toleranceMs)) return undefined
  const minutes = Math.round(Math.abs(differenceMs) / 60_000)
  const length = minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`
  return `The clock of this machine is ${length} ${differenceMs > 0 ? 'ahead of' : 'behind'} Google's: set it right.`
}
