import {EnvdriftError} from '../../../core/errors.ts'
import {Secret} from '../../../core/secret.ts'
import {connectionError} from '../errors.ts'
import {variable} from '../variables.ts'
import type {Credentials, LoginSettings, Tools} from './credentials.ts'
import {notLoggedIn, secretFile} from './secret-file.ts'

/** Where Kubernetes puts the token of a pod's service account. Source: kubernetes.io/docs/tasks/run-application/access-api-from-pod. */
const podToken = '/var/run/secrets/kubernetes.io/serviceaccount/token'

/**
 * A token that somebody else has signed: given, from a file, or GitHub's for the job.
 *
 * @throws EnvdriftError NOT_LOGGED_IN when there is none; LOGIN_REFUSED when GitHub gives none.
 */
export async function jwtCredentials(
  {jwt, jwtFile, jwtAudience, role}: LoginSettings,
  tools: Tools,
): Promise<Credentials> {
  if (jwt !== undefined) return credentials(jwt, role, 'the token in VAULT_ID_TOKEN or ENVDRIFT_HASHICORP_JWT')
  if (jwtFile !== undefined) return credentials(await secretFile(jwtFile, 'jwt_file'), role, `the token in ${jwtFile}`)
  return credentials(await githubToken(jwtAudience, tools), role, "GitHub's token of the job")
}

/** @throws EnvdriftError NOT_LOGGED_IN outside a pod, where no file is named. */
export async function kubernetesCredentials({jwtFile, role}: LoginSettings): Promise<Credentials> {
  if (jwtFile !== undefined) return credentials(await secretFile(jwtFile, 'jwt_file'), role, `the token in ${jwtFile}`)
  const token = await secretFile(podToken, 'jwt_file').catch((cause: unknown) => {
    throw notLoggedIn(
      `There is no token of a service account at ${podToken}`,
      [
        'auth = "kubernetes" works in a pod whose service account has a token: see automountServiceAccountToken.',
        'Elsewhere name the file in jwt_file of your user file (ENVDRIFT_HASHICORP_JWT_FILE).',
      ],
      cause,
    )
  })
  return credentials(token, role, "the token of the pod's service account")
}

const credentials = (jwt: Secret, role: string | undefined, from: string): Credentials => ({
  path: 'login',
  body: {jwt: jwt.reveal(), ...(role !== undefined && {role})},
  from: role === undefined ? from : `${from} as role ${role}`,
  secrets: [jwt],
})

/**
 * The token that GitHub Actions makes for the job. Every run asks for its own; it is good for some minutes.
 *
 * Source: docs.github.com/en/actions/reference/security/oidc, "Requesting the JWT using environment variables".
 */
async function githubToken(audience: string | undefined, {host, elsewhere, signal}: Tools): Promise<Secret> {
  const address = variable(host.env, 'ACTIONS_ID_TOKEN_REQUEST_URL')
  const pass = variable(host.env, 'ACTIONS_ID_TOKEN_REQUEST_TOKEN')
  if (address === undefined || pass === undefined) {
    const onGithub = variable(host.env, 'GITHUB_ACTIONS') !== undefined
    throw notLoggedIn(
      onGithub
        ? 'This job may not ask GitHub for a token'
        : 'There is no token to log in with: no VAULT_ID_TOKEN, no jwt_file',
      onGithub
        ? [
            'Add `permissions: {id-token: write, contents: read}` to the job; a pull request from a fork gets no such token.',
          ]
        : [
            'On GitHub add `permissions: {id-token: write, contents: read}` to the job. On GitLab add `id_tokens` with VAULT_ID_TOKEN and its `aud`.',
            'Elsewhere name a file in jwt_file of your user file (ENVDRIFT_HASHICORP_JWT_FILE), or set VAULT_ID_TOKEN.',
          ],
    )
  }
  const url = URL.parse(address.text)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw notLoggedIn('ACTIONS_ID_TOKEN_REQUEST_URL is no address', ['GitHub sets it; do not set it yourself.'])
  if (audience !== undefined) url.searchParams.set('audience', audience)
  const from = "GitHub's service for tokens of jobs"
  const answer = await elsewhere(url)
    .send({method: 'GET', url, headers: {authorization: `Bearer ${pass.text}`}, signal})
    .catch((cause: unknown) => {
      if (signal.aborted) throw signal.reason
      throw connectionError(cause, from)
    })
  const {body} = answer
  const value = typeof body === 'object' && body !== null && 'value' in body ? body.value : undefined
  if (answer.status === 200 && typeof value === 'string' && value !== '') return new Secret(value)
  throw new EnvdriftError('LOGIN_REFUSED', `${from} gave none for this job (status ${answer.status})`, {
    suggestions: [
      'Add `permissions: {id-token: write, contents: read}` to the job, and run it again: its pass may have run out.',
    ],
  })
}
