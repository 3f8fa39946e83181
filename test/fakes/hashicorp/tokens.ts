import {randomBytes, randomUUID} from 'node:crypto'

import {type Answer, badToken, done, type Fields, listIn, ok, refusal, secondsIn, textIn} from './answers.ts'
import {allows, type Capability, defaultPolicy, reaches, type Rule} from './policies.ts'

export type Token = {
  readonly id: string
  readonly accessor: string
  readonly policies: readonly string[]
  /** Where it was made: valid there and below. */
  readonly namespace: string
  /** How many requests it is good for; `Infinity` for any number. */
  uses: number
  readonly createdMs: number
  endsMs: number | undefined
  readonly ttlMs: number
  /** Renewing never goes beyond it. */
  readonly latestMs: number
  readonly renewable: boolean
  readonly type: 'service' | 'batch'
  readonly displayName: string
  readonly path: string
  readonly meta: Fields | null
}

/** How a role or whoever asks wants a token. */
export type TokenWish = {
  readonly policies: readonly string[]
  readonly namespace: string
  readonly path: string
  readonly displayName: string
  readonly ttlMs?: number
  readonly maxTtlMs?: number
  readonly uses?: number
  readonly type?: 'service' | 'batch'
  readonly meta?: Fields
  readonly renewable?: boolean
  readonly endsMs?: number
}

/** Vault's `default_lease_ttl` and `max_lease_ttl`, 768 hours. */
const defaultTtlMs = 768 * 3_600_000

/** Tokens and policies of a fake Vault. @param now - its clock. */
export function makeTokens(now: () => number) {
  const tokens = new Map<string, Token>()
  const policies = new Map<string, Rule[]>()
  const keyOf = (namespace: string, name: string): string => `${namespace}:${name}`

  const rulesOf = ({policies: names, namespace}: Token): readonly Rule[] | 'root' =>
    names.includes('root')
      ? 'root'
      : names.flatMap((name) => (name === 'default' ? defaultPolicy : (policies.get(keyOf(namespace, name)) ?? [])))

  function make(wish: TokenWish): Token {
    const isRoot = wish.policies.includes('root') && wish.ttlMs === undefined
    const ttlMs = Math.min(wish.ttlMs || defaultTtlMs, wish.maxTtlMs || defaultTtlMs)
    const type = wish.type ?? 'service'
    const token: Token = {
      id: `${type === 'batch' ? 'hvb' : 'hvs'}.${randomBytes(24).toString('base64url')}`,
      accessor: type === 'batch' ? '' : randomBytes(12).toString('base64url'),
      policies: wish.policies,
      namespace: wish.namespace,
      uses: wish.uses || Number.POSITIVE_INFINITY,
      createdMs: now(),
      endsMs: wish.endsMs ?? (isRoot ? undefined : now() + ttlMs),
      ttlMs,
      latestMs: now() + (wish.maxTtlMs || defaultTtlMs),
      renewable: type === 'service' && !isRoot && (wish.renewable ?? true),
      type,
      displayName: wish.displayName,
      path: wish.path,
      meta: wish.meta ?? null,
    }
    tokens.set(token.id, token)
    return token
  }

  /** Vault's `auth`, of a token that was just made or renewed. */
  const authOf = (token: Token): Answer =>
    ok(null, {
      auth: {
        client_token: token.id,
        accessor: token.accessor,
        policies: token.policies,
        token_policies: token.policies,
        metadata: token.meta,
        lease_duration: token.endsMs === undefined ? 0 : Math.floor((token.endsMs - now()) / 1000 + 0.001),
        renewable: token.renewable,
        entity_id: token.meta === null ? '' : randomUUID(),
        token_type: token.type,
        orphan: true,
        mfa_requirement: null,
        num_uses: Number.isFinite(token.uses) ? token.uses : 0,
      },
    })

  return {
    make,
    authOf,
    /** A token as a login gives it, by the `token_*` fields of its role. */
    grant: (role: Fields, wish: Pick<TokenWish, 'namespace' | 'path' | 'displayName' | 'meta'>): Answer => {
      const own = [...listIn(role, 'token_policies'), ...listIn(role, 'policies')]
      return authOf(
        make({
          ...wish,
          policies: role['token_no_default_policy'] === true ? own : [...new Set(['default', ...own])].toSorted(),
          ttlMs: secondsIn(role, 'token_ttl') * 1000,
          maxTtlMs: secondsIn(role, 'token_max_ttl') * 1000,
          uses: Number(role['token_num_uses'] ?? 0),
          type: role['token_type'] === 'batch' ? 'batch' : 'service',
        }),
      )
    },
    /** Finds a token and takes one of its uses, unless the question costs none. */
    use: (id: string, namespace: string, isFree = false): Token | undefined => {
      const token = tokens.get(id)
      const isBelow = token?.namespace === '' || `${namespace}/`.startsWith(`${token?.namespace}/`)
      if (!token || !isBelow || (token.endsMs !== undefined && token.endsMs <= now())) return undefined
      if (isFree) return token
      token.uses -= 1
      if (token.uses <= 0) tokens.delete(id)
      return token
    },
    policiesOf: (id: string): readonly string[] => tokens.get(id)?.policies ?? [],
    may: (token: Token, path: string, capability: Capability): boolean => {
      const rules = rulesOf(token)
      return rules === 'root' || allows(rules, path, capability)
    },
    maySee: (token: Token, mount: string): boolean => {
      const rules = rulesOf(token)
      return rules === 'root' || reaches(rules, mount)
    },
    revoke: (id: string): boolean => tokens.delete(id),
    policy: (namespace: string, name: string) => policies.get(keyOf(namespace, name)),
    setPolicy: (namespace: string, name: string, rules: Rule[]): void => {
      policies.set(keyOf(namespace, name), rules)
    },
    deletePolicy: (namespace: string, name: string): boolean => policies.delete(keyOf(namespace, name)),

    /** `auth/token/…`, after the policy. */
    answer: (method: string, rest: string, sent: Fields, token: Token): Answer | undefined => {
      const isWrite = method === 'POST' || method === 'PUT'
      switch (rest) {
        case 'lookup-self':
          return ok(selfOf(token, now()), {mount_type: 'token'})
        case 'renew-self':
          if (!isWrite) return undefined
          if (token.type === 'batch') return refusal(400, 'batch tokens cannot be renewed')
          if (token.renewable) token.endsMs = Math.min(now() + token.ttlMs, token.latestMs)
          return authOf(token)
        case 'revoke-self':
          if (!isWrite) return undefined
          if (token.type === 'batch') return refusal(400, 'batch tokens cannot be revoked')
          tokens.delete(token.id)
          return done
        case 'revoke':
          tokens.delete(textIn(sent, 'token'))
          return done
        case 'create': {
          const names = listIn(sent, 'policies')
          const own = names.length === 0 ? token.policies : names
          const ttlMs = secondsIn(sent, 'ttl') * 1000
          const explicitMs = secondsIn(sent, 'explicit_max_ttl') * 1000
          return authOf(
            make({
              policies:
                own.includes('root') || sent['no_default_policy'] === true ? own : [...new Set(['default', ...own])],
              namespace: token.namespace,
              path: 'auth/token/create',
              displayName: 'token',
              uses: Number(sent['num_uses'] ?? 0),
              ...((ttlMs || explicitMs) && {ttlMs: ttlMs || explicitMs}),
              ...(explicitMs > 0 && {maxTtlMs: explicitMs}),
              ...(sent['renewable'] === false && {renewable: false}),
              ...(sent['type'] === 'batch' && {type: 'batch'}),
            }),
          )
        }
        default:
          return undefined
      }
    },
    badToken,
  }
}

export type Tokens = ReturnType<typeof makeTokens>

const selfOf = (token: Token, nowMs: number) => ({
  accessor: token.accessor,
  creation_time: Math.floor(token.createdMs / 1000),
  creation_ttl: token.endsMs === undefined ? 0 : Math.floor(token.ttlMs / 1000),
  display_name: token.displayName,
  entity_id: '',
  expire_time: token.endsMs === undefined ? null : new Date(token.endsMs).toISOString(),
  explicit_max_ttl: 0,
  id: token.id,
  meta: token.meta,
  num_uses: Number.isFinite(token.uses) ? token.uses : 0,
  orphan: true,
  path: token.path,
  policies: token.policies,
  renewable: token.renewable,
  ttl: token.endsMs === undefined ? 0 : Math.floor((token.endsMs - nowMs) / 1000),
  type: token.type,
})
