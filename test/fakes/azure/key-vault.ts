import {randomBytes} from 'node:crypto'
import {setTimeout as sleep} from 'node:timers/promises'

import {parseJson, type Answer, type Clock} from './answer.ts'
import {loginHostOf} from './clouds.ts'
import {actions, callOf, type Call, type Operation} from './key-vault-calls.ts'
import type {Claims, Tokens} from './tokens.ts'

/** One request that reached a vault with a good token, in the order of arrival. */
type VaultRequest = {
  readonly vault: string
  readonly method: string
  readonly operation: Operation
  readonly name: string
  readonly version: string | undefined
  readonly userAgent: string | undefined
  /** How many of these were being worked on, this one among them. */
  readonly inFlight: number
}

/** Answer of the next requests for a secret, in place of the vault's own. */
type Fault =
  | {readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds?: number; readonly times: number}
  /** The connection breaks before an answer, or in the middle of one. */
  | {readonly kind: 'reset' | 'cut'; readonly times: number}
  /** As something in between would answer, not the vault. */
  | {
      readonly kind: 'stranger'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly page: string
      readonly times: number
    }

/** Why the vault refuses: `error.innererror.code` of a 403. */
type Refusal = 'ForbiddenByRbac' | 'ForbiddenByPolicy' | 'ForbiddenByFirewall' | 'ForbiddenByConnection'

type Version = {
  readonly id: string
  readonly value: string
  readonly contentType: string | undefined
  readonly tags: Record<string, string> | undefined
  readonly created: number
  enabled: boolean
}
type StoredSecret = {readonly versions: Version[]; deletedAt: number | undefined}
type Vault = {
  readonly name: string
  readonly host: string
  readonly audience: string
  /** What its challenge names; the same, unless it lies. */
  readonly resource: string
  /** Where its cloud logs in. */
  readonly authority: string
  readonly secrets: Map<string, StoredSecret>
}

export type KeyVault = {
  readonly addVault: (name: string, options?: {readonly suffix?: string; readonly challengeResource?: string}) => string
  readonly hasHost: (host: string) => boolean
  /** @returns `reset` or `cut` where the connection is to be broken. */
  readonly answer: (request: {
    readonly method: string
    readonly url: URL
    readonly authorization: string | undefined
    readonly userAgent: string | undefined
    readonly body: string
  }) => Promise<Answer | 'reset' | 'cut'>
  /** @returns the new version. Versions of one secret are at least a second apart, since that is how exact Azure's dates are. */
  readonly set: (vault: string, name: string, value: string) => string
  /** Disable the newest version, as `az keyvault secret set-attributes --enabled false` does. */
  readonly disable: (vault: string, name: string, version?: string) => void
  /** Soft-delete. */
  readonly remove: (vault: string, name: string) => void
  readonly forbid: (name: string, refusal: Refusal) => void
  /** From now on only these operations are allowed. */
  readonly allowOnly: (...operations: readonly Operation[]) => void
  /** From now on no token is good: `rejected` as made elsewhere, `expired`, or made for another audience or tenant. */
  readonly refuseTokens: (reason: 'rejected' | 'expired' | 'audience' | 'issuer') => void
  readonly fail: (fault: Fault) => void
  /** From now on deleted secrets are answered as by an emulator that knows none, or not at all. */
  readonly failDeleted: (status: number | 'silence') => void
  readonly delay: (ms: number) => void
  readonly requests: () => readonly VaultRequest[]
  /** Requests that reached a vault without a token, and got a challenge. */
  readonly challenges: () => number
  /** Ends answers that are still to come. */
  readonly stop: () => void
}

/** Source: `KnownVersions` of @azure/keyvault-secrets, and the folders of its published description. */
const apiVersions = new Set(['2016-10-01', '7.0', '7.1', '7.2', '7.3', '7.4', '7.5', '7.6', '2025-07-01', '2026-04-01'])

/** Source: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets, 25 KB, which the service counts in characters. */
const maxValueCharacters = 25_600

/** How many a page of a list holds at most. */
const maxPage = 25

/** How long a deleted secret can be recovered. */
const recoverableDays = 90

const daySeconds = 86_400

/**
 * Any number of Azure Key Vaults, secrets only, by the published REST interface.
 *
 * Source: https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups
 */
export function makeKeyVault(tenantId: string, clock: Clock, tokens: Tokens): KeyVault {
  const vaults = new Map<string, Vault>()
  const refusals = new Map<string, Refusal>()
  const requests: VaultRequest[] = []
  const faults: {fault: Fault; left: number}[] = []
  const stopping = new AbortController()
  let allowed: ReadonlySet<Operation> = new Set(Object.keys(actions) as Operation[])
  let refusing: Parameters<KeyVault['refuseTokens']>[0] | undefined
  let deletedStatus: number | 'silence' | undefined
  let delayMs = 0
  let inFlight = 0
  let challenges = 0

  const vaultError = (
    status: number,
    code: string,
    message: string,
    inner?: string,
    headers?: Record<string, string>,
  ): Answer => ({
    status,
    body: {error: {code, message, ...(inner !== undefined && {innererror: {code: inner}})}},
    ...(headers !== undefined && {headers}),
  })

  const bad = (message: string): Answer => vaultError(400, 'BadParameter', message)

  // --- who asks

  function unauthorized(vault: Vault, message: string, error = ', error="invalid_token"'): Answer {
    const challenge = `Bearer authorization="https://${vault.authority}/${tenantId}", resource="${vault.resource}"${error}`
    return vaultError(401, 'Unauthorized', message, undefined, {'WWW-Authenticate': challenge})
  }

  function callerOf(vault: Vault, authorization: string | undefined): Claims | Answer {
    const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1]
    if (token === undefined) {
      challenges++
      return unauthorized(vault, 'AKV10000: Request is missing a Bearer or PoP token.', '')
    }
    const claims = tokens.read(token)
    if (claims === undefined || refusing === 'rejected') {
      return unauthorized(vault, 'AKV10046: Unable to resolve the key used for signature validation.')
    }
    if (refusing === 'expired' || claims.exp <= clock() || claims.nbf > clock() + 300) {
      return unauthorized(vault, "[TokenExpired] Error validating token: 'S2S12086'.")
    }
    if (refusing === 'audience' || claims.aud !== vault.audience) {
      return unauthorized(vault, `AKV10022: Invalid audience. Expected ${vault.audience}, found: ${claims.aud}.`)
    }
    if (refusing === 'issuer' || claims.tid !== tenantId) {
      const text = `AKV10032: Invalid issuer. Expected one of https://sts.windows.net/${tenantId}/, found ${claims.iss}.`
      return unauthorized(vault, text)
    }
    return claims
  }

  function refused(vault: Vault, {operation, name}: Call, refusal: Refusal, {appid, oid, iss}: Claims): Answer {
    const caller = `appid=${appid};oid=${oid};iss=${iss}`
    const where = `Vault: ${vault.name};location=westeurope`
    const resource = `/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/myapp/providers/microsoft.keyvault/vaults/${vault.name}/secrets/${name}`
    const {action, permission} = actions[operation]
    const texts = {
      ForbiddenByRbac: `Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: ${caller}\r\nAction: '${action}'\r\nResource: '${resource}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n${where}\r\n`,
      ForbiddenByPolicy: `The user, group or application '${caller}' does not have secrets ${permission} permission on key vault '${vault.name};location=westeurope'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287`,
      ForbiddenByFirewall: `Client address is not authorized and caller is not a trusted service.\r\nClient address: 192.0.2.17\r\nCaller: ${caller}\r\n${where}`,
      ForbiddenByConnection: `Connection is not an approved private link and caller was ignored because bypass is not set to 'AzureServices' and PublicNetworkAccess is set to 'Disabled'.\r\n${where}`,
    }
    return vaultError(403, 'Forbidden', texts[refusal], refusal)
  }

  // --- what is there

  const attributes = ({enabled, created}: Version) => ({
    enabled,
    created,
    updated: created,
    recoveryLevel: 'Recoverable+Purgeable',
    recoverableDays,
  })

  const item = (vault: Vault, name: string, version: Version) => ({
    id: `https://${vault.host}/secrets/${name}/${version.id}`,
    attributes: attributes(version),
    ...(version.contentType !== undefined && {contentType: version.contentType}),
    tags: version.tags ?? {},
  })

  /** As a list of secrets shows one: without its version. */
  const entry = (vault: Vault, name: string, {versions}: StoredSecret) => ({
    ...item(vault, name, versions.at(-1)!),
    id: `https://${vault.host}/secrets/${name}`,
  })

  const deletedItem = (vault: Vault, name: string, {deletedAt = 0}: StoredSecret) => ({
    recoveryId: `https://${vault.host}/deletedsecrets/${name}`,
    deletedDate: deletedAt,
    scheduledPurgeDate: deletedAt + recoverableDays * daySeconds,
  })

  function page(url: URL, all: readonly unknown[]): Answer {
    const asked = Number(url.searchParams.get('maxresults') ?? maxPage)
    if (!Number.isInteger(asked) || asked < 1 || asked > maxPage) return bad('Invalid maxresults')
    const from = Number(url.searchParams.get('$skiptoken') ?? 0)
    const next = new URL(url)
    next.searchParams.set('$skiptoken', String(from + asked))
    const nextLink = from + asked < all.length ? next.href : null
    return {status: 200, body: {value: all.slice(from, from + asked), nextLink}}
  }

  const notFound = (name: string): Answer =>
    vaultError(
      404,
      'SecretNotFound',
      `A secret with (name/id) ${name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
    )

  const disabled = (): Answer =>
    vaultError(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', 'SecretDisabled')

  function addVersion(
    vault: Vault,
    name: string,
    given: Pick<Version, 'value' | 'contentType' | 'tags' | 'enabled'>,
  ): Version {
    const secret = vault.secrets.get(name) ?? {versions: [], deletedAt: undefined}
    vault.secrets.set(name, secret)
    const created = Math.max(clock(), (secret.versions.at(-1)?.created ?? 0) + 1)
    const version = {...given, id: randomBytes(16).toString('hex'), created}
    secret.versions.push(version)
    return version
  }

  // --- what is asked

  type Sent = {
    readonly value?: unknown
    readonly contentType?: string
    readonly tags?: Record<string, string>
    readonly attributes?: {readonly enabled?: boolean}
  }

  function perform(vault: Vault, {operation, name, version}: Call, url: URL, body: string): Answer {
    const secret = vault.secrets.get(name)
    const there = secret?.deletedAt === undefined ? secret : undefined
    const gone = secret?.deletedAt === undefined ? undefined : secret
    const wanted = version === undefined ? there?.versions.at(-1) : there?.versions.find(({id}) => id === version)
    const sent = (parseJson(body) ?? {}) as Sent
    switch (operation) {
      case 'get':
        if (wanted === undefined) return notFound(name)
        return wanted.enabled ? {status: 200, body: {value: wanted.value, ...item(vault, name, wanted)}} : disabled()
      case 'list': {
        if (name === '') {
          const live = [...vault.secrets].filter(([, {deletedAt}]) => deletedAt === undefined)
          return page(
            url,
            live.map(([each, stored]) => entry(vault, each, stored)),
          )
        }
        // By version id, as Azure does it, so not in the order of time. An unknown name has an empty list.
        const all = (there?.versions ?? []).toSorted((a, b) => (a.id < b.id ? -1 : 1))
        return page(
          url,
          all.map((one) => item(vault, name, one)),
        )
      }
      case 'set': {
        if (typeof sent.value !== 'string') return bad('The property "value" is required.')
        if (sent.value.length > maxValueCharacters) {
          return bad(
            `The property "value" has a length of ${sent.value.length}, and at most ${maxValueCharacters} is allowed.`,
          )
        }
        if (gone !== undefined) {
          const text = `Secret ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.`
          return vaultError(409, 'Conflict', text, 'ObjectIsDeletedButRecoverable')
        }
        const {value, contentType, tags} = sent
        const made = addVersion(vault, name, {value, contentType, tags, enabled: sent.attributes?.enabled ?? true})
        return {status: 200, body: {value: made.value, ...item(vault, name, made)}}
      }
      case 'update':
        if (wanted === undefined) return notFound(name)
        wanted.enabled = sent.attributes?.enabled ?? wanted.enabled
        return {status: 200, body: item(vault, name, wanted)}
      case 'delete': {
        if (there === undefined) return notFound(name)
        there.deletedAt = clock()
        return {status: 200, body: {...deletedItem(vault, name, there), ...item(vault, name, there.versions.at(-1)!)}}
      }
      case 'getDeleted': {
        if (gone === undefined) return vaultError(404, 'SecretNotFound', `Deleted Secret not found: ${name}`)
        const last = gone.versions.at(-1)!
        return last.enabled
          ? {status: 200, body: {...deletedItem(vault, name, gone), ...item(vault, name, last)}}
          : disabled()
      }
      case 'listDeleted': {
        const all = [...vault.secrets].filter(([, {deletedAt}]) => deletedAt !== undefined)
        return page(
          url,
          all.map(([each, stored]) => ({...deletedItem(vault, each, stored), ...entry(vault, each, stored)})),
        )
      }
      case 'recover': {
        if (gone === undefined) return vaultError(404, 'SecretNotFound', `Deleted Secret not found: ${name}`)
        gone.deletedAt = undefined
        return {status: 200, body: item(vault, name, gone.versions.at(-1)!)}
      }
      case 'purge':
        if (gone === undefined) return vaultError(404, 'SecretNotFound', `Deleted Secret not found: ${name}`)
        vault.secrets.delete(name)
        return {status: 204, body: ''}
    }
  }

  function faultAnswer(fault: Fault): Answer | 'reset' | 'cut' {
    switch (fault.kind) {
      case 'reset':
      case 'cut':
        return fault.kind
      case 'stranger':
        return {status: fault.status, body: fault.page, headers: {'content-type': 'text/html', ...fault.headers}}
      case 'status': {
        const {status, retryAfterSeconds} = fault
        const headers: Record<string, string> =
          retryAfterSeconds === undefined ? {} : {'Retry-After': String(retryAfterSeconds)}
        const text =
          status === 429
            ? 'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached'
            : 'The service answered with a planted fault.'
        return vaultError(status, status === 429 ? 'Throttled' : 'InternalServerError', text, undefined, headers)
      }
    }
  }

  const answer: KeyVault['answer'] = async ({method, url, authorization, userAgent, body}) => {
    const vault = vaults.get(url.hostname)
    if (vault === undefined) return {status: 404, body: ''}
    const caller = callerOf(vault, authorization)
    if ('status' in caller) return caller
    const call = callOf(method, url.pathname)
    if (call === undefined) return vaultError(405, 'MethodNotAllowed', 'The method is not allowed on this path.')

    inFlight++
    try {
      requests.push({vault: vault.name, method, ...call, userAgent, inFlight})
      const fault = faults[0]
      if (fault !== undefined && --fault.left === 0) faults.shift()
      if (delayMs > 0) await sleep(delayMs, undefined, {signal: stopping.signal})
      if (fault !== undefined) return faultAnswer(fault.fault)

      if (deletedStatus !== undefined && call.operation === 'getDeleted') {
        if (deletedStatus !== 'silence') return {status: deletedStatus, body: ''}
        await sleep(2 ** 31 - 1, undefined, {signal: stopping.signal})
      }

      const apiVersion = url.searchParams.get('api-version')
      if (apiVersion === null) return bad('API version cannot be null or empty.')
      if (!apiVersions.has(apiVersion)) return bad(`The specified version (${apiVersion}) is not recognized.`)
      // Source: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates, "Object identifiers"
      if (call.name !== '' && !/^[0-9a-zA-Z-]{1,127}$/.test(call.name)) {
        return bad(`The request URI contains an invalid name: ${call.name}`)
      }
      const refusal = refusals.get(call.name)
      if (refusal !== undefined) return refused(vault, call, refusal, caller)
      if (!allowed.has(call.operation)) return refused(vault, call, 'ForbiddenByRbac', caller)
      return perform(vault, call, url, body)
    } finally {
      inFlight--
    }
  }

  // --- what tests do

  function vaultNamed(name: string): Vault {
    const found = vaults.values().find((vault) => vault.name === name)
    if (found === undefined) throw new Error(`The fake has no vault ${name}`)
    return found
  }

  function secretNamed(vault: string, name: string): StoredSecret {
    const found = vaultNamed(vault).secrets.get(name)
    if (found === undefined) throw new Error(`The fake vault ${vault} has no secret ${name}`)
    return found
  }

  return {
    addVault: (name, {suffix = 'vault.azure.net', challengeResource = `https://${suffix}`} = {}) => {
      const host = `${name}.${suffix}`
      const audience = `https://${suffix}`
      vaults.set(host, {
        name,
        host,
        audience,
        resource: challengeResource,
        authority: loginHostOf(suffix),
        secrets: new Map(),
      })
      return `https://${host}`
    },
    hasHost: (host) => vaults.has(host),
    answer,
    set: (vault, name, value) =>
      addVersion(vaultNamed(vault), name, {value, contentType: undefined, tags: undefined, enabled: true}).id,
    disable: (vault, name, version) => {
      const {versions} = secretNamed(vault, name)
      const found = version === undefined ? versions.at(-1) : versions.find(({id}) => id === version)
      if (found !== undefined) found.enabled = false
    },
    remove: (vault, name) => {
      secretNamed(vault, name).deletedAt = clock()
    },
    forbid: (name, refusal) => void refusals.set(name, refusal),
    allowOnly: (...operations) => void (allowed = new Set(operations)),
    refuseTokens: (reason) => void (refusing = reason),
    fail: (fault) => void faults.push({fault, left: fault.times}),
    failDeleted: (status) => void (deletedStatus = status),
    delay: (ms) => void (delayMs = ms),
    requests: () => [...requests],
    challenges: () => challenges,
    stop: () => stopping.abort(),
  }
}
