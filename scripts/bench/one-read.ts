/** The least that reads a secret with AWS's SDK: no verify with it takes less. */
import {enableCompileCache} from 'node:module'

enableCompileCache(process.env['ENVDRIFT_BENCH_COMPILED'])
const {GetSecretValueCommand, SecretsManagerClient} = await import('@aws-sdk/client-secrets-manager')
const client = new SecretsManagerClient({
  credentials: {
    accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
    secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
  },
})
const {SecretString} = await client.send(new GetSecretValueCommand({SecretId: process.argv[2]}))
process.exit(SecretString === undefined ? 1 : 0)
