import {EnvdriftError} from '../../core/errors.ts'
import type {Env} from '../../core/provider-spec.ts'
import {runProgram} from '../../system/child-process.ts'
import {readTextFile} from '../../system/files.ts'

/** Google's own limits, in milliseconds. Source: https://google.aip.dev/auth/4117#determining-the-subject-token-in-executable-sourced-credentials */
const [defaultTimeoutMs, shortestMs, longestMs] = [30_000, 5_000, 120_000]

const maxOutputBytes = 1024 * 1024

/** Variables that are nobody's business but ours; the program gets the others, since it may need a login of its own. */
const hidden = /^(?:DOTENV_PRIVATE_KEY|ENVDRIFT_)|^(?:VAULT|BAO)_TOKEN$/

type Source = {
  readonly executable: {
    readonly command?: unknown
    readonly timeout_millis?: unknown
    readonly output_file?: unknown
  }
  readonly audience: string
  readonly subjectTokenType: string
  readonly serviceAccountEmail: string | undefined
  readonly env: Env
  readonly signal: AbortSignal
}

/**
 * The token that the program of a credential file prints, or had printed into its `output_file`.
 *
 * Google's library has this too, but gives the program our whole environment, and ends the process when there is no such
 * program. Source of the protocol: https://google.aip.dev/auth/4117
 *
 * @throws EnvdriftError NOT_LOGGED_IN.
 */
export async function subjectTokenByProgram(source: Source): Promise<string> {
  const {executable, env, signal} = source
  if (env['GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES'] !== '1') {
    throw new EnvdriftError(
      'NOT_LOGGED_IN',
      'The credential file names a program to run, and nobody has allowed that',
      {
        suggestions: ['If you trust the file, set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1.'],
      },
    )
  }
  const outputFile = typeof executable.output_file === 'string' ? executable.output_file : undefined
  if (outputFile !== undefined) {
    const kept = tokenIn((await readTextFile(outputFile)) ?? '')
    if (kept !== undefined) return kept
  }
  const [program, ...args] = wordsOf(executable.command)
  if (program === undefined) throw failed('has no command')
  const timeoutMs = executable.timeout_millis ?? defaultTimeoutMs
  if (typeof timeoutMs !== 'number' || timeoutMs < shortestMs || timeoutMs > longestMs) {
    throw failed(`has a timeout_millis that is not between ${shortestMs} and ${longestMs}`)
  }
  const result = await runProgram([program, ...args], {
    env: {
      ...Object.fromEntries(Object.entries(env).filter(([name]) => !hidden.test(name))),
      GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE: source.audience,
      GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE: source.subjectTokenType,
      GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE: '0',
      ...(outputFile !== undefined && {GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE: outputFile}),
      ...(source.serviceAccountEmail !== undefined && {
        GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL: source.serviceAccountEmail,
      }),
    },
    timeoutMs,
    maxOutputBytes,
    signal,
  })
  if (result.kind !== 'exited') throw failed(`did not run to its end (${result.kind})`)
  if (result.code !== 0) throw failed(`ended with exit code ${result.code}`)
  const token = tokenIn(result.stdout.toString())
  if (token === undefined) throw failed('printed no valid token')
  return token
}

const failed = (how: string): EnvdriftError =>
  new EnvdriftError('NOT_LOGGED_IN', `The program that the credential file names ${how}`, {
    suggestions: ['Run it by hand, and compare what it prints with https://google.aip.dev/auth/4117'],
  })

/** Words at blanks; what is between double quotes is one word. */
const wordsOf = (command: unknown): readonly string[] =>
  typeof command === 'string'
    ? (command.match(/(?:[^\s"]+|"[^"]*")+/g) ?? []).map((word) => word.replace(/^"(.*)"$/, '$1'))
    : []

/** @returns `undefined` for anything but a successful answer that still holds. */
function tokenIn(text: string): string | undefined {
  try {
    const answer = JSON.parse(text) as Readonly<Record<string, unknown>>
    const expires = answer['expiration_time']
    const isCurrent = typeof expires !== 'number' || expires > Date.now() / 1000
    const token = answer['token_type'] === 'urn:ietf:params:oauth:token-type:saml2' ? 'saml_response' : 'id_token'
    const value = answer[token]
    return answer['success'] === true && answer['version'] === 1 && isCurrent && typeof value === 'string'
      ? value
      : undefined
  } catch {
    return undefined
  }
}
