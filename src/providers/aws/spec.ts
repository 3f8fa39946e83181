import type {ProviderSpec} from '../../core/provider-spec.ts'
import {awsSettings, endpointSetting, resolveAwsSettings, wrongPartition} from '../aws-settings.ts'

/** `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX`; the six characters may be left out. */
const secretArn = /^arn:(aws[a-z-]*):secretsmanager:([a-z0-9-]+):\d{12}:secret:[A-Za-z0-9/_+=.@!-]{1,519}$/

export const spec: ProviderSpec = {
  title: 'AWS Secrets Manager',
  settings: {
    ...awsSettings,
    endpoint_url: endpointSetting('AWS_ENDPOINT_URL_SECRETS_MANAGER'),
    batch: {
      type: 'string',
      trust: 'repository',
      oneOf: ['auto', 'off'],
      summary:
        'Read up to 20 secrets in one call where the identity may (`auto`, the default), or each in one of its own (`off`).',
    },
  },
  flags: {region: 'region'},
  slashInNames: true,
  checkSecretName: (name, version) => {
    if (version !== undefined && version.length > 256) return 'has a version longer than the 256 characters of a stage'
    if (name.startsWith('arn:')) {
      const [, partition, region = ''] = secretArn.exec(name) ?? []
      if (partition === undefined)
        return 'starts like an ARN but is none of Secrets Manager: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME'
      return wrongPartition(partition, region)
    }
    if (name.length > 512) return 'is longer than the 512 characters that AWS Secrets Manager allows'
    return /^[A-Za-z0-9/_+=.@!-]+$/.test(name)
      ? undefined
      : 'may hold letters, digits and /_+=.@!- only (AWS Secrets Manager)'
  },
  resolve: resolveAwsSettings,
}
