import type {Env} from '../core/provider-spec.ts'
import {shellWord} from '../core/shell-word.ts'

/** Where a login comes from. */
export type Source = {
  /** As whoami says it: `environment variables`, `profile myapp`, `EC2 instance role`. */
  readonly credential: string
  /** How to renew it, as a suggestion. */
  readonly logInAgain: string
}

const webIdentity = 'web identity token file'
const freshToken =
  'Get a fresh token into the file of AWS_WEB_IDENTITY_TOKEN_FILE; in GitHub Actions, run aws-actions/configure-aws-credentials again.'

/**
 * Reads the marks that the SDK puts on credentials for its user agent.
 *
 * @param credentials - of the chain; `undefined` if it gave none yet.
 * @param profile - that the settings name.
 */
export function sourceOf(credentials: object | undefined, profile: string | undefined, env: Env): Source {
  const marks = Object.keys((credentials && '$source' in credentials && credentials.$source) || {})
  const name = profile ?? (env['AWS_PROFILE'] || 'default')
  const option = `--profile ${shellWord(name)}`
  if (marks.includes('CREDENTIALS_PROFILE_SSO') || marks.includes('CREDENTIALS_PROFILE_SSO_LEGACY')) {
    return {credential: `SSO profile ${name}`, logInAgain: `Log in again with \`aws sso login ${option}\`.`}
  }
  if (marks.includes('CREDENTIALS_PROFILE_LOGIN')) {
    return {credential: `profile ${name}`, logInAgain: `Log in again with \`aws login ${option}\`.`}
  }
  if (marks.includes('CREDENTIALS_PROFILE_PROCESS')) {
    return {
      credential: `credential_process of profile ${name}`,
      logInAgain: `See what its credential_process gives with \`aws configure export-credentials ${option}\`.`,
    }
  }
  if (marks.includes('CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN')) {
    return {credential: webIdentity, logInAgain: freshToken}
  }
  if (marks.some((mark) => mark.startsWith('CREDENTIALS_PROFILE'))) {
    return {
      credential: `profile ${name}`,
      logInAgain: `Renew the login of the profile: \`aws configure ${option}\` for keys, \`aws sso login ${option}\` for single sign-on.`,
    }
  }
  if (marks.includes('CREDENTIALS_ENV_VARS')) {
    return {
      credential: 'environment variables',
      logInAgain:
        'Set fresh AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or unset them and log in with `aws sso login`.',
    }
  }
  if (marks.includes('CREDENTIALS_HTTP')) {
    const isPod = Boolean(env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'])
    return {
      credential: isPod ? 'EKS pod identity' : 'ECS task role',
      logInAgain: 'It is renewed by itself: run the command again, and check that the role still exists.',
    }
  }
  if (credentials === undefined && env['AWS_WEB_IDENTITY_TOKEN_FILE'] && profile === undefined) {
    return {credential: webIdentity, logInAgain: freshToken}
  }
  if (credentials === undefined)
    return {credential: 'no login', logInAgain: `Log in with \`aws sso login ${option}\`, or set AWS_ACCESS_KEY_ID.`}
  // The SDK marks all but these.
  return {
    credential: 'EC2 instance role',
    logInAgain: 'It is renewed by itself: run the command again, and check the instance profile of this machine.',
  }
}
