import {mkdirSync, writeFileSync} from 'node:fs'
import {dirname, join, posix} from 'node:path'

import {build, transform, type BuildOptions, type Metafile, type OutputFile, type Plugin} from 'esbuild'

import {compiledAtOnce} from './compiled-at-once.ts'
import {withoutFacades} from './without-facades.ts'

/** Entry points, as their sources are named in a metafile, that are loaded one after the other. */
type LoadedTogether = readonly string[]

/** What every one of these ways loads becomes one file of that name; with little that only some of them load. */
type Stage = {readonly name: string; readonly ways: readonly LoadedTogether[]}

/** What runs load: each of the first, one after the other, then that of one of several. */
export type Stages = {readonly always: readonly Stage[]; readonly either: readonly Stage[]}

/** Node reads and compiles more than this in the time that it takes to find a file. */
const littleBytes = 2048

/**
 * Join the chunks that are always loaded together, and write everything. Node takes half a millisecond for each module that
 * it imports, and esbuild's splitting makes one for every set of entries that share something: 55 for a sync with one vault.
 *
 * @param bundled - what esbuild made of the entries, with `splitting` and without writing it. Entries stay what they are.
 * @param stages - a chunk belongs to the first one that always needs it, and to one of several only if no other needs it.
 * @param options - how to write the files; `absWorkingDir` as for `bundled`.
 * @returns the metafile of what was written: the same inputs in fewer outputs.
 */
export async function joinChunks(
  bundled: {readonly metafile: Metafile; readonly outputFiles: readonly OutputFile[]},
  stages: Stages,
  options: BuildOptions & {readonly absWorkingDir: string},
): Promise<Metafile> {
  const {outputs} = bundled.metafile
  const texts = new Map(bundled.outputFiles.map(({path, text}) => [path, text]))
  const homes = homesOf(outputs, stages)
  const chunksOf = Map.groupBy(Object.keys(outputs), (chunk) => homes.get(chunk)!)
  const written = await Promise.all(
    Array.from(chunksOf, async ([home, chunks]) => {
      const contents = chunks
        .map((chunk) =>
          chunkFrom(
            publicNames(outputs, homes, chunk).map(([name, known]) => `${name} as ${known}`),
            chunk,
          ),
        )
        .join('')
      const {outputFiles} = await build({
        ...options,
        bundle: true,
        write: false,
        stdin: {contents, sourcefile: home, resolveDir: options.absWorkingDir},
        plugins: [linked(home, outputs, homes, (chunk) => texts.get(join(options.absWorkingDir, chunk))!)],
      })
      const text = compiledAtOnce(withoutFacades(outputFiles[0]!.text))
      // Says whether it is a module that Node can load, names declared twice included.
      await transform(text, {format: 'esm', logLevel: 'silent'})
      const path = join(options.absWorkingDir, home)
      mkdirSync(dirname(path), {recursive: true})
      writeFileSync(path, text)
      const inputs = Object.assign({}, ...chunks.map((chunk) => outputs[chunk]!.inputs)) as Outputs[string]['inputs']
      return [home, {...outputs[chunks[0]!]!, inputs, bytes: Buffer.byteLength(text)}] satisfies [string, unknown]
    }),
  )
  return {inputs: bundled.metafile.inputs, outputs: Object.fromEntries(written)}
}

type Outputs = Metafile['outputs']
type Homes = ReadonlyMap<string, string>

/** The file that each chunk ends up in. */
function homesOf(outputs: Outputs, {always, either}: Stages): Homes {
  const entries = new Map(
    Object.entries(outputs).flatMap(([chunk, {entryPoint}]) => (entryPoint ? [[entryPoint, chunk]] : [])),
  )
  const loadedBy = (way: LoadedTogether): ReadonlySet<string> =>
    closureOf(
      outputs,
      way.map((source) => {
        const chunk = entries.get(source)
        if (chunk === undefined) throw new Error(`${source} is no entry of the bundle: look at the stages`)
        return chunk
      }),
    )
  const homes = new Map(Object.keys(outputs).map((chunk) => [chunk, chunk]))
  const take = (stage: Stage, chunks: readonly string[]): void => {
    for (const chunk of chunks) homes.set(chunk, posix.join(posix.dirname(chunk), `${stage.name}.js`))
  }
  const freeChunks = (): readonly string[] =>
    Object.keys(outputs).filter((chunk) => homes.get(chunk) === chunk && outputs[chunk]!.entryPoint === undefined)

  for (const stage of always) {
    const loaded = stage.ways.map(loadedBy)
    take(
      stage,
      freeChunks().filter((chunk) => loaded.every((set) => set.has(chunk))),
    )
    // What it needs in turn must not be loaded by more ways than before.
    const isLittle = (chunk: string): boolean =>
      outputs[chunk]!.bytes <= littleBytes &&
      [...closureOf(outputs, [chunk])].every((needed) => needed === chunk || homes.get(needed) !== needed)
    take(
      stage,
      freeChunks().filter((chunk) => isLittle(chunk) && loaded.filter((set) => set.has(chunk)).length > 1),
    )
  }
  for (const stage of either) {
    const loaded = stage.ways.map(loadedBy)
    const others = either.flatMap(({ways}) => ways).filter((way) => !stage.ways.includes(way))
    const loadedElsewhere = others.map(loadedBy)
    take(
      stage,
      freeChunks().filter(
        (chunk) => loaded.every((set) => set.has(chunk)) && !loadedElsewhere.some((set) => set.has(chunk)),
      ),
    )
  }
  return homes
}

/** The chunks that are loaded with the given ones. */
function closureOf(outputs: Outputs, chunks: readonly string[]): Set<string> {
  const found = new Set(chunks)
  // A set gives what is added while it is walked, too.
  for (const chunk of found) {
    for (const {path, kind, external} of outputs[chunk]!.imports) {
      if (kind === 'import-statement' && external !== true) found.add(path)
    }
  }
  return found
}

/** A module that has all that the chunk exports, under the chunk's names. */
const chunkFrom = (names: readonly string[], file: string): string =>
  `import '${file}'\nexport {${names.join()}} from '${file}'\n`

/** What a file calls what one of its chunks exports: two chunks may mean different things by one name. */
const publicNames = (
  outputs: Outputs,
  homes: Homes,
  chunk: string,
): readonly (readonly [name: string, known: string])[] => {
  const suffix = homes.get(chunk) === chunk ? '' : `_${Object.keys(outputs).indexOf(chunk)}`
  return outputs[chunk]!.exports.map((name) => [name, `${name}${suffix}`])
}

/** Finds chunks of the same file inside of it, and those of others where they are now. */
function linked(home: string, outputs: Outputs, homes: Homes, textOf: (chunk: string) => string): Plugin {
  const pathTo = (file: string): string => `./${posix.relative(posix.dirname(home), file)}`.replace('./../', '../')
  return {
    name: 'linked',
    setup: (bundler) => {
      bundler.onResolve({filter: /./}, ({path, importer, namespace, kind}) => {
        if (namespace === 'file') return {path, namespace: 'chunk'}
        if (namespace === 'elsewhere' || !path.startsWith('.')) return {path, external: true}
        const chunk = posix.join(posix.dirname(importer), path)
        // What is imported later is an entry, whose names are its own.
        if (kind === 'dynamic-import') return {path: pathTo(chunk), external: true}
        return {path: chunk, namespace: homes.get(chunk) === home ? 'chunk' : 'elsewhere'}
      })
      bundler.onLoad({filter: /./, namespace: 'chunk'}, ({path}) => ({contents: textOf(path)}))
      bundler.onLoad({filter: /./, namespace: 'elsewhere'}, ({path}) => {
        const names = publicNames(outputs, homes, path).map(([name, known]) => `${known} as ${name}`)
        return {contents: chunkFrom(names, pathTo(homes.get(path)!))}
      })
    },
  }
}
