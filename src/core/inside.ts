import {isAbsolute, relative, sep} from 'node:path'

/** Does `path` lie in `directory`, or is it that directory? Both absolute and after symlinks: this looks at names only. */
export function isInside(path: string, directory: string): boolean {
  const way = relative(directory, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}
