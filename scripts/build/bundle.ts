import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

import {build, type BuildOptions, type Metafile, type Plugin} from 'esbuild'

import {joinChunks, type Stages} from './join-chunks.ts'
import {packageJsonOfProgram} from './published-package-json.ts'

/**
 * Write the program: one module per command, with shared chunks, every dependency inside, and no source maps.
 *
 * @param root - absolute; the checkout.
 * @param outdir - absolute; made if it isn't there.
 * @returns what went into it, with paths relative to `root`.
 */
export function bundle(root: string, outdir: string): Promise<Metafile> {
  const files = [
    'src/cli/start.ts',
    'src/cli/help.ts',
    'src/cli/json-schema-worker.ts',
    ...globSync('src/commands/**/*.ts', {cwd: root}).toSorted(),
  ]
  const entries = files.map((file) => ({
    in: file,
    out: file.replace(/^src[\\/](?:cli[\\/])?/, '').replace(/\.ts$/, ''),
  }))
  return bundleEntries(root, outdir, {entries, stages, plugins: [ownPackageJson(root), withoutUnusedProtos]})
}

/**
 * As {@link bundle}, for entries of one's own.
 *
 * Names stay as they are: stack traces can be read, and short names with esbuild's `keepNames` take 10 ms at each start.
 */
export async function bundleEntries(
  root: string,
  outdir: string,
  {
    entries,
    stages,
    plugins = [],
  }: {
    /** Sources relative to `root`, and what each becomes below `outdir`, without `.js`. */
    readonly entries: {readonly in: string; readonly out: string}[]
    readonly stages: Stages
    readonly plugins?: readonly Plugin[]
  },
): Promise<Metafile> {
  const options: BuildOptions & {readonly absWorkingDir: string} = {
    absWorkingDir: root,
    format: 'esm',
    platform: 'node',
    target: 'node22.18',
    minifyWhitespace: true,
    minifySyntax: true,
    // Else a pattern becomes `new RegExp`, which is parsed when it is loaded (all emoji: 19 ms), not when it is used.
    supported: {'regexp-set-notation': true, 'regexp-unicode-property-escapes': true},
    sourcemap: false,
    logLevel: 'warning',
  }
  const bundled = await build({
    ...options,
    entryPoints: entries,
    // What CommonJS packages look for; those who make their own keep it.
    define: {__dirname: 'import.meta.dirname', __filename: 'import.meta.filename'},
    outdir,
    bundle: true,
    splitting: true,
    write: false,
    // The ES module of a package where it has one: smaller, since what isn't used of it stays out.
    mainFields: ['module', 'main'],
    metafile: true,
    chunkNames: 'chunks/[name]-[hash]',
    plugins: [lazySegmenters, withoutTypeScript, lazyRequires, withoutZlib, proxyOfGaxios, ...plugins],
  })
  return joinChunks(bundled, stages, options)
}

const aws = 'src/providers/aws/index.ts'
const awsSsm = 'src/providers/aws-ssm/index.ts'
const azure = 'src/providers/azure/index.ts'
const gcp = 'src/providers/gcp/index.ts'
const hashicorp = 'src/providers/hashicorp/index.ts'
const local = 'src/providers/local/index.ts'
const providers = [aws, awsSsm, azure, gcp, hashicorp, local]

/** What a run loads, in order: what every sync needs, whatever its vault, then one provider with its SDK. */
const stages: Stages = {
  always: [
    {name: 'common', ways: [['src/cli/start.ts']]},
    {name: 'program', ways: providers.map((provider) => ['src/cli/main.ts', 'src/commands/sync.ts', provider])},
  ],
  either: [
    {name: 'aws', ways: [[aws], [awsSsm]]},
    {name: 'azure', ways: [[azure]]},
    {name: 'gcp', ways: [[gcp]]},
    {name: 'hashicorp', ways: [[hashicorp]]},
    {name: 'local', ways: [[local]]},
  ],
}

/**
 * What measures text asks for the rules of all scripts of the world when it is loaded (10 ms each), and for a list of all
 * emoji when a pattern that names it is only written down (15 ms, V8 reads the pattern then). Here when it first needs them,
 * which for ASCII and the lines of a frame is never: each is a character of its own, and one column wide
 * (https://www.unicode.org/Public/UNIDATA/EastAsianWidth.txt has the lines as ambiguous or neutral).
 */
const simpleText = String.raw`/^[\u0020-\u007E\u2500-\u257F]*$/`
const eagerSegmenter = /^const (\w+) = new Intl\.Segmenter\((.*)\);$/m
const lazySegmenter = [
  'let $1Made;',
  'const $1 = {segment: (text) => {',
  `  if (!${simpleText}.test(text)) return ($1Made ??= new Intl.Segmenter($2)).segment(text);`,
  '  const containing = (index) => ({segment: text[index], index, input: text});',
  '  return {containing, [Symbol.iterator]: () => Array.from(text, (_, index) => containing(index)).values()};',
  '}};',
].join('\n')
const eagerEmoji = /^const (\w+) = (\/.*\\p\{(?:RGI_Emoji|Emoji_Presentation)\}.*\/v);$/m
const lazyEmoji = 'const $1 = {test: (text) => $2.test(text)};'
const asciiOnly = String.raw`if (/^[\u0020-\u007E]*$/.test(string))`
const simpleOnly = `if (${simpleText}.test(string) && (ambiguousIsNarrow || !/[^ -~]/.test(string)))`

const lazySegmenters: Plugin = {
  name: 'lazy-segmenters',
  setup: (bundler) => {
    const measuring = /[\\/](string-width|wrap-ansi|slice-ansi)[\\/](?:index|tokenize-ansi)\.js$/
    bundler.onLoad({filter: measuring}, ({path}) => {
      const text = readFileSync(path, 'utf8')
      // oclif's older ones are other programs.
      if (!text.includes('Intl.Segmenter')) return undefined
      const isWidth = path.includes('string-width')
      const hasEmoji = isWidth || path.includes('slice-ansi')
      if (!eagerSegmenter.test(text) || (hasEmoji && !eagerEmoji.test(text)) || (isWidth && !text.includes(asciiOnly)))
        throw new Error(`${path} is not as expected: look at lazySegmenters`)
      const contents = text
        .replace(eagerSegmenter, lazySegmenter)
        .replace(eagerEmoji, lazyEmoji)
        .replace(asciiOnly, () => simpleOnly)
      return {contents, loader: 'js'}
    })
  },
}

/**
 * oclif asks for all its parts at once; most serve help, plugins and autocompletion, and take longer to load than a command
 * line takes to parse. Here each is loaded when it is first used: what TypeScript made of `import {a} from './b'` is used as
 * `b_1.a` wherever it stands.
 */
const lazyRequires: Plugin = {
  name: 'lazy-requires',
  setup: (bundler) => {
    const required = /^const (\w+_\d+) = ((?:__importDefault|__importStar)\()?require\((".+?")\)\)?;$/gm
    bundler.onLoad({filter: /@oclif[\\/]core[\\/]lib[\\/].*\.js$/}, ({path}) => {
      const text = readFileSync(path, 'utf8')
      const contents = Array.from(text.matchAll(required)).reduce((code, [line, name = '', wrap, module]) => {
        const uses = new RegExp(`(?<![.\\w])${name}\\b(?=(\\.)?)`, 'g')
        const rest = code.replace(line, '')
        if (Array.from(rest.matchAll(uses)).some(([, dot]) => dot === undefined)) return code
        const value = wrap === undefined ? `require(${module})` : `${wrap}require(${module}))`
        return `let ${name}Loaded; const ${name} = {get of() { return (${name}Loaded ??= ${value}) }};\n${rest.replaceAll(uses, `${name}.of`)}`
      }, text)
      return {contents: text.startsWith('"use strict"') ? `"use strict";${contents}` : contents, loader: 'js'}
    })
  },
}

/** oclif asks TypeScript, if it is there, where sources lie: in development, of programs that run from their sources. */
const withoutTypeScript: Plugin = {
  name: 'without-typescript',
  setup: (bundler) => {
    bundler.onLoad({filter: /@oclif[\\/]core[\\/]lib[\\/]util[\\/]read-tsconfig\.js$/}, ({path}) => {
      if (!readFileSync(path, 'utf8').includes('exports.readTSConfig = readTSConfig;'))
        throw new Error(`${path} is not as expected: look at withoutTypeScript`)
      return {contents: 'exports.readTSConfig = async () => undefined', loader: 'js'}
    })
  },
}

/**
 * AWS's checksums ask zlib for CRC-32 when they are loaded, and Node loads 14 modules for it. Only event streams use that
 * checksum, which we have none of; its twin in JavaScript serves as well.
 */
const withoutZlib: Plugin = {
  name: 'without-zlib',
  setup: (bundler) => {
    bundler.onLoad({filter: /[\\/]crc32[\\/]Crc32Node\.js$/}, ({path}) => {
      const exported = readFileSync(path, 'utf8').match(/^export .*$/gm)
      if (exported?.join() !== 'export const Crc32Node = zlibCrc32 ? buildNativeClass(zlibCrc32) : Crc32Js;')
        throw new Error(`${path} is not as expected: look at withoutZlib`)
      return {contents: "export {Crc32Js as Crc32Node} from './Crc32Js'", loader: 'js'}
    })
  },
}

/** Of package.json, what the program itself reads. */
const ownPackageJson = (root: string): Plugin => ({
  name: 'own-package-json',
  setup: (bundler) => {
    bundler.onLoad({filter: /package\.json$/}, ({path}) => {
      if (path !== join(root, 'package.json')) return undefined
      const whole = JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<string, unknown>>
      return {contents: JSON.stringify(packageJsonOfProgram(whole)), loader: 'json'}
    })
  },
})

/**
 * gaxios (Google's HTTP client) loads its proxy agent by `(await import('https-proxy-agent')).HttpsProxyAgent`; where a
 * CommonJS package becomes a chunk of its own, esbuild keeps only its default export, and the login through a proxy fails.
 */
const proxyOfGaxios: Plugin = {
  name: 'proxy-of-gaxios',
  setup: (bundler) => {
    bundler.onLoad({filter: /gaxios[\\/]build[\\/](?:cjs|esm)[\\/]src[\\/]gaxios\.js$/}, ({path}) => {
      const text = readFileSync(path, 'utf8')
      const patched = text.replace(/await import\((['"])https-proxy-agent\1\)/, "require('https-proxy-agent')")
      if (patched === text)
        throw new Error(`${path} no longer loads its proxy agent as expected: look at proxyOfGaxios`)
      return {contents: patched, loader: 'js'}
    })
  },
}

/**
 * What Google's packages export for their users and don't use to read and write secrets: message classes (the client
 * makes its own from protos.json) and the beta of the interface. 1.1 MB, and 30 ms of each start with GCP.
 */
const unusedOfGoogle = [
  '@google-cloud/secret-manager/build/protos/protos.js',
  '@google-cloud/secret-manager/build/src/v1beta2/index.js',
  'google-gax/build/protos/iam_service.js',
  'google-gax/build/protos/locations.js',
  'google-gax/build/protos/operations.js',
]

const withoutUnusedProtos: Plugin = {
  name: 'without-unused-protos',
  setup: (bundler) => {
    const met = new Set<string>()
    bundler.onLoad({filter: /[\\/](?:protos|v1beta2)[\\/]\w+\.js$/}, ({path}) => {
      const unused = unusedOfGoogle.find((name) => path.replaceAll('\\', '/').endsWith(`/node_modules/${name}`))
      if (unused === undefined) return undefined
      met.add(unused)
      return {contents: 'module.exports = {}', loader: 'js'}
    })
    bundler.onEnd(({errors}) => {
      const gone = errors.length > 0 ? [] : unusedOfGoogle.filter((name) => !met.has(name))
      if (gone.length > 0) throw new Error(`${gone.join(', ')} was not met: look at withoutUnusedProtos`)
    })
  },
}
