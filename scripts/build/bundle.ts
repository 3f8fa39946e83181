import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

import {build, type Metafile, type Plugin} from 'esbuild'

import {publishedPackageJson} from './published-package-json.ts'

/**
 * Write the program: one module per command, with shared chunks, every dependency inside, and no source maps.
 *
 * Names stay as they are: stack traces can be read, and short names with esbuild's `keepNames` take 10 ms at each start.
 *
 * @param root - absolute; the checkout.
 * @param outdir - absolute; made if it isn't there.
 * @returns what went into it, with paths relative to `root`.
 */
export async function bundle(root: string, outdir: string): Promise<Metafile> {
  const files = [
    'src/cli/start.ts',
    'src/cli/help.ts',
    'src/cli/json-schema-worker.ts',
    ...globSync('src/commands/**/*.ts', {cwd: root}).toSorted(),
  ]
  const {metafile} = await build({
    absWorkingDir: root,
    entryPoints: files.map((file) => ({
      in: file,
      out: file.replace(/^src[\\/](?:cli[\\/])?/, '').replace(/\.ts$/, ''),
    })),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.18',
    // The ES module of a package where it has one: smaller, since what isn't used of it stays out.
    mainFields: ['module', 'main'],
    minifyWhitespace: true,
    minifySyntax: true,
    // Else a pattern becomes `new RegExp`, which is parsed when it is loaded (all emoji: 19 ms), not when it is used.
    supported: {'regexp-set-notation': true, 'regexp-unicode-property-escapes': true},
    sourcemap: false,
    metafile: true,
    chunkNames: 'chunks/[name]-[hash]',
    // CommonJS packages inside an ES module bundle look for these.
    banner: {
      js: [
        "import {createRequire as __createRequire} from 'node:module';",
        'const require = __createRequire(import.meta.url);',
        'const __filename = import.meta.filename;',
        'const __dirname = import.meta.dirname;',
      ].join('\n'),
    },
    plugins: [ownPackageJson(root), lazyBuiltins, lazySegmenters, proxyOfGaxios, withoutUnusedProtos],
    logLevel: 'warning',
  })
  return metafile
}

/**
 * An `import` of one of Node's own modules reads each of its exports at once, lazy ones as well: `node:http` loads undici
 * (30 ms), `node:crypto` its web half, `node:process` opens standard input. `require` leaves them until somebody asks.
 */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup: (bundler) => {
    const namespaces = {'import-statement': 'builtin', 'dynamic-import': 'builtin-later'} as const
    bundler.onResolve({filter: /^(?:node:)?(?:http|https|crypto|process)$/}, ({path, kind}) => {
      const name = path.replace('node:', '')
      return kind in namespaces ? {path: name, namespace: namespaces[kind as keyof typeof namespaces]} : undefined
    })
    bundler.onLoad({filter: /./, namespace: 'builtin'}, ({path}) => {
      return {contents: `module.exports = require('node:${path}')`, loader: 'js'}
    })
    // A chunk made of that would have a default export alone.
    bundler.onLoad({filter: /./, namespace: 'builtin-later'}, ({path}) => {
      const exported = Object.entries(Object.getOwnPropertyDescriptors(process.getBuiltinModule(`node:${path}`)))
      const names = exported.filter(([, one]) => 'value' in one).map(([name]) => name)
      return {
        contents: `const whole = require('node:${path}')\nexport default whole\nexport const {${names.join()}} = whole`,
        loader: 'js',
      }
    })
  },
}

/**
 * What measures text asks for the rules of all scripts of the world when it is loaded (10 ms each): here when it first needs
 * them.
 */
const eagerSegmenter = /^const (\w+) = new Intl\.Segmenter\((.*)\);$/m
const lazySegmenter = 'let $1Made; const $1 = {segment: (text) => ($1Made ??= new Intl.Segmenter($2)).segment(text)};'

/**
 * string-width asks for a list of all emoji at the first character beyond ASCII (15 ms), such as the frame of the summary
 * has. Lines of a frame are one column wide: https://www.unicode.org/Public/UNIDATA/EastAsianWidth.txt has them as ambiguous
 * or neutral.
 */
const asciiOnly = String.raw`if (/^[\u0020-\u007E]*$/.test(string))`
const asciiOrFrame = String.raw`if (/^[\u0020-\u007E]*$/.test(string) || (ambiguousIsNarrow && /^[\u0020-\u007E\u2500-\u257F]*$/.test(string)))`

const lazySegmenters: Plugin = {
  name: 'lazy-segmenters',
  setup: (bundler) => {
    const measuring = /[\\/](string-width|wrap-ansi|slice-ansi)[\\/](?:index|tokenize-ansi)\.js$/
    bundler.onLoad({filter: measuring}, ({path}) => {
      const text = readFileSync(path, 'utf8')
      // oclif's older ones are other programs.
      if (!text.includes('Intl.Segmenter')) return undefined
      const isWidth = path.includes('string-width')
      if (!eagerSegmenter.test(text) || (isWidth && !text.includes(asciiOnly)))
        throw new Error(`${path} is not as expected: look at lazySegmenters`)
      const lazy = text.replace(eagerSegmenter, lazySegmenter)
      return {contents: isWidth ? lazy.replace(asciiOnly, () => asciiOrFrame) : lazy, loader: 'js'}
    })
  },
}

/** Of package.json, what the program itself reads, and nothing of how it is developed. */
const ownPackageJson = (root: string): Plugin => ({
  name: 'own-package-json',
  setup: (bundler) => {
    bundler.onLoad({filter: /package\.json$/}, ({path}) => {
      if (path !== join(root, 'package.json')) return undefined
      const whole = JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<string, unknown>>
      const published = {...publishedPackageJson(whole), oclif: whole['oclif']}
      return {contents: JSON.stringify(published), loader: 'json'}
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
