import type {Config} from '../config/config.ts'
import {EnvdriftError} from '../core/errors.ts'
import type {Outcome} from '../core/outcome.ts'
import {decide, type Action, type Finding, type Mapping, type Mode} from '../core/plan.ts'
import {printable} from '../core/text.ts'
import {withKey} from '../keys/keys-file.ts'
import {judgeAgain, type Judgement} from './judge.ts'
import type {SyncPorts} from './ports.ts'

/** An order, together with what it was decided from; `judgement` is missing where there was nothing to judge, or nothing is left to do. */
export type Order = {readonly action: Action; readonly judgement: Judgement | undefined}

/** How often a keys file that changes under our hands is planned anew. Source: design rule 4. */
const attempts = 3

/**
 * Carry out the orders, one write for each keys file, and record what happened in the order of the orders.
 *
 * A file that was changed since it was planned is planned anew; what was not agreed to then stays as it is.
 */
export async function apply(
  orders: readonly Order[],
  config: Config,
  mode: Mode,
  ports: Pick<SyncPorts, 'files' | 'signal'>,
): Promise<readonly Outcome[]> {
  const writes = orders.filter(({action}) => action.kind === 'create' || action.kind === 'update')
  const written = new Map<Mapping, Outcome>()
  for (const [keysFile, ofFile] of Map.groupBy(writes, ({action}) => action.mapping.keysFile)) {
    for (const outcome of await writeOne(keysFile, ofFile, config, mode, ports)) written.set(outcome.mapping, outcome)
  }
  return orders.map(({action}) => written.get(action.mapping) ?? recordOf(action))
}

/** What an order that writes nothing comes to. */
function recordOf(action: Action): Outcome {
  const {mapping} = action
  switch (action.kind) {
    case 'skip':
      return {status: 'skipped', mapping, reason: action.reason}
    case 'keep':
      return {status: 'ephemeral', mapping, ...warningOf(action)}
    case 'fail': {
      const {error, local, vault} = action
      return {status: 'error', mapping, error, ...(local && {local}), ...(vault && {vault})}
    }
    case 'ask':
    case 'create':
    case 'update':
      throw new TypeError(`an order was left undone: ${action.kind}`)
  }
}

const warningOf = (action: Action): {warning?: string} => ('warning' in action ? {warning: action.warning} : {})

async function writeOne(
  keysFile: string,
  orders: readonly Order[],
  config: Config,
  mode: Mode,
  {files, signal}: Pick<SyncPorts, 'files' | 'signal'>,
): Promise<readonly Outcome[]> {
  const within = config.repository
  const failAll = (error: EnvdriftError): readonly Outcome[] =>
    orders.map(({action: {mapping}}) => ({status: 'error', mapping, error}))
  if (signal.aborted) return failAll(signal.reason as EnvdriftError)
  try {
    return await files.withLock(keysFile, async () => {
      for (let attempt = 1; ; attempt += 1) {
        const before = await files.readText(keysFile, within)
        const now = await Promise.all(orders.map((order) => reconsider(order, before, mode)))
        const after = newText(before, now)
        try {
          const backup =
            after === undefined || after === before
              ? undefined
              : (await files.replace(keysFile, {before, after, within})).backup
          return now.map(({action}): Outcome => {
            const {mapping} = action
            if (action.kind === 'create') return {status: 'created', mapping, ...warningOf(action)}
            if (action.kind === 'update') return {status: 'updated', mapping, backup, ...warningOf(action)}
            return recordOf(action)
          })
        } catch (error) {
          if (!(error instanceof EnvdriftError) || error.code !== 'FILE_CHANGED' || attempt === attempts) throw error
        }
      }
    })
  } catch (error) {
    if (error instanceof EnvdriftError) return failAll(error)
    throw error
  }
}

/** The order for what the file says now; the same as before in all but a race. */
async function reconsider({action, judgement}: Order, text: string | undefined, mode: Mode): Promise<Order> {
  if (judgement === undefined) return {action, judgement}
  const {mapping} = action
  const now = await judgeAgain(judgement, text)
  if (sameLocal(now.finding.local, judgement.finding.local)) return {action, judgement}
  const fresh = decide(now.finding, mode)
  return {action: fresh.kind === 'ask' ? {kind: 'fail', mapping, error: changed(mapping)} : fresh, judgement: now}
}

const sameLocal = (a: Finding['local'], b: Finding['local']): boolean =>
  a.kind === b.kind && (a.kind !== 'different' || b.kind !== 'different' || a.sight.fingerprint === b.sight.fingerprint)

const changed = ({keysFile, key}: Mapping): EnvdriftError =>
  new EnvdriftError('FILE_CHANGED', `${key} in ${printable(keysFile)} changed while envdrift was running`, {
    suggestions: ['Run the command again.'],
  })

function newText(before: string | undefined, orders: readonly Order[]): string | undefined {
  return orders.reduce<string | undefined>((text, {action, judgement}) => {
    if (action.kind !== 'create' && action.kind !== 'update') return text
    if (judgement?.key === undefined) throw new TypeError('an order to write without a key')
    return withKey(text, action.mapping.key, judgement.key, action.mapping.envFileName)
  }, before)
}
