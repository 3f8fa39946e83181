import {createServer, request} from 'node:http'
import type {AddressInfo} from 'node:net'

import {onTestFinished} from 'vitest'

/**
 * What Vault's agent does as a listener, as tried with Vault Proxy 1.21: a request without `X-Vault-Request` is refused
 * (`require_request_header`), and one without a token gets that of the agent (`use_auto_auth_token`).
 *
 * @param lent - the token; left out, the agent has no login.
 * @returns its address, and the token that each request came with.
 */
export async function startAgent(server: string, lent?: string) {
  const came: (string | undefined)[] = []
  const agent = createServer((incoming, response) => {
    const {method = '', headers, url = ''} = incoming
    const token = headers['x-vault-token']
    came.push(typeof token === 'string' ? token : undefined)
    if (headers['x-vault-request'] !== 'true') {
      response.writeHead(412, {'content-type': 'application/json'})
      return void response.end(JSON.stringify({errors: ['missing "X-Vault-Request" header']}))
    }
    const all = {...headers, ...(token === undefined && lent !== undefined && {'x-vault-token': lent})}
    const outgoing = request(`${server}${url}`, {method, headers: all}, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    outgoing.on('error', () => response.destroy())
    incoming.pipe(outgoing)
  }).listen(0, '127.0.0.1')
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
