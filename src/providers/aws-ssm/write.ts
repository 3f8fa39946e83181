import {PutParameterCommand} from '@aws-sdk/client-ssm'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import {shellWord} from '../../core/shell-word.ts'
import {nameOf} from '../aws-errors.ts'
import {withDeadline} from '../in-flight.ts'
import type {Provider} from '../provider.ts'
import {callError, saysAbsent} from './errors.ts'
import {historyOf} from './history.ts'
import type {Vault} from './vault.ts'

/**
 * Writes encrypted parameters, with the KMS key that they had.
 *
 * Creating is atomic. Replacing an expected version is not: Parameter Store has no compare-and-set, so the version is looked
 * at before, and a write that came in between is found out by the number of ours, and told.
 */
export function makeWrite(vault: Vault): Provider['write'] {
  const {connection, clientIn, regionOf, doing, limits} = vault

  return async function write(ref, value, expect, signal) {
    if (ref.name.startsWith('arn:')) throw readOnly(ref)
    await connection.login.logIn(signal)
    const put = (options: {readonly Overwrite: boolean; readonly KeyId?: string}) =>
      withDeadline(
        (abortSignal) =>
          clientIn(regionOf(ref)).send(
            new PutParameterCommand({Name: ref.name, Value: value.reveal(), Type: 'SecureString', ...options}),
            {abortSignal},
          ),
        limits(signal),
      )

    try {
      // AWS encrypts a version that names no key with its default one, whatever the version before had.
      const {Version: current, KeyId} = expect === 'absent' ? {} : await newest(ref, signal)
      if (expect !== 'absent' && expect !== 'any' && String(current) !== expect)
        throw conflict(ref, 'was not written: another version is current')
      const {Version: written} = await put({Overwrite: expect !== 'absent', ...(KeyId !== undefined && {KeyId})})
      if (expect !== 'absent' && expect !== 'any' && written !== Number(expect) + 1)
        throw conflict(ref, `was written as version ${written}, over one that somebody else wrote at the same time`)
      return String(written)
    } catch (error) {
      if (error instanceof EnvdriftError) throw error
      if (nameOf(error) === 'ParameterAlreadyExists') throw conflict(ref, 'was not written: it exists already')
      if (nameOf(error) === 'TooManyUpdates')
        throw conflict(ref, 'was not written: somebody else is writing it at the moment')
      throw callError(error, doing('write', ref))
    }
  }

  async function newest(
    ref: SecretRef,
    signal: AbortSignal,
  ): Promise<{readonly Version?: number | undefined; readonly KeyId?: string | undefined}> {
    try {
      const [first] = await historyOf(vault, ref, {WithDecryption: false}, signal)
      return first ?? {}
    } catch (error) {
      if (saysAbsent(error)) return {}
      throw error
    }
  }

  function conflict(ref: SecretRef, why: string): EnvdriftError {
    const region = regionOf(ref)
    return new EnvdriftError('VERSION_CONFLICT', `${ref.name} ${why} (${connection.placeIn(region)})`, {
      suggestions: [
        `See its versions with \`aws ssm get-parameter-history --name ${shellWord(ref.name)} --region ${region}\`.`,
      ],
    })
  }

  function readOnly(ref: SecretRef): EnvdriftError {
    return new EnvdriftError(
      'BAD_REQUEST',
      `${ref.name} can't be written: AWS writes a parameter by its name only, in its own account (${connection.placeIn(regionOf(ref))})`,
      {suggestions: ['Log in to the account of the parameter, and set secret_name to its name.']},
    )
  }
}
