import {randomBytes} from 'node:crypto'

import * as v from 'valibot'

import type {Json} from './canonical-json.ts'

/** Earlier versions kept per entry, the current one not counted. Our choice: a key rotated weekly reaches back five months. */
const keptVersions = 20

/** One version of an entry; a deletion is a version, too. Fields that we don't know stay in place. */
export type EntryVersion = {
  /** Counts the versions of this entry, from 1, deletions included, so that a name that comes back goes on counting. */
  readonly gen: number
  /** Text, or base64 where `encoding` says so. Left out of a deletion. */
  readonly value?: string
  /** Present when the bytes are not UTF-8. */
  readonly encoding?: 'base64'
  readonly deleted?: true
  /** ISO 8601 in UTC; information, never compared. */
  readonly updated: string
  /** Who wrote it: 32 hex digits, random per machine and vault. */
  readonly device: string
}

/** The current version of an entry, and up to 20 earlier ones, newest first. */
export type Entry = EntryVersion & {readonly history: readonly EntryVersion[]}

/** What the ciphertext of a vault holds. Fields that we don't know stay in place. */
export type Payload = {
  readonly schema: 1
  readonly vault_id: string
  /** 32 random bytes in base64url. The three audit fields belong to the audit log, and are made with the vault. */
  readonly audit_secret: string
  readonly audit_salt: string
  readonly audit_keys: {readonly [keyId: string]: Json}
  readonly audit_heads: {readonly [device: string]: Json}
  readonly entries: {readonly [name: string]: Entry}
}

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const versionFields = {
  gen: natural,
  value: v.optional(v.string()),
  encoding: v.optional(v.literal('base64')),
  deleted: v.optional(v.literal(true)),
  updated: v.string(),
  device: v.string(),
}
const Version = v.looseObject(versionFields)
const CurrentVersion = v.looseObject({...versionFields, history: v.array(Version)})
const PayloadShape = v.looseObject({
  schema: v.literal(1),
  vault_id: v.string(),
  audit_secret: v.string(),
  audit_salt: v.string(),
  audit_keys: v.looseObject({}),
  audit_heads: v.looseObject({}),
  entries: v.looseObject({}),
})

/** Is this a payload of schema 1? Checked without copying: valibot's copies leave out keys such as `constructor`. */
export function isPayload(value: unknown): value is Payload {
  if (!v.is(PayloadShape, value)) return false
  return Object.values(value.entries).every((entry) => v.is(CurrentVersion, entry) && isWhole(entry as Entry))
}

/** A version either holds a value that can be decoded, or says that it is a deletion. */
const isWhole = (entry: Entry): boolean =>
  [entry, ...entry.history].every(({value, encoding, deleted}) =>
    deleted
      ? value === undefined
      : value !== undefined && (encoding === undefined || Buffer.from(value, 'base64').toString('base64') === value),
  )

/** A payload without entries, with its own audit secret and salt. */
export const emptyPayload = (vaultId: string): Payload => ({
  schema: 1,
  vault_id: vaultId,
  audit_secret: randomBytes(32).toString('base64url'),
  audit_salt: randomBytes(32).toString('base64url'),
  audit_keys: {},
  audit_heads: {},
  entries: {},
})

/** @returns the entry of that name, deleted or not; `undefined` when there never was one. */
export const findEntry = (payload: Payload, name: string): Entry | undefined =>
  Object.hasOwn(payload.entries, name) ? payload.entries[name] : undefined

/** Who writes, and when. */
export type Author = {readonly device: string; readonly now: Date}

/** The payload with a new current version of `name`; the version before moves into its history. */
export function withValue(payload: Payload, name: string, value: Buffer, author: Author): Payload {
  const text = value.toString('utf8')
  const content: {value: string; encoding?: 'base64'} = Buffer.from(text, 'utf8').equals(value)
    ? {value: text}
    : {value: value.toString('base64'), encoding: 'base64'}
  return withVersion(payload, name, content, author)
}

/** The payload with `name` marked as deleted; its earlier versions stay in the history. */
export const withDeletion = (payload: Payload, name: string, author: Author): Payload =>
  withVersion(payload, name, {deleted: true}, author)

/** The payload without the earlier versions of `name`, which is there. */
export const withoutEarlier = (payload: Payload, name: string): Payload => ({
  ...payload,
  entries: {...payload.entries, [name]: {...findEntry(payload, name)!, history: []}},
})

/** The bytes of a version. @throws TypeError for a deletion, which holds none. */
export function bytesOf({value, encoding}: EntryVersion): Buffer {
  if (value === undefined) throw new TypeError('a deletion holds no value')
  return Buffer.from(value, encoding ?? 'utf8')
}

function withVersion(
  payload: Payload,
  name: string,
  content: Pick<EntryVersion, 'value' | 'encoding' | 'deleted'>,
  {device, now}: Author,
): Payload {
  const before = findEntry(payload, name)
  const entry: Entry = {
    ...content,
    gen: (before?.gen ?? 0) + 1,
    updated: now.toISOString(),
    device,
    history: before === undefined ? [] : [withoutHistory(before), ...before.history].slice(0, keptVersions),
  }
  return {...payload, entries: {...payload.entries, [name]: entry}}
}

function withoutHistory(entry: Entry): EntryVersion {
  const {history: _, ...version} = entry
  return version
}
