import {basename, dirname, join, normalize, relative, resolve, sep} from 'node:path'

import {inTurns} from '../core/in-turns.ts'
import {isInside} from '../core/inside.ts'
import {refId} from '../core/mapping.ts'
import {printable} from '../core/text.ts'
import {keyNameOfEnvironment} from '../keys/key-name.ts'
import {environmentOf, type MappingConfig} from './config.ts'
import type {Gathered} from './gather.ts'
import type {Routed} from './mappings.ts'
import type {Remark} from './mistakes.ts'
import type {SourceFile} from './source-file.ts'

/**
 * No two mappings may write the same key of the same keys file, and no keys file may lie outside of the repository.
 *
 * @returns the mappings without those that only repeat another one, and without those of patterns that lose.
 */
export async function checkTargets(
  mappings: readonly Routed[],
  envKeysFilename: string,
  gathered: Gathered,
): Promise<readonly Routed[]> {
  const {port, remarks, repository} = gathered
  const folders = new Map<string, string>()
  const distinctFolders = [...new Set(mappings.map(({config}) => config.folder))]
  await inTurns(distinctFolders, async (folder) => folders.set(folder, await port.realPath(folder)))
  await checkKeysFiles([...new Set(mappings.map(({config}) => folders.get(config.folder)!))], envKeysFilename, gathered)

  const idOf = ({config}: Routed): string => targetOf(config, folders.get(config.folder)!, envKeysFilename)
  const loses = await loserOf(mappings, {port, folderOf: ({config}) => folders.get(config.folder)!})
  const targets = new Map<string, Routed>()
  for (const mapping of mappings) {
    const folder = folders.get(mapping.config.folder)!
    const id = idOf(mapping)
    if (loses(mapping)) continue
    const earlier = targets.get(id)
    if (earlier === undefined) {
      targets.set(id, mapping)
      continue
    }
    const where = nameOf(earlier)
    if (isSame(earlier.config, mapping.config)) {
      // Two patterns may find the same file, and mean the same.
      if (mapping.config.fromPattern) continue
      remarks.warnings.push({
        ...placeOf(mapping),
        text: `this mapping repeats ${where}: it is taken once, remove one of them`,
      })
    } else {
      const what =
        refId(earlier.config.ref) === refId(mapping.config.ref) ? 'the same secret, set up otherwise' : 'another secret'
      remarks.mistakes.push({
        ...placeOf(mapping),
        text: `${subjectOf(mapping)} and ${where} write the same key of ${printable(shownKeysFile(folder, envKeysFilename, repository))} from ${what}: keep one, or give them different environments or folders`,
      })
    }
  }
  return [...targets.values()]
}

/** C97: a shared keys file may lie elsewhere in the repository, and nowhere else. */
async function checkKeysFiles(folders: readonly string[], envKeysFilename: string, gathered: Gathered): Promise<void> {
  const {repository, port, remarks, contents} = gathered
  if (repository === undefined) return
  // A plain name stays in its folder; whether the folder may be used is told in its own row.
  if (!envKeysFilename.includes('/') && !envKeysFilename.includes(sep)) return
  for (const folder of folders) {
    if (!isInside(folder, repository)) continue
    const parent = await port.realPath(dirname(resolve(folder, envKeysFilename)))
    if (isInside(parent, repository)) continue
    const file = contents.find(({sync}) => sync.env_keys_filename !== undefined)?.file
    remarks.mistakes.push({
      ...(file === undefined ? {} : {place: {file, path: keysFilenamePath(file)}}),
      text: `env_keys_filename "${printable(envKeysFilename)}" leads out of the repository from ${printable(relative(repository, folder) || '.')}: keep the keys file inside`,
    })
    return
  }
}

const keysFilenamePath = ({format}: SourceFile): readonly string[] => [
  ...(format === 'pyproject' ? ['tool', 'envdrift'] : []),
  'vault',
  'sync',
  'env_keys_filename',
]

/**
 * Does a mapping of a pattern lose against one that was written down? It does when that one is about the same env file, also
 * when it leaves that to be found. About another file for the same key, they collide.
 */
async function loserOf(
  mappings: readonly Routed[],
  {port, folderOf}: {readonly port: Gathered['port']; readonly folderOf: (mapping: Routed) => string},
): Promise<(mapping: Routed) => boolean> {
  if (!mappings.some(({config}) => config.fromPattern)) return () => false
  const writtenDown = mappings.filter(({config}) => !config.fromPattern)
  const files = new Set(
    await inTurns(writtenDown, async (mapping) => {
      const path = resolve(folderOf(mapping), await fileNameOf(mapping.config, port))
      // The file may lie in a folder below that of the mapping.
      return join(await port.realPath(dirname(path)), basename(path))
    }),
  )
  return (mapping) => {
    const {fromPattern, environment, envFile = ''} = mapping.config
    if (!fromPattern) return false
    const has = (name: string): boolean => files.has(join(folderOf(mapping), name))
    return has(envFile) || (!envFile.startsWith('.env') && has(anyCustom(environment)))
  }
}

/** Stands for the only `NAME.env`, `NAME.env.E` or `NAME-E.env` of a folder, which is found without being named. */
const anyCustom = (environment: string | undefined): string => `*.env.${environment ?? ''}`

/** Which env file a mapping that was written down is about, as far as names tell. */
async function fileNameOf(
  {environment, profile, envFile, folder}: MappingConfig,
  port: Gathered['port'],
): Promise<string> {
  if (envFile !== undefined) return envFile
  const own = environment ?? profile
  for (const name of own === undefined ? ['.env.production', '.env'] : [`.env.${own}`]) {
    if ((await port.kind(resolve(folder, name))) === 'file') return name
  }
  return anyCustom(own)
}

function targetOf(mapping: MappingConfig, folder: string, envKeysFilename: string): string {
  const {envFile} = mapping
  const keysFile = resolve(folder, envKeysFilename)
  const own = environmentOf(mapping)
  if (own !== undefined) return JSON.stringify([keysFile, keyNameOfEnvironment(own)])
  // Without an environment the key's name depends on the env file, which isn't looked for yet.
  return JSON.stringify([keysFile, folder, envFile === undefined ? '' : normalize(envFile)])
}

/** Do two mappings of one target ask for the same in every respect? */
function isSame(a: MappingConfig, b: MappingConfig): boolean {
  return (
    refId(a.ref) === refId(b.ref) && a.envFile === b.envFile && a.ephemeral === b.ephemeral && a.required === b.required
  )
}

const placeOf = ({written}: Routed): Pick<Remark, 'place' | 'line'> => ({
  place: written.place,
  ...(written.line === undefined ? {} : {line: written.line}),
})

const nameOf = ({written: {line, number, fromPattern}}: Routed): string =>
  line === undefined ? `${fromPattern ? 'pattern' : 'mapping'} ${number}` : `that of line ${line}`

const subjectOf = ({written: {number, fromPattern}, config}: Routed): string =>
  fromPattern ? `pattern ${number}, for ${printable(`${config.folderPath}/${config.envFile ?? ''}`)},` : 'this mapping'

const shownKeysFile = (folder: string, envKeysFilename: string, repository: string | undefined): string => {
  const path = resolve(folder, envKeysFilename)
  return repository === undefined ? path : relative(repository, path)
}
