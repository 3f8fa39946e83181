import type {Env, Problem, Settings, SettingSpec} from '../core/provider-spec.ts'

/** `eu-west-1`, `us-gov-west-1`, `cn-north-1`, `us-iso-east-1`: two or more words and a number. */
const regionName = /^[a-z]{2,}(?:-[a-z]+)+-\d{1,2}$/

const roleArn = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,577}$/

/** Limits of STS for an external id (API reference, AssumeRole). */
const externalId = /^[\w+=,.@:/-]{2,1224}$/

/**
 * Partitions by the start of their regions' names; all other regions are in `aws`.
 * Source: the SDK's own table of partitions.
 */
const partitions = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['us-iso-', 'aws-iso'],
  ['us-isob-', 'aws-iso-b'],
  ['eu-isoe-', 'aws-iso-e'],
  ['us-isof-', 'aws-iso-f'],
  ['eusc-', 'aws-eusc'],
] as const

export const partitionOf = (region: string): string =>
  partitions.find(([start]) => region.startsWith(start))?.[1] ?? 'aws'

/** What is wrong with an ARN of this partition and region, as the end of a sentence. */
export function wrongPartition(partition: string, region: string): string | undefined {
  const expected = partitionOf(region)
  return partition === expected
    ? undefined
    : `is an ARN of the partition ${partition}, but its region ${region} is in ${expected}: arn:${expected}:…`
}

/** The region of `arn:PARTITION:SERVICE:REGION:…`; `undefined` for what is no ARN or has none. */
export const regionOfArn = (name: string): string | undefined => /^arn:[a-z-]+:[a-z0-9-]+:([a-z0-9-]+):/.exec(name)?.[1]

/** Settings that every service of AWS has. */
export const awsSettings = {
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
  role_arn: {
    type: 'string',
    trust: 'repository',
    summary: 'Role to assume, with whatever login there is, before anything is read. Its session is called `envdrift`.',
  },
  external_id: {
    type: 'string',
    trust: 'repository',
    summary: 'The external id that the trust policy of `role_arn` asks for.',
  },
  use_fips_endpoint: {
    type: 'boolean',
    trust: 'repository',
    summary: 'Ask the FIPS 140 endpoints. Else AWS_USE_FIPS_ENDPOINT, use_fips_endpoint of the profile, false.',
  },
  use_dualstack_endpoint: {
    type: 'boolean',
    trust: 'repository',
    summary:
      'Ask the endpoints that have IPv6, too, where they are others. Else AWS_USE_DUALSTACK_ENDPOINT, use_dualstack_endpoint of the profile, false.',
  },
} as const satisfies Readonly<Record<string, SettingSpec>>

/** @param variable - in which the service's client looks for its address first. */
export const endpointSetting = (variable: string): SettingSpec => ({
  type: 'string',
  trust: 'machine',
  summary: `Address of another server that speaks the protocol, or of a VPC endpoint. Else ${variable}, AWS_ENDPOINT_URL.`,
})

/** Fills in the region from the environment, and says what is wrong with the settings above and `endpoint_url`. */
export function resolveAwsSettings({settings, env}: {readonly settings: Settings; readonly env: Env}): {
  readonly settings: Settings
  readonly problems: readonly Problem[]
  readonly warnings: readonly string[]
} {
  const problems: Problem[] = []
  // Left out when nobody names one: the profile's region is the adapter's to read, and so is the default after it.
  const region = settings['region'] ?? trimmed(env['AWS_REGION']) ?? trimmed(env['AWS_DEFAULT_REGION'])
  if (region !== undefined && !(typeof region === 'string' && regionName.test(region))) {
    problems.push({
      setting: 'region',
      text: 'region is not the name of an AWS region: write one like eu-west-1 (region, --region, AWS_REGION)',
    })
  }
  const {role_arn: role, external_id: external, endpoint_url: endpoint} = settings
  if (typeof role === 'string' && !roleArn.test(role))
    problems.push({setting: 'role_arn', text: 'role_arn must be the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME'})
  if (external !== undefined && role === undefined)
    problems.push({
      setting: 'external_id',
      text: 'external_id does nothing without role_arn: name the role, or leave it out',
    })
  if (typeof external === 'string' && !externalId.test(external))
    problems.push({
      setting: 'external_id',
      text: 'external_id may hold 2 to 1224 letters, digits and _+=,.@:/- only',
    })
  if (typeof endpoint === 'string' && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    problems.push({setting: 'endpoint_url', text: 'endpoint_url must be an address that starts with https://'})
  for (const setting of ['use_fips_endpoint', 'use_dualstack_endpoint']) {
    if (settings[setting] === true && endpoint !== undefined)
      problems.push({setting, text: `${setting} chooses the address, and so does endpoint_url: leave one of them out`})
  }
  return {settings: region === undefined ? settings : {...settings, region}, problems, warnings: []}
}

function trimmed(value: string | undefined): string | undefined {
  const text = value?.trim()
  return text === '' ? undefined : text
}
