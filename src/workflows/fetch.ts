import type {Config} from '../config/config.ts'
import {EnvdriftError} from '../core/errors.ts'
import {refId, wholeSecret, type SecretRef} from '../core/mapping.ts'
import {principalPlaceholder} from '../core/provider-spec.ts'
import {shellWord} from '../core/shell-word.ts'
import {printable} from '../core/text.ts'
import type {Fetched, Identity, Provider} from '../providers/provider.ts'
import type {SyncPorts} from './ports.ts'

/** The vaults of a run, connected; each is asked once for each of its secrets. */
export type Vaults = {
  /** What the vault said of the secret, whole; every reference that was asked for has an answer. */
  readonly answer: (ref: SecretRef) => Fetched
  readonly provider: (ref: SecretRef) => Provider | undefined
  /** Ends when the time for all hints of a run is up, which starts with the first call of this. */
  readonly hintSignal: () => AbortSignal
  readonly close: () => Promise<void>
}

/** How long the question "who am I" may take, in milliseconds: it only decorates a message. */
const whoamiMs = 5_000

/** How long looking for earlier versions may take in a run, in milliseconds, all together: it only makes messages better. */
const hintsMs = 10_000

/**
 * Read all secrets of a run: vaults side by side, one login and one connection each, one read for a secret however many
 * mappings use it, or fields of it. A vault that can't be reached fails its own references only.
 */
export async function readVaults(refs: readonly SecretRef[], config: Config, ports: SyncPorts): Promise<Vaults> {
  const distinct = new Map(refs.map(wholeSecret).map((ref) => [refId(ref), ref]))
  const byVault = Map.groupBy(distinct.values(), ({vault}) => vault)
  const total = distinct.size
  const answers = new Map<string, Fetched>()
  const providers = new Map<string, Provider>()
  const {signal, expire} = deadlineOf(config, ports)
  let hints: AbortSignal | undefined
  const note = (answer: Fetched): void => {
    answers.set(refId(answer.ref), answer)
    ports.progress(answers.size, total, 'secrets read')
  }

  async function readVault(name: string, ofVault: readonly SecretRef[]): Promise<void> {
    const vault = config.vaults.get(name)
    if (vault === undefined) throw new TypeError(`no vault ${name} in the configuration`)
    try {
      const provider = await ports.connect(vault)
      providers.set(name, provider)
      for await (const answer of provider.read(ofVault, signal)) note(answer)
    } catch (error) {
      if (!(error instanceof EnvdriftError)) throw error
      for (const ref of ofVault) if (!answers.has(refId(ref))) note({kind: 'failed', ref, error})
    }
  }

  try {
    await Promise.all([...byVault].map(([name, ofVault]) => readVault(name, ofVault)))
    ports.signal.throwIfAborted()
    await nameIdentity(answers, providers, ports)
  } catch (error) {
    await closeAll(providers)
    throw error
  } finally {
    expire()
  }

  return {
    answer: (ref) => answers.get(refId(wholeSecret(ref))) ?? {kind: 'failed', ref, error: unanswered(ref)},
    provider: ({vault}) => providers.get(vault),
    hintSignal: () =>
      (hints ??= AbortSignal.any([ports.signal, AbortSignal.timeout(Math.min(hintsMs, config.runTimeoutMs))])),
    close: closing(providers),
  }
}

/** The run's own signal, or the end of the time that all reading together may take. `expire` ends the wait for that. */
function deadlineOf(
  {runTimeoutMs}: Config,
  ports: SyncPorts,
): {readonly signal: AbortSignal; readonly expire: () => void} {
  const deadline = new AbortController()
  const seconds = runTimeoutMs / 1000
  const late = new EnvdriftError(
    'TIMEOUT',
    `The time for reading all vaults, ${seconds} s, was up before this was read`,
    {
      suggestions: [
        'Run the command again; if the vault is slow but right, raise run_timeout under [vault.sync] (ENVDRIFT_RUN_TIMEOUT).',
      ],
    },
  )
  const timer = setTimeout(() => deadline.abort(late), runTimeoutMs)
  return {signal: AbortSignal.any([ports.signal, deadline.signal]), expire: () => clearTimeout(timer)}
}

/** Made here, so that who keeps it until the end of a run keeps no answers. */
const closing = (providers: ReadonlyMap<string, Provider>) => () => closeAll(providers)

const closeAll = async (providers: ReadonlyMap<string, Provider>): Promise<void> => {
  await Promise.all([...providers.values()].map((provider) => provider.close()))
}

/** The word by itself: not where it is part of a secret's name, of a path or of an ARN. */
const placeOfPrincipal = new RegExp(String.raw`(?<![\w:/.-])${principalPlaceholder}(?![\w/-]|[.:]\S)`, 'g')

/** A refusal is easier to mend when it says who was refused. Asked once per vault, and only after a refusal. */
async function nameIdentity(
  answers: Map<string, Fetched>,
  providers: ReadonlyMap<string, Provider>,
  {signal}: SyncPorts,
): Promise<void> {
  const refused = [...answers].flatMap(([id, answer]) =>
    answer.kind === 'failed' && answer.error.code === 'FORBIDDEN' ? [{id, ref: answer.ref, error: answer.error}] : [],
  )
  const vaults = [...new Set(refused.map(({ref}) => ref.vault))]
  const identities = new Map(
    await Promise.all(vaults.map(async (vault) => [vault, await identityIn(providers.get(vault), signal)] as const)),
  )
  for (const {id, ref, error} of refused) {
    const identity = identities.get(ref.vault)
    if (identity === undefined) continue
    const {principal} = identity
    const [first = 'Ask for access.', ...more] = error.suggestions.map((text) =>
      principal === undefined ? text : text.replaceAll(placeOfPrincipal, () => shellWord(principal)),
    )
    const who = `${printable(identity.who)} by ${printable(identity.credential)}`
    answers.set(id, {
      kind: 'failed',
      ref,
      error: new EnvdriftError('FORBIDDEN', `${error.message} (logged in as ${who})`, {
        suggestions: [first, ...more],
        cause: error,
      }),
    })
  }
}

async function identityIn(provider: Provider | undefined, signal: AbortSignal): Promise<Identity | undefined> {
  try {
    return await provider?.whoami(AbortSignal.any([signal, AbortSignal.timeout(whoamiMs)]))
  } catch (error) {
    // Who may not read often may not ask who they are either: then the message goes without.
    if (error instanceof EnvdriftError) return undefined
    throw error
  }
}

const unanswered = (ref: SecretRef): EnvdriftError =>
  new EnvdriftError('BAD_RESPONSE', `The vault gave no answer for ${printable(ref.name)}`, {
    suggestions: ['Run the command again; if it stays so, report it as a bug.'],
  })
