import {EnvdriftError} from '../core/errors.ts'
import {wholeSecret, writtenName} from '../core/mapping.ts'
import type {Finding, Fit, Mapping, Sight} from '../core/plan.ts'
import {printable} from '../core/text.ts'
import {publicKeyOf, type PublicKeyLine} from '../keys/env-file.ts'
import {parseKeyMaterial} from '../keys/key-material.ts'
import {readKey} from '../keys/keys-file.ts'
import {fingerprintOf, publicKeysOf, samePrivateKeys, type PrivateKey} from '../keys/private-key.ts'
import type {Provider, Version} from '../providers/provider.ts'
import type {Vaults} from './fetch.ts'
import type {Located} from './locate.ts'

/** A finding together with the key that the vault gave, if it gave one, and its version there. */
export type Judgement = {
  readonly finding: Finding
  readonly key: PrivateKey | undefined
  readonly version: Version | undefined
}

/** How many earlier versions of a secret are looked at, to say which one would fit. */
const earlierVersions = 5

/**
 * Hold vault, keys file and env file of one mapping against each other.
 *
 * @param keysText - text of the keys file, `undefined` when there is none.
 * @param search - look through earlier versions when the current one doesn't fit.
 * @throws EnvdriftError for what makes the env file unusable: public keys that contradict each other.
 */
export async function judge(
  {mapping, env}: Extract<Located, {kind: 'ready'}>,
  keysText: string | undefined,
  vaults: Vaults,
  search: {readonly earlier: boolean},
): Promise<Judgement> {
  const scan = env?.scan
  const publicKey = scan === undefined ? undefined : publicKeyOf(scan, mapping.key)
  const {vault, key, version} = await askVault(mapping, publicKey, vaults, search)
  const envFile = {
    sops: scan?.sops ?? false,
    nothingEncrypted: scan !== undefined && scan.publicKeys.length > 0 && scan.encrypted.length === 0,
  }
  return judgeAgain({finding: {mapping, vault, local: {kind: 'no-file'}, envFile}, key, version}, keysText)
}

/** The same judgement with what the keys file says now. */
export async function judgeAgain({finding, key, version}: Judgement, keysText: string | undefined): Promise<Judgement> {
  const local = await judgeLocal(keysText, finding.mapping, key)
  const {vault} = finding
  const isShown = vault.kind === 'key' && (vault.fits.kind === 'misfit' || local.kind === 'different')
  const seen = isShown && key !== undefined ? {...vault, sight: await sightOf(key, version)} : vault
  return {finding: {...finding, vault: seen, local}, key, version}
}

/** What the keys file says of this mapping's key, next to what the vault says. */
async function judgeLocal(
  keysText: string | undefined,
  mapping: Mapping,
  key: PrivateKey | undefined,
): Promise<Finding['local']> {
  if (keysText === undefined) return {kind: 'no-file'}
  const local = readKey(keysText, mapping.key)
  if (local === undefined) return {kind: 'no-key'}
  const {value, raw, duplicatesDisagree} = local
  if (key !== undefined && value !== undefined && !duplicatesDisagree && samePrivateKeys(value, key))
    return {kind: 'same'}
  const shown = raw.reveal() === '' ? '(empty)' : await fingerprintOf(value ?? raw)
  return {
    kind: 'different',
    sight: {fingerprint: duplicatesDisagree ? `${shown} (and other lines of the same name)` : shown},
  }
}

type PublicKey = PublicKeyLine

async function askVault(
  mapping: Mapping,
  publicKey: PublicKey | undefined,
  vaults: Vaults,
  search: {readonly earlier: boolean},
): Promise<{
  readonly vault: Finding['vault']
  readonly key: PrivateKey | undefined
  readonly version: Version | undefined
}> {
  const {ref} = mapping
  const answer = vaults.answer(ref)
  const provider = vaults.provider(ref)
  switch (answer.kind) {
    case 'absent':
      return {vault: {kind: 'unusable', error: notInVault(mapping, provider)}, ...nothing}
    case 'failed':
      return {
        vault: {kind: answer.error.code === 'FORBIDDEN' ? 'no-access' : 'unusable', error: answer.error},
        ...nothing,
      }
    case 'found':
  }
  try {
    const key = parseKeyMaterial(answer, mapping.key, ref)
    const fits = await fitOf(key, publicKey, mapping, search.earlier ? provider : undefined, vaults)
    return {vault: {kind: 'key', fits}, key, version: answer.version}
  } catch (error) {
    if (error instanceof EnvdriftError) return {vault: {kind: 'unusable', error}, ...nothing}
    throw error
  }
}

const nothing = {key: undefined, version: undefined}

const sightOf = async (key: PrivateKey, version: Version | undefined): Promise<Sight> => ({
  fingerprint: await fingerprintOf(key),
  ...(version === undefined ? {} : {version}),
})

async function fitOf(
  key: PrivateKey,
  publicKey: PublicKey | undefined,
  mapping: Mapping,
  provider: Provider | undefined,
  vaults: Vaults,
): Promise<Fit> {
  if (publicKey === undefined) return {kind: 'unknown'}
  if ((await publicKeysOf(key)).includes(publicKey.value.toLowerCase()))
    return {kind: 'fits', publicKeyName: publicKey.name}
  const version = await fittingVersion(publicKey, mapping, provider, vaults)
  return {kind: 'misfit', error: version === undefined ? misfit(mapping, publicKey) : earlierFits(mapping, version)}
}

/** The newest earlier version of the secret whose key belongs to the env file. */
async function fittingVersion(
  publicKey: PublicKey,
  {ref, key: name}: Mapping,
  provider: Provider | undefined,
  {hintSignal}: Vaults,
): Promise<string | undefined> {
  if (provider === undefined || ref.version !== undefined) return undefined
  try {
    for await (const earlier of provider.earlier(wholeSecret(ref), earlierVersions, hintSignal())) {
      if (await belongs(earlier, publicKey, name, ref)) return earlier.version
    }
  } catch (error) {
    // Only a nicer message is lost: the row is an error anyway.
    if (!(error instanceof EnvdriftError)) throw error
  }
  return undefined
}

async function belongs(
  held: Parameters<typeof parseKeyMaterial>[0],
  publicKey: PublicKey,
  name: Mapping['key'],
  ref: Mapping['ref'],
): Promise<boolean> {
  try {
    return (await publicKeysOf(parseKeyMaterial(held, name, ref))).includes(publicKey.value.toLowerCase())
  } catch (error) {
    if (error instanceof EnvdriftError) return false
    throw error
  }
}

const shownEnvFile = ({envFile = ''}: Mapping): string => printable(envFile)

const misfit = (mapping: Mapping, {name, line}: PublicKey): EnvdriftError =>
  new EnvdriftError(
    'KEY_MISMATCH',
    `The vault key does not belong to this file: ${printable(writtenName(mapping.ref))} is not the private key of ${printable(name)} in ${shownEnvFile(mapping)}:${line}`,
    {
      suggestions: [
        'Check that secret_name names the secret of this service and environment.',
        'If the file was encrypted with a new key, store that key in the vault.',
        'To install it all the same, add --skip-key-match.',
      ],
    },
  )

const earlierFits = (mapping: Mapping, version: string): EnvdriftError =>
  new EnvdriftError(
    'EARLIER_VERSION_FITS',
    `The vault key does not belong to this file: the current version of ${printable(writtenName(mapping.ref))} does not, version ${printable(version)} does (${shownEnvFile(mapping)})`,
    {
      suggestions: [
        'If the key was rotated, update this checkout to the commit whose env file has the new public key.',
        `Or pin the version that fits: secret_version = "${printable(version)}" in the mapping.`,
      ],
    },
  )

function notInVault({ref, key}: Mapping, provider: Provider | undefined): EnvdriftError {
  const version = ref.version === undefined ? '' : `, version ${printable(ref.version)}`
  const place = provider === undefined ? 'the vault' : printable(provider.place)
  return new EnvdriftError(
    'NOT_IN_VAULT',
    `Secret not found: ${printable(ref.name)}${version} is not in ${place} (wanted for ${key})`,
    {
      suggestions: withCheck(provider?.remedies(wholeSecret(ref))) ?? [
        'Store the key there, or correct secret_name in the configuration.',
      ],
    },
  )
}

const withCheck = (remedies: readonly [string, ...string[]] | undefined): readonly [string, ...string[]] | undefined =>
  remedies === undefined
    ? undefined
    : ['Check secret_name in the configuration; or store the key in the vault:', ...remedies]
