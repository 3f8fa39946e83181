import type {HttpClient, PipelineResponse} from '@azure/core-rest-pipeline'
import type {AccessToken, GetTokenOptions, TokenCredential} from '@azure/identity'

import {EnvdriftError} from '../../core/errors.ts'
import {tooLongToWait, withDeadline} from '../in-flight.ts'
import type {Identity} from '../provider.ts'
import {retryAfterMs} from './backoff.ts'
import type {CloudName} from './clouds.ts'
import type {CredentialName} from './credential-names.ts'
import {credentialOf, type Account, type Given} from './credentials.ts'
import {entraCodes, isOfEntra} from './entra-codes.ts'
import {troubleOf} from './errors.ts'
import {claimsOf, identityOf, type Claims} from './identity.ts'
import {jobToken} from './job-token.ts'
import {loginError, nobodyThere, notLoggedIn, type Exchange} from './login-errors.ts'

export type Login = {
  /** For the SDK's client, which asks it once for all calls. A login that failed is not tried again. */
  readonly credential: TokenCredential
  /** Who we are, by the last token; `undefined` before the first. */
  readonly identity: () => Identity | undefined
  /** The claims of the last token: whom a role is assigned to, and what kind of account that is. */
  readonly claims: () => Claims | undefined
  /** Is a login in the browser still to come? A call to the vault is too short for it: see {@link Login.meetPerson}. */
  readonly awaitsPerson: () => boolean
  /**
   * Lets a person log in in the browser, and takes as long as people do.
   *
   * @param ask - makes the SDK ask {@link Login.credential} for a token, from which we learn what the vault wants.
   */
  readonly meetPerson: (ask: () => Promise<unknown>, signal: AbortSignal) => Promise<void>
  /** Ends a login that is under way, also one that nobody waits for any more: the SDK would hold the process for minutes. */
  readonly close: () => void
}

/** The part of a call's time that a login may take: less than all, so that what ends by itself can say why. */
const loginShare = 0.75

/** How long a person may take in the browser, in milliseconds: a password, a second factor, a phone that lies elsewhere. */
const personMs = 180_000

/** What came back of the requests of one login, last of each kind. */
type Heard = {
  entra?: Exchange
  /** Status of a metadata address. */
  metadata?: number
  /** Status of GitHub, asked for the token of the job. */
  job?: number
  /** The login that ended the chain. */
  stoppedAt?: Given
  /** Entra asked for more time than a login may take. */
  tooLong?: EnvdriftError
}

type Wanted = {readonly scopes: string | string[]; readonly options: GetTokenOptions | undefined}

/**
 * A login with the credentials of @azure/identity, tried in their order.
 *
 * The SDK has no deadline here (a silent metadata address holds it for minutes) and says in prose what went wrong; so every
 * request of it passes through an HTTP client of ours, which can be ended and which remembers the codes.
 */
export function makeLogin(
  transport: HttpClient,
  {
    place,
    cloud,
    names,
    isNamed,
    account,
    authorityHost,
    callTimeoutMs,
    userAgentPrefix,
    interactive,
    warn,
  }: {
    /** `provider.place` */
    readonly place: string
    readonly cloud: CloudName
    readonly names: readonly CredentialName[]
    /** Did the setting `credential` name the only one? */
    readonly isNamed: boolean
    readonly account: Omit<Account, 'jobToken'>
    /** Where to log in. */
    readonly authorityHost: string
    /** How long the call may take that the login is for. */
    readonly callTimeoutMs: number
    /** Who we are in the logs of Entra. */
    readonly userAgentPrefix: string
    /** A person sits at a terminal. */
    readonly interactive: boolean
    readonly warn: (message: string) => void
  },
): Login {
  const timeoutMs = callTimeoutMs * loginShare
  const closed = new AbortController()
  const inBrowser = names.includes('browser')
  let credential: TokenCredential | undefined
  let failure: EnvdriftError | undefined
  let claims: Claims | undefined
  let given: Given | undefined
  let heard: Heard = {}
  let wanted: Wanted | undefined

  /**
   * The SDK's, for requests that end with this login: those that are under way when it closes. For managed identities the
   * SDK keeps the client of the first login for the whole process, so it has to serve later ones, too.
   */
  const underWay = new Set<AbortController>()
  const mortal: HttpClient = {
    sendRequest: async (request) => {
      const end = new AbortController()
      underWay.add(end)
      const signals = request.abortSignal === undefined ? [] : [request.abortSignal as AbortSignal]
      request.abortSignal = AbortSignal.any([...signals, end.signal])
      return transport.sendRequest(request).finally(() => underWay.delete(end))
    },
  }

  /** The same, for requests to Entra and to metadata addresses. */
  const http: HttpClient = {
    sendRequest: async (request) => {
      // A metadata address is asked by http, and that none answers is the normal case.
      const isEntra = request.url.startsWith('https:')
      try {
        const response = await mortal.sendRequest(request)
        if (isEntra) {
          const {status, bodyAsText} = response
          const stranger = isOfEntra(bodyAsText) ? undefined : new URL(request.url).host
          heard.entra = {status, codes: entraCodes(bodyAsText), stranger}
        } else heard.metadata = response.status
        refuseLongWait(response)
        return response
      } catch (error) {
        if (isEntra && heard.tooLong === undefined) heard.entra = {brokenBy: troubleOf(error).code ?? 'no answer'}
        throw error
      }
    },
  }

  /** The SDK would wait for as long as it is told to. */
  function refuseLongWait(response: PipelineResponse): void {
    const waitMs = response.status === 429 || response.status === 503 ? retryAfterMs(response) : undefined
    if (waitMs === undefined || waitMs <= timeoutMs) return
    heard.tooLong = tooLongToWait(`Microsoft Entra, which logs us in for ${place},`, waitMs, callTimeoutMs)
    throw heard.tooLong
  }

  async function logIn({scopes, options}: Wanted, limitMs: number, signal: AbortSignal): Promise<AccessToken> {
    const failed = () => ({
      place,
      cloud,
      account,
      timeoutMs: limitMs,
      tried: names,
      isNamed,
      stoppedAt: heard.stoppedAt,
      vaultTenant: options?.tenantId,
      entra: heard.entra,
      metadata: heard.metadata,
      job: heard.job,
    })
    heard = {}
    try {
      if (names.length === 0) throw notLoggedIn(failed(), undefined)
      credential ??= credentialOf(
        names,
        {
          httpClient: http,
          retryOptions: {maxRetries: 3, retryDelayInMs: 300, maxRetryDelayInMs: 2000},
          // An `az` that hangs would outlive us.
          processTimeoutInMs: timeoutMs,
          authorityHost,
          userAgentOptions: {userAgentPrefix},
        },
        // As at the developer tools, a person without tenant_id goes to the tenant of the vault.
        {
          ...account,
          ...(inBrowser && {tenantId: account.tenantId ?? options?.tenantId}),
          jobToken: () => jobToken(account.env, cloud, mortal, (status) => (heard.job = status)),
        },
        (one) => (given = one),
        (one) => (heard.stoppedAt = one),
      )
      const known = credential
      const token = await withDeadline(() => known.getToken(scopes, options ?? {}), {
        place,
        callTimeoutMs: limitMs,
        signal,
      })
      if (token === null) throw notLoggedIn(failed(), undefined)
      claims = claimsOf(token)
      return token
    } catch (error) {
      failure = heard.tooLong ?? loginError(error, failed())
      throw failure
    }
  }

  const awaitsPerson = (): boolean => inBrowser && claims === undefined && failure === undefined

  return {
    credential: {
      getToken: async (scopes, options) => {
        if (failure !== undefined) throw failure
        if (awaitsPerson()) {
          wanted = {scopes, options}
          throw new Error('A person has to log in first')
        }
        return logIn({scopes, options}, timeoutMs, closed.signal)
      },
    },
    identity: () => claims && given && identityOf(claims, given),
    claims: () => claims,
    awaitsPerson,
    meetPerson: async (ask, signal) => {
      if (!interactive) {
        failure = nobodyThere(place)
        return
      }
      // It ends in our own refusal above, or in trouble that the call which follows meets, too, and tells.
      await ask().catch(() => {})
      if (wanted === undefined) return
      warn(`A browser opens to log you in for ${place}: you have ${personMs / 60_000} minutes.`)
      await logIn(wanted, personMs, AbortSignal.any([signal, closed.signal])).catch((error: unknown) => {
        if (!(error instanceof EnvdriftError)) throw error
      })
    },
    close: () => {
      closed.abort()
      for (const end of underWay) end.abort()
    },
  }
}
