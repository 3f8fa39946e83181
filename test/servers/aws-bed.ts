import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'

import type {Settings} from '../../src/core/provider-spec.ts'
import {provider as aws} from '../../src/providers/aws/index.ts'
import {testHost, type Bed} from '../providers/contract.ts'
import {operationIn, startAwsServerAccount} from './aws-account.ts'

/** AWS Secrets Manager in an account of its own on the running moto. */
export async function startAwsServerBed(by: 'keys' | 'web identity', settings: Settings = {}): Promise<Bed> {
  const {direct, log, bed} = await startAwsServerAccount(by)
  const client = new SecretsManagerClient(direct)

  async function put(name: string, value: {SecretString: string} | {SecretBinary: Buffer}): Promise<void> {
    try {
      await client.send(new CreateSecretCommand({Name: name, ...value}))
    } catch (error) {
      if (!(error instanceof ResourceExistsException)) throw error
      await client.send(new PutSecretValueCommand({SecretId: name, ...value}))
    }
  }

  return {
    ...bed,
    connect: (over) => aws.connect({name: 'default', settings: {region: direct.region, ...settings}}, testHost(over)),
    seed: (name, value) => put(name, {SecretString: value}),
    seedBinary: (name, bytes) => put(name, {SecretBinary: bytes}),
    addVersion: (name, value) => put(name, {SecretString: value}),
    remove: async (name) => void (await client.send(new DeleteSecretCommand({SecretId: name}))),
    // Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
    largest: 65_536,
    reads: () =>
      log.flatMap((request) => {
        const [operation, {SecretId, SecretIdList}] = operationIn(request)
        const names =
          operation === 'GetSecretValue' ? [SecretId] : operation === 'BatchGetSecretValue' ? SecretIdList : []
        return (names as readonly string[]).map((name) => ({name, inFlight: request.inFlight}))
      }),
    stop() {
      client.destroy()
      return bed.stop()
    },
  }
}
