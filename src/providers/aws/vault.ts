import type {SecretsManagerClient} from '@aws-sdk/client-secrets-manager'

import type {AwsVault} from '../aws-vault.ts'

/** Of AWS Secrets Manager. */
export type Vault = AwsVault<SecretsManagerClient>
