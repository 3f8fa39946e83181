import type {Host} from '../../src/core/provider-spec.ts'
import type {Provider} from '../../src/providers/provider.ts'

/** One request for a secret, as the server saw it. Concurrency and order are asserted from this log, never from a clock. */
export type LoggedRead = {readonly name: string; readonly inFlight: number}

/** A running service with an empty vault in it, real or a fake of ours; the suite drives it through this. */
export type Bed = {
  /** A provider of this service, with the bed's good credentials; `host` replaces parts of the test host. */
  readonly connect: (host?: Partial<Host>) => Promise<Provider>
  /** The name under which the suite's secret NAME is stored here (services differ in what a name may hold). */
  readonly seed: (name: string, value: string) => Promise<void>
  /** A secret whose payload isn't text. Left out where the service can't hold one. */
  readonly seedBinary?: (name: string, bytes: Buffer) => Promise<void>
  /** A second version, so that `earlier` has something to find. */
  readonly addVersion?: (name: string, value: string) => Promise<void>
  /** From now on this identity may not read NAME. */
  readonly forbid?: (name: string) => Promise<void>
  /** From now on the service takes our credentials for bad, expired or unknown. */
  readonly rejectLogin?: () => Promise<void>
  readonly disable?: (name: string) => Promise<void>
  readonly remove?: (name: string) => Promise<void>
  /** The next `times` requests for a secret answer `status` (with `retryAfterSeconds`, if given). */
  readonly fail?: (status: number, times: number, retryAfterSeconds?: number) => void
  /** Every answer from now on comes this much later. */
  readonly delay?: (ms: number) => void
  /** From now on connections are taken and never answered. */
  readonly silence?: () => void
  readonly reads: () => readonly LoggedRead[]
  /** How many logins (token requests) the service has seen. */
  readonly logins: () => number
  readonly stop: () => Promise<void>
}
