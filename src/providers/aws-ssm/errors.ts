import {EnvdriftError} from '../../core/errors.ts'
import {principalPlaceholder} from '../../core/provider-spec.ts'
import {shellWord} from '../../core/shell-word.ts'
import {badRequest, isForeignAnswer} from '../aws-bad-request.ts'
import {denial} from '../aws-denial.ts'
import {type Doing, causeOf, commonError, isDenial, nameOf} from '../aws-errors.ts'
import {partitionOf} from '../aws-settings.ts'

/** The service's words for "there is no such parameter" and "no such version of it". */
export const saysAbsent = (error: unknown): boolean =>
  ['ParameterNotFound', 'ParameterVersionNotFound'].includes(nameOf(error))

/** The error of one call for one parameter, from what the SDK threw; by name and status. */
export function callError(error: unknown, doing: Doing): EnvdriftError {
  const common = commonError(error, doing)
  if (common !== undefined) return common

  const {place, region, secret} = doing
  const name = nameOf(error)
  if (isDenial(error) || name === 'InvalidKeyId') return refused(error, doing)
  if (isForeignAnswer(error)) return badResponse(place, secret, causeOf(error))
  if (name !== 'HierarchyTypeMismatchException') return badRequest(error, doing)
  return badRequest(error, doing, [
    `Delete it with \`aws ssm delete-parameter --name ${shellWord(secret)} --region ${region}\`, and store the key anew: a parameter that is not encrypted stays so.`,
  ])
}

function refused(error: unknown, doing: Doing): EnvdriftError {
  const {region, secret, verb} = doing
  const word = shellWord(secret)
  // It may be an alias, and a grant wants an ARN.
  const keyId = `aws ssm describe-parameters --parameter-filters Key=Name,Values=${word} --region ${region} --query 'Parameters[0].KeyId' --output text`
  return denial(error, {
    ...doing,
    actions:
      verb === 'read' ? ['ssm:GetParameters', 'ssm:GetParameter'] : ['ssm:PutParameter', 'ssm:GetParameterHistory'],
    resource: (account) =>
      secret.startsWith('arn:')
        ? secret
        : `arn:${partitionOf(region)}:ssm:${region}:${account}:parameter/${secret.replace(/^\//, '')}`,
    // A standard parameter is encrypted with the key itself, an advanced one with a key of its own.
    kmsOperations: verb === 'read' ? ['Decrypt'] : ['Encrypt', 'GenerateDataKey'],
    kmsKeyCommand: `aws kms describe-key --key-id "$(${keyId})" --region ${region} --query KeyMetadata.Arn --output text`,
    ownerAdvice: (owner) =>
      `The parameter belongs to the account ${owner}, which must share it with ${principalPlaceholder} or its account, as an advanced parameter. See there with \`aws ram list-resources --resource-owner SELF --resource-type ssm:Parameter --region ${region}\`.`,
  })
}

export function badResponse(place: string, secret: string, cause?: unknown): EnvdriftError {
  return new EnvdriftError('BAD_RESPONSE', `${place} answered for ${secret} with something that is no parameter`, {
    suggestions: [
      'Check that endpoint_url, AWS_ENDPOINT_URL or a proxy in between really leads to AWS Systems Manager.',
    ],
    cause,
  })
}
