import type {EnvdriftError} from '../../core/errors.ts'
import {Secret} from '../../core/secret.ts'
import type {Answer as Reading} from '../in-flight.ts'
import type {Version} from '../provider.ts'
import {dataOf, fieldsOf, type Fields, isVaults} from './answer.ts'
import type {Answer} from './client.ts'
import {type Asked, badResponse, checkAddress, deleted, refusal} from './errors.ts'

/**
 * What an answer of KV 2 says about a secret: found, absent, or an error.
 *
 * @param asked.version - the one that was asked for; another one in the answer is an error.
 * @throws EnvdriftError SECRET_DELETED for a version whose value is gone: it answers 404 as a missing one does, but with
 *   its metadata. What {@link refusal} says for the rest.
 */
export function readingOfKv2({status, body}: Answer, asked: Asked & {readonly version: Version | undefined}): Reading {
  if (isNotThere(status, body)) return {kind: 'absent'}
  const data = dataOf(body)
  const [fields, metadata] = [fieldsOf(data?.['data']), fieldsOf(data?.['metadata'])]
  const version = versionOf(metadata)
  if (status === 404 && version !== undefined && (metadata?.['destroyed'] === true || metadata?.['deletion_time']))
    throw deleted(asked, version, metadata['destroyed'] === true)
  if (status !== 200 || !fields || version === undefined) throw refusalOrNonsense({status, body}, asked)
  if (asked.version !== undefined && asked.version !== version)
    throw badResponse(
      `${asked.place} sent version ${version} of ${asked.name} instead of ${asked.version}`,
      checkAddress,
    )
  return {kind: 'found', value: textOf(fields), version, fields: textsOf(fields)}
}

/** The same for KV 1, which has neither versions nor deleted secrets. */
export function readingOfKv1({status, body}: Answer, asked: Asked): Reading {
  if (isNotThere(status, body)) return {kind: 'absent'}
  const fields = dataOf(body)
  if (status !== 200 || !fields) throw refusalOrNonsense({status, body}, asked)
  return {kind: 'found', value: textOf(fields), fields: textsOf(fields)}
}

/** The version that a write to KV 2 has made, or `undefined` when the answer names none. */
export const writtenVersion = ({status, body}: Answer): Version | undefined =>
  status === 200 ? versionOf(dataOf(body)) : undefined

/** The error that an answer amounts to when it isn't what was asked for. */
export function refusalOrNonsense({status, body}: Answer, asked: Asked): EnvdriftError {
  return status >= 200 && status < 300
    ? badResponse(`${asked.place} answered, but not what was asked for`, checkAddress)
    : refusal(status, body, asked)
}

/** Vault's word for "no such secret" is a 404 with an empty list of errors, and nothing else is. */
export function isNotThere(status: number, body: unknown): boolean {
  return status === 404 && isVaults(body) && Array.isArray(body['errors']) && body['errors'].length === 0
}

/** The text of a secret: its field `value` when there is no other, else all fields as JSON, for key material to pick from. */
function textOf(fields: Fields): Secret {
  const {value, ...others} = fields
  return new Secret(typeof value === 'string' && Object.keys(others).length === 0 ? value : JSON.stringify(fields))
}

/** The fields that hold text, each by itself: what `name#field` picks from. */
const textsOf = (fields: Fields): ReadonlyMap<string, Secret> =>
  new Map(
    Object.entries(fields).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, new Secret(value)] as const] : [],
    ),
  )

const versionOf = (metadata: Fields | undefined): Version | undefined =>
  Number.isInteger(metadata?.['version']) ? String(metadata?.['version'] as number) : undefined
