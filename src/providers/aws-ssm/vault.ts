import type {SSMClient} from '@aws-sdk/client-ssm'

import type {AwsVault} from '../aws-vault.ts'

/** Of AWS SSM Parameter Store. */
export type Vault = AwsVault<SSMClient>
