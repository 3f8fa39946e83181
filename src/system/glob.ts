import {glob} from 'tinyglobby'

/**
 * Regular files below `cwd` whose paths match one of the patterns and none of `exclude`, names with a leading dot included.
 *
 * Links are not followed, node_modules and .git not entered: a pattern like `**` would otherwise walk the world.
 *
 * @returns paths relative to `cwd`, with slashes, in no order. A folder that can't be read counts as empty.
 */
export const globFiles = (
  patterns: readonly string[],
  exclude: readonly string[],
  cwd: string,
): Promise<readonly string[]> =>
  glob([...patterns], {
    cwd,
    ignore: ['**/node_modules/**', '**/.git/**', ...exclude],
    dot: true,
    onlyFiles: true,
    expandDirectories: false,
    followSymbolicLinks: false,
    // Nobody writes `+(a|aa)` here, and some of those take for ever to match.
    extglob: false,
  })
