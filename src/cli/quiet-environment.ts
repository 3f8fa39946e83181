/**
 * Switches of other people's debug output that would print tokens and values: oclif's and node-vault's (DEBUG), the Azure
 * SDK's, gRPC's and Google's. Whoever set them in this shell for another program doesn't want our keys in that log.
 *
 * Imported before everything that reads them.
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

for (const name of leaking) delete process.env[name]
