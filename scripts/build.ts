/** Builds dist/: the bundle, oclif's manifest, the pages of help, and what must be said of the packages inside. */
import {globSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import packageJson from '../package.json' with {type: 'json'}
import {bundle} from './build/bundle.ts'
import {bundledPackages} from './build/bundled-packages.ts'
import {writeCommandPages} from './build/command-pages.ts'
import {licensed, noticesText} from './build/licences.ts'
import {differences, sbomOf, type Sbom} from './build/sbom.ts'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
// Built aside and then put in place, so that nobody meets half a build.
const out = join(root, `dist.${process.pid}.tmp`)
const old = join(root, `dist.${process.pid}.old.tmp`)

sweep()
try {
  const metafile = await bundle(root, out)
  const packages = bundledPackages(root, metafile)
  const all = licensed(root, packages)
  writeFileSync(join(out, 'THIRD_PARTY_NOTICES'), noticesText(all))
  writeFileSync(join(out, 'sbom.cdx.json'), `${JSON.stringify(sbomOf(packageJson, all), null, 1)}\n`)
  const wrong = differences(JSON.parse(readFileSync(join(out, 'sbom.cdx.json'), 'utf8')) as Sbom, packages)
  if (wrong.length > 0) throw new Error(`sbom.cdx.json is wrong:\n  ${wrong.join('\n  ')}`)
  await writeCommandPages(out)
  putInPlace()
} finally {
  rmSync(out, {recursive: true, force: true})
  rmSync(old, {recursive: true, force: true})
}

function putInPlace(): void {
  try {
    renameSync(dist, old)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  renameSync(out, dist)
}

/** What builds left that were killed. */
function sweep(): void {
  for (const name of globSync('dist.*.tmp', {cwd: root})) {
    const pid = Number(/^dist\.(\d+)\./.exec(name)?.[1])
    if (!isRunning(pid)) rmSync(join(root, name), {recursive: true, force: true})
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
