import {SecretsManagerClient} from '@aws-sdk/client-secrets-manager'

import {shellWord} from '../../core/shell-word.ts'
import {awsRemedies} from '../aws-remedies.ts'
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
    const vault = await openAwsVault({settings, service: 'AWS Secrets Manager', Client: SecretsManagerClient}, host)
    const {connection} = vault

    return {
      place: connection.placeIn(connection.region),
      read: makeRead(vault, {batch: settings['batch'] !== 'off'}),
      earlier: makeEarlier(vault),
      write: makeWrite(vault),
      whoami: connection.whoami,
      remedies(ref) {
        const word = shellWord(ref.name)
        return awsRemedies(ref, vault, {
          table: 'aws',
          list: 'aws secretsmanager list-secrets',
          store: `aws secretsmanager create-secret --name ${word} --secret-string file://KEY_FILE`,
          storeValue: `aws secretsmanager put-secret-value --secret-id ${word} --secret-string file://KEY_FILE`,
          versions: `aws secretsmanager list-secret-version-ids --secret-id ${word}`,
        })
      },
      close: () => Promise.resolve(connection.close()),
    }
  },
}
