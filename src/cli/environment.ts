import type {Env} from '../core/provider-spec.ts'

/** The environment as we were given it: what of it is a secret is in no child's, whoever starts that child. */
export const givenEnvironment: Env = {...process.env}

/**
 * Switches of other people's debug output that would print tokens and values: oclif's and node-vault's (DEBUG), the Azure
 * SDK's, gRPC's and Google's. Whoever set them in this shell for another program doesn't want our keys in that log.
 */
const leaking = [
  'DEBUG',
  'AZURE_LOG_LEVEL',
  'GRPC_TRACE',
  'GRPC_NODE_TRACE',
  'GRPC_VERBOSITY',
  'GRPC_NODE_VERBOSITY',
  'GOOGLE_SDK_NODE_LOGGING',
]

/**
 * What only we read. SDKs start programs (`az`, a `credential_process`) with the environment of this process; those that
 * the clouds' own logins need must stay.
 */
const secret =
  /^DOTENV_PRIVATE_KEY|^ENVDRIFT_VAULT_(?:NEW_)?PASSWORD$|^ENVDRIFT_HASHICORP_(?:SECRET_ID|JWT|PASSWORD)$|^(?:VAULT|BAO)_TOKEN$|^VAULT_(?:SECRET_ID|ID_TOKEN|LDAP_PASSWORD)$/

for (const name of Object.keys(process.env)) {
  if (leaking.includes(name) || secret.test(name)) delete process.env[name]
}
