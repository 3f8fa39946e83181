import {createPipelineFromOptions, createPipelineRequest, type HttpClient} from '@azure/core-rest-pipeline'

import type {Env} from '../../core/provider-spec.ts'
import {clouds, type CloudName} from './clouds.ts'

/**
 * The token with which a job of GitHub Actions proves to Entra which repository and branch it runs for.
 *
 * Source: https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
 *
 * @param onAnswer - told the status of GitHub's answer.
 * @throws when the job has no permission `id-token: write`, or GitHub gives none.
 */
export async function jobToken(
  env: Env,
  cloud: CloudName,
  http: HttpClient,
  onAnswer: (status: number) => void,
): Promise<string> {
  const [address, bearer] = [env['ACTIONS_ID_TOKEN_REQUEST_URL'], env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']]
  if (!address || !bearer) throw new TypeError('The job may not ask for a token')
  const url = new URL(address)
  url.searchParams.set('audience', clouds[cloud].federationAudience)
  const request = createPipelineRequest({url: url.href})
  request.headers.set('authorization', `Bearer ${bearer}`)
  request.headers.set('accept', 'application/json')
  // Redirected, the bearer would go elsewhere.
  const way = createPipelineFromOptions({redirectOptions: {maxRetries: 0}, retryOptions: {maxRetries: 2}})
  const {status, bodyAsText} = await way.sendRequest(http, request)
  onAnswer(status)
  const value = (JSON.parse(bodyAsText ?? '') as {readonly value?: unknown} | null)?.value
  if (status !== 200 || typeof value !== 'string') throw new TypeError('GitHub gave no token')
  return value
}
