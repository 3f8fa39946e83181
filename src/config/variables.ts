import type {SettingSpec} from '../core/provider-spec.ts'
import type {ConfigPort} from './config-port.ts'
import type {ProviderSpecs} from './config.ts'
import {syncSettings} from './schema.ts'

export type Variable = {readonly name: string; readonly summary: string}

const general: readonly Variable[] = [
  {name: 'ENVDRIFT_CONFIG', summary: 'Configuration file, as -c.'},
  {name: 'ENVDRIFT_PROVIDER', summary: 'Provider of the default vault, as -p.'},
  {
    name: 'ENVDRIFT_PROFILE',
    summary: 'Profile, as --profile; other than there, one that no mapping has is only warned of.',
  },
  {
    name: 'ENVDRIFT_TRUSTED_VAULTS',
    summary: 'Addresses of HashiCorp Vault that a repository file may name, separated by commas or spaces.',
  },
]

/** The variable that sets a key of a provider's table, or `undefined` for what a variable can't spell. */
export function variableOf(provider: string, key: string, setting: SettingSpec): string | undefined {
  if (setting.type === 'table' || setting.type === 'strings') return undefined
  // No shell can set a name with a hyphen in it.
  return setting.variable ?? `ENVDRIFT_${provider}_${key}`.toUpperCase().replaceAll('-', '_')
}

/** The variable that sets a key of `[vault.sync]`. */
export const variableOfSync = (key: string): string => `ENVDRIFT_${key.toUpperCase()}`

/** Every `ENVDRIFT_*` variable that a configuration is read from; docs/configuration.md is held against it. */
export function variables(specs: ProviderSpecs): readonly Variable[] {
  const found = new Map(general.map((variable) => [variable.name, variable]))
  for (const [key, {summary}] of Object.entries(syncSettings)) {
    found.set(variableOfSync(key), {name: variableOfSync(key), summary})
  }
  for (const [provider, {settings}] of Object.entries(specs)) {
    for (const [key, setting] of Object.entries(settings)) {
      const name = variableOf(provider, key, setting)
      if (name === undefined) continue
      const before = found.get(name)
      const summary = `${key} of [vault.${provider}]: ${setting.summary}`
      found.set(name, {name, summary: before === undefined ? summary : `${before.summary} ${summary}`})
    }
  }
  return [...found.values()]
}

/** A variable's text without spaces around it; blank is unset. */
export function variable({env}: ConfigPort, name: string): string | undefined {
  const text = env[name]?.trim()
  return text === '' ? undefined : text
}
