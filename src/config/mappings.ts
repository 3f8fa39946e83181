import {normalize, resolve} from 'node:path'

import {EnvdriftError} from '../core/errors.ts'
import type {SecretRef} from '../core/mapping.ts'
import {printable} from '../core/text.ts'
import {keyNameOfEnvironment} from '../keys/key-name.ts'
import type {MappingConfig} from './config.ts'
import type {Contents, Written} from './contents.ts'
import type {Gathered} from './gather.ts'
import {overrides} from './gather.ts'
import type {MistakeCode} from './mistakes.ts'
import {typosOf} from './mistakes.ts'
import type {Pair} from './pair-txt.ts'
import {emptyPattern} from './patterns.ts'
import type {Draft, Routes} from './routing.ts'
import {routeOf, splitPairName} from './routing.ts'
import type {MappingWritten, SyncWritten} from './schema.ts'
import {variable} from './variables.ts'

/** The mappings of this run, and those of profiles that weren't asked for. */
export type Selection = {readonly selected: readonly Written[]; readonly unselected: readonly Written[]}

/** @throws EnvdriftError NOTHING_TO_DO: no mappings, or none for the profile. */
export function selectByProfile(
  {file, patterns}: Contents,
  mappings: readonly Written[],
  {flags, port, remarks}: Gathered,
): Selection {
  if (mappings.length === 0) {
    // Broken mappings are no mappings, and said already; mistyped tables are said now.
    remarks.mistakes.push(...typosOf(['vault', 'sync', 'mappings', 'patterns'], remarks))
    if (remarks.mistakes.length > 0) return {selected: [], unselected: []}
    const what =
      file.format === 'pair'
        ? 'not one line secret-name=folder'
        : patterns.length === 0
          ? 'no [[vault.sync.mappings]]'
          : `no [[vault.sync.mappings]], and ${patterns.map(emptyPattern).join(', ')}`
    throw new EnvdriftError('NOTHING_TO_DO', `${file.shown} has ${what}, so there is nothing to sync`, {
      suggestions: [
        patterns.length === 0
          ? 'Add a mapping: which secret of the vault belongs into which folder.'
          : 'Correct env_files: it is relative to the folder of this file.',
      ],
    })
  }
  const typed = flags.profile?.trim()
  const profile = typed ?? variable(port, 'ENVDRIFT_PROFILE')
  const profileOf = (one: Written): string | undefined => (one.kind === 'mapping' ? one.mapping.profile : undefined)
  const profiles = [...new Set(mappings.flatMap((one) => profileOf(one) ?? []))]
  const isSelected = (one: Written): boolean => profileOf(one) === undefined || profileOf(one) === profile
  const selected = mappings.filter(isSelected)
  const isUnknown = profile !== undefined && !profiles.includes(profile)
  if (selected.length > 0 && !(isUnknown && typed !== undefined)) {
    if (isUnknown) {
      remarks.warnings.push({text: `ENVDRIFT_PROFILE is "${printable(profile)}", and no mapping has that profile.`})
    }
    return {selected, unselected: mappings.filter((one) => !isSelected(one))}
  }
  if (remarks.mistakes.length > 0) return {selected: [], unselected: []}
  const list = profiles.map(printable).join(', ')
  throw new EnvdriftError(
    'NOTHING_TO_DO',
    profile === undefined
      ? `Every mapping of ${file.shown} has a profile, and none was chosen, so there is nothing to sync`
      : `No mapping of ${file.shown} has the profile "${printable(profile)}"`,
    {
      suggestions: [
        profiles.length === 0
          ? 'Leave --profile out: no mapping has a profile.'
          : `Choose a profile that is there: --profile ${profiles.length === 1 ? list : `with one of ${list}`}.`,
      ],
    },
  )
}

/** A mapping that is well-formed, with the vault it goes to still to be resolved. */
export type Routed = {readonly config: MappingConfig; readonly draft: Draft; readonly written: Written}

/**
 * Routes a mapping, and holds its names against the rules of where it goes.
 *
 * @returns `undefined` when something about it is wrong (said).
 */
export function routeMapping(
  written: Written,
  sync: SyncWritten,
  envKeysFilename: string,
  {routes, remarks, specs, base}: Gathered,
): Routed | undefined {
  const say = (key: string, text: string, code: MistakeCode = 'CONFIG_INVALID'): undefined => {
    const place = {...written.place, path: [...written.place.path, key]}
    // Lines of pair.txt have no keys to be found by.
    const line = written.kind === 'pair' ? {line: written.pair.line} : {}
    remarks.mistakes.push({text, place, code, ...line})
    return undefined
  }
  const mapping = written.kind === 'mapping' ? written.mapping : mappingOfPair(written.pair, routes)
  const route = routeOf(mapping.vault_name, routes)
  if (route.problem !== undefined) return say('vault_name', route.problem)
  const {draft} = route
  const subject = `secret_name "${printable(mapping.secret_name)}"`
  const {name, field} = splitField(mapping.secret_name)
  if (name === '' || field === '')
    return say('secret_name', `${subject} must have a name before its # and a field behind it, like team/app#auth`)
  const problem = specs[draft.provider]!.checkSecretName(name, mapping.secret_version)
  if (problem !== undefined) return say('secret_name', `${subject} ${problem}`)
  const environmentProblem = checkEnvironment(mapping, envKeysFilename)
  if (environmentProblem !== undefined) return say(...environmentProblem)
  const ref: SecretRef = {
    vault: draft.name,
    name,
    ...(mapping.secret_version === undefined ? {} : {version: mapping.secret_version}),
    ...(field === undefined ? {} : {field}),
  }
  const config: MappingConfig = {
    ref,
    folderPath: mapping.folder_path,
    folder: resolve(base, mapping.folder_path),
    ...(mapping.environment === undefined ? {} : {environment: mapping.environment}),
    ...(mapping.profile === undefined ? {} : {profile: mapping.profile}),
    ...(mapping.env_file === undefined ? {} : {envFile: mapping.env_file}),
    ephemeral: mapping.ephemeral_keys ?? sync.ephemeral_keys ?? false,
    required: mapping.required ?? 'always',
    number: written.number,
    ...(written.line === undefined ? {} : {line: written.line}),
    ...(written.fromPattern === undefined ? {} : {fromPattern: true}),
  }
  return {config, draft, written}
}

/** `team/app#auth`: the field `auth` of the JSON secret `team/app`. The last # counts: a path may hold one, too. */
function splitField(written: string): {readonly name: string; readonly field?: string} {
  const at = written.lastIndexOf('#')
  return at === -1 ? {name: written} : {name: written.slice(0, at).trim(), field: written.slice(at + 1).trim()}
}

function mappingOfPair({name, folder}: Pair, routes: Routes): MappingWritten {
  const {vaultName, secretName} = splitPairName(name, routes)
  return {secret_name: secretName, folder_path: folder, ...(vaultName === undefined ? {} : {vault_name: vaultName})}
}

/** An environment whose env file would be the keys file, or whose key dotenvx has no name for. */
function checkEnvironment(mapping: MappingWritten, envKeysFilename: string): readonly [string, string] | undefined {
  const keysFile = normalize(envKeysFilename).toLowerCase()
  const key = mapping.environment === undefined ? 'profile' : 'environment'
  const environment = mapping.environment ?? mapping.profile
  if (environment !== undefined) {
    if (`.env.${environment}`.toLowerCase() === keysFile)
      return [
        key,
        `${key} "${environment}" would make the keys file ${printable(envKeysFilename)} an env file: choose another name`,
      ]
    try {
      keyNameOfEnvironment(environment)
    } catch (error) {
      if (!(error instanceof EnvdriftError)) throw error
      return [key, `${key} "${environment}" can't be used: ${error.message}`]
    }
  }
  return mapping.env_file !== undefined && normalize(mapping.env_file).toLowerCase() === keysFile
    ? ['env_file', `env_file is the keys file ${printable(envKeysFilename)}: name the file that the key opens`]
    : undefined
}

/**
 * A flag that overrides the default vault, in a run that doesn't use it, is never ignored in silence.
 *
 * @throws EnvdriftError USAGE: a token, and no vault that takes one.
 */
export function checkFlagsUsed(mappings: readonly Routed[], {flags, routes, specs, remarks}: Gathered): void {
  if (mappings.length === 0) return
  if (flags.token === true && !mappings.some(({draft}) => specs[draft.provider]!.flags.token === true)) {
    const {base, spec} = routes
    throw new EnvdriftError('USAGE', `--token means nothing to the provider ${base.provider} (${spec.title})`, {
      suggestions: ['Leave it out: only HashiCorp Vault is given a token.'],
    })
  }
  if (mappings.some(({draft}) => draft === routes.base)) return
  const given = overrides.find(([key]) => flags[key] !== undefined)?.[1]
  const name = given ?? (flags.provider === undefined ? undefined : 'provider')
  if (name === undefined) return
  remarks.warnings.push({
    text: `--${name} changed nothing: it stands for the vault of [vault], and every mapping goes to another one by its name.`,
  })
}
