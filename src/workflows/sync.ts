import type {Config} from '../config/config.ts'
import {EnvdriftError} from '../core/errors.ts'
import type {Coverage, SyncReport} from '../core/outcome.ts'
import {decide, type Mode} from '../core/plan.ts'
import {apply, type Order} from './apply.ts'
import {answerQuestions} from './ask.ts'
import {refuseCollisions} from './collisions.ts'
import {coverageOf, realPathOr} from './coverage.ts'
import {readVaults, type Vaults} from './fetch.ts'
import {inTurns} from './in-turns.ts'
import {judge} from './judge.ts'
import {locate, type Located} from './locate.ts'
import type {SyncPorts} from './ports.ts'
import {prove, type Proofs} from './prove.ts'
import {refuseTracked, warnUnignored} from './tracked.ts'

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
  const located = await inTurns(config.mappings, (written) => locate(written, config, files))
  await refuseCollisions(located, config, files)
  const mappings = located.flatMap((one) => (one.kind === 'ready' ? [one.mapping] : []))

  // While vaults are asked, files are looked through.
  const reading = readVaults(
    mappings.map(({ref}) => ref),
    config,
    ports,
  )
  reading.catch(() => {})
  const looking = Promise.all([refuseTracked(mappings, ports), lookThrough(located, config, ports)])
  const [tracked, coverage] = await looking.catch(async (error: unknown) => {
    await reading.then(
      ({close}) => close(),
      () => {},
    )
    throw error
  })
  const vaults = await reading
  try {
    const orders = await inTurns(located, (one) => orderOf(one, tracked, vaults, config, options, ports))
    const actions = await answerQuestions(
      orders.map(({action}) => action),
      ports,
    )
    const settled = orders.map(({judgement}, index) => ({judgement, action: actions[index]!}))
    await warnUnignored(mappings, tracked, ports)
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
    await vaults.close()
  }
}

/** Everything that can be known of one mapping, and what it comes to. */
async function orderOf(
  one: Located,
  tracked: ReadonlyMap<string, EnvdriftError>,
  vaults: Vaults,
  config: Config,
  options: SyncOptions,
  {files}: SyncPorts,
): Promise<Order> {
  const {mapping} = one
  const refused = one.kind === 'lost' ? one.error : mapping.ephemeral ? undefined : tracked.get(mapping.keysFile)
  if (refused !== undefined || one.kind === 'lost') {
    return {action: {kind: 'fail', mapping, error: refused!}, judgement: undefined}
  }
  try {
    const keysText = mapping.ephemeral ? undefined : await files.readText(mapping.keysFile, config.repository)
    const judgement = await judge(one, keysText, vaults, {earlier: options.verify || !options.skipKeyMatch})
    return {action: decide(judgement.finding, options), judgement}
  } catch (error) {
    if (error instanceof EnvdriftError) return {action: {kind: 'fail', mapping, error}, judgement: undefined}
    throw error
  }
}

/** Coverage, from what was read of the mapped env files already. */
async function lookThrough(
  located: readonly Located[],
  config: Config,
  ports: SyncPorts,
): Promise<Coverage | undefined> {
  const scans = new Map(
    located.flatMap((one) =>
      one.kind === 'ready' && one.env !== undefined && one.mapping.envFile !== undefined
        ? [[one.mapping.envFile, one.env.scan] as const]
        : [],
    ),
  )
  return coverageOf(config, {named: await namedFiles(located, config, ports), scans}, ports)
}

/** The env files that any mapping names, those of other profiles too, without symlinks. */
async function namedFiles(
  located: readonly Located[],
  config: Config,
  {files}: SyncPorts,
): Promise<ReadonlySet<string>> {
  const others = await inTurns(config.unselected, (written) => locate(written, config, files))
  const paths = [...located, ...others].flatMap(({mapping}) => (mapping.envFile === undefined ? [] : [mapping.envFile]))
  return new Set(await inTurns(paths, (path) => realPathOr(path, files)))
}
