import {createCipheriv, createDecipheriv, hkdfSync, randomBytes, scrypt} from 'node:crypto'
import {promisify} from 'node:util'

import * as v from 'valibot'

import {EnvdriftError} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import {canonicalJson, parseCanonicalJson, type Json} from './canonical-json.ts'
import {emptyPayload, isPayload, type Payload} from './payload.ts'

/*
 * The bytes of `vault.enc`, format 1:
 *
 *   ENVDRIFT-VAULT/1\n
 *   base64url(canonical JSON header)\n
 *   nonce (12) · ciphertext · tag (16)
 *
 * AES-256-GCM; its additional data are the two lines, line ends included. The key is HKDF-SHA256 of the vault's data key
 * with `hkdf_salt`, which is new on every write, so that nonces never meet, however many machines write. The data key is
 * wrapped under a key from scrypt of the password. The plaintext is canonical JSON, filled up with blanks to 4 KiB.
 */

/** Cost of scrypt. `cost` is N, a power of two; memory is 128·N·r bytes. */
export type ScryptCost = {readonly N: number; readonly r: number; readonly p: number}

/** What a new vault gets: 128 MiB and about 0.3 s. Source: OWASP Password Storage Cheat Sheet, scrypt. */
const standardCost: ScryptCost = {N: 2 ** 17, r: 8, p: 1}

/** A vault file is never larger. Our choice: thousands of keys with their history, and still no danger to memory. */
export const maxVaultBytes = 16 * 1024 * 1024

/**
 * What a write that adds may fill, in bytes: the rest is for those that make room, whose header still grows by its ancestors.
 */
export const fullAtBytes = maxVaultBytes - 64 * 1024

/** A header with 64 ancestors and eight wraps has some 12 KiB. */
const maxHeaderBytes = 64 * 1024
const maxWraps = 8
const keptAncestors = 64
const padTo = 4096
const [nonceBytes, tagBytes, keyBytes, saltBytes] = [12, 16, 32, 32]
const magic = 'ENVDRIFT-VAULT/'
const firstLine = Buffer.from(`${magic}1\n`)
const payloadInfo = 'envdrift vault payload/1'

const base64url = (bytes: number) =>
  v.pipe(
    v.string(),
    v.check((text) => decodeBase64url(text)?.length === bytes),
  )
const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)))
const time = v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/))
const integer = v.pipe(v.number(), v.safeInteger())

const Kdf = v.strictObject({
  name: v.literal('scrypt'),
  N: integer,
  r: integer,
  p: integer,
  salt: base64url(saltBytes),
})
const PasswordWrap = v.looseObject({
  id: hex(16),
  kind: v.literal('password'),
  kdf: Kdf,
  nonce: base64url(nonceBytes),
  key: base64url(keyBytes + tagBytes),
})
const HeaderShape = v.looseObject({
  vault_id: hex(32),
  gen: v.pipe(integer, v.minValue(1)),
  parents: v.pipe(v.array(hex(64)), v.maxLength(2)),
  recent: v.pipe(v.array(hex(64)), v.maxLength(keptAncestors)),
  device: hex(32),
  created: time,
  modified: time,
  cipher: v.literal('A256GCM'),
  hkdf_salt: base64url(saltBytes),
  wraps: v.pipe(v.array(v.looseObject({kind: v.string()})), v.minLength(1), v.maxLength(maxWraps)),
  crit: v.array(v.string()),
})

/** The data key, wrapped under a password. Additional data: {@link wrapContext}. */
type Wrap = v.InferOutput<typeof PasswordWrap>

/** What stands in clear before the ciphertext. Nothing of it is proven before {@link decrypt} succeeds. */
export type Header = v.InferOutput<typeof HeaderShape>

/** A vault's bytes and where they came from; `path` is for messages only. */
export type VaultFile = {readonly path: string; readonly bytes: Buffer}

/** The data key of a vault together with the wraps that it came out of: with it, no password is needed. */
export type VaultKey = {readonly vaultId: string; readonly wraps: string; readonly dek: Buffer}

/** A vault in clear. */
export type OpenVault = {readonly header: Header; readonly payload: Payload; readonly key: VaultKey}

/** Makes a vault without entries, not yet sealed: generation 0, the first {@link seal} makes it 1. */
export async function createVault(
  password: Secret,
  {device, now, cost = standardCost}: {device: string; now: Date; cost?: ScryptCost},
): Promise<OpenVault> {
  const vaultId = randomBytes(16).toString('hex')
  const dek = randomBytes(keyBytes)
  const header: Header = {
    vault_id: vaultId,
    gen: 0,
    parents: [],
    recent: [],
    device,
    created: now.toISOString(),
    modified: now.toISOString(),
    cipher: 'A256GCM',
    hkdf_salt: '',
    wraps: [await wrap(dek, vaultId, password, cost)],
    crit: [],
  }
  return {header, payload: emptyPayload(vaultId), key: {vaultId, wraps: canonicalJson(header.wraps as Json), dek}}
}

/**
 * The same vault under a new data key and a new password; the old ones open nothing that is sealed from here on.
 *
 * @throws EnvdriftError VAULT_TOO_NEW when the vault also opens by something that we can't renew.
 */
export async function withNewPassword(
  {path, vault}: {path: string; vault: OpenVault},
  password: Secret,
  cost: ScryptCost = standardCost,
): Promise<OpenVault> {
  if (!vault.header.wraps.every((one) => v.is(PasswordWrap, one)))
    throw tooNew(path, 'it also opens by something other than a password, which this version cannot renew')
  const {vaultId} = vault.key
  const dek = randomBytes(keyBytes)
  const wraps = [await wrap(dek, vaultId, password, cost)]
  return {...vault, header: {...vault.header, wraps}, key: {vaultId, wraps: canonicalJson(wraps as Json), dek}}
}

type Sealing = {
  readonly path: string
  readonly parent?: string
  readonly device: string
  readonly now: Date
  readonly maxBytes?: number
}

/**
 * The bytes of the vault's next generation, under a fresh salt and nonce.
 *
 * @param from.parent - SHA-256 of the file that it replaces, in hex; left out for the first.
 * @param from.maxBytes - {@link maxVaultBytes} unless given.
 * @throws EnvdriftError FILE_TOO_LARGE.
 */
export function seal({header: before, payload, key}: OpenVault, from: Sealing): Buffer {
  const parents = from.parent === undefined ? [] : [from.parent]
  const header: Header = {
    ...before,
    gen: before.gen + 1,
    parents,
    recent: [...parents, ...before.recent].slice(0, keptAncestors),
    device: from.device,
    modified: from.now.toISOString(),
    hkdf_salt: randomBytes(saltBytes).toString('base64url'),
  }
  const headerLine = Buffer.from(`${Buffer.from(canonicalJson(header as Json)).toString('base64url')}\n`)
  const plain = Buffer.from(canonicalJson(payload as unknown as Json))
  const padded = Buffer.alloc(Math.ceil(plain.length / padTo) * padTo, ' ')
  plain.copy(padded)
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', payloadKey(key.dek, header), nonce)
  cipher.setAAD(Buffer.concat([firstLine, headerLine]))
  const bytes = Buffer.concat([
    firstLine,
    headerLine,
    nonce,
    cipher.update(padded),
    cipher.final(),
    cipher.getAuthTag(),
  ])
  plain.fill(0)
  padded.fill(0)
  if (bytes.length > (from.maxBytes ?? maxVaultBytes) || headerLine.length > maxHeaderBytes)
    throw new EnvdriftError('FILE_TOO_LARGE', `The vault ${from.path} is full: it would grow beyond 16 MiB`, {
      suggestions: [
        'Delete what nobody needs with `envdrift vault rm NAME`: in a full vault, earlier versions go with it.',
        'Or start a second vault with `envdrift vault init`, and move the large values there.',
      ],
    })
  return bytes
}

/**
 * Opens a vault by its password. Costs one scrypt per password wrap tried, some 0.3 s each.
 *
 * @throws EnvdriftError VAULT_WRONG_PASSWORD when no wrap opens (which is also what a damaged wrap looks like),
 *   VAULT_CORRUPT when a wrap opens and the rest doesn't, or the file isn't whole; NOT_A_VAULT; VAULT_TOO_NEW.
 */
export async function openVault(file: VaultFile, password: Secret): Promise<OpenVault> {
  return decrypt(file, await unlock(file, password))
}

/**
 * Opens a vault with a data key that was unlocked before.
 *
 * @returns `undefined` when this file has other wraps than the key came from: ask for the password again.
 * @throws EnvdriftError as {@link openVault}, but never VAULT_WRONG_PASSWORD.
 */
export function reopenVault(file: VaultFile, key: VaultKey): OpenVault | undefined {
  const {header} = parse(file)
  return header.vault_id === key.vaultId && canonicalJson(header.wraps as Json) === key.wraps
    ? decrypt(file, key)
    : undefined
}

/**
 * What the file says of itself, without a password and without proof.
 *
 * @throws EnvdriftError VAULT_CORRUPT, NOT_A_VAULT, VAULT_TOO_NEW.
 */
export const readHeader = (file: VaultFile): Header => parse(file).header

async function unlock(file: VaultFile, password: Secret): Promise<VaultKey> {
  const {header} = parse(file)
  for (const passwordWrap of checkedWraps(file.path, header)) {
    const kek = await passwordKey(password, passwordWrap.kdf)
    const dek = openGcm(
      kek,
      decoded(passwordWrap.nonce),
      wrapContext(header.vault_id, passwordWrap),
      decoded(passwordWrap.key),
    )
    kek.fill(0)
    if (dek !== undefined) return {vaultId: header.vault_id, wraps: canonicalJson(header.wraps as Json), dek}
  }
  throw new EnvdriftError('VAULT_WRONG_PASSWORD', `Wrong password for the vault ${file.path}`, {
    suggestions: [
      'Give the password that it was made with, or that the last `envdrift vault passwd` set.',
      'If the password is certainly right, the head of the file is damaged: restore vault.enc from its backups/ directory or from git.',
    ],
  })
}

function decrypt(file: VaultFile, key: VaultKey): OpenVault {
  const {header, associated, nonce, sealed} = parse(file)
  const plain = openGcm(payloadKey(key.dek, header), nonce, associated, sealed)
  if (plain === undefined) throw corrupt(file.path, 'the password is right, but what it protects was changed')
  let end = plain.length
  while (end > 0 && plain[end - 1] === 0x20) end--
  const payload = parseCanonicalJson(plain.subarray(0, end))
  plain.fill(0)
  const schema = isObject(payload) ? payload['schema'] : undefined
  if (typeof schema === 'number' && schema > 1) throw tooNew(file.path, 'its entries have a newer shape')
  if (!isPayload(payload) || payload.vault_id !== header.vault_id)
    throw corrupt(file.path, 'it opens, but its content has not the shape of a vault')
  return {header, payload, key}
}

type Parsed = {
  readonly header: Header
  readonly associated: Buffer
  readonly nonce: Buffer
  /** Ciphertext and tag. */
  readonly sealed: Buffer
}

function parse({path, bytes}: VaultFile): Parsed {
  if (bytes.length > maxVaultBytes)
    throw new EnvdriftError('FILE_TOO_LARGE', `${path} has more than 16 MiB, so it is not a vault of ours`, {
      suggestions: ['Check the path of the vault.'],
    })
  checkFirstLine(path, bytes)
  const headerEnd = bytes.subarray(0, firstLine.length + maxHeaderBytes).indexOf(0x0a, firstLine.length)
  if (headerEnd === -1) throw corrupt(path, 'its header does not end')
  const headerJson = decodeBase64url(bytes.toString('latin1', firstLine.length, headerEnd))
  const header = headerJson && parseCanonicalJson(headerJson)
  if (header === undefined) throw corrupt(path, 'its header is not readable')
  refuseNewer(path, header)
  if (!v.is(HeaderShape, header)) throw corrupt(path, 'a field of its header is missing or out of range')
  const [associated, rest] = [bytes.subarray(0, headerEnd + 1), bytes.subarray(headerEnd + 1)]
  const cipherLength = rest.length - nonceBytes - tagBytes
  if (cipherLength < padTo || cipherLength % padTo !== 0) throw corrupt(path, 'it is cut off or has bytes too many')
  return {header, associated, nonce: rest.subarray(0, nonceBytes), sealed: rest.subarray(nonceBytes)}
}

function checkFirstLine(path: string, bytes: Buffer): void {
  const start = bytes.subarray(0, firstLine.length)
  if (start.equals(firstLine)) return
  if (firstLine.subarray(0, start.length).equals(start))
    throw corrupt(path, start.length === 0 ? 'it is empty' : 'it is cut off')
  const version = /^ENVDRIFT-VAULT\/([1-9]\d{0,8})\n/.exec(bytes.toString('latin1', 0, 32))?.[1]
  if (version !== undefined) throw tooNew(path, `it is written in format ${version}`)
  throw new EnvdriftError('NOT_A_VAULT', `${path} is not an envdrift vault`, {
    suggestions: ['Check the path of the vault.', 'Make a vault in a directory of its own with `envdrift vault init`.'],
  })
}

/** Whatever says "only a newer version can read me right", before its shape is looked at. */
function refuseNewer(path: string, header: Json): void {
  if (!isObject(header)) return
  const {cipher, crit, wraps} = header
  if (typeof cipher === 'string' && cipher !== 'A256GCM') throw tooNew(path, 'it uses another cipher')
  // No field has ever been critical; the first one that is gets its name here.
  if (Array.isArray(crit) && crit.length > 0) throw tooNew(path, 'it uses a feature that must not be ignored')
  const passwordWraps = (Array.isArray(wraps) ? wraps : []).filter((one) => isObject(one) && one['kind'] === 'password')
  const kdfs = passwordWraps.map((one) => (one as JsonObject)['kdf'])
  if (kdfs.some((kdf) => isObject(kdf) && typeof kdf['name'] === 'string' && kdf['name'] !== 'scrypt'))
    throw tooNew(path, 'it derives its key from the password in another way')
}

/** All wraps together may cost what sixteen of ours do, some five seconds: each is tried until one opens. */
const maxWork = 16 * standardCost.N * standardCost.r * standardCost.p

/** @throws EnvdriftError VAULT_CORRUPT, before anything is derived. */
function checkedWraps(path: string, {wraps}: Header): readonly Wrap[] {
  const checked = wraps.filter(({kind}) => kind === 'password').map((one) => checkedWrap(path, one))
  const work = checked.reduce((sum, {kdf: {N, r, p}}) => sum + N * r * p, 0)
  if (work > maxWork) throw corrupt(path, 'its wraps ask for more work with scrypt than a vault may ask for')
  return checked
}

/** The bounds stand before the derivation: who can edit the file must not choose how much memory we take (512 MiB). */
function checkedWrap(path: string, one: unknown): Wrap {
  if (!v.is(PasswordWrap, one)) throw corrupt(path, 'its wrapped key has not the right shape')
  const {N, r, p} = one.kdf
  const powerOfTwo = Number.isInteger(Math.log2(N))
  const inBounds = N >= 2 ** 14 && N <= 2 ** 20 && r >= 8 && r <= 16 && p >= 1 && p <= 8 && N * r <= 2 ** 22
  if (!powerOfTwo || !inBounds)
    throw corrupt(path, `it asks for scrypt with N=${N}, r=${r}, p=${p}, which is outside of what a vault may ask for`)
  return one
}

async function wrap(dek: Buffer, vaultId: string, password: Secret, cost: ScryptCost): Promise<Wrap> {
  const kdf = {name: 'scrypt' as const, ...cost, salt: randomBytes(saltBytes).toString('base64url')}
  const nonce = randomBytes(nonceBytes)
  const unsealed = {
    id: randomBytes(8).toString('hex'),
    kind: 'password' as const,
    kdf,
    nonce: nonce.toString('base64url'),
  }
  const kek = await passwordKey(password, kdf)
  const cipher = createCipheriv('aes-256-gcm', kek, nonce)
  cipher.setAAD(wrapContext(vaultId, unsealed))
  const key = Buffer.concat([cipher.update(dek), cipher.final(), cipher.getAuthTag()]).toString('base64url')
  kek.fill(0)
  return {...unsealed, key}
}

/** Additional data of a wrap: ids have a fixed length, so the four parts need no separators. */
const wrapContext = (vaultId: string, {id, kdf}: Pick<Wrap, 'id' | 'kdf'>): Buffer =>
  Buffer.from(`envdrift-wrap/1${vaultId}${id}${canonicalJson(kdf)}`)

async function passwordKey(password: Secret, {N, r, p, salt}: Wrap['kdf']): Promise<Buffer> {
  const bytes = Buffer.from(password.reveal())
  // Node's default limit refuses even N=2^15 (32 MiB).
  const key = await promisify<Buffer, Buffer, number, object, Buffer>(scrypt)(bytes, decoded(salt), keyBytes, {
    N,
    r,
    p,
    maxmem: 256 * N * r,
  })
  bytes.fill(0)
  return key
}

const payloadKey = (dek: Buffer, header: Header): Buffer =>
  Buffer.from(hkdfSync('sha256', dek, decoded(header.hkdf_salt), payloadInfo, keyBytes))

/** @param sealed - ciphertext and tag. @returns `undefined` when the tag doesn't fit. */
function openGcm(key: Buffer, nonce: Buffer, associated: Buffer, sealed: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, {authTagLength: tagBytes})
  decipher.setAAD(associated)
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  const plain = decipher.update(sealed.subarray(0, -tagBytes))
  try {
    return Buffer.concat([plain, decipher.final()])
  } catch {
    return undefined
  }
}

/** Strict: padding, other alphabets and stray last bits are refused, so that one value has one encoding. */
function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

type JsonObject = {readonly [field: string]: Json}
const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const decoded = (text: string): Buffer => Buffer.from(text, 'base64url')

const corrupt = (path: string, how: string): EnvdriftError =>
  new EnvdriftError('VAULT_CORRUPT', `The vault ${path} is damaged: ${how}`, {
    suggestions: ['Restore vault.enc from the backups/ directory beside it, or from git.'],
  })

const tooNew = (path: string, why: string): EnvdriftError =>
  new EnvdriftError('VAULT_TOO_NEW', `The vault ${path} was made by a newer version of envdrift: ${why}`, {
    suggestions: ['Update envdrift, then try again; the file was not touched.'],
  })
