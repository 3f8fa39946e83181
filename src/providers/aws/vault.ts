import type * as SecretsManager from '@aws-sdk/client-secrets-manager'

import type {AwsVault} from '../aws-vault.ts'

/** Of AWS Secrets Manager. */
export type Vault = AwsVault<typeof SecretsManager, SecretsManager.SecretsManagerClient>
