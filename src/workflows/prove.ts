import type {Config} from '../config/config.ts'
import {EnvdriftError} from '../core/errors.ts'
import type {DecryptionResult, Outcome, SchemaResult} from '../core/outcome.ts'
import {printable} from '../core/text.ts'
import {checkDecryption, decryptValues} from '../keys/decryption.ts'
import {readKey} from '../keys/keys-file.ts'
import type {PrivateKey} from '../keys/private-key.ts'
import type {Order} from './apply.ts'
import type {Located} from './locate.ts'
import type {Files, SyncPorts} from './ports.ts'

/** Holds decrypted variables against a schema; a violation names variable and rule. Throws nothing but bugs. */
export type Validate = (
  values: Readonly<Record<string, string>>,
) => Promise<readonly {readonly name: string; readonly rule: string}[]>

/** Which proofs were asked for; no `validate` without `--validate-schema`. */
export type Proofs = {
  readonly verify: boolean
  readonly checkDecryption: boolean
  readonly validate: Validate | undefined
}

/**
 * Add the proofs that were asked for: does the key open the env file, do the variables satisfy the schema.
 *
 * Judged is the key that now lies in the keys file; only where none is to be written (an ephemeral key, a clean checkout
 * under `--verify`), the vault's.
 */
export async function prove(
  outcome: Outcome,
  located: Located,
  order: Order,
  config: Config,
  {verify, checkDecryption: wanted, validate}: Proofs,
  {files, signal}: Pick<SyncPorts, 'files' | 'signal'>,
): Promise<Outcome> {
  if (outcome.status === 'error' || located.kind === 'lost') return outcome
  const plain = wanted || verify ? plainIn(located) : undefined
  const seen = plain === undefined ? outcome : {...outcome, notEncrypted: plain}
  if (!wanted && validate === undefined) return seen
  const key = await keyInUse(outcome, order, config, files)
  return {
    ...seen,
    ...(wanted ? {decryption: await decryptionOf(located, key, signal)} : {}),
    ...(validate === undefined ? {} : {schema: await schemaOf(located, key, validate)}),
  }
}

type Ready = Extract<Located, {kind: 'ready'}>

const plainIn = ({env}: Ready): readonly string[] | undefined =>
  env === undefined || env.scan.encrypted.length === 0 || env.scan.plain.length === 0 ? undefined : env.scan.plain

async function keyInUse(
  outcome: Outcome,
  {judgement}: Order,
  {repository}: Config,
  files: Pick<Files, 'readText'>,
): Promise<PrivateKey | undefined> {
  const fromVault =
    outcome.status === 'ephemeral' || (outcome.status === 'skipped' && outcome.reason.kind === 'matches-public-key')
  if (fromVault) return judgement?.key
  const text = await files.readText(outcome.mapping.keysFile, repository)
  return text === undefined ? undefined : readKey(text, outcome.mapping.key)?.value
}

async function decryptionOf({env}: Ready, key: PrivateKey | undefined, signal: AbortSignal): Promise<DecryptionResult> {
  if (env === undefined) return {kind: 'skipped', why: 'no file to check'}
  const {scan, isText} = env
  if (!isText) return {kind: 'failed', names: [], why: 'the file is not UTF-8 text'}
  if (scan.sops) return {kind: 'skipped', why: 'managed by SOPS'}
  if (scan.encrypted.length === 0) return {kind: 'skipped', why: 'nothing encrypted'}
  if (key === undefined) return {kind: 'failed', names: [], why: 'the keys file holds no usable key'}
  const verdict = await checkDecryption(scan, key, signal)
  switch (verdict.kind) {
    case 'passed':
      return {kind: 'passed', values: verdict.values}
    case 'failed':
      return {kind: 'failed', names: verdict.failures.map(({name}) => name)}
    case 'sops':
    case 'nothing-encrypted':
      throw new TypeError(`checked nothing: ${verdict.kind}`)
  }
}

async function schemaOf({mapping, env}: Ready, key: PrivateKey | undefined, validate: Validate): Promise<SchemaResult> {
  if (env === undefined) return {kind: 'skipped', why: 'no file to check'}
  if (env.scan.sops) return {kind: 'skipped', why: 'managed by SOPS'}
  const shown = printable(mapping.envFile ?? '')
  if (!env.isText) return notValidated(`${shown} is not UTF-8 text`)
  if (key === undefined && env.scan.encrypted.length > 0) return notValidated(`no key for ${shown}`)
  try {
    const {values} = await decryptValues(env.text, key)
    const violations = await validate(values)
    return violations.length === 0 ? {kind: 'valid'} : {kind: 'violated', violations}
  } catch (error) {
    if (error instanceof EnvdriftError) return {kind: 'failed', error}
    throw error
  }
}

const notValidated = (why: string): SchemaResult => ({
  kind: 'failed',
  error: new EnvdriftError('DECRYPTION_FAILED', `Not validated: ${why}`, {
    suggestions: ['Run `envdrift sync --check-decryption` to see which values the key opens.'],
  }),
})
