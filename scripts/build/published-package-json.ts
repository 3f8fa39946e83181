/** What a user's npm, and the registry's page, need to know. Everything else in package.json is for us. */
const published = [
  'name',
  'version',
  'description',
  'keywords',
  'homepage',
  'bugs',
  'repository',
  'license',
  'author',
  'type',
  'bin',
  'engines',
  'publishConfig',
]

/** The package.json of the package: without dependencies of any kind, since they are in the bundle, and without scripts. */
export function publishedPackageJson(whole: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(published.flatMap((name) => (Object.hasOwn(whole, name) ? [[name, whole[name]]] : [])))
}
