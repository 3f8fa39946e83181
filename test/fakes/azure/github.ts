import {randomBytes} from 'node:crypto'

import type {Answer} from './answer.ts'
import type {FederatedClaims} from './entra.ts'

export type GitHub = {
  readonly host: string
  /** What a job with `id-token: write` finds in its environment. */
  readonly variables: {readonly ACTIONS_ID_TOKEN_REQUEST_URL: string; readonly ACTIONS_ID_TOKEN_REQUEST_TOKEN: string}
  readonly answer: (url: URL, authorization: string | undefined) => Answer
}

/**
 * Where a job of GitHub Actions asks for a token that names it.
 *
 * Source: https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
 */
export function makeGitHub(federatedToken: (claims: FederatedClaims) => string): GitHub {
  const host = 'run-actions-1-azure-eastus.actions.githubusercontent.com'
  const bearer = randomBytes(24).toString('base64url')
  return {
    host,
    variables: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `https://${host}/17//idtoken/fake/fake?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer,
    },
    answer: (url, authorization) => {
      if (authorization !== `Bearer ${bearer}`) return {status: 401, body: ''}
      if (url.searchParams.get('api-version') !== '2.0') return {status: 400, body: ''}
      const aud = url.searchParams.get('audience') ?? 'https://github.com/myorg'
      return {status: 200, body: {count: 1, value: federatedToken({aud})}}
    },
  }
}
