/** Builds dist/: one bundle per command with shared chunks, every dependency inside, and oclif's manifest. */
import {execFileSync} from 'node:child_process'
import {globSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {Plugin} from '@oclif/core/config'
import {build, type Plugin as EsbuildPlugin} from 'esbuild'

import packageJson from '../package.json' with {type: 'json'}

const root = join(import.meta.dirname, '..')
// Built aside and then put in place, so that a program that is running keeps its files.
const out = join(root, `dist.${process.pid}.tmp`)

/**
 * gaxios (Google's HTTP client) loads its proxy agent by `(await import('https-proxy-agent')).HttpsProxyAgent`; where a
 * CommonJS package becomes a chunk of its own, esbuild keeps only its default export, and the login through a proxy fails.
 */
const proxyOfGaxios: EsbuildPlugin = {
  name: 'proxy-of-gaxios',
  setup: (bundler) => {
    bundler.onLoad({filter: /gaxios\/build\/(?:cjs|esm)\/src\/gaxios\.js$/}, ({path}) => {
      const text = readFileSync(path, 'utf8')
      const patched = text.replace(/await import\((['"])https-proxy-agent\1\)/, "require('https-proxy-agent')")
      if (patched === text)
        throw new Error(`${path} no longer loads its proxy agent as expected: look at proxyOfGaxios`)
      return {contents: patched, loader: 'js'}
    })
  },
}

await build({
  absWorkingDir: root,
  entryPoints: [
    'src/cli/start.ts',
    'src/cli/help.ts',
    'src/cli/json-schema-worker.ts',
    ...globSync('src/commands/**/*.ts', {cwd: root}),
  ].map((file) => ({
    in: file,
    out: file.replace(/^src\/(?:cli\/)?/, '').replace(/\.ts$/, ''),
  })),
  outdir: out,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.18',
  // The ES module of a package where it has one: smaller, since what isn't used of it stays out.
  mainFields: ['module', 'main'],
  keepNames: true,
  minifySyntax: true,
  minifyWhitespace: true,
  chunkNames: 'chunks/[name]-[hash]',
  // CommonJS packages inside an ES module bundle look for these.
  banner: {
    js: [
      "import {createRequire as __createRequire} from 'node:module';",
      "import {fileURLToPath as __fileURLToPath} from 'node:url';",
      "import {dirname as __dirnameOf} from 'node:path';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = __fileURLToPath(import.meta.url);',
      'const __dirname = __dirnameOf(__filename);',
    ].join('\n'),
  },
  plugins: [proxyOfGaxios],
  logLevel: 'warning',
})

const plugin = new Plugin({
  root: out,
  ignoreManifest: true,
  errorOnManifestCreate: true,
  isRoot: true,
  type: 'core',
  pjson: {...packageJson, oclif: {...packageJson.oclif, commands: './commands', helpClass: './help.js'}} as never,
})
await plugin.load()
writeFileSync(join(out, 'oclif.manifest.json'), `${JSON.stringify(plugin.manifest, null, 2)}\n`)

/** Stands where the machine that runs the program is named. */
const platformMark = '{platform}'

/** What `--help` says, for `start.ts`: asked of the program itself, so that there is one source. */
const topics = ['', 'vault', ...plugin.commandIDs.map((id) => id.replaceAll(':', ' '))]
const pages = topics.map((topic) => {
  const words = [...topic.split(' ').filter((word) => word !== ''), '--help']
  const {FORCE_COLOR: _, ...env} = process.env
  const page = execFileSync(process.execPath, [join(out, 'start.js'), ...words], {
    encoding: 'utf8',
    env: {...env, NO_COLOR: '1', OCLIF_COLUMNS: '80', COLUMNS: '80'},
  })
  return [topic, page.replace(`${process.platform}-${process.arch} node-${process.version}`, platformMark)]
})
writeFileSync(join(out, 'help.json'), JSON.stringify(Object.fromEntries(pages)))

const dist = join(root, 'dist')
rmSync(dist, {recursive: true, force: true})
renameSync(out, dist)
