import {setTimeout as sleep} from 'node:timers/promises'

import nodeVault, {type client as NodeVaultClient} from 'node-vault'

import {EnvdriftError} from '../../core/errors.ts'
import type {Secret} from '../../core/secret.ts'
import {tooLongToWait} from '../in-flight.ts'
import {networkTrouble} from '../network-trouble.ts'
import {isUpgrading} from './answer.ts'
import {connectionError, redirectError, sealedError} from './errors.ts'
import type {Http, HttpAnswer} from './http.ts'
import {encoded} from './path.ts'
import type {Turn} from './rate-limit.ts'

export type Answer = {readonly status: number; readonly body: unknown}

type CallOptions = {
  readonly signal: AbortSignal
  /** Without one: a login, or what an agent sends its own login with. */
  readonly token?: Secret | undefined
  /** Making it a second time does no harm, as with a login. Reading never does. */
  readonly repeatable?: boolean
  /** Waits for no turn: the last word at the end of a run has no time for it. */
  readonly atOnce?: boolean
  /** Told where others may get the same answer from an agent. */
  readonly onKept?: () => void
}

/** Vault's API as far as we use it; every answer of Vault's own comes back as it is, whatever its status. */
export type Client = {
  /** @param path - already encoded, with its query, without a leading slash. */
  readonly get: (path: string, options: CallOptions) => Promise<Answer>
  readonly post: (path: string, json: unknown, options: CallOptions) => Promise<Answer>
}

/** What node-vault hands to its HTTP function. */
type Options = {
  readonly method: string
  readonly uri: string
  readonly headers: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly signal: AbortSignal
  readonly repeatable?: boolean
  readonly atOnce?: boolean
  readonly onKept?: () => void
}

/** How often one call is made again, unless VAULT_MAX_RETRIES says it. Vault's own client does it twice. */
const defaultRetries = 3

/** The wait before the second try, in milliseconds; it doubles from then on. */
const firstWaitMs = 250

/** Not done, and worth another try: not yet replicated, over the quota, standby, sealing or starting. */
const notDoneStatuses: ReadonlySet<number> = new Set([412, 429, 472, 473, 503])

/** Perhaps done: reading again does no harm, writing again might. */
const perhapsDoneStatuses: ReadonlySet<number> = new Set([500, 502, 504])
const perhapsDoneCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN'])

/**
 * node-vault, with our own HTTP below it.
 *
 * It brings the paths, the headers and the shape of the errors. It has no retries, takes no signal, and its own HTTP client
 * follows redirects with the token; its `debug` output names paths and values, so it gets a silent one.
 *
 * @param vault.url - without a slash at its end.
 */
export function makeClient(
  vault: {
    readonly url: string
    /** Of every path, so that `/v1/team1/…` is asked for. */
    readonly prefix: string | undefined
    readonly namespace: string | undefined
    readonly place: string
    readonly callTimeoutMs: number
    readonly retries: number | undefined
    readonly onRetry: () => void
    /** Of each request, tried again or not. */
    readonly turn: Turn
  },
  http: Http,
): Client {
  const {url, place, retries = defaultRetries} = vault

  async function send({
    method,
    uri,
    headers,
    json,
    signal,
    repeatable = method === 'GET',
    atOnce = false,
    onKept,
  }: Options) {
    // An agent may take no request without this header, which no web page can send.
    const marked = {...headers, 'X-Vault-Request': 'true'}
    const request = {method, url: new URL(uri), headers: marked, ...(json !== undefined && {json}), signal}
    const answer = await withRetries(repeatable, signal, async () => {
      if (!atOnce) await vault.turn(signal)
      return http.send(request)
    })
    if (answer.status >= 300 && answer.status < 400) throw redirectError(answer.location, request.url, place)
    if (answer.isKept) onKept?.()
    // node-vault takes any answer for good if this path looks like that of its health check, and a secret's may.
    return {statusCode: answer.status, body: answer.body, request: {path: ''}}
  }

  async function withRetries(
    harmless: boolean,
    signal: AbortSignal,
    attempt: () => Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    const until = performance.now() + vault.callTimeoutMs
    for (let n = 1; ; n += 1) {
      const outcome = await attempt().catch((error: unknown) => {
        // Ours is the deadline, which has its own words for it.
        if (signal.aborted) throw signal.reason
        return {failed: error}
      })
      // Up to half more, so that parallel calls don't come back together.
      let waitMs = firstWaitMs * 2 ** (n - 1) * (1 + Math.random() / 2)
      let again = n <= retries
      if ('failed' in outcome) {
        again &&= harmless && perhapsDoneCodes.has(networkTrouble(outcome.failed)?.detail ?? '')
      } else {
        const {status, body, retryAfterMs} = outcome
        if (status === 503 && (await isSealed(signal))) throw sealedError(place)
        again &&=
          notDoneStatuses.has(status) || isUpgrading(status, body) || (harmless && perhapsDoneStatuses.has(status))
        waitMs = retryAfterMs ?? waitMs
        if ((status === 429 || status === 503) && waitMs > vault.callTimeoutMs)
          throw tooLongToWait(place, waitMs, vault.callTimeoutMs, status === 429 ? 'THROTTLED' : 'SERVICE_ERROR')
      }
      if (!again || performance.now() + waitMs >= until) {
        if ('failed' in outcome) throw connectionError(outcome.failed, place)
        if (n > 1 && outcome.status < 400) vault.onRetry()
        return outcome
      }
      await sleep(waitMs, undefined, {signal})
    }
  }

  /** The one question that a sealed Vault answers; it needs no token, so it gets none. */
  async function isSealed(signal: AbortSignal): Promise<boolean> {
    const headers = {'X-Vault-Request': 'true'}
    const request = {method: 'GET', url: new URL(`${url}/v1/sys/seal-status`), headers, signal}
    const {body} = await http.send(request).catch(() => ({body: undefined}))
    return typeof body === 'object' && body !== null && 'sealed' in body && body.sealed === true
  }

  const client: NodeVaultClient & {pathPrefix?: string; namespace?: string; token?: string} = nodeVault({
    endpoint: url,
    debug: () => {},
    'request-promise': {defaults: () => send},
  })
  // Where an option is empty, node-vault takes the process's environment, which is not the one that we were given.
  client.token = ''
  client.pathPrefix = vault.prefix === undefined ? '' : `/${encoded(vault.prefix)}`
  client.namespace = vault.namespace ?? ''

  return {
    get: (path, options) => answerOf(client.read(path, requestOf(options))),
    post: (path, json, options) => answerOf(client.write(path, json, requestOf(options))),
  }
}

/** What node-vault hands on with a request. The token goes with each, so that one may follow another. */
const requestOf = ({signal, token, repeatable, atOnce, onKept}: CallOptions) => ({
  signal,
  ...(onKept !== undefined && {onKept}),
  ...(atOnce !== undefined && {atOnce}),
  ...(repeatable !== undefined && {repeatable}),
  ...(token !== undefined && {headers: {'X-Vault-Token': token.reveal()}}),
})

/** Undo node-vault's sorting of answers into results and errors: a 404 may be an answer. */
async function answerOf(call: Promise<unknown>): Promise<Answer> {
  try {
    const body = await call
    return {status: body === undefined ? 204 : 200, body}
  } catch (error) {
    if (error instanceof EnvdriftError) throw error
    if (error instanceof Error && 'response' in error) {
      const {statusCode, body} = error.response as {readonly statusCode: number; readonly body: unknown}
      return {status: statusCode, body}
    }
    throw error
  }
}
