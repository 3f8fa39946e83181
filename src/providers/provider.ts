import type {EnvdriftError} from '../core/errors.ts'
import type {SecretRef, VaultName} from '../core/mapping.ts'
import type {Host, Settings} from '../core/provider-spec.ts'
import type {Secret} from '../core/secret.ts'

/** A version as the service names it. */
export type Version = string

/** What a vault said about one reference. Only the service's own word "it is not there" is an absence. */
export type Fetched = {readonly ref: SecretRef} & (
  | {
      readonly kind: 'found'
      readonly value: Secret
      readonly version?: Version
      /** The fields that hold text, of a service whose secrets have fields of their own (HashiCorp Vault). */
      readonly fields?: ReadonlyMap<string, Secret>
    }
  | {readonly kind: 'absent'}
  | {readonly kind: 'failed'; readonly error: EnvdriftError}
)

/** Who we are to the service; for messages, never asked before a read. */
export type Identity = {
  /** An ARN, an object id, a display name: what an administrator can look up. */
  readonly who: string
  /** `environment variables`, `~/.vault-token`, … */
  readonly credential: string
  readonly until: Date | 'unknown'
  /**
   * The same as a command that grants access names it: an ARN, an object id, `serviceAccount:EMAIL`. It takes the place of
   * the word `principalPlaceholder` in the suggestions of a FORBIDDEN.
   */
  readonly principal?: string
}

/** One vault that can be read and written. Function-typed properties, so that it can be destructured. */
export type Provider = {
  /** The place as people know it, for messages: `AWS Secrets Manager in eu-west-1`. */
  readonly place: string

  /**
   * Read secrets; each answer comes by itself, in any order, once per reference. References are distinct.
   *
   * Runs up to `host.maxInFlight` requests at once and logs in once. Nothing is read twice, nothing is asked beforehand.
   * Refused, throttled, unreachable, disabled, destroyed, binary: `failed`, with a code of its own, never `absent`.
   * The whole iteration ends soon after `signal` fires: what is then unanswered is `failed` with TIMEOUT or INTERRUPTED.
   */
  readonly read: (refs: readonly SecretRef[], signal: AbortSignal) => AsyncIterable<Fetched>

  /**
   * Earlier versions of a secret, newest first, without the current one, at most `limit`; for the message that says which
   * version would fit. Ends silently where the service or our permissions don't show them.
   */
  readonly earlier: (
    ref: SecretRef,
    limit: number,
    signal: AbortSignal,
  ) => AsyncIterable<{readonly version: Version; readonly value: Secret}>

  /**
   * Create the secret or add a version. A following {@link Provider.read} sees it.
   *
   * @param expect - the version that must be current (compare and set, as far as the service can), `absent`, or `any`.
   * @throws EnvdriftError VERSION_CONFLICT when something else is there; the codes of `read` for the rest.
   */
  readonly write: (
    ref: SecretRef,
    value: Secret,
    // oxlint-disable-next-line typescript/no-redundant-type-constituents -- the two words say more than `string`
    expect: Version | 'absent' | 'any',
    signal: AbortSignal,
  ) => Promise<Version>

  /** @throws EnvdriftError with the codes of `read`. */
  readonly whoami: (signal: AbortSignal) => Promise<Identity>

  /** What a person can do when `ref` isn't in this vault: one command line or setting each, most likely first. */
  readonly remedies: (ref: SecretRef) => readonly [string, ...string[]]

  /** Revokes a login that we made ourselves, and lets the process end. Never throws. */
  readonly close: () => Promise<void>
}

/** The heavy half of a provider: `providers/NAME/index.ts` exports one as `provider`. */
export type ProviderDefinition = {
  /** Makes no request yet: the first read logs in. May load the SDK. */
  readonly connect: (vault: {readonly name: VaultName; readonly settings: Settings}, host: Host) => Promise<Provider>
}
