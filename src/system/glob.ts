import {glob, stat} from 'node:fs/promises'
import {join, relative, sep} from 'node:path'

/**
 * Files below `cwd` whose paths match one of the patterns and none of `exclude`; a link to a file is one.
 *
 * Links to folders are not followed, node_modules and .git not entered: a pattern like `**` would otherwise walk the world.
 * Folders whose names begin with a dot are entered where a pattern names them.
 *
 * @returns paths relative to `cwd`, with slashes, each once, in no order. A folder that can't be read counts as empty.
 */
export async function globFiles(
  patterns: readonly string[],
  exclude: readonly string[],
  cwd: string,
): Promise<readonly string[]> {
  const found = new Set<string>()
  const never = ['node_modules', '.git'].flatMap((name) => [`**/${name}`, `**/${name}/**`])
  const entries = glob([...patterns], {cwd, withFileTypes: true, exclude: [...never, ...exclude]})
  for await (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const isFile = entry.isFile() || (entry.isSymbolicLink() && !(await leadsToFolder(path)))
    if (isFile) found.add(relative(cwd, path).split(sep).join('/'))
  }
  return [...found]
}

/** One that leads nowhere doesn't: what uses it says so. */
const leadsToFolder = async (path: string): Promise<boolean> =>
  stat(path).then(
    (target) => target.isDirectory(),
    () => false,
  )
