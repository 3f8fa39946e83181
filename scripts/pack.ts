/**
 * `npm pack` calls this when it has written its archive, and gets the archive that users get in its place: the bundle, and
 * a package.json without dependencies and scripts. All is made in a folder outside the checkout, which nothing changes:
 * whoever kills it half way finds the checkout as it was.
 */
import {execFileSync} from 'node:child_process'
import {copyFileSync, cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join, resolve} from 'node:path'

import packageJson from '../package.json' with {type: 'json'}
import {publishedPackageJson} from './build/published-package-json.ts'

const root = join(import.meta.dirname, '..')
const {INIT_CWD: start = root, npm_config_pack_destination: chosen = '.', npm_config_dry_run: dryRun} = process.env
// npm has the archive in memory by now, and would publish that one.
if (process.env['npm_command'] === 'publish')
  throw new Error('Publish the packed file, which is the one that was tested: npm pack && npm publish ./envdrift-*.tgz')
const archive = `${packageJson.name}-${packageJson.version}.tgz`

if (dryRun !== 'true') {
  const target = resolve(start, chosen, archive)
  // What lies there has dependencies: better no archive than that one, if the rest fails.
  rmSync(target, {force: true})
  const place = mkdtempSync(join(tmpdir(), 'envdrift-pack-'))
  try {
    const stage = join(place, 'package')
    lay(stage)
    execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', place, stage], {
      cwd: place,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
      env: withoutNpm(process.env),
    })
    // Beside the target first: what has the archive's name is whole.
    copyFileSync(join(place, archive), `${target}.tmp`)
    renameSync(`${target}.tmp`, target)
  } finally {
    rmSync(place, {recursive: true, force: true})
  }
}

/** Everything that is in the package. */
function lay(stage: string): void {
  mkdirSync(join(stage, 'bin'), {recursive: true})
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(publishedPackageJson(packageJson), null, 2)}\n`)
  for (const name of ['bin/run.js', 'README.md', 'LICENSE', 'SECURITY.md']) cpSync(join(root, name), join(stage, name))
  cpSync(join(root, 'dist'), join(stage, 'dist'), {recursive: true})
  // Where people look for them.
  for (const name of ['THIRD_PARTY_NOTICES', 'sbom.cdx.json']) renameSync(join(stage, 'dist', name), join(stage, name))
}

/** What npm tells its scripts would tell the inner npm where to put its archive, and much more. */
function withoutNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const ours = /^npm_(?:config_pack|config_json|package|lifecycle)/i
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name)))
}
