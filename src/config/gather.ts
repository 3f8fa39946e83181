import {EnvdriftError} from '../core/errors.ts'
import {isInside} from '../core/inside.ts'
import type {Origin, SettingValue} from '../core/provider-spec.ts'
import {runsInCi} from './ci.ts'
import type {ConfigPort} from './config-port.ts'
import type {ConfigFlags, ProviderSpecs} from './config.ts'
import type {Contents} from './contents.ts'
import {isAddress, providerProblem, readContents, readSettingText, readSyncVariable} from './contents.ts'
import type {Remarks} from './mistakes.ts'
import {throwMistakes, typosOf} from './mistakes.ts'
import {repositoryOf} from './reach.ts'
import type {Draft, Routes} from './routing.ts'
import {defaultVault, draftOf} from './routing.ts'
import type {SyncKey, SyncWritten} from './schema.ts'
import {syncSettings} from './schema.ts'
import type {SourceFile} from './source-file.ts'
import {findSource, findUserFile, nothingFound} from './source-file.ts'
import {variable, variableOf, variableOfSync} from './variables.ts'

/** What all the files, variables and flags say together, before any mapping is looked at. */
export type Gathered = {
  readonly flags: ConfigFlags
  readonly port: ConfigPort
  readonly specs: ProviderSpecs
  readonly remarks: Remarks
  /** The repository's (or named) file, then the user's; those that exist. */
  readonly contents: readonly Contents[]
  /** The file whose mappings count: the user file only where there is no other and it has some. */
  readonly main: Contents | undefined
  readonly base: string
  readonly repository: string | undefined
  readonly routes: Routes
  /** `[vault.sync]`, with the variables over it. */
  readonly sync: SyncWritten
  readonly trustedVaults: readonly string[]
  /** Addresses that receive a token, by provider, as a flag or a variable names them. */
  readonly namedByMachine: ReadonlyMap<string, readonly string[]>
  /** The same, as the user file names them. */
  readonly namedByUser: ReadonlyMap<string, readonly string[]>
  readonly ci: boolean
}

/**
 * Reads the files, and lays flags and variables over them.
 *
 * @param onlyProvider - of a command that works on one kind of vault; otherwise the configuration says it.
 * @throws EnvdriftError USAGE, CONFIG_NOT_FOUND (with `onlyProvider` for a named file alone), CONFIG_UNREADABLE, CONFIG_SYNTAX; other mistakes go to `remarks`.
 */
export async function gather(
  flags: ConfigFlags,
  port: ConfigPort,
  specs: ProviderSpecs,
  onlyProvider: string | undefined,
): Promise<Gathered> {
  checkFlagsGiven(flags)
  const remarks: Remarks = {mistakes: [], warnings: []}
  const file = await findSource(flags.config ?? variable(port, 'ENVDRIFT_CONFIG'), port)
  const base = file?.base ?? port.cwd
  const around = await repositoryOf(base, port)
  const user = await distrustInside(await findUserFile(port), [around, await repositoryOf(port.cwd, port)], port)
  const contents = [file, user]
    .filter((one) => one !== undefined)
    .map((one) => readContents(one, specs, port.userConfigPath, remarks))
  const hasMappings = contents[0]?.mappings !== undefined || (contents[0]?.patterns ?? []).length > 0
  const main = file === undefined && !hasMappings ? undefined : contents[0]
  if (main === undefined && onlyProvider === undefined) throw nothingFound(port)

  const provider = onlyProvider ?? chooseProvider(flags, port, specs, contents, remarks)
  // Without a provider nothing further can be said that isn't a guess.
  if (provider === undefined) await throwMistakes(remarks)
  const chosen = provider!
  checkFlagsMeant(flags, chosen, specs)
  const draft = defaultDraft(flags, port, specs, contents, chosen, remarks)
  const names = new Set(contents.flatMap(({named}) => [...named.keys()]))
  const named = [...names].map((name): [string, Draft] => [
    name,
    draftOf(
      name,
      contents.flatMap((one) => one.named.get(name) ?? []),
    ),
  ])
  const sync = mergeSync(port, contents, remarks)
  const routes: Routes = {
    base: draft,
    named: new Map(named),
    defaultVaultName: sync.default_vault_name,
    spec: specs[chosen]!,
    byName: new Map(),
  }
  const ci = flags.ci === true || runsInCi(port.env)
  if (port.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    remarks.warnings.push({
      text: 'NODE_TLS_REJECT_UNAUTHORIZED=0 switches off every check of certificates: anyone on the way can read tokens and keys. Use NODE_EXTRA_CA_CERTS instead.',
    })
  }
  return {
    flags,
    port,
    specs,
    remarks,
    contents,
    main,
    base: main?.file.base ?? base,
    repository: main === undefined || main.file === file ? around : await repositoryOf(main.file.base, port),
    routes,
    sync,
    trustedVaults: readTrustedVaults(port, contents, remarks),
    namedByMachine: namedByMachine(flags, port, specs),
    namedByUser: namedByUser(contents, specs),
    ci,
  }
}

/** A user file inside the repository under check is one that a pull request can change, whatever variable leads there. */
async function distrustInside(
  user: SourceFile | undefined,
  repositories: readonly (string | undefined)[],
  port: ConfigPort,
): Promise<SourceFile | undefined> {
  if (user === undefined) return user
  const path = await port.realPath(user.path)
  const isOurs = repositories.some((repository) => repository !== undefined && isInside(path, repository))
  return isOurs ? {...user, origin: 'repository'} : user
}

const flagNames = {
  config: '--config',
  provider: '--provider',
  vaultUrl: '--vault-url',
  region: '--region',
  projectId: '--project-id',
  profile: '--profile',
} as const

/** Flags that stand for a setting of the default vault. */
export const overrides = [
  ['vaultUrl', 'vault-url'],
  ['region', 'region'],
  ['projectId', 'project-id'],
] as const

function checkFlagsGiven(flags: ConfigFlags): void {
  for (const [key, name] of Object.entries(flagNames)) {
    if (flags[key as keyof typeof flagNames]?.trim() === '') {
      throw new EnvdriftError('USAGE', `${name} is empty`, {
        suggestions: [`Give ${name} a value, or leave it out. In a script, is the variable behind it set?`],
      })
    }
  }
}

/** C121: a flag that the provider has no setting for is never ignored. */
function checkFlagsMeant(flags: ConfigFlags, provider: string, specs: ProviderSpecs): void {
  const {flags: known, title} = specs[provider]!
  for (const [key, flag] of overrides) {
    if (flags[key] === undefined || known[flag] !== undefined) continue
    const meant = Object.entries(specs).flatMap(([id, spec]) => (spec.flags[flag] === undefined ? [] : [id]))
    throw new EnvdriftError('USAGE', `--${flag} means nothing to the provider ${provider} (${title})`, {
      suggestions: [`Leave it out, or choose a provider that has it: -p ${meant.join(' or -p ')}.`],
    })
  }
}

function chooseProvider(
  flags: ConfigFlags,
  port: ConfigPort,
  specs: ProviderSpecs,
  contents: readonly Contents[],
  remarks: Remarks,
): string | undefined {
  const typed = flags.provider?.trim() ?? variable(port, 'ENVDRIFT_PROVIDER')
  if (typed !== undefined) {
    const problem = providerProblem(typed, specs)
    if (problem === undefined) return typed
    if (flags.provider !== undefined) {
      throw new EnvdriftError('USAGE', `--provider: ${problem}`, {
        suggestions: [`Choose one of ${Object.keys(specs).join(', ')}.`],
      })
    }
    remarks.mistakes.push({text: `ENVDRIFT_PROVIDER: ${problem}`})
    return undefined
  }
  for (const {provider, tables, file} of contents) {
    if (provider !== undefined) return provider
    if (tables.size === 1) return [...tables.keys()][0]
    if (tables.size > 1) {
      const found = [...tables.keys()].map((name) => `[vault.${name}]`).join(' and ')
      remarks.mistakes.push({
        place: {file, path: []},
        text: `there are ${found}, and no provider in [vault] says which one is meant: add provider = "${[...tables.keys()][0]}"`,
      })
      return undefined
    }
  }
  // A mistyped provider is no reason to guess another one, whether its value is mistyped (said already) or its key.
  if (remarks.mistakes.some(({place}) => place?.path.at(-1) === 'provider')) return undefined
  const typos = typosOf(['vault', 'provider', ...Object.keys(specs)], remarks)
  remarks.mistakes.push(...typos)
  if (typos.length > 0) return undefined
  if (contents[0]?.file.format !== 'pair') return 'azure'
  remarks.mistakes.push({
    place: {file: contents[0].file, path: []},
    text: `this format has no place for a provider: pass -p (${Object.keys(specs)
      .join(', ')
      .replace(/, (?=[^,]*$)/, ' or ')}), or set ENVDRIFT_PROVIDER`,
  })
  return undefined
}

function defaultDraft(
  flags: ConfigFlags,
  port: ConfigPort,
  specs: ProviderSpecs,
  contents: readonly Contents[],
  provider: string,
  remarks: Remarks,
): Draft {
  const spec = specs[provider]!
  const tables = contents.flatMap((one) => one.tables.get(provider) ?? [])
  const main = contents[0]?.file
  const top = main === undefined ? undefined : {file: main, path: []}
  const written: Draft =
    tables.length > 0
      ? draftOf(defaultVault, tables)
      : {name: defaultVault, provider, settings: {}, origins: {}, ofUser: {}, placeOf: () => top, broken: false}
  const settings: Record<string, SettingValue> = {...written.settings}
  const origins: Record<string, Origin> = {...written.origins}
  const before = remarks.mistakes.length
  const set = (key: string, name: string, text: string, origin: Origin): void => {
    const value = readSettingText(spec.settings[key]!, name, text.trim(), port.cwd, remarks)
    if (value === undefined) return
    settings[key] = value
    origins[key] = origin
  }
  for (const [key, setting] of Object.entries(spec.settings)) {
    const name = variableOf(provider, key, setting)
    const text = name === undefined ? undefined : variable(port, name)
    if (name !== undefined && text !== undefined) set(key, name, text, 'environment')
  }
  for (const [key, flag] of overrides) {
    const setting = spec.flags[flag]
    if (flags[key] !== undefined && setting !== undefined) set(setting, `--${flag}`, flags[key], 'flag')
  }
  return {
    ...written,
    settings,
    origins,
    placeOf: (setting) =>
      ['flag', 'environment'].includes(origins[setting ?? ''] ?? '') ? undefined : written.placeOf(setting),
    broken: written.broken || remarks.mistakes.length > before,
  }
}

function mergeSync(port: ConfigPort, contents: readonly Contents[], remarks: Remarks): SyncWritten {
  const merged: Record<string, unknown> = {}
  for (const key of Object.keys(syncSettings) as SyncKey[]) {
    const name = variableOfSync(key)
    const text = variable(port, name)
    merged[key] =
      text === undefined
        ? contents.find(({sync}) => sync[key] !== undefined)?.sync[key]
        : readSyncVariable(key, name, text, remarks)
  }
  return merged
}

function readTrustedVaults(port: ConfigPort, contents: readonly Contents[], {mistakes}: Remarks): readonly string[] {
  const text = variable(port, 'ENVDRIFT_TRUSTED_VAULTS')
  if (text === undefined) return contents.find(({trustedVaults}) => trustedVaults !== undefined)?.trustedVaults ?? []
  const addresses = text.split(/[\s,]+/).filter((one) => one !== '')
  if (!addresses.every(isAddress)) {
    mistakes.push({
      text: 'ENVDRIFT_TRUSTED_VAULTS must be addresses like https://vault.example.com:8200, separated by commas or spaces',
    })
  }
  return addresses
}

/**
 * Addresses that a flag or a variable names, by each provider whose vaults receive a token of ours. Not only for the provider
 * that is chosen: a repository file chooses it, and could so take the pin off its other vaults.
 */
function namedByMachine(
  flags: ConfigFlags,
  port: ConfigPort,
  specs: ProviderSpecs,
): ReadonlyMap<string, readonly string[]> {
  const all = Object.entries(specs)
  return new Map(
    all.map(([provider, {settings, flags: meant}]) => {
      const isOthers = (address: string): boolean =>
        all.some(([other, {isOwnAddress}]) => other !== provider && isOwnAddress?.(address) === true)
      const addresses = Object.entries(settings).flatMap(([key, setting]) => {
        if (setting.receivesToken !== true) return []
        const name = variableOf(provider, key, setting)
        return [
          meant['vault-url'] === key ? flags.vaultUrl : undefined,
          name === undefined ? undefined : variable(port, name),
        ]
      })
      return [provider, addresses.filter((address) => address !== undefined && !isOthers(address)) as readonly string[]]
    }),
  )
}

function namedByUser(contents: readonly Contents[], specs: ProviderSpecs): ReadonlyMap<string, readonly string[]> {
  const tables = contents
    .filter(({file}) => file.origin === 'user')
    .flatMap((one) => [...one.tables.values(), ...one.named.values()])
  return new Map(
    Object.entries(specs).map(([provider, {settings}]) => [
      provider,
      tables
        .filter((table) => table.provider === provider)
        .flatMap((table) => Object.entries(table.settings))
        .flatMap(([key, value]) => (settings[key]?.receivesToken === true && typeof value === 'string' ? [value] : [])),
    ]),
  )
}
