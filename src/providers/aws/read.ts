import {
  BatchGetSecretValueCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  type SecretValueEntry,
} from '@aws-sdk/client-secrets-manager'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import {Secret} from '../../core/secret.ts'
import {shellWord} from '../../core/shell-word.ts'
import {batchesOf, entriesFor, isArn, objectsIn} from '../aws-batch.ts'
import {isDenial, nameOf, statusOf} from '../aws-errors.ts'
import {pagesOf} from '../aws-pages.ts'
import {makeAwsRead} from '../aws-read.ts'
import {asEnvdriftError, withDeadline, type Answer, type Result} from '../in-flight.ts'
import type {Provider, Version} from '../provider.ts'
import {badResponse, callError, saysAbsent} from './errors.ts'
import {spec} from './spec.ts'
import type {Vault} from './vault.ts'

/**
 * The label that a new version carries until it is known to follow the expected one. Not AWSPENDING: a rotation takes a
 * left-behind AWSPENDING for its own.
 */
export const stagedLabel = 'ENVDRIFT_STAGED'

/** Most secrets in one BatchGetSecretValue (its API reference). */
const batchSize = 20

/** One GetSecretValue. @throws EnvdriftError */
export async function readOne(vault: Vault, ref: SecretRef, abortSignal: AbortSignal): Promise<Answer> {
  const {connection, clientIn, regionOf, doing, noteRetry} = vault
  // By itself, so that a role that refuses us is told from a secret that we may not read.
  await connection.login.credentials()
  try {
    const command = new GetSecretValueCommand({SecretId: ref.name, ...versionOf(ref)})
    const output = await clientIn(regionOf(ref)).send(command, {abortSignal})
    noteRetry(output, regionOf(ref))
    return answerOf(output, ref, vault)
  } catch (error) {
    if (saysAbsent(error)) return {kind: 'absent'}
    throw callError(error, doing('read', ref))
  }
}

/** Reads all of `refs`: in batches where they are wanted and allowed, one by one otherwise. */
export function makeRead(vault: Vault, {batch}: {readonly batch: boolean}): Provider['read'] {
  const {connection, clientIn, regionOf, host, noteRetry} = vault
  /** A run learns it once: who may not read in batches may not later either. */
  let isBatchRefused = false

  async function readChunk(
    chunk: readonly SecretRef[],
    abortSignal: AbortSignal,
  ): Promise<ReadonlyMap<SecretRef, Result>> {
    const entries: SecretValueEntry[] = []
    if (isBatchRefused) return new Map()
    const region = regionOf(chunk[0]!)
    await connection.login.credentials()
    try {
      const SecretIdList = chunk.map(({name}) => name)
      const pages = pagesOf(
        (next) => clientIn(region).send(new BatchGetSecretValueCommand({SecretIdList, ...next}), {abortSignal}),
        {most: chunk.length, endless: () => badResponse(connection.placeIn(region), chunk[0]!.name)},
      )
      for await (const page of pages) {
        noteRetry(page, region)
        // What is in page.Errors gets no result here: asked for alone, it says why by itself.
        entries.push(...objectsIn(page.SecretValues))
      }
    } catch (error) {
      const known = callError(error, {...connection.asked(region), verb: 'read', secret: chunk[0]!.name})
      if (hopelessInBatches(error)) refuseBatches(nameOf(error), region)
      else if (!mendsAlone(known)) throw known
    }
    return new Map(entriesFor(chunk, entries).map(([ref, entry]) => [ref, resultOf(entry, ref)]))
  }

  function resultOf(entry: SecretValueEntry, ref: SecretRef): Result {
    try {
      return answerOf(entry, ref, vault)
    } catch (error) {
      return {kind: 'failed', error: asEnvdriftError(error, `read ${ref.name}`)}
    }
  }

  function refuseBatches(why: string, region: string): void {
    if (!isBatchRefused) {
      host.verbose?.(
        `${connection.placeIn(region)} refuses BatchGetSecretValue (${why}): each secret is read in a call of its own. Allow secretsmanager:BatchGetSecretValue, or set batch = "off".`,
      )
    }
    isBatchRefused = true
  }

  return makeAwsRead(vault, spec, {
    chunksOf: (refs) => (batch ? chunksOf(refs, vault) : refs.map((ref) => [ref])),
    readChunk,
    readOne: (ref, signal) => readOne(vault, ref, signal),
  })
}

/** The batch call itself is denied, or not known to a server that speaks an older protocol: the next one will be, too. */
const hopelessInBatches = (error: unknown): boolean =>
  (isDenial(error) && !(error instanceof EnvdriftError)) ||
  statusOf(error) === 501 ||
  ['UnknownOperationException', 'InvalidAction', 'NotImplemented', 'NotImplementedException'].includes(nameOf(error))

/** Trouble of one secret that fails its whole batch, as one without a value does at some servers. */
const mendsAlone = ({code}: EnvdriftError): boolean =>
  ['BAD_REQUEST', 'BAD_RESPONSE', 'SECRET_DELETED', 'FORBIDDEN'].includes(code)

/**
 * The batch call takes no versions. An ARN without AWS's last characters is asked for alone, too, since an answer shows only
 * whole ones.
 */
function chunksOf(refs: readonly SecretRef[], {regionOf}: Vault): readonly (readonly SecretRef[])[] {
  const fitsInBatch = (ref: SecretRef): boolean =>
    ref.version === undefined && (!isArn(ref) || /-[A-Za-z0-9]{6}$/.test(ref.name))
  const alone = refs.filter((ref) => !fitsInBatch(ref))
  return [...batchesOf(refs.filter(fitsInBatch), {size: batchSize, regionOf}), ...alone.map((ref) => [ref])]
}

function answerOf(
  {SecretString, SecretBinary, VersionId}: Pick<SecretValueEntry, 'SecretString' | 'SecretBinary' | 'VersionId'>,
  ref: SecretRef,
  {connection, regionOf}: Vault,
): Answer {
  const place = connection.placeIn(regionOf(ref))
  const value = SecretString ?? (SecretBinary && textOfBytes(SecretBinary, ref, regionOf(ref), place))
  if (typeof value !== 'string') throw badResponse(place, ref.name)
  return {kind: 'found', value: new Secret(value), ...(VersionId !== undefined && {version: VersionId})}
}

function textOfBytes(bytes: Uint8Array, {name}: SecretRef, region: string, place: string): string {
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes)
  } catch {
    throw new EnvdriftError('KEY_BINARY', `${name} holds binary data, not a key (${place})`, {
      suggestions: [
        `Store the key as text: \`aws secretsmanager put-secret-value --secret-id ${shellWord(name)} --region ${region} --secret-string file://KEY_FILE\`.`,
      ],
    })
  }
}

/** A version's id is the token of the request that made it: 32 to 64 characters, a UUID as a rule. Labels are shorter as a rule. */
function versionOf({version}: SecretRef): {VersionId: string} | {VersionStage: string} | Record<never, never> {
  if (version === undefined) return {}
  return /^[A-Za-z0-9-]{32,64}$/.test(version) ? {VersionId: version} : {VersionStage: version}
}

/** Earlier versions, newest first: the labelled one, which needs no permission but that of reading, then the others. */
export function makeEarlier(vault: Vault): Provider['earlier'] {
  const {clientIn, regionOf, limits} = vault

  async function olderVersions(ref: SecretRef, abortSignal: AbortSignal): Promise<readonly Version[]> {
    const {Versions = []} = await clientIn(regionOf(ref)).send(
      new ListSecretVersionIdsCommand({SecretId: ref.name, IncludeDeprecated: true, MaxResults: 100}),
      {abortSignal},
    )
    return Versions.filter(({VersionStages = []}) => !VersionStages.some((stage) => notEarlier.has(stage)))
      .toSorted((a, b) => Number(b.CreatedDate) - Number(a.CreatedDate))
      .flatMap(({VersionId}) => VersionId ?? [])
  }

  return async function* earlier(ref, limit, signal) {
    const current = {vault: ref.vault, name: ref.name}
    const call = <T>(work: (signal: AbortSignal) => Promise<T>) => withDeadline(work, limits(signal))
    const seen = new Set<Version>()
    let next: readonly Version[] = limit > 0 ? ['AWSPREVIOUS'] : []
    try {
      for (let listed = false; ; listed = true) {
        for (const version of next) {
          const answer = await call((callSignal) => readOne(vault, {...current, version}, callSignal))
          if (answer.kind === 'absent' || answer.version === undefined || seen.has(answer.version)) continue
          seen.add(answer.version)
          yield {version: answer.version, value: answer.value}
          if (seen.size === limit) return
        }
        if (listed || limit <= 0) return
        next = await call((callSignal) => olderVersions(current, callSignal))
      }
    } catch {
      // A hint for a message: whatever keeps it from us, the message goes without.
    }
  }
}

/** The current version is no earlier one; AWSPENDING is a rotation's next one, and the staged one never was current. */
const notEarlier: ReadonlySet<string> = new Set(['AWSCURRENT', 'AWSPENDING', stagedLabel])
