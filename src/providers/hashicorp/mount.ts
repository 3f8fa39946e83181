import {dataOf, fieldsOf} from './answer.ts'
import type {Answer} from './client.ts'
import {withoutSlashes} from './path.ts'

export type KvVersion = 1 | 2

/** What Vault says of the mount that a path belongs to. */
export type MountSays =
  | {readonly kind: 'kv'; readonly version: KvVersion}
  /** The path belongs to a mount whose own path is another one. */
  | {readonly kind: 'elsewhere'; readonly path: string}
  /** It is the mount, and no KV secrets engine. */
  | {readonly kind: 'other type'; readonly type: string}
  /** Nothing: no right in it, a token that is used up, or a server that does not have this question. */
  | {readonly kind: 'nothing'; readonly answer: Answer}

/** Of `sys/internal/ui/mounts/MOUNT`: each token may ask it that may do anything in the mount, and it costs none of its uses. */
export function mountSays(answer: Answer, mount: string): MountSays {
  const data = dataOf(answer.body)
  const [path, type] = [data?.['path'], data?.['type']]
  if (answer.status !== 200 || typeof path !== 'string' || typeof type !== 'string') return {kind: 'nothing', answer}
  if (withoutSlashes(path, 'both') !== mount) return {kind: 'elsewhere', path: withoutSlashes(path, 'both')}
  // `generic` is what KV 1 was called before there was a second version.
  if (type !== 'kv' && type !== 'generic') return {kind: 'other type', type}
  // A mount of KV 1 may have no options at all.
  const version = fieldsOf(data?.['options'])?.['version']
  return {kind: 'kv', version: version === '2' || version === 2 ? 2 : 1}
}
