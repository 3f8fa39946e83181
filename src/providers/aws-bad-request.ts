import {EnvdriftError} from '../core/errors.ts'
import {type Doing, causeOf, nameOf, sentenceOf, statusOf} from './aws-errors.ts'

/** An answer came, and the SDK can't read it: it is none of the service's. */
export function isForeignAnswer(error: unknown): boolean {
  const status = statusOf(error)
  return status !== undefined && (status < 400 || error instanceof SyntaxError)
}

/**
 * BAD_REQUEST: the service finds fault with what we ask, or the SDK can make no request of it.
 *
 * @param advice - where more is known of why the service does.
 */
export function badRequest(
  error: unknown,
  {place, secret}: Doing,
  advice: readonly [string, ...string[]] = [
    'Check secret_name and secret_version of the mapping.',
    'Check region and endpoint_url of the vault.',
  ],
): EnvdriftError {
  const [name, status, sentence, cause] = [nameOf(error), statusOf(error), sentenceOf(error), causeOf(error)]
  if (status === undefined) {
    return new EnvdriftError('BAD_REQUEST', `The AWS SDK could not ask ${place} for ${secret} (${name})`, {
      suggestions: [
        'Check region, profile and endpoint_url of the vault, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT, and ~/.aws/config.',
      ],
      cause,
    })
  }
  const said = sentence === undefined ? '' : `: ${sentence}`
  return new EnvdriftError(
    'BAD_REQUEST',
    `${place} refused the request for ${secret} (${name}, status ${status})${said}`,
    {suggestions: advice, cause},
  )
}
