import type {SettingSpec} from '../../core/provider-spec.ts'

/** The keys of [vault.hashicorp]. */
export const settings: Readonly<Record<string, SettingSpec>> = {
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
    summary: 'Version of the KV secrets engine, 1 or 2. Left out: 2, and found out where that gives nothing.',
  },
  namespace: {type: 'string', trust: 'repository', summary: 'Namespace (Enterprise, OpenBao). Else VAULT_NAMESPACE.'},
  auth: {
    type: 'string',
    trust: 'repository',
    oneOf: ['token', 'approle', 'jwt', 'oidc', 'kubernetes', 'cert', 'userpass', 'ldap'],
    summary: 'How to log in. Default `token`: --token, VAULT_TOKEN, then ~/.vault-token. --token wins over any other.',
  },
  auth_mount: {
    type: 'string',
    trust: 'repository',
    summary: 'Path of the auth method. Default: its name, as `approle`.',
  },
  role: {
    type: 'string',
    trust: 'repository',
    summary: 'Role to log in as (jwt, oidc, kubernetes), or name of the certificate role (cert).',
  },
  role_id: {type: 'string', trust: 'repository', summary: 'RoleID of an AppRole. Else VAULT_ROLE_ID.'},
  secret_id: {
    type: 'string',
    // A secret: a repository is the last place for it.
    trust: 'machine',
    summary: 'SecretID of an AppRole. Else secret_id_file, else VAULT_SECRET_ID.',
  },
  secret_id_file: {type: 'path', trust: 'machine', summary: 'File with the SecretID.'},
  secret_id_wrapped: {
    type: 'boolean',
    trust: 'repository',
    summary: 'The SecretID is a wrapping token, to be unwrapped once. Default false.',
  },
  jwt: {
    type: 'string',
    trust: 'machine',
    summary: "Token for jwt and oidc. Else jwt_file, else VAULT_ID_TOKEN, else GitHub's for the job.",
  },
  jwt_file: {
    type: 'path',
    trust: 'machine',
    summary:
      'File with the token for jwt and oidc, and for kubernetes. Default for kubernetes: that of the pod, /var/run/secrets/kubernetes.io/serviceaccount/token.',
  },
  jwt_audience: {
    type: 'string',
    trust: 'repository',
    summary: 'Audience that GitHub puts into the token of the job. Default: what GitHub puts there.',
  },
  username: {type: 'string', trust: 'repository', summary: 'Who logs in by userpass or ldap.'},
  password: {
    type: 'string',
    trust: 'machine',
    summary: 'Password for userpass or ldap. Else VAULT_LDAP_PASSWORD (ldap), else it is asked for on a terminal.',
  },
  ca_file: {
    type: 'path',
    // Whoever names the authorities says which servers are believed.
    trust: 'machine',
    believes: true,
    summary: 'File with the certificate authorities (PEM) that the server is checked against. Else VAULT_CACERT.',
  },
  ca_path: {
    type: 'path',
    trust: 'machine',
    believes: true,
    summary: 'Directory of such files, where there is no ca_file. Else VAULT_CAPATH.',
  },
  client_cert: {
    type: 'path',
    trust: 'machine',
    summary: 'Certificate (PEM) to show to the server, with client_key. Else VAULT_CLIENT_CERT.',
  },
  client_key: {type: 'path', trust: 'machine', summary: 'Its private key (PEM). Else VAULT_CLIENT_KEY.'},
  tls_server_name: {
    type: 'string',
    trust: 'machine',
    believes: true,
    summary: 'Name that the certificate of the server must have, if not that of url. Else VAULT_TLS_SERVER_NAME.',
  },
  tls_skip_verify: {
    type: 'boolean',
    trust: 'machine',
    believes: true,
    summary: 'Do not check the certificate of the server; warns on every run. Else VAULT_SKIP_VERIFY. Default false.',
  },
}
