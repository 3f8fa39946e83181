import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {text} from 'node:stream/consumers'

import {onTestFinished} from 'vitest'

/**
 * What Vault's agent does as a listener, as tried with Vault Proxy 1.21: a request without `X-Vault-Request` is refused
 * (`require_request_header`), one without a token gets that of the agent (`use_auto_auth_token`), and with a `cache` who
 * logs in as somebody did before gets the same token, and `X-Cache`.
 *
 * @param options.lent - the token; left out, the agent has no login.
 * @returns its address, and the token that each request came with.
 */
export async function startAgent(server: string, options: {readonly lent?: string; readonly caches?: boolean} = {}) {
  const {lent, caches = false} = options
  const came: (string | undefined)[] = []
  const kept = new Map<string, {readonly status: number; readonly text: string}>()
  const agent = createServer((incoming, response) => {
    void answer(incoming, response).catch(() => response.destroy())
  })
  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const {method = '', headers, url = ''} = incoming
    const [token, namespace] = ['x-vault-token', 'x-vault-namespace'].map((name) => headers[name]?.toString())
    came.push(token)
    const send = (status: number, text: string, cache?: 'HIT' | 'MISS'): void => {
      response.writeHead(status, {'content-type': 'application/json', ...(cache && {'x-cache': cache})}).end(text)
    }
    if (headers['x-vault-request'] !== 'true')
      return send(412, JSON.stringify({errors: ['missing "X-Vault-Request" header']}))
    const body = await text(incoming)
    const key = caches && url.endsWith('/login') ? `${url} ${body}` : undefined
    const known = key === undefined ? undefined : kept.get(key)
    if (known !== undefined) return send(known.status, known.text, 'HIT')
    const sent = token ?? lent
    const got = await fetch(`${server}${url}`, {
      method,
      headers: {...(sent && {'x-vault-token': sent}), ...(namespace && {'x-vault-namespace': namespace})},
      ...(body !== '' && {body}),
    })
    const said = await got.text()
    if (key !== undefined && got.ok) kept.set(key, {status: got.status, text: said})
    // No answer with this status has a body.
    if (got.status === 204) return void response.writeHead(204).end()
    send(got.status, said, caches ? 'MISS' : undefined)
  }
  agent.listen(0, '127.0.0.1')
  await new Promise((resolve) => agent.once('listening', resolve))
  onTestFinished(async () => {
    await new Promise((resolve) => {
      agent.close(resolve)
      agent.closeAllConnections()
    })
  })
  return {
    url: `http://127.0.0.1:${(agent.address() as AddressInfo).port}`,
    came: came as readonly (string | undefined)[],
  }
}
