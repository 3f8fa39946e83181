import {EnvdriftError} from './errors.ts'
import {writtenName, type KeyName, type SecretRef} from './mapping.ts'
import {shellWord} from './shell-word.ts'

/** One secret in one vault ⇄ one key in one folder, with its files found. Paths are absolute unless they say otherwise. */
export type Mapping = {
  readonly ref: SecretRef
  readonly key: KeyName
  /** `folder_path` as written: what people see. */
  readonly folderPath: string
  readonly folder: string
  readonly keysFile: string
  /** The env file that the key opens, or `undefined` when there is none yet. */
  readonly envFile: string | undefined
  /** dotenvx's name for the environment's file, for the comment above a new key: `.env.production`. */
  readonly envFileName: string
  readonly environment: string | undefined
  readonly ephemeral: boolean
  readonly required: 'always' | 'ci'
}

/** How a person may recognise a key without seeing it: its public key's first digits, and the version if the vault told. */
export type Sight = {readonly fingerprint: string; readonly version?: string}

/** What was found out about one mapping, before anything is decided. No key is in it: only what a decision needs. */
export type Finding = {
  readonly mapping: Mapping
  /** What the vault's answer came to. */
  readonly vault:
    | {
        readonly kind: 'key'
        /** Left out where nobody is shown it: the key fits, and no other lies in the keys file. It costs half a millisecond. */
        readonly sight?: Sight
        /** Compared with the env file's public key. */
        readonly fits: Fit
      }
    | {readonly kind: 'no-access'; readonly error: EnvdriftError}
    | {readonly kind: 'unusable'; readonly error: EnvdriftError}
  /** What the keys file holds for this key. `different` comes with what is there, also when it is empty. */
  readonly local:
    | {readonly kind: 'no-file'}
    | {readonly kind: 'no-key'}
    | {readonly kind: 'same'}
    | {readonly kind: 'different'; readonly sight: Sight}
  readonly envFile: {
    readonly sops: boolean
    /** The file carries a public key and not one encrypted value. */
    readonly nothingEncrypted: boolean
  }
}

/** Does the vault's key belong to the env file? `unknown`: the file names no public key, or there is no file. */
export type Fit =
  | {readonly kind: 'fits'; readonly publicKeyName: string}
  | {readonly kind: 'unknown'}
  | {readonly kind: 'misfit'; readonly error: EnvdriftError}

/** What the flags ask for. */
export type Mode = {
  readonly verify: boolean
  readonly force: boolean
  readonly ci: boolean
  readonly checkDecryption: boolean
  readonly skipKeyMatch: boolean
}

export type SkipReason =
  | {readonly kind: 'in-sync'}
  | {readonly kind: 'declined'}
  | {readonly kind: 'no-access'}
  | {readonly kind: 'sops'}
  | {readonly kind: 'matches-public-key'; readonly envFile: string}

/** Orders, in the order of the mappings. `ask` becomes an update or a skip once somebody has answered. */
export type Action = {readonly mapping: Mapping} & (
  | {readonly kind: 'create'; readonly warning?: string}
  | {readonly kind: 'update'; readonly warning?: string}
  | {readonly kind: 'ask'; readonly local: Sight; readonly vault: Sight; readonly warning?: string}
  | {readonly kind: 'keep'; readonly warning?: string}
  | {readonly kind: 'skip'; readonly reason: SkipReason}
  | {readonly kind: 'fail'; readonly error: EnvdriftError; readonly local?: Sight; readonly vault?: Sight}
)

/**
 * Decide what one mapping needs. Pure, and the only place that decides: `keep` is an ephemeral key, which stays in memory.
 *
 * What comes first wins: trouble with the vault, a key that doesn't belong to the file, nothing to check, and only then
 * what the keys file says; so that no question is ever asked about a wrong key.
 */
export function decide(finding: Finding, mode: Mode): Action {
  const {mapping, vault, local, envFile} = finding
  switch (vault.kind) {
    case 'no-access':
      return mapping.required === 'ci' && !mode.ci
        ? {kind: 'skip', mapping, reason: {kind: 'no-access'}}
        : {kind: 'fail', mapping, error: vault.error}
    case 'unusable':
      return {kind: 'fail', mapping, error: vault.error}
    case 'key':
  }
  const {fits} = vault
  const overruled = fits.kind === 'misfit' && mode.skipKeyMatch && !mode.verify
  if (fits.kind === 'misfit' && !overruled) return {kind: 'fail', mapping, error: fits.error, vault: shown(vault)}
  if (envFile.sops) return {kind: 'skip', mapping, reason: {kind: 'sops'}}
  if (envFile.nothingEncrypted && (mode.verify || mode.checkDecryption)) {
    return {kind: 'fail', mapping, error: nothingEncrypted(mapping)}
  }
  const warning = overruled
    ? {warning: `${fits.error.message}; installed all the same, because of --skip-key-match`}
    : {}

  if (mapping.ephemeral) {
    if (mode.verify && fits.kind !== 'fits') return {kind: 'fail', mapping, error: nothingToCompareWith(mapping)}
    return {kind: 'keep', mapping, ...warning}
  }
  if (local.kind === 'same') return {kind: 'skip', mapping, reason: {kind: 'in-sync'}}
  if (local.kind === 'different') {
    if (mode.verify || (mode.ci && !mode.force)) {
      return {kind: 'fail', mapping, error: differs(mapping, mode), local: local.sight, vault: shown(vault)}
    }
    return mode.force
      ? {kind: 'update', mapping, ...warning}
      : {kind: 'ask', mapping, local: local.sight, vault: shown(vault), ...warning}
  }
  if (!mode.verify) return {kind: 'create', mapping, ...warning}
  if (local.kind === 'no-key') return {kind: 'fail', mapping, error: keyMissing(mapping)}
  return mode.ci && fits.kind === 'fits'
    ? {kind: 'skip', mapping, reason: {kind: 'matches-public-key', envFile: mapping.envFile ?? mapping.envFileName}}
    : {kind: 'fail', mapping, error: keysFileMissing(mapping, mode)}
}

function shown({sight}: Extract<Finding['vault'], {kind: 'key'}>): Sight {
  if (sight === undefined) throw new TypeError('a key that is shown was not looked at')
  return sight
}

const differs = ({ref, key}: Mapping, {verify}: Mode): EnvdriftError =>
  new EnvdriftError('DIFFERS', `Value mismatch detected: ${key} differs from ${writtenName(ref)} in the vault`, {
    suggestions: verify
      ? ['Run `envdrift sync --force` to take the value of the vault; the old one is kept in a backup.']
      : ['Add --force to take the value of the vault, or run without --ci to be asked.'],
  })

const keysFileMissing = ({keysFile, envFile}: Mapping, {ci}: Mode): EnvdriftError =>
  new EnvdriftError('KEYS_FILE_MISSING', `Key file does not exist: ${keysFile}`, {
    suggestions: [
      'Run `envdrift sync` to create it.',
      ...(ci
        ? [
            envFile === undefined
              ? 'On a clean checkout, --verify --ci compares with the public key in the env file; there is no env file here.'
              : `On a clean checkout, --verify --ci compares with the public key in the env file; ${envFile} has none.`,
          ]
        : ['On a clean checkout, add --ci to compare with the public key in the env file instead.']),
    ],
  })

const keyMissing = ({keysFile, key}: Mapping): EnvdriftError =>
  new EnvdriftError('KEY_MISSING', `${key} is missing in ${keysFile}`, {
    suggestions: ['Run `envdrift sync` to add it.'],
  })

const nothingEncrypted = ({envFile = ''}: Mapping): EnvdriftError =>
  new EnvdriftError('NOTHING_ENCRYPTED', `${envFile} has a public key, but nothing in it is encrypted`, {
    suggestions: [`Encrypt it with \`dotenvx encrypt -f ${shellWord(envFile)}\` before you commit it.`],
  })

const nothingToCompareWith = ({envFile, envFileName, folder}: Mapping): EnvdriftError =>
  new EnvdriftError(
    'KEYS_FILE_MISSING',
    `Nothing to compare an ephemeral key with: no public key in ${envFile ?? `${folder}/${envFileName}`}`,
    {
      suggestions: ['Encrypt the env file with dotenvx 1.0 or newer, which writes its public key into it.'],
    },
  )
