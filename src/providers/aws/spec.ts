import type {Problem, ProviderSpec} from '../../core/provider-spec.ts'

/** `eu-west-1`, `us-gov-west-1`, `cn-north-1`, `us-iso-east-1`: two or more words and a number. */
const regionName = /^[a-z]{2,}(?:-[a-z]+)+-\d{1,2}$/

/** `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX`; the six characters may be left out. */
const secretArn = /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@!-]{1,519}$/

export const spec: ProviderSpec = {
  title: 'AWS Secrets Manager',
  settings: {
    region: {
      type: 'string',
      trust: 'repository',
      variable: 'ENVDRIFT_REGION',
      summary: 'Region of the secrets. Else AWS_REGION, AWS_DEFAULT_REGION, the region of the profile, us-east-1.',
    },
    profile: {
      type: 'string',
      trust: 'repository',
      summary: 'Profile of ~/.aws/config and ~/.aws/credentials to log in with. Else AWS_PROFILE, then `default`.',
    },
    endpoint_url: {
      type: 'string',
      trust: 'machine',
      summary:
        'Address of another server that speaks the protocol, or of a VPC endpoint. Else AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL.',
    },
  },
  later: ['batch', 'role_arn', 'external_id', 'use_fips_endpoint', 'use_dualstack_endpoint'],
  flags: {region: 'region'},
  slashInNames: true,
  checkSecretName: (name) => {
    if (name.startsWith('arn:'))
      return secretArn.test(name)
        ? undefined
        : 'starts like an ARN but is none of Secrets Manager: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME'
    if (name.length > 512) return 'is longer than the 512 characters that AWS Secrets Manager allows'
    return /^[A-Za-z0-9/_+=.@!-]+$/.test(name)
      ? undefined
      : 'may hold letters, digits and /_+=.@!- only (AWS Secrets Manager)'
  },
  resolve: ({settings, env}) => {
    const problems: Problem[] = []
    // Left out when nobody names one: the profile's region is the adapter's to read, and so is the default after it.
    const region = settings['region'] ?? trimmed(env['AWS_REGION']) ?? trimmed(env['AWS_DEFAULT_REGION'])
    if (region !== undefined && !(typeof region === 'string' && regionName.test(region))) {
      problems.push({
        setting: 'region',
        text: 'region is not the name of an AWS region: write one like eu-west-1 (region, --region, AWS_REGION)',
      })
    }
    const endpoint = settings['endpoint_url']
    if (typeof endpoint === 'string' && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
      problems.push({setting: 'endpoint_url', text: 'endpoint_url must be an address that starts with https://'})
    return {settings: region === undefined ? settings : {...settings, region}, problems, warnings: []}
  },
}

function trimmed(value: string | undefined): string | undefined {
  const text = value?.trim()
  return text === '' ? undefined : text
}
