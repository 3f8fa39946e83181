/** What can't be a pattern for files below the configuration, as the end of a sentence; `undefined`: nothing. */
export function globProblem(glob: string): string | undefined {
  if (/^(?:[/\\]|[a-z]:)/i.test(glob)) return 'must be relative to this file, like "services/*/.env.production"'
  if (glob.split(/[/\\]/).includes('..')) return 'must stay below the folder of this file, without ".."'
  if (glob.startsWith('!')) return 'must not start with "!": put what is left out into exclude'
  return glob.length > 1000 ? 'is longer than 1000 characters' : undefined
}
