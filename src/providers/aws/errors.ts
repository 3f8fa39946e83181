import {EnvdriftError} from '../../core/errors.ts'
import {principalPlaceholder} from '../../core/provider-spec.ts'
import {shellWord} from '../../core/shell-word.ts'
import {badRequest, isForeignAnswer} from '../aws-bad-request.ts'
import {denial} from '../aws-denial.ts'
import {type Doing, causeOf, commonError, isDenial, nameOf, sentenceOf} from '../aws-errors.ts'
import {partitionOf} from '../aws-settings.ts'

/** The service's word for "there is no such secret, or no such version of it". No status: AWS answers 400, moto 404. */
export const saysAbsent = (error: unknown): boolean => nameOf(error) === 'ResourceNotFoundException'

/** The error of one call for one secret, from what the SDK threw; by name and status. */
export function callError(error: unknown, doing: Doing): EnvdriftError {
  const common = commonError(error, doing)
  if (common !== undefined) return common

  const {place, region, secret, verb} = doing
  const [name, cause] = [nameOf(error), causeOf(error)]
  const sentence = sentenceOf(error)
  const said = sentence === undefined ? '' : `: ${sentence}`
  const option = `--secret-id ${shellWord(secret)} --region ${region}`

  if (isDenial(error) || name === 'DecryptionFailure' || name === 'EncryptionFailure') return refused(error, doing)
  if (name === 'InvalidRequestException') {
    // One name for two things, told apart only by what AWS writes: its default key serves one account, and no grant helps.
    if (/\bKMS\b/.test(sentence ?? '')) {
      return new EnvdriftError(
        'FORBIDDEN',
        `We may not ${verb} ${secret}: its KMS key serves its own account only (${place}, ${name})${said}`,
        {
          suggestions: [
            `In the account of ${secret}, give it a key of its own: \`aws secretsmanager update-secret ${option} --kms-key-id KMS_KEY_ARN\`.`,
            `Then allow kms:Decrypt on that key there, for ${principalPlaceholder}.`,
          ],
          cause,
        },
      )
    }
    const isDeleted = verb === 'read' || /delet/i.test(sentence ?? '')
    const why = isDeleted ? 'is scheduled for deletion' : 'is scheduled for deletion, or another service manages it'
    return new EnvdriftError('SECRET_DELETED', `${secret} ${why} (${place})${said}`, {
      suggestions: [`Take it back with \`aws secretsmanager restore-secret ${option}\`.`],
      cause,
    })
  }
  return isForeignAnswer(error) ? badResponse(place, secret, cause) : badRequest(error, doing)
}

function refused(error: unknown, doing: Doing): EnvdriftError {
  const {region, secret, verb} = doing
  const action = (name: string): string => `secretsmanager:${name}`
  return denial(error, {
    ...doing,
    actions:
      verb === 'read'
        ? [action('GetSecretValue')]
        : [
            action('PutSecretValue'),
            action('CreateSecret'),
            action('UpdateSecretVersionStage'),
            action('GetSecretValue'),
          ],
    // AWS adds six characters to a name.
    resource: (account) =>
      secret.startsWith('arn:')
        ? `${secret}*`
        : `arn:${partitionOf(region)}:secretsmanager:${region}:${account}:secret:${secret}-??????`,
    kmsOperations: verb === 'read' ? ['Decrypt'] : ['Decrypt', 'GenerateDataKey'],
    kmsKeyCommand: `aws secretsmanager describe-secret --secret-id ${shellWord(secret)} --region ${region} --query KmsKeyId --output text`,
    ownerAdvice: (owner) =>
      `The secret belongs to the account ${owner}: its resource policy must allow ${principalPlaceholder} the same. See it there with \`aws secretsmanager get-resource-policy --secret-id ${shellWord(secret)} --region ${region}\`.`,
  })
}

export function badResponse(place: string, secret: string, cause?: unknown): EnvdriftError {
  return new EnvdriftError('BAD_RESPONSE', `${place} answered for ${secret} with something that is no secret`, {
    suggestions: [
      'Check that endpoint_url, AWS_ENDPOINT_URL or a proxy in between really leads to AWS Secrets Manager.',
    ],
    cause,
  })
}
