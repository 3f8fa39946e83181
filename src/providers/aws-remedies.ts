import type {SecretRef} from '../core/mapping.ts'
import {shellWord} from '../core/shell-word.ts'
import type {AwsVault} from './aws-vault.ts'

/** Of one service; the commands are those of AWS's CLI, without the region. */
type Service = {
  /** Of its settings: `aws-ssm` of [vault.aws-ssm]. */
  readonly table: string
  /** Shows which secrets there are: `aws ssm describe-parameters`. */
  readonly list: string
  readonly store: string
  /** Shows which versions the secret has. */
  readonly versions: string
}

/** What a person can do when `ref` isn't in a vault of AWS. */
export function awsRemedies(
  ref: SecretRef,
  {connection, regionOf}: Pick<AwsVault<unknown, unknown>, 'connection' | 'regionOf'>,
  {table, list, store, versions}: Service,
): readonly [string, ...string[]] {
  const {name, version} = ref
  const region = regionOf(ref)
  const cli = (command: string) => `\`${command} --region ${region}\``
  const byDefault =
    connection.isDefaultRegion && region === connection.region ? ', the default, as nothing names another,' : ''
  const remedies = [
    `Check that secret_name ${shellWord(name)} and the region ${region}${byDefault} are right: ${cli(list)}. Another region is named with region in [vault.${table}], --region or AWS_REGION.`,
    `Store it there: ${cli(store)}.`,
  ] as const
  return version === undefined
    ? remedies
    : [`Check secret_version ${shellWord(version)}: ${cli(versions)}.`, ...remedies]
}
