import {resolve} from 'node:path'

import {isInside} from '../core/inside.ts'
import type {VaultName} from '../core/mapping.ts'
import type {SettingValue} from '../core/provider-spec.ts'
import {printable} from '../core/text.ts'
import type {VaultConfig} from './config.ts'
import type {Gathered} from './gather.ts'
import type {Remark} from './mistakes.ts'
import {realpathOfNearest} from './reach.ts'
import type {Draft} from './routing.ts'
import {variableOf} from './variables.ts'

/** The last word of a vault's provider. @returns `undefined` when the vault is unusable (said). */
export async function resolveVault(draft: Draft, gathered: Gathered): Promise<VaultConfig | undefined> {
  const {specs, port, ci, trustedVaults, namedByMachine, remarks, base, repository} = gathered
  const spec = specs[draft.provider]!
  if (draft.broken) return undefined
  const filled: Record<string, SettingValue> = {...draft.settings}
  for (const [key, {default: otherwise}] of Object.entries(spec.settings)) {
    if (otherwise !== undefined) filled[key] ??= resolve(base, otherwise)
  }
  const {settings, problems, warnings} = spec.resolve({
    settings: filled,
    origins: draft.origins,
    env: port.env,
    ci,
    trustedVaults,
    namedByMachine: namedByMachine.get(draft.provider) ?? [],
  })
  const found: Remark[] = problems.map(({text, setting, code}) => ({
    text,
    place: draft.placeOf(setting),
    ...(code === undefined ? {} : {code}),
  }))
  for (const [key, {reach}] of Object.entries(spec.settings)) {
    const path = settings[key]
    const isOurs = ['repository', undefined].includes(draft.origins[key])
    if (reach === undefined || repository === undefined || typeof path !== 'string' || !isOurs) continue
    if (isInside(await realpathOfNearest(path, port), repository)) continue
    found.push({
      place: draft.placeOf(key),
      text: `${key} leads out of the repository (${printable(path)}): choose a place inside, or set ${variableOf(draft.provider, key, spec.settings[key]!)}`,
    })
  }
  remarks.warnings.push(...warnings.map((text) => ({text})))
  remarks.mistakes.push(...found)
  return found.length > 0 ? undefined : {name: draft.name, provider: draft.provider, settings}
}

/**
 * The vaults of these drafts, by their names. Two names for one vault get the same one, so that it is logged in to once and
 * asked once. Unusable ones are left out (said).
 */
export async function resolveVaults(
  drafts: ReadonlySet<Draft>,
  gathered: Gathered,
): Promise<ReadonlyMap<VaultName, VaultConfig>> {
  const byName = new Map<VaultName, VaultConfig>()
  const byIdentity = new Map<string, VaultConfig>()
  for (const draft of drafts) {
    const vault = await resolveVault(draft, gathered)
    if (vault === undefined) continue
    const identity = identityOf(vault)
    if (!byIdentity.has(identity)) byIdentity.set(identity, vault)
    byName.set(draft.name, byIdentity.get(identity)!)
  }
  return byName
}

const identityOf = ({provider, settings}: VaultConfig): string =>
  JSON.stringify([provider, Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1))])
