/**
 * From here on a configuration is large: a thousand mappings have some 100 KB. In characters of its file, in mappings, and in
 * names of files and folders that its patterns are held against.
 */
const large = {characters: 256 * 1024, mappings: 2_500, names: 5_000}

/**
 * What V8 is told, at any time, since it asks for each flag when it is about to act: that the young generation stays small
 * (else 64 MB), that the old one grows by a tenth of what is alive in it, and not to twice that, that it is collected at once
 * when it has grown so far, not bit by bit while it grows on, and that no functions are compiled into faster ones, which
 * takes 12 MB.
 */
const flags = [
  '--semi-space-growth-factor=1',
  '--heap-growing-percent=10',
  '--optimize-for-size',
  '--no-incremental-marking',
  '--no-opt',
  '--no-maglev',
] as const

/** The Nodes whose V8 is known to know these flags, by major version: of one that it doesn't know it speaks on stderr. */
const [oldest, newest] = [22, 26]

/**
 * Has V8 keep to little memory from now on, where a configuration is so large that it matters: a verify of 10,000 mappings
 * takes 110 MiB of the machine instead of 200, and no longer.
 */
export function keepHeapSmall({characters = 0, mappings = 0, names = 0}: Partial<typeof large>): void {
  if (characters < large.characters && mappings < large.mappings && names < large.names) return
  const major = Number.parseInt(process.versions.node, 10)
  if (major < oldest || major > newest) return
  // Loaded here: few configurations are large, and it takes half a millisecond.
  const {setFlagsFromString} = process.getBuiltinModule('node:v8')
  for (const flag of flags) setFlagsFromString(flag)
}
