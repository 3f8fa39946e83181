import type {Problem, ProviderSpec, Settings} from '../../core/provider-spec.ts'
import {addressOf} from './address.ts'
import {agentOf, checkAddress, writtenAddress} from './check-address.ts'
import {sentCredential, loginProblems, loginVariables, type Method} from './login-settings.ts'
import {hasControl, isPlainPath, isReserved, withoutSlashes} from './path.ts'
import {rateLimitOf} from './rate-limit.ts'
import {settings as known} from './settings.ts'
import {booleanOf, clientVariable, durationMsOf, envOf, retriesOf} from './variables.ts'

type Given = Parameters<ProviderSpec['resolve']>[0]
type Findings = {readonly problems: Problem[]; readonly warnings: string[]}

export const spec: ProviderSpec = {
  title: 'HashiCorp Vault',
  settings: known,
  flags: {'vault-url': 'url', token: true},
  addressVariables: ['VAULT_ADDR', 'BAO_ADDR'],
  isAskedThroughAgent: (given) => agentOf(given) !== undefined,
  slashInNames: true,
  checkSecretName: (name, version) => {
    if (name.startsWith('/') || name.endsWith('/')) return 'must not start or end with a slash (HashiCorp Vault)'
    if (!isPlainPath(name))
      return hasControl(name)
        ? 'must not hold control characters'
        : 'must not hold an empty part, `.` or `..` between its slashes (HashiCorp Vault)'
    return version === undefined || /^[1-9]\d{0,9}$/.test(version)
      ? undefined
      : 'has a secret_version that is not a whole number from 1 (HashiCorp Vault numbers its versions)'
  },
  resolve: (given) => {
    const found: Findings = {problems: [], warnings: []}
    const server = addressOf(writtenAddress(given)?.text ?? '')?.server
    const isDirect = server !== undefined && agentOf(given) === undefined
    const atServer = isDirect ? {...given, env: envOf(given.env, server)} : given
    const method = (given.settings['auth'] ?? 'token') as Method
    const settings: Record<string, Settings[string]> = {
      mount: 'secret',
      auth: method,
      ...given.settings,
      ...loginVariables(method, given.settings, given.env),
      ...tlsVariables(atServer),
    }
    // For KV 1, which any path of Vault can be read as.
    if (['flag', 'environment', 'user'].includes(given.origins['kv_version'] ?? ''))
      settings['kv_version_of_machine'] = true
    checkAddress(given, settings, sentCredential(method, settings), found)
    checkTls(atServer, settings, found)
    checkPaths(atServer, settings, found)
    checkLimits(atServer, found)
    found.problems.push(...loginProblems(method, settings))
    return {settings, ...found}
  },
}

/** What Vault's client reads about TLS from its variables, in its order, where the settings say nothing about the same. */
function tlsVariables({settings, env}: Given): Settings {
  const text = (name: string): string | undefined => clientVariable(env, name)?.text
  const found: Record<string, string | undefined> = {}
  if (settings['ca_file'] === undefined && settings['ca_path'] === undefined) {
    found['ca_file'] = text('CACERT')
    // VAULT_CACERT_BYTES comes between the two; it is no path, and read where it is used.
    if (found['ca_file'] === undefined && text('CACERT_BYTES') === undefined) found['ca_path'] = text('CAPATH')
  }
  if (settings['client_cert'] === undefined && settings['client_key'] === undefined) {
    found['client_cert'] = text('CLIENT_CERT')
    found['client_key'] = text('CLIENT_KEY')
  }
  if (settings['tls_server_name'] === undefined) found['tls_server_name'] = text('TLS_SERVER_NAME')
  return Object.fromEntries(
    Object.entries(found).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  )
}

function checkTls({env}: Given, settings: Record<string, Settings[string]>, {problems, warnings}: Findings): void {
  const skipVerify = clientVariable(env, 'SKIP_VERIFY')
  if (settings['tls_skip_verify'] === undefined && skipVerify !== undefined) {
    const says = booleanOf(skipVerify.text)
    if (says === undefined) problems.push({text: `${skipVerify.name} must be true or false: set it so, or unset it`})
    else settings['tls_skip_verify'] = says
  }
  if (settings['tls_skip_verify'] === true) {
    warnings.push(
      "The Vault server's certificate is not checked (tls_skip_verify or VAULT_SKIP_VERIFY): anyone on the way can read token and keys. Set ca_file or VAULT_CACERT instead.",
    )
  }
  const [certificate, key] = [settings['client_cert'], settings['client_key']]
  if (settings['auth'] !== 'cert' && (certificate === undefined) !== (key === undefined)) {
    const [here, gone] = key === undefined ? ['client_cert', 'client_key'] : ['client_key', 'client_cert']
    problems.push({setting: here, text: `${here} is of no use without ${gone}: set both, or neither`})
  }
}

function checkPaths({env}: Given, settings: Record<string, Settings[string]>, {problems}: Findings): void {
  const namespace = slashless(settings['namespace'] ?? clientVariable(env, 'NAMESPACE')?.text)
  // It goes into a header, which holds nothing else.
  if (namespace !== undefined && !/^[\u0020-\u007e]+$/.test(namespace))
    problems.push({
      setting: 'namespace',
      text: 'namespace holds characters beyond ASCII, or control characters, which Vault takes in no header: put it into the address (https://vault.example.com:8200/v1/team) or use another one',
    })
  delete settings['namespace']
  if (namespace !== undefined) settings['namespace'] = namespace
  for (const [key, example] of [
    ['mount', 'a KV secrets engine, like secret or team/kv'],
    ['auth_mount', 'an auth method, like approle or team/approle'],
  ] as const) {
    if (settings[key] === undefined) continue
    const path = slashless(settings[key])
    if (path === undefined || !isPlainPath(path) || (key === 'mount' && isReserved(path)))
      problems.push({setting: key, text: `${key} must be the path of ${example}`})
    else settings[key] = path
  }
  const {username} = settings
  // It becomes the last part of a path that a password is sent to.
  if (typeof username === 'string' && !(isPlainPath(username) && !username.includes('/')))
    problems.push({
      setting: 'username',
      text: 'username must be a name without slashes and control characters, like alice',
    })
  for (const key of ['role', 'role_id', 'jwt_audience'] as const) {
    const value = settings[key]
    if (typeof value === 'string' && hasControl(value))
      problems.push({setting: key, text: `${key} holds a control character: write it as Vault has it`})
  }
}

/** Variables that say how long and how often: wrong ones are said, and not taken for none. */
function checkLimits({env}: Given, {problems}: Findings): void {
  const timeout = clientVariable(env, 'CLIENT_TIMEOUT')
  if (timeout !== undefined && durationMsOf(timeout.text) === undefined)
    problems.push({text: `${timeout.name} must be a time like 60 or 1m30s: set it so, or unset it`})
  const retries = clientVariable(env, 'MAX_RETRIES')
  if (retries !== undefined && retriesOf(retries.text) === undefined)
    problems.push({text: `${retries.name} must be a whole number up to 100: set it so, or unset it`})
  const rate = clientVariable(env, 'RATE_LIMIT')
  if (rate !== undefined && rateLimitOf(rate.text) === undefined)
    problems.push({
      text: `${rate.name} must be requests a second, from 0.1, like 50 or 2.5:10 (10 of them at once): set it so, or unset it`,
    })
}

function slashless(value: Settings[string] | undefined): string | undefined {
  const text = typeof value === 'string' ? withoutSlashes(value, 'both') : ''
  return text === '' ? undefined : text
}
