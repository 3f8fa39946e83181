import type {Problem, ProviderSpec, Settings} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'

export const spec: ProviderSpec = {
  title: 'HashiCorp Vault',
  settings: {
    url: {
      receivesToken: true,
      type: 'string',
      trust: 'repository',
      variable: 'ENVDRIFT_VAULT_URL',
      summary:
        'Address of the server, else VAULT_ADDR. It receives our token, so a file that disagrees with VAULT_ADDR, or that trusted_vaults does not list, is refused.',
    },
    mount: {
      type: 'string',
      trust: 'repository',
      summary: 'Path of the KV secrets engine; it may hold slashes. Default `secret`.',
    },
    kv_version: {
      type: 'integer',
      trust: 'repository',
      oneOf: [1, 2],
      summary: 'Version of the KV secrets engine, 1 or 2. Default 2.',
    },
    namespace: {type: 'string', trust: 'repository', summary: 'Namespace (Enterprise, OpenBao). Else VAULT_NAMESPACE.'},
    auth: {
      type: 'string',
      trust: 'repository',
      oneOf: ['token'],
      later: ['approle', 'jwt', 'oidc', 'kubernetes', 'cert', 'userpass', 'ldap'],
      summary: 'How to log in. Default `token`: --token, VAULT_TOKEN, then ~/.vault-token.',
    },
    ca_file: {
      type: 'path',
      // Whoever names the authorities says which servers are believed.
      trust: 'machine',
      summary: 'File with the certificate authorities (PEM) that the server is checked against. Else VAULT_CACERT.',
    },
    tls_skip_verify: {
      type: 'boolean',
      trust: 'machine',
      summary: 'Do not check the certificate of the server; warns on every run. Else VAULT_SKIP_VERIFY. Default false.',
    },
  },
  later: [
    'role',
    'role_id',
    'secret_id',
    'secret_id_file',
    'auth_mount',
    'jwt_file',
    'username',
    'password',
    'client_cert',
    'client_key',
    'ca_path',
    'tls_server_name',
  ],
  flags: {'vault-url': 'url', token: true},
  slashInNames: true,
  checkSecretName: (name, version) => {
    if (name.startsWith('/') || name.endsWith('/')) return 'must not start or end with a slash (HashiCorp Vault)'
    if (name.split('/').some((part) => ['', '.', '..'].includes(part) || hasControl(part)))
      return 'must not hold an empty part, `.` or `..` between its slashes (HashiCorp Vault)'
    // eslint-disable-next-line no-control-regex
    if (/[\u0000-\u001f\u007f]/.test(name)) return 'must not hold control characters'
    return version === undefined || /^[1-9]\d{0,9}$/.test(version)
      ? undefined
      : 'has a secret_version that is not a whole number from 1 (HashiCorp Vault numbers its versions)'
  },
  resolve: ({settings: given, origins, env, ci, trustedVaults, namedByMachine = []}) => {
    const problems: Problem[] = []
    const warnings: string[] = []
    const settings: Record<string, Settings[string]> = {mount: 'secret', kv_version: 2, auth: 'token', ...given}

    const fromEnvironment = trimmed(env['VAULT_ADDR'])
    const written = typeof given['url'] === 'string' ? given['url'] : fromEnvironment
    const address = written === undefined ? undefined : vaultAddress(written)
    if (written === undefined) {
      problems.push({
        text: 'HashiCorp Vault needs an address: set url in [vault.hashicorp], set VAULT_ADDR, or pass --vault-url',
      })
    } else if (address === undefined) {
      const setting = given['url'] === undefined ? 'VAULT_ADDR' : 'url'
      problems.push({
        setting: 'url',
        text: `${setting} must be an address like https://vault.example.com:8200, without user name, password, query and fragment`,
      })
    } else {
      settings['url'] = address
      const isWritten = given['url'] !== undefined && (origins['url'] === 'repository' || origins['url'] === 'user')
      const pinned = trustedVaults.some((trusted) => vaultAddress(trusted) === address)
      // Written as it came, a login in it would be shown.
      const other = fromEnvironment === undefined ? undefined : (vaultAddress(fromEnvironment) ?? '(no address)')
      const conflicting = isWritten && other !== undefined && other !== address
      if (conflicting && !pinned) {
        // The token in VAULT_TOKEN or ~/.vault-token was made for VAULT_ADDR, and a pull request can change the file.
        problems.push({
          code: 'VAULT_ADDRESS_CONFLICT',
          setting: 'url',
          text: `url ${printable(address)} and VAULT_ADDR ${printable(other)} differ, and your token belongs to one of them: make them equal, unset VAULT_ADDR, or list both in trusted_vaults of your user file`,
        })
      } else if (isWritten && origins['url'] === 'repository' && !pinned) {
        const known = [...trustedVaults, ...namedByMachine].map((one) => vaultAddress(one) ?? '(no address)')
        if (known.length > 0 && !known.includes(address)) {
          problems.push({
            code: 'CONFIG_NOT_ALLOWED',
            setting: 'url',
            text: `url ${printable(address)} is none of the addresses that this machine trusts (${known.map((one) => printable(one)).join(', ')}), so it gets no token: add it to trusted_vaults in your user file or to ENVDRIFT_TRUSTED_VAULTS if you trust it`,
          })
        } else if (known.length === 0 && ci && fromEnvironment === undefined) {
          warnings.push(
            `The address ${printable(address)} that receives the Vault token is set by a file that a pull request can change: set VAULT_ADDR or ENVDRIFT_TRUSTED_VAULTS in the pipeline to pin it.`,
          )
        }
      }
      if (address.startsWith('http:') && !isLoopback(new URL(address).hostname)) {
        warnings.push(`${printable(address)} is not encrypted: token and keys travel in clear. Use https.`)
      }
    }

    const skipVerify = trimmed(env['VAULT_SKIP_VERIFY'])
    if (settings['tls_skip_verify'] === undefined && skipVerify !== undefined) {
      const says = booleanOf(skipVerify)
      if (says === undefined) problems.push({text: 'VAULT_SKIP_VERIFY must be true or false: set it so, or unset it'})
      else settings['tls_skip_verify'] = says
    }
    if (settings['tls_skip_verify'] === true) {
      warnings.push(
        "The Vault server's certificate is not checked (tls_skip_verify or VAULT_SKIP_VERIFY): anyone on the way can read token and keys. Set ca_file or VAULT_CACERT instead.",
      )
    }

    const namespace = slashless(settings['namespace'] ?? trimmed(env['VAULT_NAMESPACE']))
    if (hasControl(namespace))
      problems.push({setting: 'namespace', text: 'namespace holds a control character: write its path, like team/app'})
    if (namespace !== undefined) settings['namespace'] = namespace
    const caFile = settings['ca_file'] ?? trimmed(env['VAULT_CACERT'])
    if (caFile !== undefined) settings['ca_file'] = caFile
    const mount = slashless(settings['mount'])
    if (mount === undefined || mount.split('/').some((part) => ['', '.', '..'].includes(part) || hasControl(part))) {
      problems.push({setting: 'mount', text: 'mount must be the path of a KV secrets engine, like secret or team/kv'})
    } else {
      settings['mount'] = mount
    }
    return {settings, problems, warnings}
  },
}

/**
 * An address in one spelling, so that two can be compared: lower case, no default port, no slash at the end.
 *
 * @returns `undefined` for what isn't an http or https address, or holds a login, a query or a fragment.
 */
function vaultAddress(text: string): string | undefined {
  const url = URL.parse(text.trim())
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return undefined
  return `${url.origin}${withoutSlashes(url.pathname, 'end')}`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** As Go's strconv.ParseBool reads it, which is how Vault's own client reads VAULT_SKIP_VERIFY. */
function booleanOf(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined
}

function trimmed(value: string | undefined): string | undefined {
  const text = value?.trim()
  return text === '' ? undefined : text
}

function slashless(value: Settings[string] | undefined): string | undefined {
  const text = typeof value === 'string' ? withoutSlashes(value, 'both') : ''
  return text === '' ? undefined : text
}

/** Not by a pattern: one for slashes at the end takes time with the square of the slashes in the middle. */
function withoutSlashes(text: string, where: 'end' | 'both'): string {
  let [start, end] = [0, text.length]
  while (end > start && text[end - 1] === '/') end -= 1
  if (where === 'both') while (start < end && text[start] === '/') start += 1
  return text.slice(start, end)
}

// eslint-disable-next-line no-control-regex
const hasControl = (text: string | undefined): boolean => /[\u0000-\u001f\u007f]/.test(text ?? '')
