import {generateKeyPairSync} from 'node:crypto'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'

import {signedJwt} from '../../fakes/jwt.ts'

/** Whoever signs the tokens of jobs: GitHub, GitLab, a cluster. */
export type TokenIssuer = {
  readonly publicKey: string
  /** A token with these claims over those of a good one for `audience`; `undefined` leaves one out. */
  readonly sign: (claims?: Readonly<Record<string, unknown>>) => string
}

export const issuer = 'https://ci.example.com'
export const audience = 'https://vault.example.com'

export function makeTokenIssuer(): TokenIssuer {
  const {privateKey, publicKey} = generateKeyPairSync('ec', {namedCurve: 'P-256'})
  return {
    publicKey: publicKey.export({type: 'spki', format: 'pem'}).toString(),
    sign: (claims = {}) => {
      const now = Math.floor(Date.now() / 1000)
      const good = {
        iss: issuer,
        aud: audience,
        sub: 'repo:acme/shop:ref:refs/heads/main',
        iat: now,
        nbf: now,
        exp: now + 300,
      }
      return signedJwt({alg: 'ES256', typ: 'JWT'}, {...good, repository: 'acme/shop', ...claims}, privateKey)
    },
  }
}

/** GitHub's service that makes the token of a job, as ACTIONS_ID_TOKEN_REQUEST_URL names it. */
export async function startJobTokens(tokens: TokenIssuer): Promise<{
  readonly env: Readonly<Record<string, string>>
  readonly asked: readonly string[]
  readonly stop: () => void
}> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const url = new URL(request.url ?? '', 'http://127.0.0.1')
    const isOurs = request.headers.authorization === 'Bearer the-pass-of-this-job'
    response.writeHead(isOurs ? 200 : 401, {'content-type': 'application/json'})
    const aud = url.searchParams.get('audience') ?? 'https://github.com/acme'
    response.end(JSON.stringify(isOurs ? {count: 1, value: tokens.sign({aud})} : {message: 'no'}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const {port} = server.address() as AddressInfo
  return {
    env: {
      GITHUB_ACTIONS: 'true',
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'the-pass-of-this-job',
    },
    asked,
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
