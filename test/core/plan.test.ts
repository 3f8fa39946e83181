import {describe, expect, it} from 'vitest'

import {EnvdriftError} from '../../src/core/errors.ts'
import {decide, type Finding, type Mapping, type Mode} from '../../src/core/plan.ts'

const mapping: Mapping = {
  ref: {vault: 'default', name: 'myapp-production'},
  key: 'DOTENV_PRIVATE_KEY_PRODUCTION',
  folderPath: 'services/myapp',
  folder: '/repo/services/myapp',
  keysFile: '/repo/services/myapp/.env.keys',
  envFile: '/repo/services/myapp/.env.production',
  envFileName: '.env.production',
  environment: undefined,
  ephemeral: false,
  required: 'always',
}

const fits = {
  kind: 'key',
  sight: {fingerprint: '03aaaaaaaa…', version: '2'},
  fits: {kind: 'fits', publicKeyName: 'DOTENV_PUBLIC_KEY_PRODUCTION'},
} as const
const unknown = {...fits, fits: {kind: 'unknown'}} as const
const wrong = new EnvdriftError('KEY_MISMATCH', 'The vault key does not belong to this file', {
  suggestions: ['Check secret_name.'],
})
const misfit = {...fits, fits: {kind: 'misfit', error: wrong}} as const
const refused = new EnvdriftError('FORBIDDEN', 'Refused', {suggestions: ['Ask for access.']})
const different = {kind: 'different', sight: {fingerprint: '02bbbbbbbb…'}} as const

const finding = (parts: Partial<Finding>): Finding => ({
  mapping,
  vault: fits,
  local: {kind: 'no-file'},
  envFile: {sops: false, nothingEncrypted: false},
  ...parts,
})
const mode = (parts: Partial<Mode> = {}): Mode => ({
  verify: false,
  force: false,
  ci: false,
  checkDecryption: false,
  skipKeyMatch: false,
  ...parts,
})

describe('what a mapping needs', () => {
  it.each<[string, Partial<Finding>, Partial<Mode>, string]>([
    ['C01 creates a file that is not there', {}, {}, 'create'],
    ['C02 leaves an equal key alone', {local: {kind: 'same'}}, {}, 'skip in-sync'],
    ['C04 takes the vault value by force', {local: different}, {force: true}, 'update'],
    ['C04 takes it by force in CI, too', {local: different}, {force: true, ci: true}, 'update'],
    ['C05 reports a difference when it only verifies', {local: different}, {verify: true}, 'fail DIFFERS'],
    [
      'C06 never writes when it verifies, even by force',
      {local: different},
      {verify: true, force: true},
      'fail DIFFERS',
    ],
    ['C06 creates nothing when it verifies, even by force', {}, {verify: true, force: true}, 'fail KEYS_FILE_MISSING'],
    [
      'C06 adds nothing when it verifies, even by force',
      {local: {kind: 'no-key'}},
      {verify: true, force: true},
      'fail KEY_MISSING',
    ],
    ['C07 asks about a difference', {local: different}, {}, 'ask'],
    ['C10 never asks in CI', {local: different}, {ci: true}, 'fail DIFFERS'],
    ['C14 misses the keys file when it verifies', {}, {verify: true}, 'fail KEYS_FILE_MISSING'],
    ['C14a trusts the public key on a clean checkout', {}, {verify: true, ci: true}, 'skip matches-public-key'],
    [
      'C14a has nothing to trust without a public key',
      {vault: unknown},
      {verify: true, ci: true},
      'fail KEYS_FILE_MISSING',
    ],
    [
      'C15 misses the key in a file that is there',
      {local: {kind: 'no-key'}},
      {verify: true, ci: true},
      'fail KEY_MISSING',
    ],
    ['C16 adds the key to a file that is there', {local: {kind: 'no-key'}}, {}, 'create'],
    ['C52 refuses a key of another file', {vault: misfit}, {}, 'fail KEY_MISMATCH'],
    ['C52 refuses it before it asks', {vault: misfit, local: different}, {}, 'fail KEY_MISMATCH'],
    ['C52 refuses it by force', {vault: misfit, local: different}, {force: true}, 'fail KEY_MISMATCH'],
    ['C52 refuses it even where the keys file agrees', {vault: misfit, local: {kind: 'same'}}, {}, 'fail KEY_MISMATCH'],
    ['C52 installs it where told to', {vault: misfit}, {skipKeyMatch: true}, 'create'],
    ['C52 never passes it when it verifies', {vault: misfit}, {skipKeyMatch: true, verify: true}, 'fail KEY_MISMATCH'],
    ['C103 keeps an ephemeral key in memory', {mapping: {...mapping, ephemeral: true}}, {}, 'keep'],
    [
      'C103 compares an ephemeral key with the public key',
      {mapping: {...mapping, ephemeral: true}},
      {verify: true},
      'keep',
    ],
    [
      'C103 is not green about an ephemeral key that nothing can be compared with',
      {mapping: {...mapping, ephemeral: true}, vault: unknown},
      {verify: true},
      'fail KEYS_FILE_MISSING',
    ],
    [
      'C103 is not green about it in CI either',
      {mapping: {...mapping, ephemeral: true}, vault: unknown},
      {verify: true, ci: true},
      'fail KEYS_FILE_MISSING',
    ],
    [
      'C109a finds nothing encrypted when it verifies',
      {local: {kind: 'same'}, envFile: {sops: false, nothingEncrypted: true}},
      {verify: true},
      'fail NOTHING_ENCRYPTED',
    ],
    [
      'C109a finds nothing encrypted on a clean checkout in CI, too',
      {envFile: {sops: false, nothingEncrypted: true}},
      {verify: true, ci: true},
      'fail NOTHING_ENCRYPTED',
    ],
    [
      'C109a finds nothing encrypted when it checks decryption',
      {envFile: {sops: false, nothingEncrypted: true}},
      {checkDecryption: true},
      'fail NOTHING_ENCRYPTED',
    ],
    ['C109a does not mind otherwise', {envFile: {sops: false, nothingEncrypted: true}}, {}, 'create'],
    [
      'C125 skips what only CI may read',
      {mapping: {...mapping, required: 'ci'}, vault: {kind: 'no-access', error: refused}},
      {},
      'skip no-access',
    ],
    [
      'C125 needs it in CI',
      {mapping: {...mapping, required: 'ci'}, vault: {kind: 'no-access', error: refused}},
      {ci: true},
      'fail FORBIDDEN',
    ],
    ['C126 reports a refusal', {vault: {kind: 'no-access', error: refused}}, {}, 'fail FORBIDDEN'],
    ['C128 leaves a file of SOPS alone', {envFile: {sops: true, nothingEncrypted: false}}, {}, 'skip sops'],
    [
      'C65a reports an unusable secret although the keys file agrees',
      {
        vault: {kind: 'unusable', error: new EnvdriftError('NOT_IN_VAULT', 'gone', {suggestions: ['Store it.']})},
        local: {kind: 'same'},
      },
      {},
      'fail NOT_IN_VAULT',
    ],
  ])('%s', (_, parts, flags, wanted) => {
    const action = decide(finding(parts), mode(flags))
    const detail =
      action.kind === 'fail' ? ` ${action.error.code}` : action.kind === 'skip' ? ` ${action.reason.kind}` : ''
    expect(action.kind + detail).toBe(wanted)
  })

  it('C05 shows what differs by two fingerprints', () => {
    expect(decide(finding({local: different}), mode({verify: true}))).toMatchObject({
      local: {fingerprint: '02bbbbbbbb…'},
      vault: {fingerprint: '03aaaaaaaa…', version: '2'},
    })
  })

  it('C15 tells a missing key from a missing file', () => {
    const {error} = decide(finding({local: {kind: 'no-key'}}), mode({verify: true})) as {error: EnvdriftError}
    expect(error.message).toContain('DOTENV_PRIVATE_KEY_PRODUCTION is missing')
    expect(error.message).not.toContain('does not exist')
  })

  it.each<[string, Partial<Finding>, Partial<Mode>]>([
    ['creates', {}, {}],
    ['replaces by force', {local: different}, {force: true}],
    ['asks', {local: different}, {}],
    ['keeps in memory', {mapping: {...mapping, ephemeral: true}}, {}],
  ])('C52 warns of a key of another file that it %s', (_, parts, flags) => {
    expect(decide(finding({vault: misfit, ...parts}), mode({skipKeyMatch: true, ...flags}))).toMatchObject({
      warning: expect.stringContaining('--skip-key-match'),
    })
  })
})
