/** So many different texts may the braces of one pattern stand for: each may have to be tried on each name. */
const maxWays = 100

/** What can't be a pattern for files below the configuration, as the end of a sentence; `undefined`: nothing. */
export function globProblem(written: string): string | undefined {
  const glob = withSlashes(written)
  if (/^(?:\/|[a-z]:)/i.test(glob)) return 'must be relative to this file, like "services/*/.env.production"'
  const segments = glob.split('/')
  if (segments.includes('..')) return 'must stay below the folder of this file, without ".."'
  if (glob.startsWith('!')) return 'must not start with "!": put what is left out into exclude'
  if (glob.length > 1000) return 'is longer than 1000 characters'
  // Each further one multiplies the time that a long name takes to be found not to match: five of them need hours.
  const tooMany = segments.some((segment) => segment !== '**' && (segment.match(/\*+/g) ?? []).length > 2)
  if (tooMany) return 'has more than two * between two slashes: write fewer'
  if (segments.filter((segment) => segment === '**').length > 2) return 'has more than two **: write fewer'
  return bracesProblem(glob) ?? (/[+@!?*]\(/.test(glob) ? 'must not have patterns like +(…): write {a,b}' : undefined)
}

/** A pattern or a path as it may be written on Windows. */
export const withSlashes = (written: string): string => written.replaceAll('\\', '/')

function bracesProblem(glob: string): string | undefined {
  const classes = glob.match(/\[[^\]]*\]?/g) ?? []
  const braces = glob.match(/\{[^}]*\}?/g) ?? []
  if (classes.some((one) => /[{}]/.test(one)) || braces.some((one) => /[[\]]/.test(one)))
    return 'must not have brackets and braces in each other: write two patterns'
  if (braces.some((one) => one.includes('{', 1))) return 'must not have braces inside of braces: write them out'
  if (braces.some((one) => one.includes('/'))) return 'must not have a slash inside of braces: write two patterns'
  if (braces.some((one) => one.includes('..'))) return 'must not have a range like {1..9}: write {1,2,3}'
  const ways = braces.reduce((product, one) => product * one.split(',').length, 1)
  return ways > maxWays ? `stands for more than ${maxWays} patterns with its braces: write fewer` : undefined
}
