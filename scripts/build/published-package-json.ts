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

/** What the program reads of it: nothing that a release fills in, so that its program is that of the commit. */
const readByProgram = ['name', 'version', 'description', 'type', 'oclif']

/** The part of package.json that goes into the bundle. */
export const packageJsonOfProgram = (whole: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  pick(whole, readByProgram)

/** The package.json of the package: without dependencies of any kind, since they are in the bundle, and without scripts. */
export const publishedPackageJson = (whole: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  pick(whole, published)

const pick = (whole: Readonly<Record<string, unknown>>, names: readonly string[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(names.flatMap((name) => (Object.hasOwn(whole, name) ? [[name, whole[name]]] : [])))
