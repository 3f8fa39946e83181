import {createHash, randomBytes} from 'node:crypto'
import {constants} from 'node:fs'
import {chmod, lstat, mkdir, open, readdir, realpath, unlink} from 'node:fs/promises'
import {basename, dirname, join, parse, resolve} from 'node:path'

import {EnvdriftError} from '../core/errors.ts'
import {isInside} from '../core/inside.ts'
import type {Secret} from '../core/secret.ts'
import {shellWord} from '../core/shell-word.ts'
import {printable} from '../core/text.ts'
import {isCode, readTextFile, replaceFile, temporaryName} from '../system/files.ts'
import {removeAtExit} from '../system/leftovers.ts'
import {withLock} from '../system/lock.ts'
import {canonicalJson, type Json} from './canonical-json.ts'
import {
  createVault,
  fullAtBytes,
  maxVaultBytes,
  openVault,
  reopenVault,
  seal,
  withNewPassword,
  type OpenVault,
  type VaultFile,
  type VaultKey,
} from './container.ts'
import {
  bytesOf,
  findEntry,
  withDeletion,
  withoutEarlier,
  withValue,
  type Author,
  type Entry,
  type EntryVersion,
  type Payload,
} from './payload.ts'

/** Copies of earlier generations kept in `backups/`. Our choice, as is the number of versions kept per entry. */
const keptBackups = 20

/** A vault with less room than this is full, in bytes: the largest value, with every byte escaped, has 384 KiB. */
const leastRoomBytes = 512 * 1024

/** How often a write starts anew because somebody who doesn't know our lock (git, a copy) changed the file under it. */
const maxAttempts = 3

const fileName = 'vault.enc'
const metaName = 'vault.enc.meta.json'
const backupFolder = 'backups'
const backupName = /^vault\.enc\.(\d{8}T\d{9}Z)\.g(\d+)$/

// Windows has neither flag.
const noFollow = (constants.O_NOFOLLOW as number | undefined) ?? 0
const nonBlocking = (constants.O_NONBLOCK as number | undefined) ?? 0

/** A vault's directory, and what it needs of the machine. */
export type VaultPlace = {
  /** Absolute. */
  readonly path: string
  /** Where the lock and this machine's device id lie: `stateDir` of system/directories.ts. */
  readonly stateDir: string
  /** The user's home, which a vault must not be. */
  readonly home: string
  /** Asked at most once, and only when the password is needed. */
  readonly password: () => Promise<Secret>
  readonly now: () => Date
  readonly warn: (message: string) => void
  /** How long to wait for another process that uses the vault, in milliseconds; 10 s unless given. */
  readonly waitMs?: number
}

/** One version of a secret, as it was stored. */
export type StoredVersion = {
  /** From 1, deletions counted, too. */
  readonly version: number
  /** ISO 8601 in UTC; the writer's clock. */
  readonly updated: string
  readonly value: Buffer | 'deleted'
}

/** The versions of one secret that are kept, the current one first. */
export type StoredSecret = readonly [StoredVersion, ...StoredVersion[]]

/** What must be current for a write to happen: that version, nothing, or whatever is there. */
type Expectation = number | 'absent' | 'any'

/** One embedded vault: a directory with an encrypted file in it. The password is asked and derived once. */
export type EmbeddedVault = {
  /** Absolute path of the directory, as given. */
  readonly path: string

  /**
   * Make the vault: the directory with mode 0700, the files with 0600.
   *
   * @throws EnvdriftError VAULT_EXISTS, VAULT_PATH_REFUSED for a directory that isn't for a vault alone, FILE_UNWRITABLE.
   */
  readonly init: () => Promise<void>

  /**
   * Every secret by its name, deleted ones included, as the file says now.
   *
   * Waits for a process that is writing: what it writes is what the caller wants to read.
   *
   * @throws EnvdriftError VAULT_NOT_FOUND, LOCKED, the codes of `openVault`, FILE_UNREADABLE, FILE_TOO_LARGE.
   */
  readonly read: (signal?: AbortSignal) => Promise<ReadonlyMap<string, StoredSecret>>

  /**
   * Store a new version.
   *
   * @returns its number.
   * @throws EnvdriftError VERSION_CONFLICT when something else than `expect` is there, the codes of `read`, FILE_UNWRITABLE,
   *   FILE_CHANGED; the file is untouched then.
   */
  readonly put: (name: string, value: Buffer, expect: Expectation, signal?: AbortSignal) => Promise<number>

  /**
   * Mark an entry as deleted; earlier versions stay in its history, unless the vault is full: then they go, too, also those
   * of an entry that was deleted before.
   *
   * @returns what became of the earlier versions.
   * @throws EnvdriftError NOT_IN_VAULT, and the codes of `put`.
   */
  readonly remove: (name: string, signal?: AbortSignal) => Promise<'kept' | 'gone'>

  /** Encrypt everything under a new data key that only the new password opens. @throws EnvdriftError with the codes of `put`. */
  readonly changePassword: (newPassword: () => Promise<Secret>, signal?: AbortSignal) => Promise<void>
}

/** The vault at a place; touches nothing yet. */
export function embeddedVault(place: VaultPlace): EmbeddedVault {
  const {path, now} = place
  let key: VaultKey | undefined
  let asked: Promise<Secret> | undefined
  const password = (): Promise<Secret> => (asked ??= place.password())

  const locked = <T>(directory: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> =>
    withLock(
      directory,
      {stateDir: place.stateDir, ...(place.waitMs !== undefined && {waitMs: place.waitMs}), ...(signal && {signal})},
      run,
    )

  async function load(signal: AbortSignal | undefined): Promise<OpenVault> {
    const location = await locate(path)
    const file = await locked(location.directory, signal, () => readVault(location))
    const opened = (key && reopenVault(file, key)) ?? (await openVault(file, await password()))
    key = opened.key
    return opened
  }

  async function update(
    change: (vault: OpenVault, author: Author, fileBytes: number) => OpenVault | Promise<OpenVault>,
    signal: AbortSignal | undefined,
    {prove, maxBytes}: Pick<Change, 'prove' | 'maxBytes'>,
  ): Promise<OpenVault> {
    for (let attempt = 1; ; attempt++) {
      // The password question and its derivation come before the lock: others need not wait for them.
      const unlocked = (await load(signal)).key
      const location = await locate(path)
      try {
        const written = await locked(location.directory, signal, async () => {
          const file = await readVault(location)
          const current = reopenVault(file, unlocked)
          // Another process changed the password since.
          if (current === undefined) throw changed(location.file)
          const author = {device: await deviceOf(place.stateDir, current.header.vault_id), now: now()}
          const next = await change(current, author, file.bytes.length)
          await save(location, {next, author, before: file.bytes, prove, maxBytes})
          return next
        })
        key = written.key
        return written
      } catch (error) {
        if (!(error instanceof EnvdriftError) || error.code !== 'FILE_CHANGED' || attempt === maxAttempts) throw error
      }
    }
  }

  async function save(location: Location, {next, author, before, prove, maxBytes}: Change): Promise<void> {
    const parent = before && sha256(before)
    const bytes = seal(next, {path: location.file, ...author, maxBytes, ...(parent !== undefined && {parent})})
    // Before anything is replaced: what we are about to write opens, and says what it should.
    const proof = await prove({path: location.file, bytes}, next.key)
    if (proof === undefined || canonicalJson(asJson(proof.payload)) !== canonicalJson(asJson(next.payload)))
      throw new TypeError('a sealed vault does not open to what was sealed')
    const backup = before && (await backUp(location, before, proof.header.gen - 1, author.now))
    try {
      await replaceFile(location.file, {before, after: bytes, within: location.directory})
    } catch (error) {
      // Else copies of one and the same generation would push the older ones out.
      if (backup !== undefined) await unlink(backup).catch(() => {})
      throw error
    }
    await writeMeta(location, proof, bytes).catch((error: unknown) => {
      // Whatever it says can be told from the vault itself, so a stale one does no harm.
      place.warn(
        `Could not write ${printable(join(path, metaName))}: ${error instanceof Error ? error.message : 'unknown'}`,
      )
    })
    await removeOldBackups(location)
  }

  const byKey: Change['prove'] = async (file, withKey) => reopenVault(file, withKey)
  const byPassword =
    (secret: Secret): Change['prove'] =>
    (file) =>
      openVault(file, secret)

  return {
    path,

    async init() {
      await checkEmpty(place)
      const secret = await password()
      try {
        await mkdir(dirname(path), {recursive: true})
        await mkdir(path, {recursive: true, mode: 0o700})
        await chmod(path, 0o700)
      } catch (error) {
        throw unwritable(path, error)
      }
      const directory = await realpath(path)
      await locked(directory, undefined, async () => {
        await checkEmpty(place)
        const draft = await createVault(secret, {device: randomBytes(16).toString('hex'), now: now()})
        const author = {device: await deviceOf(place.stateDir, draft.header.vault_id), now: now()}
        const location = {directory, file: join(directory, fileName)}
        await save(location, {
          next: draft,
          author,
          before: undefined,
          prove: byPassword(secret),
          maxBytes: maxVaultBytes,
        })
        key = draft.key
      })
    },

    async read(signal) {
      const {entries} = (await load(signal)).payload
      return new Map(Object.entries(entries).map(([name, entry]) => [name, storedSecret(entry)]))
    },

    async put(name, value, expect, signal) {
      const {payload} = await update(
        (vault, author) => {
          checkExpectation(name, findEntry(vault.payload, name), expect)
          return {...vault, payload: withValue(vault.payload, name, value, author)}
        },
        signal,
        {prove: byKey, maxBytes: fullAtBytes},
      )
      return findEntry(payload, name)!.gen
    },

    async remove(name, signal) {
      const {payload} = await update(
        (vault, author, fileBytes) => {
          const entry = findEntry(vault.payload, name)
          const isFull = fileBytes > fullAtBytes - leastRoomBytes
          const canMakeRoom = isFull && entry !== undefined && entry.history.length > 0
          if (entry === undefined || (entry.deleted && !canMakeRoom)) throw notInVault(path, name)
          const marked = entry.deleted ? vault.payload : withDeletion(vault.payload, name, author)
          return {...vault, payload: isFull ? withoutEarlier(marked, name) : marked}
        },
        signal,
        {prove: byKey, maxBytes: maxVaultBytes},
      )
      return findEntry(payload, name)!.history.length === 0 ? 'gone' : 'kept'
    },

    async changePassword(newPassword, signal) {
      await load(signal)
      const secret = await newPassword()
      await update((vault) => withNewPassword({path: join(path, fileName), vault}, secret), signal, {
        prove: byPassword(secret),
        maxBytes: maxVaultBytes,
      })
    },
  }
}

/** What a reader of the vault is told when a name isn't there. */
const notInVault = (path: string, name: string): EnvdriftError =>
  new EnvdriftError('NOT_IN_VAULT', `The vault ${printable(path)} has no secret named ${printable(name)}`, {
    suggestions: [
      `Store it with \`envdrift vault set ${shellWord(name)}\`, which reads the value from standard input.`,
      'See the names that are there with `envdrift vault list`.',
    ],
  })

const storedSecret = (entry: Entry): StoredSecret => [storedVersion(entry), ...entry.history.map(storedVersion)]

const storedVersion = (version: EntryVersion): StoredVersion => ({
  version: version.gen,
  updated: version.updated,
  value: version.deleted ? 'deleted' : bytesOf(version),
})

type Location = {
  /** After symlinks. */
  readonly directory: string
  /** `vault.enc` after symlinks; inside `directory`. */
  readonly file: string
}

type Change = {
  readonly next: OpenVault
  readonly author: Author
  /** The file that is replaced; `undefined` when there is none. */
  readonly before: Buffer | undefined
  /** Opens the new bytes as the next reader will. */
  readonly prove: (file: VaultFile, key: VaultKey) => Promise<OpenVault | undefined>
  /** The new file may have so many. */
  readonly maxBytes: number
}

/** @throws EnvdriftError VAULT_NOT_FOUND; VAULT_PATH_REFUSED when `vault.enc` is a link that leaves the directory. */
async function locate(path: string): Promise<Location> {
  try {
    const directory = await realpath(path)
    const file = join(directory, fileName)
    if (!(await lstat(file)).isSymbolicLink()) return {directory, file}
    const target = await realpath(file)
    if (isInside(target, directory)) return {directory, file: target}
    throw refused(path, `its ${fileName} is a link that leads out of it`)
  } catch (error) {
    if (error instanceof EnvdriftError) throw error
    if (isCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw notFound(path, error)
    throw unreadable(join(path, fileName), error)
  }
}

async function readVault({file}: Location): Promise<VaultFile> {
  try {
    const handle = await open(file, constants.O_RDONLY | noFollow | nonBlocking)
    try {
      const status = await handle.stat()
      if (!status.isFile())
        throw new EnvdriftError('NOT_A_FILE', `${printable(file)} is not a regular file`, {
          suggestions: ['Check the path of the vault.'],
        })
      // The bytes themselves are checked by the container; this keeps a huge file out of memory.
      const bytes = Buffer.alloc(Math.min(status.size, maxVaultBytes) + 1)
      let end = 0
      for (let read = -1; read !== 0 && end < bytes.length; end += read)
        read = (await handle.read(bytes, end, bytes.length - end)).bytesRead
      return {path: printable(file), bytes: bytes.subarray(0, end)}
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof EnvdriftError) throw error
    if (isCode(error, 'ENOENT')) throw notFound(dirname(file), error)
    throw unreadable(file, error)
  }
}

/** A vault's directory is for the vault alone: syncing it must never carry, and never delete, other files. */
async function checkEmpty({path, home}: VaultPlace): Promise<void> {
  const real = await realpath(path).catch(() => resolve(path))
  if (real === parse(real).root) throw refused(path, 'it is the root of the file system')
  if (real === (await realpath(home).catch(() => resolve(home)))) throw refused(path, 'it is your home directory')
  let names: readonly string[]
  try {
    names = await readdir(real)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return
    if (isCode(error, 'ENOTDIR')) throw refused(path, 'it is not a directory')
    throw unreadable(path, error)
  }
  if (names.includes('.git')) throw refused(path, 'it is the root of a git repository')
  if (names.includes(fileName))
    throw new EnvdriftError('VAULT_EXISTS', `There is a vault at ${printable(path)} already`, {
      suggestions: ['Use it as it is: `envdrift vault list`.', 'Give `envdrift vault init` another directory.'],
    })
  // A run that was killed may have left a temporary file, which the first write sweeps.
  if (names.some((name) => temporaryName.exec(name)?.[1] !== fileName))
    throw refused(path, `it holds other files (${printable(names[0] ?? '')}${names.length > 1 ? ' and more' : ''})`)
}

function checkExpectation(name: string, entry: Entry | undefined, expect: Expectation): void {
  if (expect === 'any') return
  const current = entry === undefined || entry.deleted ? 'absent' : entry.gen
  if (current === expect) return
  const found = current === 'absent' ? 'it is not there' : `version ${current} is there`
  const wanted = expect === 'absent' ? 'none was expected' : `version ${expect} was expected`
  throw new EnvdriftError('VERSION_CONFLICT', `${printable(name)} was not stored: ${found}, where ${wanted}`, {
    suggestions: [`See what is there with \`envdrift vault get ${shellWord(name)}\`, then decide.`],
  })
}

/** @returns path of the copy. */
async function backUp({directory}: Location, bytes: Buffer, gen: number, now: Date): Promise<string> {
  const folder = join(directory, backupFolder)
  const file = join(folder, `${fileName}.${now.toISOString().replaceAll(/[-:.]/g, '')}.g${gen}`)
  try {
    await mkdir(folder, {mode: 0o700}).catch((error: unknown) => {
      if (!isCode(error, 'EEXIST')) throw error
    })
    if (!(await lstat(folder)).isDirectory()) throw refused(directory, `its ${backupFolder} is not a directory`)
    // Who commits the vault on purpose doesn't mean generations that an old password opens.
    await writeNew(join(folder, '.gitignore'), Buffer.from('*\n')).catch((error: unknown) => {
      if (!isCode(error, 'EEXIST')) throw error
    })
    await writeNew(file, bytes)
    return file
  } catch (error) {
    throw error instanceof EnvdriftError ? error : unwritable(file, error)
  }
}

/** A file that wasn't there before, mode 0600, on the disk. Nothing stays when it can't be written whole. */
async function writeNew(path: string, bytes: Buffer): Promise<void> {
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow, 0o600)
  const forget = removeAtExit(path)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } catch (error) {
    await unlink(path).catch(() => {})
    throw error
  } finally {
    forget()
    await handle.close()
  }
}

/** The vault is written by now: a copy too many is no reason to call that a failure. */
async function removeOldBackups({directory}: Location): Promise<void> {
  const folder = join(directory, backupFolder)
  const copies = (await readdir(folder).catch(() => []))
    .map((name) => ({name, match: backupName.exec(name)}))
    .filter(({match}) => match !== null)
    .map(({name, match}) => ({name, time: match![1]!, gen: Number(match![2])}))
    // By time first: after an older vault was put back, its generations are lower than those of the copies before.
    .toSorted((a, b) => (a.time === b.time ? b.gen - a.gen : a.time < b.time ? 1 : -1))
  for (const {name} of copies.slice(keptBackups)) await unlink(join(folder, name)).catch(() => {})
}

/** What can be known of a vault without its password, for people and backup tools; never read by us. */
async function writeMeta({directory}: Location, {header, payload}: OpenVault, bytes: Buffer): Promise<void> {
  const file = join(directory, metaName)
  const meta = {
    version: '1.0',
    vault_id: header.vault_id,
    created_at: header.created,
    last_modified: header.modified,
    generation: header.gen,
    vault_sha256: sha256(bytes),
    audit_salt: payload.audit_salt,
    audit_enabled: false,
    kdf: header.wraps.find(({kind}) => kind === 'password')?.['kdf'],
  }
  const before = await readTextFile(file, {within: directory})
  await replaceFile(file, {before, after: `${JSON.stringify(meta, null, 2)}\n`, within: directory})
}

/**
 * This machine's id in one vault: random, kept in the state directory. Call it under the vault's lock.
 *
 * @returns 32 hex digits; a passing id where the state directory can't be written, as in many containers.
 */
async function deviceOf(stateDir: string, vaultId: string): Promise<string> {
  const file = join(stateDir, 'vaults', vaultId, 'state.json')
  const device = randomBytes(16).toString('hex')
  try {
    await mkdir(dirname(file), {recursive: true, mode: 0o700})
    const before = await readTextFile(file)
    const known = before === undefined ? undefined : deviceIn(before)
    if (known !== undefined) return known
    await replaceFile(file, {before, after: `${JSON.stringify({device})}\n`})
  } catch {
    // An unknown device is as good as a new one.
  }
  return device
}

function deviceIn(text: string): string | undefined {
  try {
    const {device} = JSON.parse(text) as {readonly device?: unknown}
    return typeof device === 'string' && /^[0-9a-f]{32}$/.test(device) ? device : undefined
  } catch {
    return undefined
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

const asJson = (payload: Payload): Json => payload as unknown as Json

const notFound = (path: string, cause: unknown): EnvdriftError => {
  const isItsFile = basename(path) === fileName
  return new EnvdriftError('VAULT_NOT_FOUND', `There is no vault at ${printable(path)}`, {
    suggestions: [
      ...(isItsFile ? (['Name the directory of the vault, not the file in it.'] as const) : []),
      'If there was one, take vault.enc back from git, from another copy, or the newest of its backups/ (which lacks the last change).',
      `Make a new one with \`envdrift vault init ${shellWord(path)}\`.`,
      'Or name the directory of an existing one: `path` in [vault.local], or ENVDRIFT_VAULT_PATH.',
    ] as [string, ...string[]],
    cause,
  })
}

const refused = (path: string, why: string): EnvdriftError =>
  new EnvdriftError('VAULT_PATH_REFUSED', `${printable(path)} can't be a vault: ${why}`, {
    suggestions: ['Give the vault a directory of its own, such as `.envdrift/vault`.'],
  })

const changed = (file: string): EnvdriftError =>
  new EnvdriftError('FILE_CHANGED', `${printable(file)} was changed by someone else in the meantime`, {
    suggestions: ['Run the command again: it starts from what the file says now.'],
  })

const unreadable = (path: string, error: unknown): EnvdriftError =>
  new EnvdriftError('FILE_UNREADABLE', `Could not read ${printable(path)}: ${textOf(error)}`, {
    suggestions: ['Check the permissions of the directory and of the files in it.'],
    cause: error,
  })

const unwritable = (path: string, error: unknown): EnvdriftError =>
  new EnvdriftError('FILE_UNWRITABLE', `Could not write ${printable(path)}: ${textOf(error)}`, {
    suggestions: ['Check the free space of the disk and the permissions of the directory, then run the command again.'],
    cause: error,
  })

const textOf = (error: unknown): string => (error instanceof Error ? printable(error.message) : 'unknown')
