import {EnvdriftError} from '../../../core/errors.ts'
import {authOf, type Auth} from '../answer.ts'
import {encoded} from '../path.ts'
import {approleCredentials} from './approle.ts'
import type {Credentials, LoginSettings, Tools} from './credentials.ts'
import {jwtCredentials, kubernetesCredentials} from './jwt.ts'
import {passwordCredentials} from './password.ts'
import {loginRefusal, wantsSecondFactor} from './refused.ts'

/** A login that Vault has granted, until a moment of this machine's clock. */
export type Login = Auth & {
  /** What it was made with, as people know it. */
  readonly from: string
  readonly method: LoginSettings['method']
  readonly mount: string
}

/**
 * Logs in.
 *
 * @param signal - ends the search for credentials; nothing is sent after it.
 * @param sending - what ends the request itself, and who is told that it went out: from there on Vault may make a login.
 */
export type LogIn = (
  signal: AbortSignal,
  sending: {readonly signal: AbortSignal; readonly onSend: () => void},
) => Promise<Login>

/** Finds credentials once, and logs in with them as often as it is called. */
export function loginWith(settings: LoginSettings, tools: Omit<Tools, 'signal'>): LogIn {
  let found: Credentials | undefined
  return async (signal, sending) => {
    // GitHub's tokens last for minutes; a wrapped SecretID can't be had twice.
    const reuse = settings.method === 'approle' || settings.method === 'userpass' || settings.method === 'ldap'
    const credentials = (reuse ? found : undefined) ?? (await credentialsOf(settings, {...tools, signal}))
    found = credentials
    const {method, mount} = settings
    const {from, path, body} = credentials
    signal.throwIfAborted()
    sending.onSend()
    const sent = performance.now()
    let isShared = false
    // A login may be made twice: its first token ends by itself. A standby that lags behind answers 412.
    const answer = await tools.client.post(`auth/${encoded(mount)}/${path}`, body, {
      signal: sending.signal,
      repeatable: true,
      onKept: () => {
        isShared = true
      },
    })
    const auth = authOf(answer.body, sent)
    if (answer.status === 200 && auth !== undefined)
      // An agent gives one login to all who log in alike: giving it back would end theirs, too.
      return {...auth, revocable: auth.revocable && !isShared, from, method, mount}
    const attempt = {method, mount, from, place: tools.place}
    if (answer.status === 200 && wantsSecondFactor(answer.body)) throw secondFactor(attempt)
    throw loginRefusal(answer, {...attempt, secrets: credentials.secrets})
  }
}

function credentialsOf(settings: LoginSettings, tools: Tools): Promise<Credentials> {
  switch (settings.method) {
    case 'approle':
      return approleCredentials(settings, tools)
    case 'jwt':
    case 'oidc':
      return jwtCredentials(settings, tools)
    case 'kubernetes':
      return kubernetesCredentials(settings)
    case 'cert': {
      const {role} = settings
      return Promise.resolve({
        path: 'login',
        body: role === undefined ? {} : {name: role},
        from: role === undefined ? 'the client certificate' : `the client certificate as role ${role}`,
        secrets: [],
      })
    }
    case 'userpass':
    case 'ldap':
      return passwordCredentials(settings, tools)
  }
}

const secondFactor = ({from, place}: {readonly from: string; readonly place: string}): EnvdriftError =>
  new EnvdriftError(
    'LOGIN_REFUSED',
    `${place} wants a second factor after the login with ${from}, which envdrift cannot give`,
    {
      suggestions: [
        'Log in with `vault login`, which asks for it and leaves a token in ~/.vault-token, and set auth = "token".',
      ],
    },
  )
