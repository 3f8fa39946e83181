/** Vault's own API, as whoever sets a server up uses it; the fake and the real server take the same. */
export type RootApi = (
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Readonly<Record<string, unknown>>>

/** @throws Error for any answer that is none of success: a test whose server isn't set up can't say anything. */
export function rootApi({url, rootToken}: {readonly url: string; readonly rootToken: string}): RootApi {
  return async (method, path, body, headers) => {
    const response = await fetch(`${url}/v1/${path}`, {
      method,
      headers: {'x-vault-token': rootToken, ...headers},
      ...(body !== undefined && {body: JSON.stringify(body)}),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  }
}

/** An AppRole that is ready to log in; `secretId` makes a new SecretID, wrapped where a time for it is given. */
export async function enableAppRole(
  api: RootApi,
  role: Readonly<Record<string, unknown>>,
  {at = 'approle', name = 'myapp-ci', enable = true} = {},
): Promise<{readonly roleId: string; readonly secretId: (wrapTtl?: string) => Promise<string>}> {
  if (enable) await api('POST', `sys/auth/${at}`, {type: 'approle'})
  await api('POST', `auth/${at}/role/${name}`, role)
  const {data} = (await api('GET', `auth/${at}/role/${name}/role-id`)) as {readonly data: {readonly role_id: string}}
  return {
    roleId: data.role_id,
    secretId: async (wrapTtl) => {
      const headers: Readonly<Record<string, string>> = wrapTtl === undefined ? {} : {'x-vault-wrap-ttl': wrapTtl}
      const made = await api('POST', `auth/${at}/role/${name}/secret-id`, {}, headers)
      const inside = (made['data'] ?? {}) as {readonly secret_id?: string}
      const wrapped = (made['wrap_info'] ?? {}) as {readonly token?: string}
      return inside.secret_id ?? wrapped.token ?? ''
    },
  }
}

/** A token that was made with these fields. */
export async function makeToken(api: RootApi, fields: Readonly<Record<string, unknown>>): Promise<string> {
  const {auth} = (await api('POST', 'auth/token/create', fields)) as {readonly auth: {readonly client_token: string}}
  return auth.client_token
}

/** A policy of these lines. */
export const writePolicy = (
  api: RootApi,
  name: string,
  rules: readonly {readonly path: string; readonly capabilities: readonly string[]}[],
) =>
  api('POST', `sys/policies/acl/${name}`, {
    policy: rules
      .map(({path, capabilities}) => `path ${JSON.stringify(path)} { capabilities = ${JSON.stringify(capabilities)} }`)
      .join('\n'),
  })
