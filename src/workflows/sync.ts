import type {Config} from '../config/config.ts'
import {EnvdriftError} from '../core/errors.ts'
import {inTurns} from '../core/in-turns.ts'
import type {Coverage, SyncReport} from '../core/outcome.ts'
import {decide, type Mapping, type Mode} from '../core/plan.ts'
import {apply, type Order} from './apply.ts'
import {answerQuestions} from './ask.ts'
import {coverageOf} from './coverage.ts'
import {readVaults, type Vaults} from './fetch.ts'
import {judge} from './judge.ts'
import {locateAll, type Found} from './locate-all.ts'
import {locate, whereaboutsOf, type Located, type Whereabouts} from './locate.ts'
import type {SyncPorts} from './ports.ts'
import {prove, type Proofs} from './prove.ts'
import {askGit} from './tracked.ts'

export type SyncOptions = Mode & Proofs

/**
 * Bring keys files and vault into line: read everything, decide once, write once, prove.
 *
 * With `verify` nothing is written: the orders that {@link decide} gives then are records already.
 *
 * @throws EnvdriftError for what makes the whole run senseless: two mappings that want one key, an interruption. Trouble
 *   of one mapping is a row of the report, and the others go on.
 */
export async function sync(config: Config, options: SyncOptions, ports: SyncPorts): Promise<SyncReport> {
  const {files} = ports
  const found = await locateAll(config, files)
  const {located} = found
  const {orders, unignored, coverage, close} = await readAndDecide(found, config, options, ports)
  try {
    const actions = await answerQuestions(
      orders.map(({action}) => action),
      ports,
    )
    const settled = orders.map(({judgement}, index) => ({judgement, action: actions[index]!}))
    if (unignored !== undefined) ports.warn(unignored)
    const done = await apply(settled, config, options, ports)
    for (const {warning} of done) if (warning !== undefined) ports.warn(warning)
    // After an interruption the rows still say which files were written.
    const proven = ports.signal.aborted
      ? done
      : await inTurns(done, (outcome, index) =>
          prove(outcome, located[index]!, settled[index]!, config, options, ports),
        )
    return {
      config: config.path,
      base: config.base,
      mode: options.verify ? 'verify' : 'sync',
      checkDecryption: options.checkDecryption,
      validateSchema: options.validate !== undefined,
      total: config.total,
      outcomes: proven,
      coverage,
    }
  } finally {
    await close()
  }
}

/** What the vaults hold and what lies on the disk, and an order for each mapping. */
async function readAndDecide(
  found: Found,
  config: Config,
  options: SyncOptions,
  ports: SyncPorts,
): Promise<{
  readonly orders: readonly Order[]
  readonly unignored: string | undefined
  readonly coverage: Coverage | undefined
  readonly close: Vaults['close']
}> {
  const {located} = found
  const mappings = located.flatMap((one) => (one.kind === 'ready' ? [one.mapping] : []))
  // While vaults are asked, files are looked through.
  const reading = readVaults(
    mappings.map(({ref}) => ref),
    config,
    ports,
  )
  reading.catch(() => {})
  const looking = Promise.all([askGit(mappings, options, ports.git), lookThrough(found, config, ports)])
  const [{tracked, unignored}, coverage] = await looking.catch(async (error: unknown) => {
    await reading.then(
      ({close}) => close(),
      () => {},
    )
    throw error
  })
  const vaults = await reading
  try {
    // Only now: a vault, or a person who logs in, may take minutes, and what became of a keys file by then must be seen.
    const keysFiles = await readKeysFiles(mappings, config, ports.files)
    const orders = await inTurns(located, (one) => orderOf(one, {tracked, keysFiles, vaults}, options))
    return {orders, unignored, coverage, close: vaults.close}
  } catch (error) {
    await vaults.close()
    throw error
  }
}

/** What is known once everything was read. */
type Known = {
  readonly tracked: ReadonlyMap<string, EnvdriftError>
  readonly keysFiles: KeysFiles
  readonly vaults: Vaults
}

/** Texts of keys files by their paths; `undefined` where there is none, an error where there is one that can't be read. */
type KeysFiles = ReadonlyMap<string, string | undefined | EnvdriftError>

async function readKeysFiles(
  mappings: readonly Mapping[],
  {repository}: Config,
  {readText}: SyncPorts['files'],
): Promise<KeysFiles> {
  const paths = [...new Set(mappings.flatMap(({ephemeral, keysFile}) => (ephemeral ? [] : [keysFile])))]
  const texts = await inTurns(paths, async (path) => {
    try {
      return await readText(path, repository)
    } catch (error) {
      if (error instanceof EnvdriftError) return error
      throw error
    }
  })
  return new Map(paths.map((path, index) => [path, texts[index]]))
}

/** Everything that can be known of one mapping, and what it comes to. */
async function orderOf(one: Located, {tracked, keysFiles, vaults}: Known, options: SyncOptions): Promise<Order> {
  const {mapping} = one
  const fail = (error: EnvdriftError): Order => ({action: {kind: 'fail', mapping, error}, judgement: undefined})
  if (one.kind === 'lost') return fail(one.error)
  const refused = mapping.ephemeral ? undefined : tracked.get(mapping.keysFile)
  if (refused !== undefined) return fail(refused)
  const keysText = mapping.ephemeral ? undefined : keysFiles.get(mapping.keysFile)
  if (keysText instanceof EnvdriftError) return fail(keysText)
  try {
    const judgement = await judge(one, keysText, vaults, {earlier: options.verify || !options.skipKeyMatch})
    const action = decide(judgement.finding, options)
    // Nobody comes back to what is settled; a run of thousands of mappings keeps the rest only.
    const isSettled = action.kind === 'fail' || (action.kind === 'skip' && action.reason.kind === 'in-sync')
    return {action, judgement: isSettled ? undefined : judgement}
  } catch (error) {
    if (error instanceof EnvdriftError) return fail(error)
    throw error
  }
}

/** Coverage, from what was read of the mapped env files already. */
async function lookThrough(found: Found, config: Config, ports: SyncPorts): Promise<Coverage | undefined> {
  const read = new Map(
    found.located.flatMap((one) =>
      one.kind === 'ready' && one.env !== undefined && one.mapping.envFile !== undefined
        ? [[one.mapping.envFile, one.env] as const]
        : [],
    ),
  )
  return coverageOf(config, {named: await namedFiles(found, config, ports), read}, ports)
}

/** The env files that any mapping names, those of other profiles too, without symlinks. */
async function namedFiles({located, left}: Found, config: Config, {files}: SyncPorts): Promise<ReadonlySet<string>> {
  const whereabouts = async (one: Located): Promise<Whereabouts> => whereaboutsOf(one, files)
  const ours = await inTurns(located, whereabouts)
  const others = await inTurns(config.unselected, async (written) => whereabouts(await locate(written, config, files)))
  return new Set([...ours, ...left, ...others].flatMap(({envFile}) => envFile ?? []))
}
