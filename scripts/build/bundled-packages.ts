import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import type {Metafile} from 'esbuild'

/** One installed package of which something went into the bundle. */
export type BundledPackage = {
  readonly name: string
  readonly version: string
  /** Where it is installed, relative to the checkout, as package-lock.json has it: `node_modules/a/node_modules/b`. */
  readonly path: string
  /** Of its archive in the registry, as npm writes it: `sha512-` and base64. */
  readonly integrity: string
  /** Paths of the bundled packages that its code imports. */
  readonly imports: readonly string[]
}

/**
 * Every package that esbuild took in, by path; two versions, and two copies of one, are two.
 *
 * @throws Error when one isn't the version that package-lock.json has.
 */
export function bundledPackages(root: string, metafile: Metafile): readonly BundledPackage[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, {readonly version?: string; readonly integrity?: string}>>
  }
  return pathsOf(metafile).map((path) => {
    const {name, version} = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')) as {
      readonly name: string
      readonly version: string
    }
    const locked = lock.packages[path]
    if (locked?.version !== version || locked.integrity === undefined) {
      throw new Error(`${path} is version ${version}, which is not what package-lock.json has: run npm ci`)
    }
    return {name, version, path, integrity: locked.integrity, imports: importsOf(path, metafile)}
  })
}

/** Where the packages lie whose code is in the output. */
export function pathsOf({outputs}: Metafile): readonly string[] {
  const files = Object.values(outputs).flatMap(({inputs}) => Object.keys(inputs))
  return [...new Set(files.flatMap((file) => packagePath(file) ?? []))].toSorted()
}

function importsOf(path: string, metafile: Metafile): readonly string[] {
  const bundled = new Set(pathsOf(metafile))
  const imported = Object.entries(metafile.inputs)
    .filter(([file]) => packagePath(file) === path)
    .flatMap(([, {imports}]) => imports.flatMap((one) => packagePath(one.path) ?? []))
  return [...new Set(imported)].filter((one) => one !== path && bundled.has(one)).toSorted()
}

/** `undefined` for our own files. The innermost `node_modules` counts. */
const packagePath = (file: string): string | undefined =>
  /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0]
