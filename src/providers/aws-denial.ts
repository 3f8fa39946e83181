import {EnvdriftError} from '../core/errors.ts'
import {principalPlaceholder} from '../core/provider-spec.ts'
import {shellWord} from '../core/shell-word.ts'
import {type Doing, causeOf, isDenial, nameOf, sentenceOf} from './aws-errors.ts'

/** What was refused. */
export type Refused = Doing & {
  /** What the verb takes, most important first: `secretsmanager:GetSecretValue`. */
  readonly actions: readonly [string, ...string[]]
  /** What the actions are allowed on, as a policy names it; `account` is twelve digits, or `*` where it isn't known. */
  readonly resource: (account: string) => string
  /** What the verb takes of the KMS key of the secret, as a grant names it: `Decrypt`. */
  readonly kmsOperations: readonly [string, ...string[]]
  /** Prints the id or ARN of the KMS key that the secret is encrypted with. */
  readonly kmsKeyCommand: string
  /** What the account that the secret belongs to has to do, where that is not ours. */
  readonly ownerAdvice: (owner: string) => string
}

/** Who asked, as AWS writes it: `arn:aws:iam::ACCOUNT:user/NAME`, `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`. */
export type Caller = {readonly partition: string; readonly account: string} & (
  | {readonly kind: 'user' | 'role'; readonly name: string}
  | {readonly kind: 'permission set'; readonly name: string}
  | {readonly kind: 'other'}
)

/**
 * Reads the ARN of a caller. The name of a user or role comes without its path, as IAM's commands want it.
 *
 * @returns `undefined` for what is no ARN of an identity.
 */
export function callerOf(arn: string): Caller | undefined {
  const [, partition, account, path] = /^arn:([a-z-]+):(?:iam|sts)::(\d{12}):([\w+=,.@/:-]+)$/.exec(arn) ?? []
  if (partition === undefined || account === undefined || path === undefined) return undefined
  const [type, ...rest] = path.split('/')
  const base = {partition, account}
  if (type === 'user' && rest.length > 0) return {...base, kind: 'user', name: rest.at(-1)!}
  if (type !== 'assumed-role' || rest[0] === undefined) return {...base, kind: 'other'}
  // Roles of IAM Identity Center: their policies are kept in the permission set that they are named after.
  const [, permissionSet] = /^AWSReservedSSO_(.+)_[0-9a-f]{16}$/.exec(rest[0]) ?? []
  return permissionSet === undefined
    ? {...base, kind: 'role', name: rest[0]}
    : {...base, kind: 'permission set', name: permissionSet}
}

/**
 * FORBIDDEN, from a denial of AWS: whose, of which action, on what, and the line that grants it.
 *
 * The code comes from the error's name. Its sentence only makes the advice better: it has had the same form in all
 * services since 2021 (docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
 */
export function denial(error: unknown, refused: Refused): EnvdriftError {
  const {place, secret, verb, actions} = refused
  const sentence = sentenceOf(error) ?? ''
  const [, who = '', action = actions[0], on] =
    /User: (\S+) is not authorized to perform: ([a-z0-9-]+:\w+)(?: on resource: (\S+))?/.exec(sentence) ?? []
  const caller = callerOf(who)
  const isKms =
    action.startsWith('kms:') ||
    // "Service: AWSKMS", "The ciphertext refers to a customer master key …": what KMS says to a service that asks for us.
    /KMS\b|\bciphertext\b/.test(sentence) ||
    /^(?:(?:De|En)cryptionFailure|InvalidKeyId)$/.test(nameOf(error))
  const denier = /with an explicit deny in an? ([\w -]+)/.exec(sentence)?.[1]
  const lacking = /because no ([\w -]+?) allows/.exec(sentence)?.[1] ?? 'identity-based policy'
  const said = sentence === '' ? '' : `: ${sentence}`

  if (isKms) {
    return new EnvdriftError(
      'FORBIDDEN',
      `AWS may not use the KMS key of ${secret} for us (${place}, ${nameOf(error)})${said}`,
      {suggestions: kmsAdvice(error, refused), cause: causeOf(error)},
    )
  }
  return new EnvdriftError(
    'FORBIDDEN',
    `We may not ${verb} ${secret}: AWS refuses ${action} (${place}, ${nameOf(error)})${said}`,
    {
      suggestions: [
        denier !== undefined
          ? `Nothing grants ${action} on ${secret} while an explicit deny forbids it (${denier}): have that lifted for ${principalPlaceholder}.`
          : /^(?:identity|resource)-based policy$/.test(lacking)
            ? grant(refused, caller, on)
            : `Have ${action} on ${secret} allowed for ${principalPlaceholder} in the ${lacking}, which limits what its own policies grant.`,
        ...otherAccount(refused, caller, on),
        'See who you are with `aws sts get-caller-identity`; check that region and account are the right ones.',
      ],
      cause: causeOf(error),
    },
  )
}

function grant({actions, secret, verb, resource}: Refused, caller: Caller | undefined, on: string | undefined): string {
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: actions.length === 1 ? actions[0] : actions,
        // Of what is not there, some services name all that they have: `arn:aws:ssm:REGION:ACCOUNT:*`.
        Resource: on?.startsWith('arn:') === true && !on.endsWith(':*') ? on : resource(caller?.account ?? '*'),
      },
    ],
  })
  // Of its own for each secret: putting an inline policy replaces one of the same name.
  const name = shellWord(
    `envdrift-${verb}-${secret
      .split(':')
      .at(-1)!
      .replaceAll(/[^\w+=,.@-]/g, '-')}`.slice(0, 128),
  )
  switch (caller?.kind) {
    case 'user':
    case 'role':
      return `Allow it with \`aws iam put-${caller.kind}-policy --${caller.kind}-name ${shellWord(caller.name)} --policy-name ${name} --policy-document ${shellWord(policy)}\`.`
    case 'permission set':
      return `Add this to the permission set ${caller.name} in IAM Identity Center: ${policy}`
    case 'other':
    case undefined:
      return `Attach this policy to ${principalPlaceholder}: ${policy}`
  }
}

/** Across accounts the owner of the secret has to allow it, too. */
function otherAccount(
  {secret, ownerAdvice}: Refused,
  caller: Caller | undefined,
  on: string | undefined,
): readonly string[] {
  const owner = /^arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]+:(\d{12}):/.exec(on ?? secret)?.[1]
  return owner === undefined || caller === undefined || caller.account === owner ? [] : [ownerAdvice(owner)]
}

function kmsAdvice(
  error: unknown,
  {kmsOperations, region, kmsKeyCommand, secret}: Refused,
): readonly [string, ...string[]] {
  const key = `--key-id "$(${kmsKeyCommand})" --region ${region}`
  const allow = `Allow it with \`aws kms create-grant ${key} --operations ${kmsOperations.join(' ')} --grantee-principal ${principalPlaceholder}\`, or allow ${kmsOperations.map((one) => `kms:${one}`).join(' and ')} in a policy.`
  const enable = `See whether the key of ${secret} is enabled with \`aws kms describe-key ${key}\`.`
  return isDenial(error) ? [allow, enable] : [enable, allow]
}
