import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import type {Secret} from '../../core/secret.ts'
import type {Answer as Reading} from '../in-flight.ts'
import type {Version} from '../provider.ts'
import {dataOf, fieldsOf, isUpgrading, isVaults} from './answer.ts'
import type {Answer, Client} from './client.ts'
import {type Asked, badResponse, endedLogin, type Holder, usedUpLogin, wrongMount} from './errors.ts'
import {type KvVersion, mountSays, type MountSays} from './mount.ts'
import {encoded} from './path.ts'
import {isNotThere, readingOfKv1, readingOfKv2, refusalOrNonsense, writtenVersion} from './readings.ts'
import {spec} from './spec.ts'
import {vaultKv} from './vault-command.ts'

/** One KV secrets engine, read and written with whatever token holds at the moment. */
export type Kv = {
  readonly read: (ref: SecretRef, signal: AbortSignal) => Promise<Reading>
  /** @param expect - as in {@link Provider.write}. */
  readonly write: (ref: SecretRef, value: Secret, expect: string, signal: AbortSignal) => Promise<Version>
  /** The version of the engine, where it was configured or found out by now. */
  readonly version: () => KvVersion | undefined
}

/** Who asks: the token to send, if any, and how messages speak of its holder. */
export type Asker = {readonly token: Secret | undefined; readonly holder: Holder; readonly hasEnded: () => boolean}

/**
 * A found secret of KV 2 costs one request and nothing else. Before anything is called absent, and before a path is read as KV 1
 * that nobody has vouched for, Vault is asked once for all what the mount is.
 *
 * @param engine.version - left out, the engine is asked as version 2, and as what it is where that gives nothing.
 * @param engine.mayBeKv1 - this machine says that it is KV 1. Any path of Vault can be read as a secret of KV 1, and reading some
 *   does things, as that of `database/creds/ROLE`; so a file that a pull request can change is not believed.
 */
export function kvEngine(
  engine: {
    readonly place: string
    readonly mount: string
    /** All of it, for commands. */
    readonly namespace: string | undefined
    readonly version: KvVersion | undefined
    readonly mayBeKv1: boolean
    /** Is a namespace in front of the paths? What answers below it may be anything, where there is no such namespace. */
    readonly hasPrefix: boolean
  },
  client: Client,
  asker: () => Promise<Asker>,
): Kv {
  const {place, mount, namespace} = engine
  /** As found out, by the shape of an answer or by what Vault says. */
  let known: KvVersion | undefined
  let asking: Promise<MountSays> | undefined

  /** `secret/data/NAME`, or `kv/NAME` on KV 1. */
  const pathOf = (name: string, version: KvVersion): string => `${mount}/${version === 2 ? 'data/' : ''}${name}`

  const askedOf = ({name}: SecretRef, version: KvVersion, doing: 'read' | 'write', holder: Holder): Asked => ({
    place,
    mount,
    namespace,
    doing,
    name,
    policyPath: pathOf(name, version),
    holder,
  })

  /** Requests that each token was sent with, those that were made again not counted. */
  const sent = new WeakMap<Secret, number>()
  const sentWith = (token: Secret | undefined): number => (token === undefined ? 0 : (sent.get(token) ?? 0))
  const count = (token: Secret | undefined): void => {
    if (token !== undefined) sent.set(token, sentWith(token) + 1)
  }

  /** @throws EnvdriftError for a 403 that no policy helps against. */
  function checkLogin(asked: Asked, {token, holder, hasEnded}: Asker): void {
    if (hasEnded()) throw endedLogin(asked)
    if (holder.uses !== undefined && sentWith(token) > holder.uses) throw usedUpLogin(asked, holder.uses)
  }

  async function get(ref: SecretRef, version: KvVersion, signal: AbortSignal) {
    const who = await asker()
    const {token, holder} = who
    const path = pathOf(ref.name, version)
    const asked = askedOf(ref, version, 'read', holder)
    const query = ref.version === undefined ? '' : `?version=${ref.version}`
    count(token)
    const answer = await client.get(encoded(path) + query, {signal, token})
    if (answer.status === 403) checkLogin(asked, who)
    const reading = (): Reading =>
      version === 2 ? readingOfKv2(answer, {...asked, version: ref.version}) : readingOfKv1(answer, asked)
    return {answer, asked, reading}
  }

  async function read(ref: SecretRef, signal: AbortSignal): Promise<Reading> {
    const version = known ?? engine.version ?? 2
    checkRef(ref, known ?? engine.version)
    if (version === 1) {
      const asked = askedOf(ref, 1, 'read', (await asker()).holder)
      await checkKv1(asked, signal)
      const {answer, reading} = await get(ref, 1, signal)
      if (isUnclear(answer)) await checkMount(asked, 1, signal)
      return reading()
    }

    const {answer, asked, reading} = await get(ref, 2, signal)
    if (known !== undefined || engine.version !== undefined) {
      if (isUnclear(answer)) await checkMount(asked, 2, signal)
      return reading()
    }
    if (answer.status === 200 && isVersioned(answer)) known = 2
    const mayBeOther = isUnclear(answer) || answer.status === 403 || isUnversioned(answer)
    if (known !== undefined || !mayBeOther) return reading()

    const says = await askMount(signal)
    if (says.kind === 'elsewhere' || says.kind === 'other type') throw wrongMount(asked, says)
    if (says.kind === 'kv') {
      known = says.version
      return says.version === 2 ? reading() : read(ref, signal)
    }
    // Who may read there is told what it is. Who isn't has no right to anything there, or a server that doesn't say.
    if (answer.status === 403 || (isUnclear(answer) && !isNotThere(answer.status, answer.body))) return reading()
    if (!lacksTheQuestion(says)) throw undecided(asked)
    checkRef(ref, 1)
    const other = await get(ref, 1, signal)
    if (other.answer.status === 200) {
      known = 1
      return other.reading()
    }
    if (isNotThere(other.answer.status, other.answer.body)) return {kind: 'absent'}
    if (isWarned(other.answer)) return reading()
    throw undecided(asked)
  }

  /** Asked once for all. Trouble of the network is trouble of the read that asks. */
  async function askMount(signal: AbortSignal): Promise<MountSays> {
    const ask = async (): Promise<MountSays> => {
      const {token} = await asker()
      return mountSays(await client.get(`sys/internal/ui/mounts/${encoded(mount)}`, {signal, token}), mount)
    }
    asking ??= ask()
    try {
      return await asking
    } catch (error) {
      asking = undefined
      throw error
    }
  }

  /**
   * Vault says of a path in the wrong mount, too, that nothing is there.
   *
   * @throws EnvdriftError VAULT_NOT_FOUND when the mount is not what was asked for. Where Vault doesn't say, that is believed.
   */
  async function checkMount(asked: Asked, version: KvVersion, signal: AbortSignal): Promise<void> {
    const says = await askMount(signal)
    if (says.kind !== 'nothing' && !(says.kind === 'kv' && says.version === version)) throw wrongMount(asked, says)
  }

  /** @throws EnvdriftError when nobody vouches for it that the mount is KV 1; nothing was read there then. */
  async function checkKv1(asked: Asked, signal: AbortSignal): Promise<void> {
    if (known === 1 || engine.mayBeKv1) return
    const says = await askMount(signal)
    if (says.kind === 'nothing' && !lacksTheQuestion(says)) throw refusalOrNonsense(says.answer, asked)
    if (says.kind !== 'nothing' && !(says.kind === 'kv' && says.version === 1)) throw wrongMount(asked, says)
    known = 1
  }

  /** A server without this question is none of Vault's, so reading does nothing there. Vault itself always has it at its root. */
  const lacksTheQuestion = (says: MountSays): boolean =>
    says.kind === 'nothing' && !engine.hasPrefix && [404, 405, 501].includes(says.answer.status)

  async function post(ref: SecretRef, json: unknown, version: KvVersion, signal: AbortSignal) {
    const who = await asker()
    const {token, holder} = who
    const path = pathOf(ref.name, version)
    const asked = askedOf(ref, version, 'write', holder)
    count(token)
    const answer = await client.post(encoded(path), json, {signal, token})
    if (answer.status === 403) checkLogin(asked, who)
    return {answer, asked}
  }

  /** A write of version 2 to version 1 would leave the key under a name of its own, so here it is asked beforehand. */
  async function versionToWrite(ref: SecretRef, signal: AbortSignal): Promise<KvVersion> {
    const says = await askMount(signal)
    if (says.kind === 'nothing') return 2
    if (says.kind !== 'kv') throw wrongMount(askedOf(ref, 2, 'write', (await asker()).holder), says)
    known = says.version
    return says.version
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
    const {status, body} = answer
    if (status === 400 && cas !== undefined && isVaults(body) && !isUpgrading(status, body)) throw conflict(asked)
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
    version: () => known ?? engine.version,
    async write(ref, value, expect, signal) {
      const version = expect === 'absent' || expect === 'any' ? undefined : expect
      const engineVersion = known ?? engine.version ?? (await versionToWrite(ref, signal))
      checkRef({...ref, ...(version !== undefined && {version})}, engineVersion)
      if (engineVersion === 1) await checkKv1(askedOf(ref, 1, 'write', (await asker()).holder), signal)
      if (engineVersion === 1) return writeKv1(ref, value, expect === 'absent', signal)
      return writeKv2(ref, value, expect === 'absent' ? 0 : version === undefined ? undefined : Number(version), signal)
    },
  }
}

/** Does an answer have the shape that KV 2 alone has? */
const isVersioned = ({body}: Answer): boolean => fieldsOf(dataOf(body)?.['metadata']) !== undefined

/** A 404 of Vault's own that speaks of no version of a secret: nothing is there, or the mount is another one. */
const isUnclear = (answer: Answer): boolean => answer.status === 404 && isVaults(answer.body) && !isVersioned(answer)

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
