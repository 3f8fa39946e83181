import {readFile} from 'node:fs/promises'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import type {Host, Settings} from '../../core/provider-spec.ts'
import type {Secret} from '../../core/secret.ts'
import type {Answer as Reading} from '../in-flight.ts'
import {readEach, retryNote, withDeadline} from '../in-flight.ts'
import type {Provider, ProviderDefinition, Version} from '../provider.ts'
import {makeClient} from './client.ts'
import {type Asked, badResponse, isVaults} from './errors.ts'
import {makeHttp} from './http.ts'
import {proxyFor} from './proxy.ts'
import {dataOf, readingOfKv1, readingOfKv2, refusalOrNonsense, writtenVersion} from './readings.ts'
import {spec} from './spec.ts'
import {findToken} from './token.ts'
import {vaultKv} from './vault-command.ts'

/** What connect uses of the settings, after `spec.resolve`. */
type Vault = {
  readonly url: string
  readonly mount: string
  readonly kv: 1 | 2
  readonly namespace: string | undefined
  readonly caFile: string | undefined
  readonly skipVerify: boolean
}

/** How many deleted versions {@link Provider.earlier} passes over: KV 2 keeps ten versions unless told otherwise. */
const maxDeletedVersions = 10

export const provider: ProviderDefinition = {
  connect: ({settings}, host) => Promise.resolve(connect(vaultOf(settings), host)),
}

function connect({url, mount, kv, namespace, caFile, skipVerify}: Vault, host: Host): Provider {
  const place = `HashiCorp Vault ${url}${namespace === undefined ? '' : ` namespace ${namespace}`} mount ${mount}`
  const {callTimeoutMs, maxInFlight} = host
  let closeHttp = (): void => {}

  // A token that somebody gave us is used as it is: asking who it is would cost a use, and it may have one left.
  const session = once(async () => {
    const [token, ca] = await Promise.all([findToken(host), certificatesIn(caFile)])
    const tls = {...(ca !== undefined && {ca}), ...(skipVerify && {rejectUnauthorized: false})}
    const http = makeHttp({maxSockets: maxInFlight, tls, proxy: proxyFor(new URL(url), host.env)})
    closeHttp = http.close
    return {
      token,
      client: await makeClient(
        {url, namespace, token, place, callTimeoutMs, onRetry: () => host.warn(retryNote(place))},
        http,
      ),
    }
  })

  /** `secret/data/NAME`, or `kv/NAME` on KV 1. */
  const pathOf = (name: string): string => `${mount}/${kv === 2 ? 'data/' : ''}${name}`

  async function ask(doing: Asked['doing'], name: string, policyPath: string) {
    const {token, client} = await session()
    const asked: Asked = {place, mount, namespace, doing, name, policyPath, tokenFrom: token.from}
    return {asked, client, token}
  }

  async function readOne(ref: SecretRef, signal: AbortSignal): Promise<Reading> {
    checkRef(ref, kv)
    const path = pathOf(ref.name)
    const {asked, client} = await ask('read', ref.name, path)
    const query = ref.version === undefined ? '' : `?version=${ref.version}`
    const answer = await client.get(encoded(path) + query, signal)
    return kv === 2 ? readingOfKv2(answer, {...asked, version: ref.version}) : readingOfKv1(answer, asked)
  }

  async function writeKv2(
    ref: SecretRef,
    value: Secret,
    cas: number | undefined,
    signal: AbortSignal,
  ): Promise<Version> {
    const path = pathOf(ref.name)
    const {asked, client} = await ask('write', ref.name, path)
    const json = {data: {value: value.reveal()}, ...(cas !== undefined && {options: {cas}})}
    const answer = await client.post(encoded(path), json, signal)
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
    const path = pathOf(ref.name)
    const {asked, client} = await ask('write', ref.name, path)
    // KV 1 can't compare and set: this is as near as it gets.
    if (mustBeAbsent && (await readOne(ref, signal)).kind === 'found') throw conflict(asked)
    const answer = await client.post(encoded(path), {value: value.reveal()}, signal)
    if (answer.status !== 204) throw refusalOrNonsense(answer, asked)
    // KV 1 has no versions to name.
    return ''
  }

  const timed = <T>(signal: AbortSignal, call: (callSignal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(call, {place, callTimeoutMs, signal})

  return {
    place,

    read: (refs, signal) => readEach(refs, readOne, {place, callTimeoutMs, maxInFlight, signal}),

    async *earlier(ref, limit, signal) {
      if (kv === 1) return
      const get = (one: SecretRef) => timed(signal, (callSignal) => readOne(one, callSignal))
      try {
        const current = ref.version ?? versionIn(await get(ref)) ?? '1'
        let [shown, deleted] = [0, 0]
        for (let n = Number(current) - 1; n >= 1 && shown < limit && deleted <= maxDeletedVersions; n -= 1) {
          const reading = await get({...ref, version: String(n)}).catch(undefinedIfDeleted)
          // Vault drops the oldest first, so below one that it dropped there is nothing.
          if (reading?.kind === 'absent') return
          if (reading) {
            shown += 1
            yield {version: String(n), value: reading.value}
          } else deleted += 1
        }
      } catch (error) {
        if (!(error instanceof EnvdriftError && hiddenCodes.has(error.code))) throw error
      }
    },

    write: (ref, value, expect, signal) =>
      timed(signal, (callSignal) => {
        const version = expect === 'absent' || expect === 'any' ? undefined : expect
        checkRef({...ref, ...(version !== undefined && {version})}, kv)
        if (kv === 1) return writeKv1(ref, value, expect === 'absent', callSignal)
        const cas = expect === 'absent' ? 0 : version === undefined ? undefined : Number(version)
        return writeKv2(ref, value, cas, callSignal)
      }),

    whoami: (signal) =>
      timed(signal, async (callSignal) => {
        const path = 'auth/token/lookup-self'
        const {asked, client, token} = await ask('look up', 'our own token', path)
        const answer = await client.get(path, callSignal)
        const self = dataOf(answer.body)
        if (answer.status !== 200 || !self) throw refusalOrNonsense(answer, asked)
        const {display_name: name, expire_time: until} = self
        return {
          who: typeof name === 'string' && name !== '' ? name : 'a token without a name',
          credential: token.from,
          // A root token has `null`: it ends when somebody revokes it.
          until: typeof until === 'string' && !Number.isNaN(Date.parse(until)) ? new Date(until) : 'unknown',
        }
      }),

    remedies: ({name}) => [
      vaultKv('put', {mount, namespace}, name, 'value=@FILE'),
      `Check secret_name, and that the mount ${mount} holds KV version ${kv}: asked as the other version, nothing is there (kv_version under [vault.hashicorp]).`,
    ],

    // The token is not ours to revoke: somebody made it, and may use it on.
    close() {
      closeHttp()
      return Promise.resolve()
    },
  }
}

function vaultOf(settings: Settings): Vault {
  const text = (key: string): string | undefined => {
    const value = settings[key]
    return typeof value === 'string' ? value : undefined
  }
  return {
    url: text('url') ?? '',
    mount: text('mount') ?? 'secret',
    kv: settings['kv_version'] === 1 ? 1 : 2,
    namespace: text('namespace'),
    caFile: text('ca_file'),
    skipVerify: settings['tls_skip_verify'] === true,
  }
}

/** @throws EnvdriftError CONFIG_INVALID for a name or a version that would ask for something else. */
function checkRef({name, version}: SecretRef, kv: 1 | 2): void {
  const wrong =
    spec.checkSecretName(name, version) ??
    (kv === 1 && version !== undefined ? 'asks for a version, and KV version 1 keeps none' : undefined)
  if (wrong !== undefined)
    throw new EnvdriftError('CONFIG_INVALID', `secret_name ${name} ${wrong}`, {
      suggestions: ['Correct secret_name and secret_version of the mapping.'],
    })
}

/** Trouble that says "not for you" or "not there": `earlier` ends at it without a word. */
const hiddenCodes: ReadonlySet<string> = new Set(['FORBIDDEN', 'SECRET_DELETED', 'VAULT_NOT_FOUND'])

function undefinedIfDeleted(error: unknown): undefined {
  if (!(error instanceof EnvdriftError && error.code === 'SECRET_DELETED')) throw error
}

function conflict({place, name}: Asked): EnvdriftError {
  return new EnvdriftError(
    'VERSION_CONFLICT',
    `${name} in ${place} is not what it was before: somebody else wrote it`,
    {
      suggestions: ['Look at what is there now, then run the command again.'],
    },
  )
}

const versionIn = (reading: Reading): Version | undefined => (reading.kind === 'found' ? reading.version : undefined)

const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/')

async function certificatesIn(path: string | undefined): Promise<string | undefined> {
  try {
    return path === undefined ? undefined : await readFile(path, 'utf8')
  } catch (cause) {
    throw new EnvdriftError('FILE_UNREADABLE', `The certificate authorities in ${path} could not be read`, {
      suggestions: ['Check ca_file under [vault.hashicorp], or VAULT_CACERT.'],
      cause,
    })
  }
}

/** The same promise for everybody who asks: one login per vault, also when it failed. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
