import type {SecretRef} from '../core/mapping.ts'
import {shellWord} from '../core/shell-word.ts'
import {isArn} from './aws-batch.ts'
import type {AwsVault} from './aws-vault.ts'

/** Of one service; the commands are those of AWS's CLI, without the region. */
type Service = {
  /** Of its settings: `aws-ssm` of [vault.aws-ssm]. */
  readonly table: string
  /** Shows which secrets there are: `aws ssm describe-parameters`. */
  readonly list: string
  readonly store: string
  /** Stores it where there is a secret of that name without any value, where the service has such. */
  readonly storeValue?: string
  /** Shows which versions the secret has. */
  readonly versions: string
}

/** What a person can do when `ref` isn't in a vault of AWS. */
export function awsRemedies(
  ref: SecretRef,
  {connection, regionOf}: Pick<AwsVault<unknown>, 'connection' | 'regionOf'>,
  {table, list, store, storeValue, versions}: Service,
): readonly [string, ...string[]] {
  const {name, version} = ref
  const region = regionOf(ref)
  const cli = (command: string) => `\`${command} --region ${region}\``
  const byDefault =
    connection.isDefaultRegion && region === connection.region ? ', the default, as nothing names another,' : ''
  const check = `Check that secret_name ${shellWord(name)} and the region ${region}${byDefault} are right: ${cli(list)}. Another region is named with region in [vault.${table}], --region or AWS_REGION.`
  // What is stored now gets a version of its own, never the one that was asked for.
  if (version !== undefined) return [`Check secret_version ${shellWord(version)}: ${cli(versions)}.`, check]
  return [
    check,
    isArn(ref)
      ? 'An ARN is for AWS to give: store it by its name, in the account of that ARN, and set secret_name to the name or to the ARN that AWS shows then.'
      : `Store it there: ${cli(store)}.`,
    ...(storeValue === undefined ? [] : [`If it is there without a value: ${cli(storeValue)}.`]),
  ]
}
