import {shellWord} from '../../core/shell-word.ts'
import {openAwsVault} from '../aws-vault.ts'
import type {Provider, ProviderDefinition} from '../provider.ts'
import {makeEarlier} from './history.ts'
import {makeRead} from './read.ts'
import {makeWrite} from './write.ts'

/** Parameters of AWS Systems Manager, with the same logins as AWS Secrets Manager. */
export const provider: ProviderDefinition = {
  async connect({settings}, host): Promise<Provider> {
    const sdk = await import('@aws-sdk/client-ssm')
    const vault = await openAwsVault({settings, service: 'AWS SSM Parameter Store', sdk, Client: sdk.SSMClient}, host)
    const {connection} = vault

    return {
      place: connection.placeIn(connection.region),
      read: makeRead(vault),
      earlier: makeEarlier(vault),
      write: makeWrite(vault),
      whoami: connection.whoami,
      remedies(ref) {
        const {name, version} = ref
        const region = vault.regionOf(ref)
        const cli = (command: string) => `\`aws ssm ${command} --region ${region}\``
        const word = shellWord(name)
        const byDefault =
          connection.isDefaultRegion && region === connection.region ? ', the default, as nothing names another,' : ''
        const remedies = [
          `Check that secret_name ${word} and the region ${region}${byDefault} are right: ${cli('describe-parameters')}. Another region is named with region in [vault.aws-ssm], --region or AWS_REGION.`,
          `Store it there: ${cli(`put-parameter --type SecureString --name ${word} --value file://KEY_FILE`)}.`,
        ] as const
        if (version === undefined) return remedies
        return [
          `Check secret_version ${shellWord(version)}: ${cli(`get-parameter-history --name ${word}`)}.`,
          ...remedies,
        ]
      },
      close: () => Promise.resolve(connection.close()),
    }
  },
}
