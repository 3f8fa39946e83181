/**
 * Why a command ended, as one word. `--json` carries it as `exitReason`, always; `--detailed-exitcode` turns it into a number.
 *
 * Source of the words and of their order: facts on exit codes in docs/exit-codes.md.
 */
export type ExitReason =
  | 'ok'
  | 'drift'
  | 'config'
  | 'auth'
  | 'not-found'
  | 'unreachable'
  | 'decryption'
  | 'file'
  | 'corrupt'
  | 'unknown-format'
  | 'newer-format'
  | 'usage'
  | 'interrupted'
  | 'terminated'
  | 'error'

/**
 * Every code that we raise on purpose, with the reason that it gives to the exit. Codes are stable: scripts may match them.
 * docs/errors.md has a line for each, and a test holds the two against each other.
 */
export const errorCodes = {
  // the command line
  USAGE: 'usage',
  // configuration
  CONFIG_NOT_FOUND: 'config',
  CONFIG_UNREADABLE: 'config',
  CONFIG_SYNTAX: 'config',
  CONFIG_INVALID: 'config',
  CONFIG_NOT_ALLOWED: 'config',
  NOT_THERE_YET: 'config',
  NOTHING_TO_DO: 'config',
  VAULT_ADDRESS_CONFLICT: 'config',
  // vault services
  NOT_LOGGED_IN: 'auth',
  LOGIN_REFUSED: 'auth',
  FORBIDDEN: 'auth',
  NOT_IN_VAULT: 'not-found',
  VAULT_NOT_FOUND: 'not-found',
  SECRET_DISABLED: 'auth',
  SECRET_DELETED: 'not-found',
  VERSION_CONFLICT: 'error',
  UNREACHABLE: 'unreachable',
  TIMEOUT: 'unreachable',
  THROTTLED: 'unreachable',
  TLS_REFUSED: 'unreachable',
  VAULT_SEALED: 'unreachable',
  SERVICE_ERROR: 'unreachable',
  BAD_REQUEST: 'error',
  BAD_RESPONSE: 'error',
  // what a secret holds
  KEY_EMPTY: 'error',
  KEY_BINARY: 'error',
  KEY_MULTILINE: 'error',
  KEY_LABEL: 'error',
  KEY_NOT_FOUND_IN_SECRET: 'error',
  NOT_A_KEY: 'error',
  KEY_MISMATCH: 'drift',
  EARLIER_VERSION_FITS: 'drift',
  // drift
  DIFFERS: 'drift',
  KEYS_FILE_MISSING: 'drift',
  KEY_MISSING: 'drift',
  CANNOT_ASK: 'drift',
  NOT_COVERED: 'drift',
  // folders and files
  FOLDER_MISSING: 'file',
  ENV_FILE_MISSING: 'file',
  ENV_FILE_AMBIGUOUS: 'file',
  ENV_FILE_OTHER_ENVIRONMENT: 'file',
  PUBLIC_KEYS_DISAGREE: 'file',
  OUTSIDE_REPOSITORY: 'file',
  FILE_UNREADABLE: 'file',
  FILE_NOT_TEXT: 'file',
  FILE_TOO_LARGE: 'file',
  NOT_A_FILE: 'file',
  FILE_UNWRITABLE: 'file',
  FILE_CHANGED: 'file',
  LOCKED: 'file',
  TRACKED_BY_GIT: 'file',
  // proof
  NOTHING_ENCRYPTED: 'decryption',
  DECRYPTION_FAILED: 'decryption',
  SCHEMA_UNUSABLE: 'config',
  // the embedded vault
  VAULT_EXISTS: 'file',
  VAULT_PATH_REFUSED: 'file',
  VAULT_WRONG_PASSWORD: 'auth',
  VAULT_PASSWORD_MISSING: 'auth',
  VAULT_CORRUPT: 'corrupt',
  NOT_A_VAULT: 'unknown-format',
  VAULT_TOO_NEW: 'newer-format',
  // the run
  INTERRUPTED: 'interrupted',
  TERMINATED: 'terminated',
  UNEXPECTED: 'error',
} as const satisfies Record<string, ExitReason>

export type ErrorCode = keyof typeof errorCodes

export type ErrorDetails = {
  /** What the reader can do about it now, most likely first. Name only commands that exist. */
  readonly suggestions: readonly [string, ...string[]]
  /** Never printed: it may quote a server. It is there for a debugger. */
  readonly cause?: unknown
}

/**
 * An error that we raise on purpose: what happened, to what, what to do now.
 *
 * `code` and `suggestions` are the names that oclif's printer looks for.
 */
export class EnvdriftError extends Error {
  readonly code: ErrorCode
  readonly suggestions: readonly string[]

  constructor(code: ErrorCode, message: string, details: ErrorDetails) {
    super(message, {cause: details.cause})
    this.name = 'EnvdriftError'
    this.code = code
    this.suggestions = details.suggestions
  }

  get reason(): ExitReason {
    return errorCodes[this.code]
  }
}
