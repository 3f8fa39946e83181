import {EnvdriftError} from '../core/errors.ts'
import type {Env} from '../core/provider-spec.ts'
import {shellWord} from '../core/shell-word.ts'
import {printable} from '../core/text.ts'
import {callerOf} from './aws-denial.ts'
import {
  causeOf,
  commonError,
  isDenial,
  nameOf,
  networkError,
  outage,
  sentenceOf,
  statusOf,
  throttled,
} from './aws-errors.ts'
import type {LastTrouble} from './aws-http.ts'
import type {Source} from './aws-login-source.ts'

/** What is known of a login that failed. */
export type LoginDoing = {
  readonly place: string
  readonly region: string
  /** The profile that was asked for by name. */
  readonly profile: string | undefined
  readonly env: Env
  readonly trouble: LastTrouble
  /** The role that was asked for. */
  readonly assuming: {readonly role: string; readonly kind: 'plain' | 'with a code' | 'web identity'} | undefined
  readonly source: Source
}

/** What the files of the AWS CLI say about a profile. */
type Profile = Readonly<Record<string, string | undefined>>

/** The error of a login, from what the chain of the SDK threw: NOT_LOGGED_IN, LOGIN_REFUSED, or trouble on the way. */
export async function loginError(error: unknown, given: LoginDoing): Promise<EnvdriftError> {
  if (error instanceof EnvdriftError) return error
  const {place, region, env, source} = given
  const status = statusOf(error)
  if (status === undefined) {
    // The SDK's providers keep neither cause nor status.
    const hidden = hiddenTrouble(error, given)
    if (hidden !== undefined) return hidden
  } else {
    if (isDenial(error) || nameOf(error) === 'InvalidIdentityToken') return refusedBySts(error, given)
    const common = commonError(error, {place: `AWS STS in ${region}`, region, logInAgain: source.logInAgain})
    return common ?? refusedBySts(error, given)
  }
  const network = networkError(error, {place, region})
  if (network !== undefined) return network

  const missing = tokenFileMissing(error, place)
  if (missing !== undefined) return missing
  return notLoggedIn(error, given, await profiles(), env)
}

function hiddenTrouble(error: unknown, {place, region, trouble}: LoginDoing): EnvdriftError | undefined {
  if (trouble === undefined || !nameOf(error).endsWith('ProviderError')) return undefined
  const asked = `The login for ${place}`
  if ('thrown' in trouble) {
    return trouble.thrown instanceof EnvdriftError
      ? trouble.thrown
      : networkError(trouble.thrown, {place: asked, region})
  }
  if (trouble.status === 429) return throttled(error, asked)
  return trouble.status >= 500 ? outage(error, asked) : undefined
}

/** STS knows who asks, and says no. */
function refusedBySts(error: unknown, {place, assuming}: LoginDoing): EnvdriftError {
  const sentence = sentenceOf(error) ?? ''
  const [, who = '', on] =
    /User: (\S+) is not authorized to perform: sts:\w+(?: on resource: (\S+))?/.exec(sentence) ?? []
  const role = on ?? assuming?.role ?? ''
  const roleName = shellWord(role.split('/').at(-1)!)
  const caller = callerOf(who)
  const shownTrust = `\`aws iam get-role --role-name ${roleName} --query Role.AssumeRolePolicyDocument\``

  const advice: string[] = []
  if (assuming?.kind === 'with a code')
    advice.push('A one-time code is good once, for half a minute: run the command again with the next one.')
  if (assuming?.kind === 'web identity')
    advice.push(`Check that the role trusts the issuer, the audience and the subject of the token: ${shownTrust}.`)
  else if (who === '') advice.push(`Check whom the role trusts: ${shownTrust}.`)
  else {
    advice.push(
      `Let the role trust us: add ${statement({Principal: {AWS: who}, Action: 'sts:AssumeRole'})} with \`aws iam update-assume-role-policy --role-name ${roleName} --policy-document file://TRUST_POLICY\`.`,
    )
  }
  if (caller?.kind === 'user' || caller?.kind === 'role') {
    const policy = `{"Version":"2012-10-17","Statement":[${statement({Action: 'sts:AssumeRole', Resource: role})}]}`
    advice.push(
      `And let us assume it: \`aws iam put-${caller.kind}-policy --${caller.kind}-name ${shellWord(caller.name)} --policy-name envdrift-assume-${roleName} --policy-document ${shellWord(policy)}\`.`,
    )
  }
  if (assuming?.kind === 'plain')
    advice.push(
      'A role that asks for an external id: set external_id. One that asks for a one-time code: use a profile with mfa_serial.',
    )
  const [first = 'Log in another way.', ...more] = advice
  return new EnvdriftError(
    'LOGIN_REFUSED',
    `AWS does not give us the role ${printable(role)} (login for ${place}, ${nameOf(error)})${sentence === '' ? '' : `: ${sentence}`}`,
    {suggestions: [first, ...more], cause: causeOf(error)},
  )
}

const statement = (parts: object): string => JSON.stringify({Effect: 'Allow', ...parts})

function tokenFileMissing(error: unknown, place: string): EnvdriftError | undefined {
  const {path, code} = error as NodeJS.ErrnoException
  if (typeof path !== 'string' || typeof code !== 'string') return undefined
  return new EnvdriftError(
    'NOT_LOGGED_IN',
    `The token file ${printable(path)} can't be read (${code}; login for ${place})`,
    {
      suggestions: [
        'Check AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, or web_identity_token_file of the profile; unset what isn’t meant.',
        'In GitHub Actions: give the job `permissions: id-token: write` and run aws-actions/configure-aws-credentials first.',
      ],
      cause: causeOf(error),
    },
  )
}

async function profiles(): Promise<Readonly<Record<string, Profile>>> {
  const {parseKnownFiles} = await import('@smithy/core/config')
  // It decorates a message: a file that can't be read was said by the login itself.
  return parseKnownFiles({}).catch(() => ({}))
}

function notLoggedIn(
  error: unknown,
  {place, profile, trouble}: LoginDoing,
  known: Readonly<Record<string, Profile>>,
  env: Env,
): EnvdriftError {
  const name = profile ?? 'default'
  const loser = (message: string, ...suggestions: [string, ...string[]]): EnvdriftError =>
    new EnvdriftError('NOT_LOGGED_IN', `${message} (login for ${place})`, {suggestions, cause: causeOf(error)})
  const [shown, option] = [printable(name), (of: string): string => `--profile ${shellWord(of)}`]

  if (profile !== undefined && known[name] === undefined) {
    return loser(
      `There is no profile ${shown} in ~/.aws/config and ~/.aws/credentials`,
      `Make it with \`aws configure sso ${option(name)}\`, or \`aws configure ${option(name)}\` for keys.`,
      'See which there are with `aws configure list-profiles`; profile in the configuration and AWS_PROFILE choose one.',
    )
  }
  const [source, settings] = sourceProfile(name, known)
  if (settings['sso_session'] !== undefined || settings['sso_start_url'] !== undefined) {
    if (trouble !== undefined && 'status' in trouble && trouble.status === 403) {
      const [role = '', account = ''] = [settings['sso_role_name'], settings['sso_account_id']].map((text) =>
        printable(text ?? ''),
      )
      return new EnvdriftError(
        'LOGIN_REFUSED',
        `Single sign-on does not give us the role ${role} in the account ${account} (profile ${printable(source)}, login for ${place})`,
        {
          suggestions: [
            'See what it gives with `aws configure sso`, and correct sso_role_name and sso_account_id of the profile.',
            `Or have the permission set ${role} assigned in IAM Identity Center.`,
          ],
          cause: causeOf(error),
        },
      )
    }
    return loser(
      `The single sign-on of the profile ${printable(source)} has run out, or was never done on this machine`,
      `Log in with \`aws sso login ${option(source)}\`.`,
      'In CI nobody can: use web identity (OIDC) there.',
    )
  }
  if (settings['login_session'] !== undefined)
    return loser(
      `The login of the profile ${printable(source)} has run out`,
      `Log in with \`aws login ${option(source)}\`.`,
    )
  if (settings['credential_process'] !== undefined) {
    return loser(
      `The credential_process of the profile ${printable(source)} gave no credentials`,
      `See why with \`aws configure export-credentials ${option(source)}\`.`,
    )
  }
  if (profile !== undefined) {
    return loser(
      `The profile ${shown} gives no credentials`,
      `See what is missing with \`aws configure list ${option(name)}\`, then \`aws configure ${option(name)}\` or \`aws configure sso ${option(name)}\`.`,
      'With source_profile or credential_source: check what they name.',
    )
  }
  const container = ['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'].find(
    (one) => env[one],
  )
  if (container !== undefined) {
    return loser(
      `The container gives no credentials at the address of ${container}`,
      'Check that the task has a task role (ECS), or the service account an association with a role (EKS pod identity).',
      `Outside a container: unset ${container}.`,
    )
  }
  return loser(
    'No AWS credentials were found',
    'Log in with `aws sso login`, or make a profile with `aws configure sso`.',
    'Or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, if there is one), or AWS_PROFILE.',
    'In GitHub Actions: run aws-actions/configure-aws-credentials in a step before.',
  )
}

/** The profile at the end of a chain of source_profile: the one that has to log in. */
function sourceProfile(name: string, known: Readonly<Record<string, Profile>>): readonly [string, Profile] {
  const seen = new Set<string>()
  let at = name
  for (;;) {
    seen.add(at)
    const next = known[at]?.['source_profile']
    if (next === undefined || seen.has(next)) return [at, known[at] ?? {}]
    at = next
  }
}
