import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import type {Secret} from '../../core/secret.ts'
import type {Answer as Reading} from '../in-flight.ts'
import type {Version} from '../provider.ts'
import {dataOf, fieldsOf, isVaults} from './answer.ts'
import type {Answer, Client} from './client.ts'
import {type Asked, badResponse, endedLogin, type Holder} from './errors.ts'
import {encoded} from './path.ts'
import {isNotThere, readingOfKv1, readingOfKv2, refusalOrNonsense, writtenVersion} from './readings.ts'
import {spec} from './spec.ts'
import {vaultKv} from './vault-command.ts'

type KvVersion = 1 | 2

/** One KV secrets engine, read and written with whatever token holds at the moment. */
export type Kv = {
  readonly read: (ref: SecretRef, signal: AbortSignal) => Promise<Reading>
  /** @param expect - as in {@link Provider.write}. */
  readonly write: (ref: SecretRef, value: Secret, expect: string, signal: AbortSignal) => Promise<Version>
  /** The version of the engine, where it was configured or found out by now. */
  readonly version: () => KvVersion | undefined
}

/** Who asks: the token to send, and how messages speak of its holder. */
export type Asker = {readonly token: Secret; readonly holder: Holder; readonly hasEnded: () => boolean}

/**
 * @param engine.version - left out, the engine is asked as version 2; only where that gives nothing is its version found out,
 *   once for all, by what every token may ask that may read anything in it.
 */
export function kvEngine(
  engine: {
    readonly place: string
    readonly mount: string
    /** All of it, for commands. */
    readonly namespace: string | undefined
    readonly version: KvVersion | undefined
  },
  client: Client,
  asker: () => Promise<Asker>,
): Kv {
  const {place, mount, namespace} = engine
  let known = engine.version
  let asking: Promise<KvVersion | undefined> | undefined

  /** `secret/data/NAME`, or `kv/NAME` on KV 1. */
  const pathOf = (name: string, version: KvVersion): string => `${mount}/${version === 2 ? 'data/' : ''}${name}`

  async function get(ref: SecretRef, version: KvVersion, signal: AbortSignal) {
    const {token, holder, hasEnded} = await asker()
    const path = pathOf(ref.name, version)
    const asked: Asked = {place, mount, namespace, doing: 'read', name: ref.name, policyPath: path, holder}
    const query = ref.version === undefined ? '' : `?version=${ref.version}`
    const answer = await client.get(encoded(path) + query, {signal, token})
    if (answer.status === 403 && hasEnded()) throw endedLogin(asked)
    const reading = (): Reading =>
      version === 2 ? readingOfKv2(answer, {...asked, version: ref.version}) : readingOfKv1(answer, asked)
    return {answer, asked, reading}
  }

  async function read(ref: SecretRef, signal: AbortSignal): Promise<Reading> {
    checkRef(ref, known)
    const {answer, asked, reading} = await get(ref, known ?? 2, signal)
    if (known !== undefined) return reading()
    if (answer.status === 200 && isVersioned(answer)) known = 2
    const mayBeOther = isNotThere(answer.status, answer.body) || answer.status === 403 || isUnversioned(answer)
    if (known !== undefined || !mayBeOther) return reading()

    const version = await findVersion(signal)
    if (version === 2) return reading()
    // Who may read there is told the version. Who isn't has no right to anything there, or a server that doesn't say.
    if (version === undefined && answer.status === 403) return reading()
    checkRef(ref, 1)
    const other = await get(ref, 1, signal)
    if (version === undefined && other.answer.status !== 200) {
      if (isNotThere(other.answer.status, other.answer.body)) return {kind: 'absent'}
      if (isWarned(other.answer)) return reading()
      throw undecided(asked)
    }
    if (other.answer.status === 200) known = 1
    return other.reading()
  }

  /** Asked once: `undefined` when Vault doesn't say. Trouble of the network is trouble of the read that asks. */
  async function findVersion(signal: AbortSignal): Promise<KvVersion | undefined> {
    const ask = async (): Promise<KvVersion | undefined> => {
      const {token} = await asker()
      const {status, body} = await client.get(`sys/internal/ui/mounts/${encoded(mount)}`, {signal, token})
      const says = fieldsOf(dataOf(body)?.['options'])?.['version']
      if (status !== 200) return undefined
      // A mount of KV 1 may have no options at all.
      return says === '2' || says === 2 ? 2 : 1
    }
    asking ??= ask()
    try {
      known ??= await asking
      return known
    } catch (error) {
      asking = undefined
      throw error
    }
  }

  async function post(ref: SecretRef, json: unknown, version: KvVersion, signal: AbortSignal) {
    const {token, holder, hasEnded} = await asker()
    const path = pathOf(ref.name, version)
    const asked: Asked = {place, mount, namespace, doing: 'write', name: ref.name, policyPath: path, holder}
    const answer = await client.post(encoded(path), json, {signal, token})
    if (answer.status === 403 && hasEnded()) throw endedLogin(asked)
    return {answer, asked}
  }

  async function writeKv2(ref: SecretRef, value: Secret, cas: number | undefined, signal: AbortSignal) {
    const json = {data: {value: value.reveal()}, ...(cas !== undefined && {options: {cas}})}
    const {answer, asked} = await post(ref, json, 2, signal)
    const version = writtenVersion(answer)
    if (version !== undefined) return version
    if (answer.status === 204)
      throw badResponse(
        `The mount ${mount} of ${place} holds KV version 1, so what was sent lies there as a secret named data/${ref.name}`,
        `Remove that with \`${vaultKv('delete', asked, `data/${ref.name}`)}\`, and set kv_version = 1 under [vault.hashicorp].`,
      )
    // We sent well-formed JSON and a condition, so what Vault finds wrong with it is the condition.
    if (answer.status === 400 && cas !== undefined && isVaults(answer.body)) throw conflict(asked)
    throw refusalOrNonsense(answer, asked)
  }

  async function writeKv1(ref: SecretRef, value: Secret, mustBeAbsent: boolean, signal: AbortSignal): Promise<Version> {
    // KV 1 can't compare and set: this is as near as it gets.
    if (mustBeAbsent) {
      const {asked, reading} = await get(ref, 1, signal)
      if (reading().kind === 'found') throw conflict({...asked, doing: 'write'})
    }
    const {answer, asked} = await post(ref, {value: value.reveal()}, 1, signal)
    if (answer.status !== 204) throw refusalOrNonsense(answer, asked)
    // KV 1 has no versions to name.
    return ''
  }

  return {
    read,
    version: () => known,
    async write(ref, value, expect, signal) {
      const version = expect === 'absent' || expect === 'any' ? undefined : expect
      // A write of version 2 to version 1 would leave the key under a name of its own, so here it is asked beforehand.
      const engineVersion = known ?? (await findVersion(signal)) ?? 2
      checkRef({...ref, ...(version !== undefined && {version})}, engineVersion)
      if (engineVersion === 1) return writeKv1(ref, value, expect === 'absent', signal)
      return writeKv2(ref, value, expect === 'absent' ? 0 : version === undefined ? undefined : Number(version), signal)
    },
  }
}

/** Does an answer have the shape that KV 2 alone has? */
const isVersioned = ({body}: Answer): boolean => fieldsOf(dataOf(body)?.['metadata']) !== undefined

/** A secret of KV 1 that happens to be named `data/…`. */
const isUnversioned = ({status, body}: Answer): boolean => status === 200 && dataOf(body) !== undefined

/** Vault's word to who asks KV 2 as if it were KV 1: a 404 with warnings, and without errors. */
const isWarned = ({status, body}: Answer): boolean => status === 404 && isVaults(body) && !('errors' in body)

/** @throws EnvdriftError CONFIG_INVALID for a name or a version that would ask for something else. */
function checkRef({name, version}: SecretRef, kv: KvVersion | undefined): void {
  const wrong =
    spec.checkSecretName(name, version) ??
    (kv === 1 && version !== undefined ? 'asks for a version, and KV version 1 keeps none' : undefined)
  if (wrong !== undefined)
    throw new EnvdriftError('CONFIG_INVALID', `secret_name ${name} ${wrong}`, {
      suggestions: ['Correct secret_name and secret_version of the mapping.'],
    })
}

const undecided = ({place, mount, name}: Asked): EnvdriftError =>
  new EnvdriftError(
    'FORBIDDEN',
    `${place} shows no secret ${name} to version 2 of KV, and does not tell this token whether the mount ${mount} is version 1`,
    {
      suggestions: [
        'Set kv_version = 1 or 2 under [vault.hashicorp]; `vault secrets list -detailed` shows it.',
        'A token with few uses may have none left: give it one for each secret.',
      ],
    },
  )

function conflict({place, name}: Asked): EnvdriftError {
  return new EnvdriftError(
    'VERSION_CONFLICT',
    `${name} in ${place} is not what it was before: somebody else wrote it`,
    {
      suggestions: ['Look at what is there now, then run the command again.'],
    },
  )
}
