import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

import {build, type Metafile, type Plugin} from 'esbuild'

import {publishedPackageJson} from './published-package-json.ts'

/**
 * Write the program: one module per command, with shared chunks, every dependency inside, and no source maps.
 *
 * Names are made short, and yet kept: esbuild gives each function its own name back, so that stack traces stay readable.
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
    minify: true,
    keepNames: true,
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
    plugins: [ownPackageJson(root), proxyOfGaxios, withoutUnusedProtos],
    logLevel: 'warning',
  })
  return metafile
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
