/** An error as AWS words it: 400 unless said otherwise. */
export type AwsFailure = {
  readonly status?: number
  readonly type: string
  readonly message?: string
  readonly retryAfterSeconds?: number
}

/** What a fake of AWS answers instead of what it was asked for. */
export class Refusal extends Error {
  readonly failure: AwsFailure
  constructor(failure: AwsFailure) {
    super(failure.message ?? '')
    this.failure = failure
  }
}

export const refuse = (type: string, message: string, status = 400): never => {
  throw new Refusal({type, message, status})
}

export type Body = Readonly<Record<string, unknown>>

export const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : refuse('ValidationException', 'A member is missing or not a string')

/** Seconds since 1970, as AWS's JSON carries dates. */
export const now = (): number => Date.now() / 1000
