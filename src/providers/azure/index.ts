import {createDefaultHttpClient} from '@azure/core-rest-pipeline'
import {SecretClient} from '@azure/keyvault-secrets'
import {setLogLevel} from '@azure/logger'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import type {Host, Settings} from '../../core/provider-spec.ts'
import {Secret} from '../../core/secret.ts'
import {printable} from '../../core/text.ts'
import {readEach, retryNote, withDeadline} from '../in-flight.ts'
import type {Identity, Provider, ProviderDefinition, Version} from '../provider.ts'
import {backoffPolicy, maxRetries, retryDelayInMs} from './backoff.ts'
import {cloudOfHost, clouds, type CloudName} from './clouds.ts'
import {credentialsToTry, type CredentialName} from './credential-names.ts'
import {callError, isAbsence, recoverIt, troubleOf, type CallContext} from './errors.ts'
import {makeLogin} from './login.ts'
import {refuseUnreadableProxy} from './proxy.ts'
import {keepTunnels} from './tunnels.ts'
import {wholeAnswers} from './whole-answers.ts'

/**
 * Azure Key Vault through @azure/keyvault-secrets and @azure/identity, which bring the login challenge, the credentials,
 * the proxy and the waiting between tries.
 *
 * Reading takes the permission to get secrets and no other. Azure says the same of a deleted secret and of one that never
 * was, so what is missing is looked for among the deleted ones.
 */
export const provider: ProviderDefinition = {connect}

type Found = {readonly value: Secret; readonly version: Version}

async function connect({settings}: {readonly settings: Settings}, host: Host): Promise<Provider> {
  refuseUnreadableProxy(host.env)
  // AZURE_LOG_LEVEL and DEBUG make the SDK print requests and answers. This turns all of its loggers off.
  setLogLevel()
  const tunnels = keepTunnels(wholeAnswers(createDefaultHttpClient()), {maxSockets: host.maxInFlight})
  // spec.resolve lets nothing else through.
  const {origin, hostname} = new URL(settings['vault_url'] as string)
  const place = `Azure Key Vault ${origin}`
  const vaultName = hostname.split('.')[0] ?? hostname
  const text = (name: string) => settings[name] as string | undefined
  const cloud = (text('cloud') as CloudName | undefined) ?? cloudOfHost(hostname) ?? 'public'

  const userAgentPrefix = `envdrift/${host.version ?? '0'}`

  const login = makeLogin(tunnels.http, {
    place,
    cloud,
    names: credentialsToTry(
      text('credential') as CredentialName | undefined,
      (settings['exclude_credentials'] as readonly string[] | undefined) ?? [],
      host.env['AZURE_TOKEN_CREDENTIALS'],
    ),
    isNamed: text('credential') !== undefined,
    account: {tenantId: text('tenant_id'), clientId: text('client_id'), env: host.env},
    authorityHost: text('authority_host') ?? (host.env['AZURE_AUTHORITY_HOST'] || clouds[cloud].authorityHost),
    callTimeoutMs: host.callTimeoutMs,
    userAgentPrefix,
    interactive: host.interactive,
    warn: host.warn,
  })
  const client = new SecretClient(origin, login.credential, {
    httpClient: tunnels.http,
    disableChallengeResourceVerification: settings['disable_challenge_verification'] === true,
    retryOptions: {maxRetries, retryDelayInMs},
    userAgentOptions: {userAgentPrefix},
    // A vault never redirects, and our token goes to no other address.
    redirectOptions: {maxRetries: 0},
    additionalPolicies: [
      {policy: backoffPolicy(place, host.callTimeoutMs, () => host.warn(retryNote(place))), position: 'perRetry'},
    ],
  })

  const {callTimeoutMs, maxInFlight} = host
  let maySeeDeleted = true
  /** Secrets that aren't there, and that we could not look for among the deleted ones. */
  const notLookedFor = new Set<string>()
  let looksHang = false

  /** One request of the SDK's; what it throws becomes one of our errors. */
  async function ask<T>(
    doing: CallContext['doing'],
    secret: string,
    request: (options: {readonly onResponse: (answer: {readonly status: number}) => void}) => Promise<T>,
  ): Promise<T> {
    let answered: number | undefined
    try {
      return await request({onResponse: ({status}) => (answered = status)})
    } catch (error) {
      const principalType = login.claims()?.isApplication === false ? 'User' : 'ServicePrincipal'
      throw callError(error, {place, vaultName, doing, secret, answered, principalType})
    }
  }

  /** @returns `undefined` if the service says that it isn't there. */
  async function get(name: string, version: Version | undefined, abortSignal: AbortSignal): Promise<Found | undefined> {
    const found = await ask('read', name, (options) =>
      client
        .getSecret(name, {...options, abortSignal, ...(version !== undefined && {version})})
        .catch((error: unknown) => {
          if (isAbsence(troubleOf(error))) return undefined
          throw error
        }),
    )
    if (found === undefined) return undefined
    const {value, properties} = found
    if (typeof value !== 'string' || properties.version === undefined) throw incomplete(name)
    const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()
    if (!isSame(properties.name, name) || !isSame(properties.version, version ?? properties.version)) {
      const wanted = version === undefined ? name : `version ${version} of ${name}`
      const sent = `version ${printable(properties.version)} of ${printable(properties.name)}`
      throw new EnvdriftError('BAD_RESPONSE', `${place} sent ${sent} instead of ${wanted}`, {suggestions: inBetween})
    }
    return {value: new Secret(value), version: properties.version}
  }

  /**
   * Is this one of the deleted secrets? Azure keeps them for 7 to 90 days, and says of them what it says of any that isn't there.
   *
   * @param leftMs - of the call's time.
   * @throws EnvdriftError SECRET_DELETED; nothing else: who may not look, or gets no answer, knows no more than before, and
   *   the remedies say so.
   */
  async function failIfDeleted(name: string, signal: AbortSignal, leftMs: number): Promise<void> {
    if (!maySeeDeleted) return
    if (looksHang) {
      notLookedFor.add(name)
      return
    }
    const look = (abortSignal: AbortSignal) =>
      ask('look for a deleted', name, async (options) => {
        try {
          const {recoveryId, scheduledPurgeDate} = await client.getDeletedSecret(name, {...options, abortSignal})
          if (recoveryId !== undefined) return {until: scheduledPurgeDate}
          // Of nothing that Key Vault says.
          notLookedFor.add(name)
          return undefined
        } catch (error) {
          if (isAbsence(troubleOf(error))) return undefined
          throw error
        }
      })
    // A look that hangs must not take away what the call has learned: that the secret isn't there.
    const limitMs = Math.min(callTimeoutMs / 4, leftMs / 2, 5000)
    const found = await withDeadline(look, {place, callTimeoutMs: limitMs, signal}).catch((error: unknown) => {
      if (!(error instanceof EnvdriftError)) throw error
      // Of a deleted secret that is disabled, too, the service says no more than that.
      if (error.code === 'SECRET_DISABLED') return {until: undefined}
      if (error.code === 'FORBIDDEN') maySeeDeleted = false
      looksHang ||= error.code === 'TIMEOUT'
      notLookedFor.add(name)
      return undefined
    })
    if (found === undefined) return
    const until = found.until === undefined ? '' : ` on ${found.until.toISOString().slice(0, 10)}`
    throw new EnvdriftError(
      'SECRET_DELETED',
      `${name} in ${place} is deleted, and will be gone for good${until || ' one day'}`,
      {
        suggestions: recoverIt(vaultName, name),
      },
    )
  }

  async function set(name: string, value: Secret, abortSignal: AbortSignal): Promise<Version> {
    const {properties} = await ask('write', name, (options) =>
      client.setSecret(name, value.reveal(), {...options, abortSignal}),
    )
    if (properties.version === undefined) throw incomplete(name)
    return properties.version
  }

  /** A page of something in between, for example: status 200, and nothing of Key Vault's in it. */
  const incomplete = (name: string): EnvdriftError =>
    new EnvdriftError('BAD_RESPONSE', `${place} answered without the value or the version of ${name}`, {
      suggestions: inBetween,
    })

  /** Enabled versions, newest first. */
  async function versionsOf(name: string, abortSignal: AbortSignal): Promise<readonly Version[]> {
    const found: {readonly version: Version; readonly createdMs: number}[] = []
    await ask('list the versions of', name, async (options) => {
      const all = client.listPropertiesOfSecretVersions(name, {...options, abortSignal})
      for await (const {version, enabled, createdOn} of all) {
        if (version !== undefined && enabled !== false) found.push({version, createdMs: createdOn?.getTime() ?? 0})
      }
    })
    return found.toSorted((a, b) => b.createdMs - a.createdMs).map(({version}) => version)
  }

  /** A login in the browser takes longer than a call may: it comes first. */
  async function meetPerson(signal: AbortSignal): Promise<void> {
    if (!login.awaitsPerson()) return
    const knock = () =>
      withDeadline((abortSignal) => client.getSecret('anything', {abortSignal}), {place, callTimeoutMs, signal})
    await login.meetPerson(knock, signal)
  }

  async function* earlier(ref: SecretRef, limit: number, signal: AbortSignal): ReturnType<Provider['earlier']> {
    const limits = {place, callTimeoutMs, signal}
    try {
      await meetPerson(signal)
      const current = await withDeadline((callSignal) => get(ref.name, undefined, callSignal), limits)
      if (current === undefined) return
      const versions = await withDeadline((callSignal) => versionsOf(ref.name, callSignal), limits)
      for (const version of versions.filter((each) => each !== current.version).slice(0, limit)) {
        const found = await withDeadline((callSignal) => get(ref.name, version, callSignal), limits)
        if (found !== undefined) yield found
      }
    } catch (error) {
      // An identity that may get and not list is the normal case; this is only for a better message.
      if (!(error instanceof EnvdriftError)) throw error
    }
  }

  /** Azure has no compare and set: another writer between the look and the write goes unnoticed; its version stays readable. */
  const write: Provider['write'] = async ({name}, value, expect, signal) => {
    const limits = {place, callTimeoutMs, signal}
    await meetPerson(signal)
    if (expect !== 'any') {
      const current = await withDeadline((callSignal) => get(name, undefined, callSignal), limits)
      if ((current?.version ?? 'absent') !== expect) {
        throw new EnvdriftError(
          'VERSION_CONFLICT',
          current === undefined
            ? `${name} is not in ${place} any more`
            : expect === 'absent'
              ? `${name} is in ${place} already`
              : `${place} holds another version of ${name}`,
          {
            suggestions: [
              `See what is there: \`az keyvault secret list-versions --vault-name ${vaultName} --name ${name}\`.`,
            ],
          },
        )
      }
    }
    return withDeadline((callSignal) => set(name, value, callSignal), limits)
  }

  async function whoami(signal: AbortSignal): Promise<Identity> {
    await meetPerson(signal)
    if (login.identity() === undefined) {
      const scope = `https://${clouds[cloud].suffix}/.default`
      await withDeadline(() => login.credential.getToken(scope, {enableCae: true}), {
        place,
        callTimeoutMs,
        signal,
      })
    }
    return login.identity()!
  }

  return {
    place,
    read: async function* (refs, signal) {
      if (refs.length > 0) await meetPerson(signal)
      yield* readEach(
        refs,
        async ({name, version}, callSignal) => {
          const startedMs = Date.now()
          const found = await get(name, version, callSignal)
          if (found !== undefined) return {kind: 'found', ...found}
          await failIfDeleted(name, callSignal, callTimeoutMs - (Date.now() - startedMs))
          return {kind: 'absent'}
        },
        {place, callTimeoutMs, maxInFlight, signal},
      )
    },
    earlier,
    write,
    whoami,
    remedies: ({name}) => [
      `az keyvault secret set --vault-name ${vaultName} --name ${name} --file FILE`,
      ...(maySeeDeleted && !notLookedFor.has(name)
        ? []
        : [
            `It may have been deleted, ${maySeeDeleted ? 'and we could not look' : 'which this login may not see'}: \`az keyvault secret show-deleted --vault-name ${vaultName} --name ${name}\``,
          ]),
    ],
    close: async () => {
      login.close()
      tunnels.close()
    },
  }
}

const inBetween = ['Check vault_url, HTTPS_PROXY and NO_PROXY: something may stand in between.'] as const
