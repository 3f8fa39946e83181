import {SSMClient} from '@aws-sdk/client-ssm'

import {shellWord} from '../../core/shell-word.ts'
import {awsRemedies} from '../aws-remedies.ts'
import {openAwsVault} from '../aws-vault.ts'
import type {Provider, ProviderDefinition} from '../provider.ts'
import {makeEarlier} from './history.ts'
import {makeRead} from './read.ts'
import {makeWrite} from './write.ts'

/** Parameters of AWS Systems Manager, with the same logins as AWS Secrets Manager. */
export const provider: ProviderDefinition = {
  async connect({settings}, host): Promise<Provider> {
    const vault = await openAwsVault({settings, service: 'AWS SSM Parameter Store', Client: SSMClient}, host)
    const {connection} = vault

    return {
      place: connection.placeIn(connection.region),
      read: makeRead(vault),
      earlier: makeEarlier(vault),
      write: makeWrite(vault),
      whoami: connection.whoami,
      remedies(ref) {
        const word = shellWord(ref.name)
        return awsRemedies(ref, vault, {
          table: 'aws-ssm',
          list: 'aws ssm describe-parameters',
          store: `aws ssm put-parameter --type SecureString --name ${word} --value file://KEY_FILE`,
          versions: `aws ssm get-parameter-history --name ${word}`,
        })
      },
      close: () => Promise.resolve(connection.close()),
    }
  },
}
