import type {Host} from '../../../core/provider-spec.ts'
import type {Secret} from '../../../core/secret.ts'
import type {Client} from '../client.ts'
import type {Http} from '../http.ts'
import type {Method} from '../login-settings.ts'

/** How to log in, after `spec.resolve`; texts are not empty. */
export type LoginSettings = {
  readonly method: Exclude<Method, 'token'>
  /** Path of the auth method, without slashes around it. */
  readonly mount: string
  readonly role: string | undefined
  readonly roleId: string | undefined
  readonly secretId: Secret | undefined
  readonly secretIdFile: string | undefined
  readonly secretIdWrapped: boolean
  readonly jwt: Secret | undefined
  readonly jwtFile: string | undefined
  readonly jwtAudience: string | undefined
  readonly username: string | undefined
  readonly password: Secret | undefined
}

/** What finding credentials may use. */
export type Tools = {
  readonly host: Host
  /** `provider.place`, for messages. */
  readonly place: string
  readonly client: Client
  /** For servers other than Vault: none of Vault's certificates and proxies apply there. */
  readonly elsewhere: (to: URL) => Http
  /** What a person has typed, asked for beforehand; see {@link Host.ask}. */
  readonly typed: () => Promise<Secret | undefined>
  readonly signal: AbortSignal
}

/** What a login sends, and how people know it. */
export type Credentials = {
  /** Below the auth method, encoded: `login`, `login/alice`. */
  readonly path: string
  readonly body: Readonly<Record<string, string>>
  /** `the AppRole ci-role-id`, `the job's token of GitHub`: what the login was made with, for messages. */
  readonly from: string
  /** What of `body` must not be shown, should the server quote it. */
  readonly secrets: readonly Secret[]
}
