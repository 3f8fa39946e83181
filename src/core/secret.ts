import {createHash, randomBytes, timingSafeEqual} from 'node:crypto'
import {inspect} from 'node:util'

/** Salt of {@link Secret.fingerprint}: fresh in every process, so that a fingerprint can't be looked up later. */
const salt = randomBytes(16)

/**
 * Text that must not reach a log, an error or a report by accident: a key, a token, a password.
 *
 * It prints as its fingerprint through `toString`, `JSON.stringify` and `util.inspect` alike.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The plain text. Every call is a place to audit: keep them few, and next to the use that they serve. */
  reveal(): string {
    return this.#text
  }

  equals(other: Secret): boolean {
    const [a, b] = [Buffer.from(this.#text), Buffer.from(other.#text)]
    return a.length === b.length && timingSafeEqual(a, b)
  }

  /** Eight hex digits that tell two values of one run apart, and say nothing else about them. */
  fingerprint(): string {
    return createHash('sha256').update(salt).update(this.#text).digest('hex').slice(0, 8)
  }

  toString(): string {
    return `‹secret ${this.fingerprint()}›`
  }

  toJSON(): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }
}
