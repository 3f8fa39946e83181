import {randomUUID} from 'node:crypto'

import {
  CreateSecretCommand,
  PutSecretValueCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import {shellWord} from '../../core/shell-word.ts'
import {nameOf} from '../aws-errors.ts'
import {withDeadline} from '../in-flight.ts'
import type {Provider, Version} from '../provider.ts'
import {callError, saysAbsent} from './errors.ts'
import {readOne, stagedLabel} from './read.ts'
import type {Vault} from './vault.ts'

/** Creates secrets and adds versions; a label that moves only from where it is makes the compare-and-set. */
export function makeWrite(vault: Vault): Provider['write'] {
  const {connection, clientIn, regionOf, doing, limits} = vault

  return async function write(ref, value, expect, signal) {
    const SecretId = ref.name
    const SecretString = value.reveal()
    const client = clientIn(regionOf(ref))
    const send = <T>(work: (signal: AbortSignal) => Promise<T>) => withDeadline(work, limits(signal))
    const create = () =>
      send(async (abortSignal) => {
        // The token becomes the version's id, and lets AWS see that a retry of the SDK is the same write.
        const ClientRequestToken = randomUUID()
        const input = {Name: SecretId, SecretString, ClientRequestToken}
        const {VersionId} = await client.send(new CreateSecretCommand(input), {abortSignal})
        return VersionId ?? ClientRequestToken
      })
    const put = (labels?: string[]) =>
      send(async (abortSignal) => {
        const ClientRequestToken = randomUUID()
        const input = {SecretId, SecretString, ClientRequestToken, ...(labels && {VersionStages: labels})}
        const {VersionId} = await client.send(new PutSecretValueCommand(input), {abortSignal})
        return VersionId ?? ClientRequestToken
      })
    const moveLabel = (VersionStage: string, move: {RemoveFromVersionId: Version; MoveToVersionId?: Version}) =>
      send((abortSignal) =>
        client.send(new UpdateSecretVersionStageCommand({SecretId, VersionStage, ...move}), {abortSignal}),
      )

    await connection.login.logIn(signal)
    try {
      switch (expect) {
        case 'any':
          return await put().catch((error: unknown) => {
            // Only "it is not there" leads on: a denied put must not end as a second secret.
            if (!saysAbsent(error)) throw error
            return create()
          })
        case 'absent':
          return await create().catch(async (error: unknown) => {
            if (nameOf(error) !== 'ResourceExistsException') throw error
            // Terraform makes secrets without a value: such a one exists, and still holds nothing to overwrite.
            const there = await send((abortSignal) => readOne(vault, {vault: ref.vault, name: ref.name}, abortSignal))
            if (there.kind === 'found') throw conflict(ref, 'it exists already')
            return put()
          })
        default: {
          // The label moves only from the version that it is on: this is the compare of the compare-and-set.
          const version = await put([stagedLabel])
          try {
            await moveLabel('AWSCURRENT', {RemoveFromVersionId: expect, MoveToVersionId: version})
            return version
          } catch (error) {
            if (nameOf(error) === 'InvalidParameterException') throw conflict(ref, 'another version is current')
            throw error
          } finally {
            // Without a label AWS drops the version in time. If this fails, the next write takes the label over.
            await moveLabel(stagedLabel, {RemoveFromVersionId: version}).catch(() => {})
          }
        }
      }
    } catch (error) {
      if (error instanceof EnvdriftError) throw error
      if (nameOf(error) === 'ResourceExistsException') throw conflict(ref, 'it was made in the meantime')
      if (saysAbsent(error)) throw conflict(ref, 'it is not there')
      throw callError(error, doing('write', ref))
    }
  }

  function conflict(ref: SecretRef, why: string): EnvdriftError {
    const region = regionOf(ref)
    return new EnvdriftError(
      'VERSION_CONFLICT',
      `${ref.name} was not written: ${why} (${connection.placeIn(region)})`,
      {
        suggestions: [
          `See its versions with \`aws secretsmanager list-secret-version-ids --secret-id ${shellWord(ref.name)} --region ${region}\`.`,
        ],
      },
    )
  }
}
