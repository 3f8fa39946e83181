import {shellWord} from '../../core/shell-word.ts'
import {openAwsVault} from '../aws-vault.ts'
import type {Provider, ProviderDefinition} from '../provider.ts'
import {makeEarlier, makeRead} from './read.ts'
import {makeWrite} from './write.ts'

/**
 * AWS Secrets Manager, with the SDK's own order of credentials
 * (docs.aws.amazon.com/sdk-for-javascript/v3/developer-guide/setting-credentials-node.html).
 */
export const provider: ProviderDefinition = {
  async connect({settings}, host): Promise<Provider> {
    const sdk = await import('@aws-sdk/client-secrets-manager')
    const vault = await openAwsVault(
      {settings, service: 'AWS Secrets Manager', sdk, Client: sdk.SecretsManagerClient},
      host,
    )
    const {connection} = vault

    return {
      place: connection.placeIn(connection.region),
      read: makeRead(vault, {batch: settings['batch'] !== 'off'}),
      earlier: makeEarlier(vault),
      write: makeWrite(vault),
      whoami: connection.whoami,
      remedies(ref) {
        const {name, version} = ref
        const region = vault.regionOf(ref)
        const cli = (command: string) => `\`aws secretsmanager ${command} --region ${region}\``
        const word = shellWord(name)
        const byDefault =
          connection.isDefaultRegion && region === connection.region ? ', the default, as nothing names another,' : ''
        const remedies = [
          `Check that secret_name ${word} and the region ${region}${byDefault} are right: ${cli('list-secrets')}. Another region is named with region in [vault.aws], --region or AWS_REGION.`,
          `Store it there: ${cli(`create-secret --name ${word} --secret-string file://KEY_FILE`)}.`,
        ] as const
        if (version === undefined) return remedies
        return [
          `Check secret_version ${shellWord(version)}: ${cli(`list-secret-version-ids --secret-id ${word}`)}.`,
          ...remedies,
        ]
      },
      close: () => Promise.resolve(connection.close()),
    }
  },
}
