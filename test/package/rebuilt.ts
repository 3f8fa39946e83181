import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join, relative, resolve} from 'node:path'

import {bundle} from '../../scripts/build/bundle.ts'
import {bundledPackages, pathsOf, type BundledPackage} from '../../scripts/build/bundled-packages.ts'
import {repository} from '../docs/pages.ts'

/** The bundle, made once more from the checkout. */
export type Rebuilt = {
  /** Bytes by path, below dist, with slashes. */
  readonly files: Readonly<Record<string, Buffer>>
  readonly packages: readonly BundledPackage[]
  /** Names of the packages whose code is in a file. */
  readonly packagesIn: (file: string) => readonly string[]
}

/** Build the bundle anew, outside the checkout, and say what is in each of its files. */
export async function rebuild(): Promise<Rebuilt> {
  const out = mkdtempSync(join(tmpdir(), 'envdrift-rebuilt-'))
  try {
    const metafile = await bundle(repository, out)
    const byFile = Object.entries(metafile.outputs).map(([path, output]) => {
      const absolute = resolve(repository, path)
      return {file: relative(out, absolute).replaceAll('\\', '/'), absolute, output}
    })
    const paths = new Map(byFile.map(({file, output}) => [file, pathsOf({inputs: {}, outputs: {[file]: output}})]))
    return {
      files: Object.fromEntries(byFile.map(({file, absolute}) => [file, readFileSync(absolute)])),
      packages: bundledPackages(repository, metafile),
      packagesIn: (file) => (paths.get(file) ?? []).map((path) => path.replace(/^.*node_modules\//, '')),
    }
  } finally {
    rmSync(out, {recursive: true, force: true})
  }
}
