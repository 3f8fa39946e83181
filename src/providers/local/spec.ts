import type {ProviderSpec} from '../../core/provider-spec.ts'

export const spec: ProviderSpec = {
  title: 'embedded vault',
  settings: {
    path: {
      type: 'path',
      trust: 'repository',
      reach: 'repository',
      default: '.envdrift/vault',
      variable: 'ENVDRIFT_VAULT_PATH',
      summary: 'Directory of the vault. Default `.envdrift/vault` next to the configuration file.',
    },
    password: {
      type: 'table',
      trust: 'repository',
      keys: {
        env: {type: 'string', trust: 'repository', summary: 'Name of the variable that holds the password.'},
        file: {type: 'path', trust: 'repository', summary: 'File that holds the password.'},
        command: {
          type: 'strings',
          trust: 'machine',
          summary: 'Program and arguments that print the password; no shell is involved.',
        },
      },
      later: ['secret_name', 'provider', 'vault_name'],
      summary:
        'Where the password comes from: one of `{env = "NAME"}`, `{file = "PATH"}`, `{command = ["PROGRAM", "ARGUMENT"]}`.',
    },
  },
  later: ['sync', 'audit', 'backups'],
  flags: {},
  slashInNames: true,
  checkSecretName: (name, version) => {
    // eslint-disable-next-line no-control-regex
    if (/[\u0000-\u001f\u007f]/.test(name)) return 'must not hold control characters'
    if (name.length > 255) return 'is longer than the 255 characters that the embedded vault allows'
    return version === undefined || /^[1-9]\d{0,9}$/.test(version)
      ? undefined
      : 'has a secret_version that is not a whole number from 1 (a version of a secret in the embedded vault)'
  },
  resolve: ({settings}) => ({settings, problems: [], warnings: []}),
}
