import {randomUUID, X509Certificate} from 'node:crypto'

import {
  type Answer,
  done,
  type Fields,
  listIn,
  notThere,
  ok,
  refusal,
  secondsIn,
  textIn,
  unsupportedPath,
} from './answers.ts'
import {checkJwt, fetchedKeys, publicKeys} from './jwt.ts'
import type {Tokens} from './tokens.ts'

/** One enabled auth method. */
export type AuthMount = {
  readonly type: string
  readonly namespace: string
  /** `approle`, without its namespace. */
  readonly at: string
  config: Fields
  /** Roles, users, certificates, by name. */
  readonly entries: Map<string, Fields>
  /** Of AppRole: SecretIDs of a role that are good. */
  readonly secretIds: Map<string, {readonly role: string; uses: number; readonly endsMs: number}>
}

export const newAuthMount = (type: string, namespace: string, at: string): AuthMount => ({
  type,
  namespace,
  at,
  config: {},
  entries: new Map(),
  secretIds: new Map(),
})

/** The methods that this Vault knows; the real one says so of any other. */
export const authTypes: readonly string[] = ['approle', 'jwt', 'oidc', 'kubernetes', 'cert', 'userpass', 'ldap']

export type LoginRequest = {
  readonly tokens: Tokens
  readonly nowMs: number
  /** What the client showed in the TLS handshake. */
  readonly certificate: X509Certificate | undefined
  /** Passwords of a directory that this machine doesn't have. */
  readonly directory: ReadonlyMap<string, string>
}

const wrongRole = refusal(400, 'invalid role or secret ID')

/** Does nobody need a token for it? */
export const isLogin = ({type}: AuthMount, rest: string): boolean =>
  type === 'userpass' || type === 'ldap' ? /^login\/[^/]+$/.test(rest) : rest === 'login'

/** A login, with a token or the reason why not. */
export async function logIn(mount: AuthMount, rest: string, sent: Fields, request: LoginRequest): Promise<Answer> {
  const {tokens, nowMs} = request
  const {at, namespace} = mount
  const grant = (role: Fields, meta: Fields, who: string): Answer =>
    tokens.grant(role, {
      namespace,
      path: `auth/${at}/${rest}`,
      displayName: `${at}${who === '' ? '' : `-${who}`}`,
      meta,
    })

  switch (mount.type) {
    case 'approle': {
      if (textIn(sent, 'role_id') === '') return refusal(500, 'failed to determine alias name from login request')
      const [name, role] = [...mount.entries].find(([, one]) => one['role_id'] === sent['role_id']) ?? []
      if (name === undefined || role === undefined) return wrongRole
      if (role['bind_secret_id'] !== false) {
        const id = textIn(sent, 'secret_id')
        if (id === '') return refusal(400, 'missing secret_id')
        const secret = mount.secretIds.get(id)
        if (secret?.role !== name || secret.endsMs <= nowMs) return wrongRole
        secret.uses -= 1
        if (secret.uses <= 0) mount.secretIds.delete(id)
      }
      return grant(role, {role_name: name}, '')
    }
    case 'jwt':
    case 'oidc': {
      const name = textIn(sent, 'role') || textIn(mount.config, 'default_role')
      if (name === '') return refusal(400, 'missing role')
      const role = mount.entries.get(name)
      if (role === undefined) return refusal(400, `role ${JSON.stringify(name)} could not be found`)
      if (role['role_type'] === 'oidc') return refusal(400, 'role with oidc role_type is not allowed')
      if (textIn(sent, 'jwt') === '') return refusal(400, 'missing token')
      const jwks = textIn(mount.config, 'jwks_url')
      const keys = jwks === '' ? publicKeys(mount.config) : await fetchedKeys(jwks)
      const issuer = textIn(mount.config, 'bound_issuer')
      const claims = checkJwt(textIn(sent, 'jwt'), {keys, issuer, role, nowMs})
      if (typeof claims === 'string') return refusal(400, claims)
      return grant(role, {role: name}, textIn(claims, textIn(role, 'user_claim')))
    }
    case 'kubernetes':
      return kubernetes(mount, sent, grant)
    case 'cert': {
      const {certificate} = request
      if (certificate === undefined) return refusal(400, 'client certificate must be supplied')
      const wanted = textIn(sent, 'name')
      const [name, entry] =
        [...mount.entries].find(
          ([one, {certificate: pem}]) =>
            (wanted === '' || one === wanted) &&
            new X509Certificate(String(pem)).fingerprint256 === certificate.fingerprint256,
        ) ?? []
      if (name === undefined || entry === undefined)
        return refusal(400, 'failed to match all constraints for this login certificate')
      const common = /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? ''
      return grant(entry, {cert_name: name, common_name: common, serial_number: certificate.serialNumber}, common)
    }
    case 'userpass':
    case 'ldap': {
      const name = rest.slice('login/'.length).toLowerCase()
      const password = textIn(sent, 'password')
      if (mount.type === 'userpass') {
        if (password === '') return refusal(400, 'invalid credentials')
        const user = mount.entries.get(name)
        if (user === undefined || user['password'] !== password) return refusal(400, 'invalid username or password')
        return grant(user, {username: name}, name)
      }
      if (request.directory.get(name) !== password) return refusal(400, 'ldap operation failed: failed to bind as user')
      return grant({...mount.config, ...mount.entries.get(name)}, {username: name}, name)
    }
    default:
      return unsupportedPath
  }
}

/** As the plugin does it: the cluster is asked whose token it is. Not compared with a real one: the server lacks the plugin. */
async function kubernetes(
  {config, entries}: AuthMount,
  sent: Fields,
  grant: (role: Fields, meta: Fields, who: string) => Answer,
): Promise<Answer> {
  const [name, jwt] = [textIn(sent, 'role'), textIn(sent, 'jwt')]
  if (name === '') return refusal(400, 'missing role')
  if (jwt === '') return refusal(400, 'missing jwt')
  const role = entries.get(name)
  if (role === undefined) return refusal(400, `invalid role name ${JSON.stringify(name)}`)
  const review = await fetch(`${textIn(config, 'kubernetes_host')}/apis/authentication.k8s.io/v1/tokenreviews`, {
    method: 'POST',
    headers: {'content-type': 'application/json', authorization: `Bearer ${jwt}`},
    body: JSON.stringify({kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', spec: {token: jwt}}),
  })
  const {status} = (await review.json()) as {readonly status?: {authenticated?: boolean; user?: {username?: string}}}
  const [, , namespace = '', account = ''] = status?.user?.username?.split(':') ?? []
  if (status?.authenticated !== true) return refusal(403, 'permission denied')
  const takes = (key: string, value: string): boolean => listIn(role, key).some((one) => one === '*' || one === value)
  if (!takes('bound_service_account_namespaces', namespace)) return refusal(403, 'namespace not authorized')
  if (!takes('bound_service_account_names', account)) return refusal(403, 'service account name not authorized')
  const meta = {role: name, service_account_name: account, service_account_namespace: namespace}
  return grant(role, meta, `${namespace}-${account}`)
}

/** Setting up a method: roles, users, certificates, and the SecretIDs of AppRole. */
export function configure(mount: AuthMount, method: string, rest: string, sent: Fields, nowMs: number): Answer {
  const writes = method === 'POST' || method === 'PUT'
  if (rest === 'config') {
    if (writes) mount.config = sent
    return writes ? done : ok(mount.config)
  }
  const [kind = '', name = '', what = '', more = ''] = rest.split('/')
  const kinds = {userpass: 'users', ldap: 'users', cert: 'certs'}[mount.type] ?? 'role'
  if (kind !== kinds || name === '') return unsupportedPath
  const entry = mount.entries.get(name)
  if (what === '') {
    if (method === 'DELETE') mount.entries.delete(name)
    else if (writes) mount.entries.set(name, {...newEntry(mount.type), ...entry, ...sent})
    else return entry === undefined ? notThere : ok(entry)
    return done
  }
  if (mount.type !== 'approle') return unsupportedPath
  if (what === 'role-id' && method === 'GET') return entry === undefined ? notThere : ok({role_id: entry['role_id']})
  if (!writes) return unsupportedPath
  if (entry === undefined) return refusal(404, `role ${JSON.stringify(name)} does not exist`)
  if (what === 'secret-id' && more === 'destroy') {
    mount.secretIds.delete(textIn(sent, 'secret_id'))
    return done
  }
  if (what !== 'secret-id' && what !== 'custom-secret-id') return unsupportedPath
  const id = textIn(sent, 'secret_id') || randomUUID()
  const uses = Number(entry['secret_id_num_uses'] ?? 0)
  const ttl = secondsIn(entry, 'secret_id_ttl')
  mount.secretIds.set(id, {
    role: name,
    uses: uses || Number.POSITIVE_INFINITY,
    endsMs: ttl === 0 ? Number.POSITIVE_INFINITY : nowMs + ttl * 1000,
  })
  return ok({secret_id: id, secret_id_accessor: randomUUID(), secret_id_num_uses: uses, secret_id_ttl: ttl})
}

const newEntry = (type: string): Fields => (type === 'approle' ? {role_id: randomUUID()} : {})
