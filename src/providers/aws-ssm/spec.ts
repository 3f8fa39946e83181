import type {ProviderSpec} from '../../core/provider-spec.ts'
import {awsSettings, endpointSetting, resolveAwsSettings, wrongPartition} from '../aws-settings.ts'

/** `arn:PARTITION:ssm:REGION:ACCOUNT:parameter/NAME`; the slash is there for names without one, too. */
const parameterArn = /^arn:(aws[a-z-]*):ssm:([a-z0-9-]+):\d{12}:parameter(\/.*)$/

/** AWS counts the ARN as the length of a name (API reference, PutParameter). */
const longestArn = 1011

/** What of it is there before the shortest name, in the regions with the shortest names. */
const shortestPrefix = 'arn:aws:ssm:eu-west-1:123456789012:parameter'.length

/** A number, or a label (user guide, "Working with parameter labels"). */
const numberOrLabel = /^(?:[1-9]\d{0,18}|(?!aws|ssm)[a-z_.-][\w.-]{0,99})$/i

export const spec: ProviderSpec = {
  title: 'AWS SSM Parameter Store',
  settings: {
    ...awsSettings,
    endpoint_url: endpointSetting('AWS_ENDPOINT_URL_SSM'),
  },
  flags: {region: 'region'},
  slashInNames: true,
  checkSecretName: (name, version) => {
    if (version !== undefined && !numberOrLabel.test(version))
      return 'has a version that is neither the number nor a label of one in AWS SSM Parameter Store'
    if (!name.startsWith('arn:')) return wrongPath(name, longestArn - shortestPrefix)
    const [, partition, region = '', path = ''] = parameterArn.exec(name) ?? []
    if (partition === undefined)
      return 'starts like an ARN but is none of Parameter Store: arn:aws:ssm:REGION:ACCOUNT:parameter/NAME'
    return wrongPartition(partition, region) ?? wrongPath(path, longestArn)
  },
  resolve: resolveAwsSettings,
}

/** What is wrong with the name of a parameter (user guide, "Parameter name requirements and constraints"). */
function wrongPath(path: string, maxLength: number): string | undefined {
  if (path.includes(':')) return 'may hold no colon: write the version into secret_version'
  if (!/^[A-Za-z0-9_./-]+$/.test(path)) return 'may hold letters, digits and _.-/ only (AWS SSM Parameter Store)'
  if (path.length > maxLength) return `is longer than the ${maxLength} characters that AWS SSM Parameter Store allows`
  if (path.includes('/') && !path.startsWith('/')) return 'is a path without the slash at its start: write /TEAM/NAME'
  const levels = path.replace(/^\//, '').split('/')
  if (levels.includes('')) return 'has two slashes in a row, or one at its end'
  if (levels.length > 15) return 'has more than the 15 levels that AWS SSM Parameter Store allows'
  return /^(?:aws|ssm)/i.test(levels[0]!)
    ? 'begins with aws or ssm, which AWS keeps for parameters of its own'
    : undefined
}
