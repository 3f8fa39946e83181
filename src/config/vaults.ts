import {resolve} from 'node:path'

import {isInside} from '../core/inside.ts'
import type {VaultName} from '../core/mapping.ts'
import type {ProviderSpec, Settings, SettingValue} from '../core/provider-spec.ts'
import {printable} from '../core/text.ts'
import type {VaultConfig} from './config.ts'
import type {Gathered} from './gather.ts'
import type {Remark} from './mistakes.ts'
import type {Draft} from './routing.ts'
import {variableOf} from './variables.ts'

/**
 * The last word of a vault's provider.
 *
 * @param drafts - all that the configuration has mappings for, those of other profiles and this one included.
 * @returns `undefined` when the vault is unusable (said).
 */
export async function resolveVault(
  draft: Draft,
  gathered: Gathered,
  drafts: Iterable<Draft> = [draft],
): Promise<VaultConfig | undefined> {
  const {specs, port, ci, trustedVaults, namedByMachine, namedByUser, remarks, base, repository} = gathered
  const spec = specs[draft.provider]!
  if (draft.broken) return undefined
  const filled: Record<string, SettingValue> = {...believed(draft, gathered)}
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
    namedByUser: namedByUser.get(draft.provider) ?? [],
    siblings: addressesInFiles(draft.provider, spec, drafts),
  })
  const found: Remark[] = problems.map(({text, setting, code}) => ({
    text,
    // What a client's own variable says stands in no file.
    place: port.env[/^[A-Z0-9_]+(?= )/.exec(text)?.[0] ?? ''] === undefined ? draft.placeOf(setting) : undefined,
    ...(code === undefined ? {} : {code}),
  }))
  for (const [key, {reach}] of Object.entries(spec.settings)) {
    const path = settings[key]
    const isOurs = ['repository', undefined].includes(draft.origins[key])
    if (reach === undefined || repository === undefined || typeof path !== 'string' || !isOurs) continue
    if (isInside(await port.realPath(path), repository)) continue
    found.push({
      place: draft.placeOf(key),
      text: `${key} leads out of the repository (${printable(path)}): choose a place inside, or set ${variableOf(draft.provider, key, spec.settings[key]!)}`,
    })
  }
  remarks.warnings.push(...warnings.map((text) => ({text})))
  // What is wrong with the machine is so for every vault.
  const isNew = (one: Remark): boolean =>
    one.place !== undefined || !remarks.mistakes.some(({place, text}) => place === undefined && text === one.text)
  remarks.mistakes.push(...found.filter(isNew))
  return found.length > 0 ? undefined : {name: draft.name, provider: draft.provider, settings}
}

function addressesInFiles(
  provider: string,
  {flags}: ProviderSpec,
  drafts: Iterable<Draft>,
): readonly (string | undefined)[] {
  const key = flags['vault-url'] ?? ''
  return [...drafts]
    .filter((one) => one.provider === provider && !['flag', 'environment'].includes(one.origins[key] ?? ''))
    .map(({settings: {[key]: address}}) => (typeof address === 'string' ? address : undefined))
}

/**
 * The settings without what the user file says of another server: that its certificate need not be checked, which
 * authorities vouch for it. A pull request would otherwise name the server for which that holds.
 */
function believed(draft: Draft, gathered: Gathered): Settings {
  const {provider, settings, origins, ofUser} = draft
  const {specs, port, remarks, trustedVaults, namedByMachine} = gathered
  const spec = specs[provider]!
  const key = spec.flags['vault-url']
  const address = key === undefined ? undefined : settings[key]
  if (key === undefined || typeof address !== 'string' || origins[key] !== 'repository') return settings
  // Who is asked then is the machine's own word, and the address in the file receives nothing.
  if (spec.isAskedThroughAgent?.({settings, origins, env: port.env}) === true) return settings
  const meant = ofUser[key]
  const {receivesToken} = spec.settings[key]!
  const clients = spec.addressVariables?.map((name) => port.env[name] ?? '') ?? []
  const machines = [...trustedVaults, ...(namedByMachine.get(provider) ?? []), ...clients]
  const isMeant =
    typeof meant === 'string'
      ? isSameServer(meant, address)
      : receivesToken !== true || machines.some((one) => isSameServer(one, address))
  const others = Object.keys(settings).filter((one) => origins[one] === 'user' && spec.settings[one]?.believes === true)
  if (isMeant || others.length === 0) return settings
  const remedy =
    typeof meant === 'string'
      ? `they were set for ${printable(meant)}`
      : `set ${key} beside them, or list the address in trusted_vaults`
  remarks.warnings.push({
    text: `${others.join(', ')} of your user file ${others.length === 1 ? 'is' : 'are'} not used for ${printable(address)}, which a file that a pull request can change names: ${remedy}`,
  })
  return Object.fromEntries(Object.entries(settings).filter(([one]) => !others.includes(one)))
}

/** Do both addresses name one host, port and scheme? */
function isSameServer(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => (URL.canParse(text.trim()) ? new URL(text.trim()).origin : undefined))
  return a !== undefined && a === b
}

/**
 * The vaults of these drafts, by their names. Two names for one vault get the same one, so that it is logged in to once and
 * asked once. Unusable ones are left out (said).
 *
 * @param all - those of other profiles, too.
 */
export async function resolveVaults(
  drafts: ReadonlySet<Draft>,
  gathered: Gathered,
  all: ReadonlySet<Draft>,
): Promise<ReadonlyMap<VaultName, VaultConfig>> {
  const byName = new Map<VaultName, VaultConfig>()
  const byIdentity = new Map<string, VaultConfig>()
  for (const draft of drafts) {
    const vault = await resolveVault(draft, gathered, all)
    if (vault === undefined) continue
    const identity = identityOf(vault)
    if (!byIdentity.has(identity)) byIdentity.set(identity, vault)
    byName.set(draft.name, byIdentity.get(identity)!)
  }
  return byName
}

const identityOf = ({provider, settings}: VaultConfig): string =>
  JSON.stringify([provider, Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1))])
