import {realpath} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'

export type RealPathOf = (path: string) => Promise<string>

/** A path without symlinks, as far as something is there: what isn't, or is closed to us, stays as it is. Never throws. */
export async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(await realPathOf(parent), basename(path))
  }
}

/** {@link realPathOf} for the folders of one run, each looked up once. Not for what is read or written: that is looked up anew. */
export function rememberRealPaths(): RealPathOf {
  const known = new Map<string, string>()
  return async (folder) => {
    const before = known.get(folder)
    if (before !== undefined) return before
    const real = await realPathOf(folder)
    // One text in memory where both are the same.
    known.set(folder, real === folder ? folder : real)
    return real
  }
}
