import type {Env, Problem, Settings} from '../../core/provider-spec.ts'
import {variable} from './variables.ts'

/** The words of the setting `auth`. */
export type Method = 'token' | 'approle' | 'jwt' | 'oidc' | 'kubernetes' | 'cert' | 'userpass' | 'ldap'

/** Settings of each login: those that it can't do without, and those that it may have. */
const ofMethod: Readonly<Record<Method, {readonly needs: readonly string[]; readonly may: readonly string[]}>> = {
  token: {needs: [], may: []},
  approle: {needs: ['role_id'], may: ['auth_mount', 'secret_id', 'secret_id_file', 'secret_id_wrapped']},
  jwt: {needs: [], may: ['auth_mount', 'role', 'jwt', 'jwt_file', 'jwt_audience']},
  oidc: {needs: [], may: ['auth_mount', 'role', 'jwt', 'jwt_file', 'jwt_audience']},
  kubernetes: {needs: ['role'], may: ['auth_mount', 'jwt_file']},
  cert: {needs: ['client_cert', 'client_key'], may: ['auth_mount', 'role']},
  userpass: {needs: ['username'], may: ['auth_mount', 'password']},
  ldap: {needs: ['username'], may: ['auth_mount', 'password']},
}

/** Two settings that say the same in two ways: one of them would have to be ignored. */
const eitherOr: readonly (readonly [string, string])[] = [
  ['secret_id', 'secret_id_file'],
  ['jwt', 'jwt_file'],
]

/** Usable without a login too: a server may want to see a certificate from everybody. */
const ofConnection: ReadonlySet<string> = new Set(['client_cert', 'client_key'])

/** What variables add to the settings of a login, where neither a file nor a flag has said it. */
export function loginVariables(method: Method, settings: Settings, env: Env): Settings {
  const fallback = (key: string, instead: readonly string[], ...names: readonly string[]): Settings => {
    if ([key, ...instead].some((one) => settings[one] !== undefined)) return {}
    const found = variable(env, ...names)
    return found === undefined ? {} : {[key]: found.text}
  }
  switch (method) {
    case 'approle':
      return {
        ...fallback('role_id', [], 'VAULT_ROLE_ID'),
        ...fallback('secret_id', ['secret_id_file'], 'VAULT_SECRET_ID'),
      }
    case 'jwt':
    case 'oidc':
      return fallback('jwt', ['jwt_file'], 'VAULT_ID_TOKEN')
    case 'ldap':
      return fallback('password', [], 'VAULT_LDAP_PASSWORD')
    case 'token':
    case 'kubernetes':
    case 'cert':
    case 'userpass':
      return {}
  }
}

/** What is missing for the login, and what would have to be ignored. */
export function loginProblems(method: Method, settings: Settings): readonly Problem[] {
  const {needs, may} = ofMethod[method]
  const missing = needs
    .filter((key) => settings[key] === undefined)
    .map((key): Problem => ({text: `auth = "${method}" needs ${key}: set it in [vault.hashicorp]`, setting: 'auth'}))
  const all = new Set(Object.values(ofMethod).flatMap((one) => [...one.needs, ...one.may]))
  const unused = [...all]
    .filter(
      (key) => settings[key] !== undefined && !needs.includes(key) && !may.includes(key) && !ofConnection.has(key),
    )
    .map((key): Problem => {
      const owners = Object.entries(ofMethod).flatMap(([name, one]) =>
        [...one.needs, ...one.may].includes(key) ? [name] : [],
      )
      return {
        text: `${key} means nothing to auth = "${method}": remove it, or choose the login that it belongs to (${owners.join(', ')})`,
        setting: key,
      }
    })
  const doubled = eitherOr
    .filter(([one, other]) => settings[one] !== undefined && settings[other] !== undefined)
    .map(([one, other]): Problem => ({text: `there are both ${one} and ${other}: keep one of them`, setting: one}))
  return [...missing, ...unused, ...doubled]
}

/**
 * What a login would send that must go to no address which a repository file alone names: a secret of long life that can be
 * used elsewhere (a password, a SecretID), or what nobody gave to envdrift (found on the machine, fetched).
 *
 * A pull request could otherwise have it sent anywhere: no variable of a pipeline stands for "I want this, and there".
 *
 * @returns as people know it, or `undefined` for what somebody handed over for a run.
 */
export function sentCredential(method: Method, settings: Settings): string | undefined {
  switch (method) {
    case 'jwt':
    case 'oidc':
      return settings['jwt'] === undefined && settings['jwt_file'] === undefined
        ? "GitHub's token of the job"
        : undefined
    case 'kubernetes':
      return settings['jwt_file'] === undefined ? "the token of the pod's service account" : undefined
    case 'approle':
      return 'the SecretID of the AppRole'
    case 'userpass':
    case 'ldap':
      return `the password for ${method}`
    case 'token':
    case 'cert':
      return undefined
  }
}
