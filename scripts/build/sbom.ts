import type {BundledPackage} from './bundled-packages.ts'
import type {Licensed} from './licences.ts'

/** The parts of a CycloneDX document that we write. Source: https://cyclonedx.org/docs/1.6/json/ */
export type Sbom = {
  readonly $schema: string
  readonly bomFormat: 'CycloneDX'
  readonly specVersion: '1.6'
  readonly version: 1
  readonly metadata: {readonly lifecycles: readonly {readonly phase: 'build'}[]; readonly component: Component}
  readonly components: readonly Component[]
  readonly dependencies: readonly {readonly ref: string; readonly dependsOn: readonly string[]}[]
}

type Component = {
  readonly type: 'application' | 'library'
  readonly 'bom-ref': string
  readonly group?: string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly licenses: readonly {readonly license: {readonly id: string}}[]
  readonly hashes?: readonly {readonly alg: 'SHA-512'; readonly content: string}[]
}

/**
 * The list of what is inside: every bundled package once per version. The same sources give the same document, to the byte,
 * so it has no date and no serial number.
 */
export function sbomOf(
  own: {readonly name: string; readonly version: string; readonly license: string},
  packages: readonly Licensed[],
): Sbom {
  const refs = new Map(packages.map(({of}) => [of.path, purlOf(of)]))
  const byRef = Map.groupBy(packages, ({of}) => purlOf(of))
  const sorted = [...byRef].toSorted(([one], [other]) => (one < other ? -1 : 1))
  const imported = new Set(packages.flatMap(({of}) => of.imports.map((path) => refs.get(path)!)))
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      lifecycles: [{phase: 'build'}],
      component: {
        type: 'application',
        'bom-ref': purlOf(own),
        name: own.name,
        version: own.version,
        purl: purlOf(own),
        licenses: [{license: {id: own.license}}],
      },
    },
    components: sorted.map(([ref, [first]]) => componentOf(ref, first!)),
    dependencies: [
      {ref: purlOf(own), dependsOn: sorted.map(([ref]) => ref).filter((ref) => !imported.has(ref))},
      ...sorted.map(([ref, members]) => {
        const others = members.flatMap(({of}) => of.imports.map((path) => refs.get(path)!))
        return {ref, dependsOn: [...new Set(others)].filter((other) => other !== ref).toSorted()}
      }),
    ],
  }
}

function componentOf(ref: string, {of, licence}: Licensed): Component {
  const [name, group] = of.name.split('/').toReversed()
  const [algorithm, digest = ''] = of.integrity.split('-')
  if (algorithm !== 'sha512') throw new Error(`${of.path}: its hash in package-lock.json is not SHA-512`)
  return {
    type: 'library',
    'bom-ref': ref,
    ...(group === undefined ? {} : {group}),
    name: name!,
    version: of.version,
    purl: ref,
    licenses: [{license: {id: licence}}],
    hashes: [{alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex')}],
  }
}

/** Source: https://github.com/package-url/purl-spec/blob/main/types-doc/npm-definition.md */
const purlOf = ({name, version}: Pick<BundledPackage, 'name' | 'version'>): string =>
  `pkg:npm/${name.replace('@', '%40')}@${version}`

/**
 * What is wrong with a document, one sentence each: a package that is in the bundle and not on the list, or the other way
 * round.
 *
 * @param bundled - from what esbuild took in, not from the document.
 */
export function differences(
  document: Sbom,
  bundled: readonly Pick<BundledPackage, 'name' | 'version'>[],
): readonly string[] {
  const listed = new Set(document.components.map(({group, name, version}) => `${group ?? ''}/${name} ${version}`))
  const taken = new Set(bundled.map(({name, version}) => `${name.includes('/') ? '' : '/'}${name} ${version}`))
  return [
    ...[...taken.difference(listed)].map((one) => `${one.replace(/^\//, '')} is in the bundle, and not listed`),
    ...[...listed.difference(taken)].map((one) => `${one.replace(/^\//, '')} is listed, and not in the bundle`),
  ]
}
