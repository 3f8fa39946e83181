import {Secret} from '../../core/secret.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Vault's answers are JSON objects that have `errors`, or `data`. */
export function isVaults(body: unknown): body is Fields {
  return typeof body === 'object' && body !== null && ('errors' in body || 'data' in body)
}

/** Vault's `data`, where it is an object. */
export const dataOf = (body: unknown): Fields | undefined => (isVaults(body) ? fieldsOf(body['data']) : undefined)

export const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined

/** The texts of Vault's `errors`, joined; empty where there are none. */
export function reasonIn(body: unknown): string {
  const errors = isVaults(body) ? body['errors'] : undefined
  return Array.isArray(errors) ? errors.filter((one) => typeof one === 'string').join('; ') : ''
}

/**
 * Vault's word while it makes KV 2 of a mount of KV 1: nothing was done, and will be soon. By the text, which OpenBao has
 * as well: the status is that of a request that is never taken. Source: `backend.go` of vault-plugin-secrets-kv.
 */
export const isUpgrading = (status: number, body: unknown): boolean =>
  status === 400 && /\bupgrad(?:e|ing) from non-versioned to versioned data/i.test(reasonIn(body))

/** What Vault says of a token that it has made or renewed. */
export type Auth = {
  readonly token: Secret
  /** When it ends, on the clock of `performance.now()`; `undefined` for one that doesn't. */
  readonly endsAtMs: number | undefined
  readonly leaseMs: number
  readonly renewable: boolean
  /** How many requests it is good for; `undefined` for any number. */
  readonly uses: number | undefined
  /** Batch tokens can't be given back, and tokens with few uses may have none left for it. */
  readonly revocable: boolean
  readonly policies: readonly string[]
  /** `role_name`, `username` and the like. */
  readonly metadata: Fields
}

/**
 * Vault's `auth`, where it holds a token.
 *
 * @param sentAtMs - when we asked, so that the lease ends for us before it does for Vault.
 */
export function authOf(body: unknown, sentAtMs: number): Auth | undefined {
  const auth = isVaults(body) ? fieldsOf(body['auth']) : undefined
  const token = auth?.['client_token']
  if (auth === undefined || typeof token !== 'string' || !/^[\u0021-\u007e]+$/.test(token)) return undefined
  const leaseMs = typeof auth['lease_duration'] === 'number' ? auth['lease_duration'] * 1000 : 0
  const uses = typeof auth['num_uses'] === 'number' && auth['num_uses'] > 0 ? auth['num_uses'] : undefined
  const policies = auth['token_policies'] ?? auth['policies']
  return {
    token: new Secret(token),
    leaseMs,
    endsAtMs: leaseMs > 0 ? sentAtMs + leaseMs : undefined,
    renewable: auth['renewable'] === true,
    uses,
    revocable: auth['token_type'] !== 'batch' && uses === undefined,
    policies: Array.isArray(policies) ? policies.filter((one) => typeof one === 'string') : [],
    metadata: fieldsOf(auth['metadata']) ?? {},
  }
}
