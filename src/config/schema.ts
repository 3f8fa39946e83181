import * as v from 'valibot'

import {globProblem} from './glob-problem.ts'

/** Without a slash or a space: it becomes the end of a file's name and of a key's. */
const environmentName = /^[A-Za-z0-9._-]+$/

const text = v.pipe(v.string('must be text in quotes'), v.trim(), v.nonEmpty('is empty: give it a value, or remove it'))

const environment = v.pipe(
  text,
  v.regex(
    environmentName,
    'may hold letters, digits, dots, hyphens and underscores only: write it as in the file name, "staging" for .env.staging',
  ),
)

const truth = v.boolean('must be true or false, without quotes')

const wholeNumber = (min: number, max: number) => {
  const message = `must be a whole number from ${min} to ${max}`
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message))
}

const hasNul = (path: string): boolean => path.includes('\0')

const inGitFolder = (path: string): boolean => path.split(/[\\/]/).some((part) => part.toLowerCase() === '.git')

const keysFilename = v.pipe(
  v.string('must be text in quotes, like ".env.keys"'),
  v.trim(),
  v.check((path) => !hasNul(path) && !inGitFolder(path), 'must not lie in .git'),
  v.check((path) => !/(?:^|[\\/])\.{0,2}$/.test(path) || path === '', 'must name a file, like ".env.keys"'),
)

const timeoutMessage = 'must be a number of seconds from 0.1 to 600'
const runTimeoutMessage = 'must be a number of seconds from 1 to 86400'

/** What `[vault.sync]` sets for all mappings, with the reading of each. */
export const syncSettings = {
  default_vault_name: {schema: text, kind: 'string', summary: 'Vault of mappings without a vault_name.'},
  env_keys_filename: {
    schema: keysFilename,
    kind: 'string',
    summary: 'Keys file, relative to the folder of each mapping. Default `.env.keys`.',
  },
  ephemeral_keys: {schema: truth, kind: 'boolean', summary: 'Check keys and write none. Default false.'},
  max_workers: {
    schema: wholeNumber(1, 256),
    kind: 'number',
    summary: 'How many requests run at once per vault, 1 to 256. Default 16.',
  },
  timeout: {
    schema: v.pipe(v.number(timeoutMessage), v.minValue(0.1, timeoutMessage), v.maxValue(600, timeoutMessage)),
    kind: 'number',
    summary: 'How long one call to a vault may take, in seconds, retries included, 0.1 to 600. Default 20.',
  },
  run_timeout: {
    schema: v.pipe(
      v.number(runTimeoutMessage),
      v.minValue(1, runTimeoutMessage),
      v.maxValue(86_400, runTimeoutMessage),
    ),
    kind: 'number',
    summary: 'How long reading all vaults may take together, in seconds, 1 to 86400. Default 300.',
  },
  backups: {
    schema: wholeNumber(1, 1000),
    kind: 'number',
    summary: 'How many backups are kept per keys file, 1 to 1000. Default 10.',
  },
  coverage: {
    schema: v.picklist(['report', 'required'], 'must be "report" or "required"'),
    kind: 'string',
    summary:
      'What an encrypted env file without a mapping is: `report`, a warning (the default), or `required`, an error.',
  },
} as const satisfies Record<string, {schema: v.GenericSchema; kind: 'string' | 'boolean' | 'number'; summary: string}>

export type SyncKey = keyof typeof syncSettings

export type SyncWritten = {readonly [K in SyncKey]?: v.InferOutput<(typeof syncSettings)[K]['schema']> | undefined}

/** One `[[vault.sync.mappings]]`, as people write it. */
export const mappingSchema = v.object(
  {
    secret_name: text,
    folder_path: v.pipe(
      v.string('must be text in quotes'),
      v.check((path) => path.trim() !== '', 'is empty: write "." for the folder of this file'),
      v.check((path) => !hasNul(path) && !inGitFolder(path), 'must not lie in .git'),
    ),
    vault_name: v.optional(text),
    environment: v.optional(environment),
    profile: v.optional(environment),
    env_file: v.optional(
      v.pipe(
        text,
        v.check((path) => !hasNul(path), 'must not hold a NUL character'),
      ),
    ),
    // Of the Python tool: it belongs to pulling, so its shape is checked and nothing is done with it.
    activate_to: v.optional(text),
    ephemeral_keys: v.optional(truth),
    secret_version: v.optional(
      v.union(
        [text, v.pipe(v.number(), v.integer(), v.minValue(1), v.transform(String))],
        'must be text in quotes, or a whole number from 1',
      ),
    ),
    required: v.optional(v.picklist(['always', 'ci'], 'must be "always" or "ci"')),
  },
  'must be a table of its own: [[vault.sync.mappings]]',
)

const globsMessage = 'must be a pattern in quotes, or a list of them'

/** One pattern or a list of them, as a list. */
const globs = v.pipe(
  v.union([text, v.pipe(v.array(text), v.minLength(1, globsMessage))], globsMessage),
  v.transform((one) => (typeof one === 'string' ? [one] : one)),
  v.rawCheck(({dataset, addIssue}) => {
    if (!dataset.typed) return
    const problem = dataset.value.map(globProblem).find((one) => one !== undefined)
    if (problem !== undefined) addIssue({message: problem})
  }),
)

const {vault_name, profile, ephemeral_keys, required} = mappingSchema.entries

/** One `[[vault.sync.patterns]]`, as people write it: a mapping for each env file that it finds. */
export const patternSchema = v.object(
  {env_files: globs, exclude: v.optional(globs), secret_name: text, vault_name, profile, ephemeral_keys, required},
  'must be a table of its own: [[vault.sync.patterns]]',
)

export type PatternWritten = v.InferOutput<typeof patternSchema>

/** Keys of a pattern; anything else is unknown. */
export const patternKeys: readonly string[] = Object.keys(patternSchema.entries)

export type MappingWritten = v.InferOutput<typeof mappingSchema>

/** Keys of a mapping; anything else is unknown. */
export const mappingKeys: readonly string[] = Object.keys(mappingSchema.entries)

/** Keys of a mapping that a later version has. */
export const laterMappingKeys: readonly string[] = ['client']

/** What a missing key is for. */
const missing: Readonly<Record<string, string>> = {
  secret_name: 'name the secret as it is in the vault',
  folder_path: 'name the folder of the env file, "." for that of this file',
  env_files: 'say which env files it is for, like "services/*/.env.production"',
}

export type Issue = {readonly path: readonly (string | number)[]; readonly text: string}

/** Holds a value against a shape: what it is, or everything that is wrong with it. `what` names the value itself. */
export function check<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  what: string,
): {readonly output: v.InferOutput<S>; readonly issues?: undefined} | {readonly issues: readonly Issue[]} {
  const result = v.safeParse(schema, value, {abortPipeEarly: true})
  if (result.success) return {output: result.output}
  return {
    issues: result.issues.map((issue) => {
      const path = (issue.path ?? []).map(({key}) => (typeof key === 'number' ? key : String(key)))
      const key = path.at(-1)
      const isMissing = issue.input === undefined && typeof key === 'string'
      return {
        path,
        text: isMissing ? `${key} is missing: ${missing[key] ?? 'set it'}` : `${key ?? what} ${issue.message}`,
      }
    }),
  }
}
