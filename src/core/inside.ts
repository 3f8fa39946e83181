import {isAbsolute, relative, sep} from 'node:path'

/** Does `path` lie in `directory`, or is it that directory? Both absolute and after symlinks: this looks at names only. */
export function isInside(path: string, directory: string): boolean {
  // Nearly all are spelled out in full, and `relative` takes both apart.
  if (path.startsWith(directory) && path[directory.length] === sep && !path.includes('..')) return true
  const way = relative(directory, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}
