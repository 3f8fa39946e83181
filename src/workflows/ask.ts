import {EnvdriftError} from '../core/errors.ts'
import {writtenName} from '../core/mapping.ts'
import type {Action, Mapping} from '../core/plan.ts'
import {printable} from '../core/text.ts'
import type {SyncPorts} from './ports.ts'

/**
 * Ask about each mismatch, in order, until somebody says `all` or `none`, or nobody answers any more: what is then left
 * stays as it is, as an error.
 */
export async function answerQuestions(
  actions: readonly Action[],
  {ask, signal}: Pick<SyncPorts, 'ask' | 'signal'>,
): Promise<readonly Action[]> {
  let standing: 'yes' | 'no' | 'unanswered' | undefined
  const answered: Action[] = []
  for (const action of actions) {
    if (action.kind !== 'ask') {
      answered.push(action)
      continue
    }
    const {mapping, local, vault} = action
    const answer =
      standing ?? (await ask({secret: writtenName(mapping.ref), folderPath: mapping.folderPath, local, vault}))
    signal.throwIfAborted()
    if (answer === 'all') standing = 'yes'
    if (answer === 'none') standing = 'no'
    if (answer === 'unanswered') standing = 'unanswered'
    switch (answer) {
      case 'yes':
      case 'all':
        answered.push({...action, kind: 'update'})
        break
      case 'no':
      case 'none':
        answered.push({kind: 'skip', mapping, reason: {kind: 'declined'}})
        break
      case 'unanswered':
        answered.push({kind: 'fail', mapping, error: cannotAsk(mapping), local, vault})
    }
  }
  return answered
}

const cannotAsk = ({key, ref}: Mapping): EnvdriftError =>
  new EnvdriftError(
    'CANNOT_ASK',
    `Value mismatch for ${key} (${printable(writtenName(ref))}), and no answer came: cannot ask: use --force to update or --verify to check`,
    {
      suggestions: [
        'Run `envdrift sync --force` to take the value of the vault, or `envdrift sync --verify` to only look.',
      ],
    },
  )
