import {EnvdriftError} from '../../core/errors.ts'
import type {Secret} from '../../core/secret.ts'
import {withDeadline} from '../in-flight.ts'
import {authOf} from './answer.ts'
import type {Client} from './client.ts'
import type {LogIn, Login} from './login/log-in.ts'
import type {Token} from './token.ts'

/** Who we are to Vault for the length of a run. */
export type Session = {
  /** The token to send now. Logs in when there is none yet, and renews one that would end soon. `undefined`: none. */
  readonly token: () => Promise<Secret | undefined>
  /** The login that we have made ourselves, as it is now; `undefined` for a token that we were given. */
  readonly login: () => Promise<Login | undefined>
  /** Where a token that we were given comes from; `undefined` where there is none, or a login of our own. */
  readonly from: string | undefined
  /** Gives back a login of our own. Takes three seconds at most, whatever Vault does, and never throws. */
  readonly end: () => Promise<void>
}

/** How long the end of a run waits for a login under way, in milliseconds. */
const lateMs = 2_000

/** And then for giving it back. */
const endMs = 1_000

/** A token that somebody gave us is used as it is: asking about it would cost a use, and it may have one left. */
export const givenSession = ({secret, from}: Token): Session => ({
  token: () => Promise.resolve(secret),
  login: () => Promise.resolve(undefined),
  from,
  end: () => Promise.resolve(),
})

/** Nothing is sent along: the agent that we ask sends its own login. */
export const lentSession: Session = {
  token: () => Promise.resolve(undefined),
  login: () => Promise.resolve(undefined),
  from: undefined,
  end: () => Promise.resolve(),
}

/**
 * A login of our own, made when it is first needed, once for all who wait for it.
 *
 * It is renewed when half of it has passed and less than the time of a call is left, made anew where it can't be renewed, and
 * revoked at the end.
 *
 * @param logIn - asked again only after the first login has run its time; a refused one is refused for all.
 */
export function ownSession(
  logIn: LogIn,
  client: Client,
  {
    place,
    callTimeoutMs,
    warn,
  }: {readonly place: string; readonly callTimeoutMs: number; readonly warn: (text: string) => void},
): Session {
  const ending = new AbortController()
  /** Ends what is still on its way at the very end. Not the deadline: Vault may have made the login whose answer is late. */
  const leaving = new AbortController()
  const attempts: {readonly made: Promise<Login>; readonly progress: {wasSent: boolean}}[] = []
  let current: Promise<Login> | undefined
  /** Tokens that renewing gave no more time. */
  const worn = new WeakSet<Login>()

  const bounded = <T>(call: (signal: AbortSignal) => Promise<T>, ms = callTimeoutMs): Promise<T> =>
    withDeadline(call, {place, callTimeoutMs: ms, signal: ending.signal})

  function logInNow(): Promise<Login> {
    return bounded((signal) => {
      const progress = {wasSent: false}
      const made = logIn(signal, {signal: leaving.signal, onSend: () => (progress.wasSent = true)})
      made.catch(() => {})
      attempts.push({made, progress})
      return made
    })
  }

  async function held(): Promise<Login> {
    const seen = (current ??= logInNow())
    const login = await seen
    if (!isEnding(login) || ending.signal.aborted) return login
    // Whoever comes first renews; the others wait for it.
    if (current === seen) current = renewed(login)
    return current
  }

  function isEnding(login: Login): boolean {
    if (login.endsAtMs === undefined) return false
    const leftMs = login.endsAtMs - performance.now()
    return login.renewable && !worn.has(login)
      ? leftMs < Math.min(callTimeoutMs, login.leaseMs / 2)
      : leftMs < Math.min(1000, login.leaseMs / 10)
  }

  async function renewed(login: Login): Promise<Login> {
    const leftMs = (login.endsAtMs ?? 0) - performance.now()
    if (login.renewable && !worn.has(login) && leftMs > 0) {
      const sent = performance.now()
      const answer = await bounded((signal) =>
        client.post('auth/token/renew-self', {}, {signal, token: login.token, repeatable: true}),
      ).catch(() => undefined)
      const auth = answer?.status === 200 ? authOf(answer.body, sent) : undefined
      // No time at all is what Vault says of less than a second.
      const isLonger = auth?.endsAtMs !== undefined
      const next: Login = isLonger
        ? {...login, endsAtMs: auth.endsAtMs, leaseMs: auth.leaseMs, renewable: auth.renewable}
        : login
      // Vault gives less and less as the longest time comes nearer, and refuses where a policy does not allow it.
      if (!isLonger || auth.endsAtMs - (login.endsAtMs ?? 0) < 1000) worn.add(next)
      if (!isEnding(next)) return next
    }
    return logInNow()
  }

  return {
    token: async () => (await held()).token,
    login: held,
    from: undefined,
    async end() {
      const newest = current?.catch(() => undefined)
      const made = await Promise.all(
        attempts.map((one) => Promise.race([arrived(one.made), pause(lateMs, leaving.signal)])),
      )
      const renewedLogin = await Promise.race([newest, pause(0, leaving.signal)])
      await Promise.all(
        made.flatMap((login) => (login ? [giveBack(renewedLogin?.token === login.token ? renewedLogin : login)] : [])),
      )
      if (attempts.some(({progress}, at) => progress.wasSent && made[at] === undefined))
        warn(`A login to ${place} was still on its way at the end; if Vault has made it, it ends by itself`)
      ending.abort(closed(place))
      leaving.abort(closed(place))
    },
  }

  async function giveBack({token, revocable, endsAtMs}: Login): Promise<void> {
    if (!revocable || (endsAtMs ?? Infinity) <= performance.now()) return
    const answer = await bounded(
      (signal) => client.post('auth/token/revoke-self', {}, {signal, token, atOnce: true}),
      endMs,
    ).catch(() => undefined)
    if (answer?.status !== 204)
      warn(`The login to ${place} could not be revoked; it ends by itself${endOf({endsAtMs})}`)
  }
}

/** The login, or `null` for one that Vault has not made. */
const arrived = (made: Promise<Login>): Promise<Login | null> => made.catch(() => null)

export const closed = (place: string): EnvdriftError =>
  new EnvdriftError('INTERRUPTED', `The connection to ${place} was closed`, {suggestions: ['Run the command again.']})

const endOf = ({endsAtMs}: Pick<Login, 'endsAtMs'>): string =>
  endsAtMs === undefined ? '' : ` in ${Math.max(0, Math.ceil((endsAtMs - performance.now()) / 1000))} s`

function pause(ms: number, signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms)
    // Nobody waits for it any more, and it would keep the process alive.
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve(undefined)
    })
  })
}
