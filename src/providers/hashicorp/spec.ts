import type {Problem, ProviderSpec, Settings} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'
import {addressOf, isLoopback} from './address.ts'
import {sentCredential, loginProblems, loginVariables, type Method} from './login-settings.ts'
import {hasControl, isPlainPath, isReserved, withoutSlashes} from './path.ts'
import {settings as known} from './settings.ts'
import {booleanOf, clientVariable, durationMsOf, envOf, retriesOf, type Variable} from './variables.ts'

type Given = Parameters<ProviderSpec['resolve']>[0]
type Findings = {readonly problems: Problem[]; readonly warnings: string[]}

export const spec: ProviderSpec = {
  title: 'HashiCorp Vault',
  settings: known,
  flags: {'vault-url': 'url', token: true},
  addressVariables: ['VAULT_ADDR', 'BAO_ADDR'],
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
    const atServer = server === undefined ? given : {...given, env: envOf(given.env, server)}
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

/** The address as somebody has written it: a setting before the variable of Vault's client. */
function writtenAddress({settings: {url}, env}: Given): Variable | undefined {
  return typeof url === 'string' ? {name: 'url', text: url} : clientVariable(env, 'ADDR')
}

/** Who receives what we log in with, and whether this machine agrees. */
function checkAddress(
  given: Given,
  settings: Record<string, Settings[string]>,
  credential: string | undefined,
  {problems, warnings}: Findings,
): void {
  const {origins, ci, trustedVaults, namedByMachine = [], namedByUser = []} = given
  const ofClient = clientVariable(given.env, 'ADDR')
  const written = writtenAddress(given)
  const address = written === undefined ? undefined : addressOf(written.text)
  if (written === undefined) {
    problems.push({
      text: 'HashiCorp Vault needs an address: set url in [vault.hashicorp], set VAULT_ADDR, or pass --vault-url',
    })
    return
  }
  if (address === undefined) {
    problems.push({
      setting: 'url',
      text: `${written.name} must be an address like https://vault.example.com:8200, without user name, password, query and fragment, and with nothing but a namespace behind /v1`,
    })
    return
  }
  const {server, prefix} = address
  // Apart, so that what was decoded once is taken apart no second time.
  settings['url'] = server
  if (prefix !== undefined) settings['url_namespace'] = prefix

  const isWritten =
    given.settings['url'] !== undefined && (origins['url'] === 'repository' || origins['url'] === 'user')
  const isOurs = isWritten && origins['url'] === 'repository'
  const isPinned = trustedVaults.some((trusted) => addressOf(trusted)?.server === server)
  // Written as it came, a login in it would be shown.
  const other = ofClient === undefined ? undefined : (addressOf(ofClient.text)?.server ?? '(no address)')
  const named = other === undefined ? [...namedByMachine, ...namedByUser] : namedByMachine
  const machines = [...trustedVaults, ...named].map((one) => addressOf(one)?.server ?? '(no address)')
  const shown = printable(server)
  if (isWritten && other !== undefined && other !== server && !isPinned) {
    // The token in VAULT_TOKEN or ~/.vault-token was made for VAULT_ADDR, and a pull request can change the file.
    problems.push({
      code: 'VAULT_ADDRESS_CONFLICT',
      setting: 'url',
      text: `url ${shown} and ${ofClient!.name} ${printable(other)} differ, and your token belongs to one of them: make them equal, unset ${ofClient!.name}, or list both in trusted_vaults of your user file`,
    })
  } else if (isOurs && !isPinned && machines.length > 0 && !machines.includes(server)) {
    problems.push({
      code: 'CONFIG_NOT_ALLOWED',
      setting: 'url',
      text: `url ${shown} is none of the addresses that this machine trusts (${machines.map((one) => printable(one)).join(', ')}), so it gets no token: add it to trusted_vaults in your user file or to ENVDRIFT_TRUSTED_VAULTS if you trust it`,
    })
  } else if (isOurs && !isPinned && machines.length === 0 && other === undefined) {
    // What lives longer than a token, or is fetched only to be sent there, is worth the word outside of CI, too.
    if (ci || credential !== undefined) {
      warnings.push(
        `The address ${shown} that receives ${credential ?? 'the Vault token'} is set by a file that a pull request can change: set VAULT_ADDR or ENVDRIFT_TRUSTED_VAULTS ${ci ? 'in the pipeline' : 'on this machine'} to pin it.`,
      )
    }
  }
  if (server.startsWith('http:') && !isLoopback(new URL(server).hostname)) {
    warnings.push(`${shown} is not encrypted: token and keys travel in clear. Use https.`)
  }
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
}

function slashless(value: Settings[string] | undefined): string | undefined {
  const text = typeof value === 'string' ? withoutSlashes(value, 'both') : ''
  return text === '' ? undefined : text
}
