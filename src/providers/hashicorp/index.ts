import {setTimeout as sleep} from 'node:timers/promises'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import type {Host, Settings} from '../../core/provider-spec.ts'
import {Secret} from '../../core/secret.ts'
import type {Answer as Reading} from '../in-flight.ts'
import {readEach, retryNote, withDeadline} from '../in-flight.ts'
import type {Provider, ProviderDefinition, Version} from '../provider.ts'
import {makeClient} from './client.ts'
import {makeHttp, type Http} from './http.ts'
import {identityOf, nameOf} from './identity.ts'
import {kvEngine, type Asker, type Kv} from './kv.ts'
import type {Method} from './login-settings.ts'
import type {LoginSettings} from './login/credentials.ts'
import {loginWith} from './login/log-in.ts'
import type {KvVersion} from './mount.ts'
import {proxyFor} from './proxy.ts'
import {rateLimitOf, takeTurns} from './rate-limit.ts'
import {closed, givenSession, lentSession, ownSession, type Session} from './session.ts'
import {tlsOptions, type TlsSettings} from './tls.ts'
import {findToken, tokenOfMachine} from './token.ts'
import {clientVariable, durationMsOf, envOf, retriesOf} from './variables.ts'
import {vaultKv} from './vault-command.ts'

/** What connect uses of the settings, after `spec.resolve`. */
type Vault = {
  readonly url: string
  /** What listens there is an agent: it leads to a server, and may have a login to lend. */
  readonly isAgent: boolean
  /** Namespace in the path of the address. */
  readonly prefix: string | undefined
  /** Namespace in a header. */
  readonly header: string | undefined
  readonly mount: string
  readonly kv: KvVersion | undefined
  readonly mayBeKv1: boolean
  readonly tls: TlsSettings
  /** `undefined`: by a token that somebody gives us. */
  readonly login: LoginSettings | undefined
}

/** How many deleted versions {@link Provider.earlier} passes over: KV 2 keeps ten versions unless told otherwise. */
const maxDeletedVersions = 10

/** How long the end of a run waits for files that are still being read, in milliseconds. */
const startedMs = 1000

export const provider: ProviderDefinition = {
  connect: ({settings}, host) => Promise.resolve(connect(vaultOf(settings), host)),
}

function connect({url, isAgent, prefix, header, mount, kv, mayBeKv1, tls, login}: Vault, host: Host): Provider {
  const namespace = [header, prefix].filter((one) => one !== undefined).join('/') || undefined
  const place = `HashiCorp Vault ${isAgent ? 'agent ' : ''}${url}${namespace === undefined ? '' : ` namespace ${namespace}`} mount ${mount}`
  const env = isAgent ? host.env : envOf(host.env, url)
  const limit = rateLimitOf(clientVariable(env, 'RATE_LIMIT')?.text ?? '')
  // What a second lets go, so that no call waits away its time.
  const maxInFlight = Math.min(host.maxInFlight, Math.max(1, Math.floor(limit?.perSecond ?? Infinity)))
  const callTimeoutMs = Math.min(
    host.callTimeoutMs,
    durationMsOf(clientVariable(env, 'CLIENT_TIMEOUT')?.text ?? '') ?? Infinity,
  )
  const connections: Http[] = []
  let isClosed = false
  const open = (options: Parameters<typeof makeHttp>[0]): Http => {
    const http = makeHttp(options)
    connections.push(http)
    return http
  }

  // Before any deadline: a person types as long as it takes.
  const typed = once(async (): Promise<Secret | undefined> => {
    const asks = (login?.method === 'userpass' || login?.method === 'ldap') && login.password === undefined
    if (!asks || host.ask === undefined || host.token !== undefined) return undefined
    return host.ask(`Password of ${login.username ?? ''} for ${place}`)
  })

  let started: Promise<{readonly session: Session; readonly kv: Kv}> | undefined
  const start = async (): Promise<{readonly session: Session; readonly kv: Kv}> => {
    // --token is what a person wants now, whatever the files say.
    const given =
      login !== undefined && host.token === undefined
        ? undefined
        : await (isAgent ? tokenOfMachine : findToken)({...host, env})
    const http = open({maxSockets: maxInFlight, tls: await tlsOptions(tls, env), proxy: proxyFor(new URL(url), env)})
    if (isClosed) throw closed(place)
    const retries = retriesOf(clientVariable(env, 'MAX_RETRIES')?.text ?? '')
    const onRetry = (): void => host.warn(retryNote(place))
    const turn = takeTurns(limit)
    const client = makeClient({url, prefix, namespace: header, place, callTimeoutMs, retries, onRetry, turn}, http)
    const elsewhere = (to: URL): Http => open({maxSockets: 1, tls: {}, proxy: proxyFor(to, env, 'general')})
    const own = (settings: LoginSettings): Session =>
      ownSession(loginWith(settings, {host, place, client, elsewhere, typed}), client, {
        place,
        callTimeoutMs,
        warn: host.warn,
      })
    const session = given !== undefined ? givenSession(given) : login === undefined ? lentSession : own(login)
    const engine = {place, mount, namespace, version: kv, mayBeKv1, hasPrefix: prefix !== undefined}
    return {session, kv: kvEngine(engine, client, () => askerOf(session))}
  }
  const ready = (): ReturnType<typeof start> => (started ??= start())

  const timed = <T>(signal: AbortSignal, call: (callSignal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(call, {place, callTimeoutMs, signal})

  const readOne = async (ref: SecretRef, signal: AbortSignal): Promise<Reading> => (await ready()).kv.read(ref, signal)

  return {
    place,

    async *read(refs, signal) {
      // What comes of it is for the login to say.
      if (refs.length > 0 && !signal.aborted) await typed().catch(() => {})
      yield* readEach(refs, readOne, {place, callTimeoutMs, maxInFlight, signal})
    },

    async *earlier(ref, limit, signal) {
      const get = (one: SecretRef) => timed(signal, (callSignal) => readOne(one, callSignal))
      try {
        if (kv === 1) return
        const newest = ref.version ?? versionIn(await get(ref))
        if ((await ready()).kv.version() === 1) return
        let [shown, deleted] = [0, 0]
        for (let n = Number(newest ?? '1') - 1; n >= 1 && shown < limit && deleted <= maxDeletedVersions; n -= 1) {
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

    async write(ref, value, expect, signal) {
      await typed().catch(() => {})
      return timed(signal, async (callSignal) => (await ready()).kv.write(ref, value, expect, callSignal))
    },

    async whoami(signal) {
      await typed().catch(() => {})
      return timed(signal, async () => identityOf((await ready()).session))
    },

    remedies: ({name}) => [
      vaultKv('put', {mount, namespace}, name, 'value=@FILE'),
      kv === undefined
        ? `Check secret_name and mount: \`${vaultKv('list', {mount, namespace}, name.split('/').slice(0, -1).join('/'))}\`.`
        : `Check secret_name, and that the mount ${mount} holds KV version ${kv}: asked as the other version, nothing is there (kv_version under [vault.hashicorp]).`,
    ],

    async close() {
      isClosed = true
      // Bounded: what it reads may lie on a disk that does not answer. Where it comes too late, it makes no login any more.
      const start = started?.catch(() => undefined)
      const begun = await Promise.race([start, sleep(startedMs, undefined, {ref: false})])
      await begun?.session.end()
      for (const http of connections.splice(0)) http.close()
    },
  }
}

/** The token to send now, and how messages speak of who holds it. */
async function askerOf(session: Session): Promise<Asker> {
  const login = await session.login()
  if (login === undefined)
    return {
      token: await session.token(),
      holder:
        session.from === undefined
          ? {as: 'the login of the agent', isAgent: true}
          : {as: `the token from ${session.from}`},
      hasEnded: () => false,
    }
  return {
    token: login.token,
    holder: {as: `the login as ${nameOf(login)}`, policies: login.policies, uses: login.uses},
    hasEnded: () => login.endsAtMs !== undefined && login.endsAtMs <= performance.now(),
  }
}

function vaultOf(settings: Settings): Vault {
  const text = (key: string): string | undefined => {
    const value = settings[key]
    return typeof value === 'string' ? value : undefined
  }
  const secret = (key: string): Secret | undefined => {
    const value = text(key)
    return value === undefined ? undefined : new Secret(value)
  }
  const method = (text('auth') ?? 'token') as Method
  const kv = settings['kv_version']
  return {
    url: text('url') ?? '',
    isAgent: settings['agent'] === true,
    prefix: text('url_namespace'),
    header: text('namespace'),
    mount: text('mount') ?? 'secret',
    kv: kv === 1 || kv === 2 ? kv : undefined,
    mayBeKv1: settings['kv_version_of_machine'] === true,
    tls: {
      caFile: text('ca_file'),
      caPath: text('ca_path'),
      clientCert: text('client_cert'),
      clientKey: text('client_key'),
      serverName: text('tls_server_name'),
      skipVerify: settings['tls_skip_verify'] === true,
    },
    login:
      method === 'token'
        ? undefined
        : {
            method,
            mount: text('auth_mount') ?? method,
            role: text('role'),
            roleId: text('role_id'),
            secretId: secret('secret_id'),
            secretIdFile: text('secret_id_file'),
            secretIdWrapped: settings['secret_id_wrapped'] === true,
            jwt: secret('jwt'),
            jwtFile: text('jwt_file'),
            jwtAudience: text('jwt_audience'),
            username: text('username'),
            password: secret('password'),
          },
  }
}

/** Trouble that says "not for you" or "not there": `earlier` ends at it without a word. */
const hiddenCodes: ReadonlySet<string> = new Set(['FORBIDDEN', 'SECRET_DELETED', 'VAULT_NOT_FOUND'])

function undefinedIfDeleted(error: unknown): undefined {
  if (!(error instanceof EnvdriftError && error.code === 'SECRET_DELETED')) throw error
}

const versionIn = (reading: Reading): Version | undefined => (reading.kind === 'found' ? reading.version : undefined)

/** The same promise for everybody who asks: one question, one login per vault, also when it failed. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
