import type {VaultName} from '../core/mapping.ts'
import type {Origin, ProviderSpec, Settings, SettingValue} from '../core/provider-spec.ts'
import {printable} from '../core/text.ts'
import {closest} from './closest.ts'
import type {VaultTable} from './contents.ts'
import type {Place} from './mistakes.ts'

/** The name of the vault that mappings without a vault_name go to. */
export const defaultVault: VaultName = 'default'

/** A vault before its provider has had the last word: what is set, by whom, and where. */
export type Draft = {
  readonly name: VaultName
  readonly provider: string
  readonly settings: Settings
  readonly origins: Readonly<Record<string, Origin>>
  /** What the user file says of this vault, whether it counts or not. */
  readonly ofUser: Settings
  /** Where a setting stands, for messages; `undefined`: in no file. */
  readonly placeOf: (setting: string | undefined) => Place | undefined
  readonly broken: boolean
}

export type Routes = {
  /** The vault of `[vault]` with flags and variables over it. */
  readonly base: Draft
  /** The vaults of `[vaults.NAME]`. */
  readonly named: ReadonlyMap<string, Draft>
  readonly defaultVaultName: string | undefined
  readonly spec: ProviderSpec
  /** Drafts of names that route by themselves, made when first asked for. */
  readonly byName: Map<string, Draft>
}

/** Where a mapping goes, or `problem`: why nowhere. */
export type Route = {readonly draft: Draft; readonly problem?: undefined} | {readonly problem: string}

/** The vault of a mapping, by its `vault_name`. */
export function routeOf(vaultName: string | undefined, routes: Routes): Route {
  const {base, named, defaultVaultName, spec} = routes
  const declared = named.get(vaultName ?? defaultVaultName ?? '')
  if (declared !== undefined) return {draft: declared}
  if (vaultName === defaultVault)
    return {
      problem: `vault_name "${defaultVault}" is taken for the vault of [vault]: leave vault_name out to mean that one`,
    }
  if (spec.settingsOfName !== undefined) {
    const flag = spec.flags['vault-url']
    const hasAddress = flag !== undefined && base.settings[flag] !== undefined
    const name = vaultName ?? (hasAddress ? undefined : defaultVaultName)
    if (name === undefined) return {draft: base}
    const known = routes.byName.get(name)
    if (known !== undefined) return {draft: known}
    const settings = spec.settingsOfName(name, base.settings)
    if (settings === undefined) {
      const key = vaultName === undefined ? 'default_vault_name' : 'vault_name'
      return {
        problem: `${key} "${printable(name)}" is declared nowhere, and no name of a vault of ${spec.title}: correct it`,
      }
    }
    const draft = draftOfName(name, settings, base)
    routes.byName.set(name, draft)
    return {draft}
  }
  // Where names don't route, the default name is a label of the default vault, and says the same in a mapping.
  if (vaultName === undefined || vaultName === defaultVaultName) return {draft: base}
  const near = closest(vaultName, [...named.keys()])
  const remedy = near === undefined ? `declare [vaults.${printable(vaultName)}]` : `did you mean "${near}"?`
  return {problem: `vault_name "${printable(vaultName)}" is declared nowhere: ${remedy}`}
}

/**
 * `a/b` of a pair.txt: vault `a` when it is declared, or when no secret of the provider could be named `a/b`.
 *
 * Secrets of GCP by their full name (`projects/…`) hold slashes and are names all the same.
 */
export function splitPairName(
  name: string,
  {named, spec}: Routes,
): {readonly vaultName?: string; readonly secretName: string} {
  const slash = name.indexOf('/')
  if (slash === -1) return {secretName: name}
  const vaultName = name.slice(0, slash).trim()
  const isName = spec.slashInNames || spec.checkSecretName(name) === undefined
  return named.has(vaultName) || !isName ? {vaultName, secretName: name.slice(slash + 1).trim()} : {secretName: name}
}

function draftOfName(name: string, settings: Settings, base: Draft): Draft {
  // What the name decides is only as good as the file that the name comes from, whoever set the rest.
  const origins = Object.fromEntries(
    Object.entries(settings).map(([key, value]): [string, Origin] => [
      key,
      same(value, base.settings[key]) ? (base.origins[key] ?? 'repository') : 'repository',
    ]),
  )
  return {...base, name, settings, origins}
}

const same = (a: SettingValue, b: SettingValue | undefined): boolean => JSON.stringify(a) === JSON.stringify(b)

/** A vault of `[vaults.NAME]`: the repository's settings over the user's, where both speak of the same provider. */
export function draftOf(name: string, tables: readonly VaultTable[]): Draft {
  const provider = tables[0]!.provider
  const settings: Record<string, SettingValue> = {}
  const origins: Record<string, Origin> = {}
  const places: Record<string, Place> = {}
  const ours = tables.filter((table) => table.provider === provider)
  for (const table of ours.toReversed()) {
    for (const [key, value] of Object.entries(table.settings)) {
      settings[key] = value
      origins[key] = table.place.file.origin
      places[key] = {...table.place, path: [...table.place.path, key]}
    }
  }
  return {
    name,
    provider,
    settings,
    origins,
    ofUser: ours.find(({place}) => place.file.origin === 'user')?.settings ?? {},
    placeOf: (setting) => (setting === undefined ? ours[0]?.place : (places[setting] ?? ours[0]?.place)),
    broken: ours.some(({broken}) => broken),
  }
}
