import {GetParameterCommand, GetParametersCommand, type Parameter} from '@aws-sdk/client-ssm'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import {Secret} from '../../core/secret.ts'
import {shellWord} from '../../core/shell-word.ts'
import {printable} from '../../core/text.ts'
import {batchesOf, entriesFor, isNamed, objectsIn} from '../aws-batch.ts'
import {makeAwsRead} from '../aws-read.ts'
import type {Answer, Result} from '../in-flight.ts'
import type {Provider} from '../provider.ts'
import {badResponse, callError, saysAbsent} from './errors.ts'
import {spec} from './spec.ts'
import type {Vault} from './vault.ts'

/** Most parameters in one GetParameters (its API reference). */
const batchSize = 10

/** Reads all of `refs`, ten in a call; what a call can't give is asked for alone, and says why by itself. */
export function makeRead(vault: Vault): Provider['read'] {
  const {connection, regionOf, doing, host} = vault

  async function readOne(ref: SecretRef, signal: AbortSignal): Promise<Answer> {
    try {
      return (await getTogether([ref], signal)).get(ref) ?? (await getAlone(ref, signal))
    } catch (error) {
      if (error instanceof EnvdriftError) throw error
      if (saysAbsent(error)) return {kind: 'absent'}
      throw callError(error, doing('read', ref))
    }
  }

  async function readChunk(chunk: readonly SecretRef[], signal: AbortSignal): Promise<ReadonlyMap<SecretRef, Result>> {
    try {
      return await getTogether(chunk, signal)
    } catch (error) {
      const known = error instanceof EnvdriftError ? error : callError(error, doing('read', chunk[0]!))
      // One parameter that we may not read, or whose key is switched off, fails the whole call.
      if (['BAD_REQUEST', 'BAD_RESPONSE', 'FORBIDDEN'].includes(known.code)) return new Map()
      throw known
    }
  }

  /** One GetParameters, for parameters of one region. What it gives nothing for is left out. */
  async function getTogether(
    refs: readonly SecretRef[],
    abortSignal: AbortSignal,
  ): Promise<ReadonlyMap<SecretRef, Answer>> {
    const region = regionOf(refs[0]!)
    // By itself, so that a role that refuses us is told from a parameter that we may not read.
    await connection.login.credentials()
    const output = await vault
      .clientIn(region)
      .send(new GetParametersCommand({Names: refs.map(selector), WithDecryption: true}), {abortSignal})
    vault.noteRetry(output, region)
    return new Map(
      entriesFor(refs, objectsIn(output.Parameters), isOf).map(([ref, parameter]) => [ref, answerOf(parameter, ref)]),
    )
  }

  /**
   * One GetParameter. GetParameters lists what it did not read as InvalidParameters, and doesn't say why: the word "it is
   * not there" is this one's.
   */
  async function getAlone(ref: SecretRef, abortSignal: AbortSignal): Promise<Answer> {
    const region = regionOf(ref)
    const output = await vault
      .clientIn(region)
      .send(new GetParameterCommand({Name: selector(ref), WithDecryption: true}), {abortSignal})
    vault.noteRetry(output, region)
    return answerOf(output.Parameter ?? {}, ref)
  }

  function answerOf({Type, Value, Version}: Parameter, ref: SecretRef): Answer {
    const [{name}, region] = [ref, regionOf(ref)]
    const place = connection.placeIn(region)
    if (typeof Value !== 'string') throw badResponse(place, name)
    if (Type !== undefined && Type !== 'SecureString') {
      host.warn(
        `${printable(name)} is not encrypted: its type is ${printable(Type)} (${place}). Delete it, and store the key anew with \`aws ssm put-parameter --type SecureString --name ${shellWord(name)} --region ${region} --value file://KEY_FILE\``,
      )
    }
    return {kind: 'found', value: new Secret(Value), ...(Version !== undefined && {version: String(Version)})}
  }

  return makeAwsRead(vault, spec, {
    chunksOf: (refs) => batchesOf(refs, {size: batchSize, regionOf}),
    readChunk,
    readOne,
  })
}

/** How a parameter and its version are asked for: `NAME:3`, `NAME:LABEL`. */
const selector = ({name, version}: SecretRef): string => (version === undefined ? name : `${name}:${version}`)

function isOf(parameter: Parameter, ref: SecretRef): boolean {
  if (!isNamed(parameter, ref)) return false
  const {Selector, Version} = parameter
  if (ref.version === undefined) return true
  return Selector === undefined ? ref.version === String(Version) : Selector === `:${ref.version}`
}
