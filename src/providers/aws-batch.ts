import type {SecretRef} from '../core/mapping.ts'
import {partsOf} from '../core/parts.ts'

/** What a service answers for one of several secrets. */
type Entry = {readonly Name?: string | undefined; readonly ARN?: string | undefined}

export const isArn = ({name}: SecretRef): boolean => name.startsWith('arn:')

/**
 * What may share a call, at most `size` each. One client asks one region. Names and ARNs never share a call: another
 * account's secret, asked for by its ARN, may have the name of one of ours. Nor do current and pinned versions: some servers
 * leave out which of them an answer is for.
 */
export function batchesOf(
  refs: readonly SecretRef[],
  {size, regionOf}: {readonly size: number; readonly regionOf: (ref: SecretRef) => string},
): readonly (readonly SecretRef[])[] {
  const groups = Map.groupBy(refs, (ref) => `${regionOf(ref)} ${isArn(ref)} ${ref.version === undefined}`)
  return [...groups.values()].flatMap((group) => partsOf(group, size))
}

/** What an answer lists. The SDK hands it on as it came, and what is no object answers nothing. */
export const objectsIn = <E extends object>(list: readonly E[] | undefined): readonly E[] =>
  Array.isArray(list) ? list.filter((one) => typeof one === 'object' && one !== null) : []

/** An entry for each of `refs` that has exactly one. Two answers to one question are none: asked for alone, there is one. */
export function entriesFor<E extends Entry>(
  refs: readonly SecretRef[],
  entries: readonly E[],
  isOf: (entry: E, ref: SecretRef) => boolean = isNamed,
): readonly (readonly [SecretRef, E])[] {
  return refs.flatMap((ref) => {
    const [entry, ...others] = entries.filter((one) => isOf(one, ref))
    return entry === undefined || others.length > 0 ? [] : [[ref, entry] as const]
  })
}

/** Is it an answer to this question, whatever its version? */
export const isNamed = ({Name, ARN}: Entry, ref: SecretRef): boolean => ref.name === (isArn(ref) ? ARN : Name)
