import type {Env} from '../core/provider-spec.ts'

/** Do we run in CI? All but the last four set CI: GitHub, GitLab, CircleCI, Buildkite, Bitbucket, Forgejo and others. */
export function runsInCi(env: Env): boolean {
  const ci = env['CI']?.trim().toLowerCase() ?? ''
  if (!['', '0', 'false'].includes(ci)) return true
  return ['TF_BUILD', 'JENKINS_URL', 'TEAMCITY_VERSION', 'BITBUCKET_BUILD_NUMBER'].some(
    (name) => (env[name] ?? '') !== '',
  )
}
