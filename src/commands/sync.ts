import {boolean, string} from '@oclif/core/flags'

import {BaseCommand} from '../cli/base-command.ts'
import {mappingFlags} from '../cli/configured.ts'
import {passwordFlags} from '../cli/password.ts'
import {runSync} from '../cli/run-sync.ts'
import {providerNames} from '../cli/wire.ts'
import type {Result} from '../core/report.ts'

export default class Sync extends BaseCommand {
  static override summary = "Bring the vault's dotenvx keys and each service's .env.keys into line."

  static override description = [
    'Reads every mapped secret, compares it with the local keys file and with the public key in the env file, writes what is new, and asks before it replaces anything. What is replaced is kept in a backup (mode 0600).',
    "A key that doesn't belong to the env file is not installed. Exit code 0: all in line. 1: anything else. 2: the command line is wrong. --detailed-exitcode says more.",
  ].join('\n\n')

  static override examples = [
    {description: 'Take new keys, and be asked about changed ones', command: '<%= config.bin %> <%= command.id %>'},
    {
      description: 'In a pipeline: fail on drift, write nothing',
      command: '<%= config.bin %> <%= command.id %> --verify --ci',
    },
    {
      description: "Take the vault's keys, and prove that they open the files",
      command: '<%= config.bin %> <%= command.id %> --force --check-decryption',
    },
    {
      description: 'From a list of pairs, with the vault on the command line',
      command: '<%= config.bin %> <%= command.id %> -c pair.txt -p azure --vault-url https://myvault.vault.azure.net/',
    },
    {
      description: 'One of eight jobs side by side, for a part of a large repository',
      command: "<%= config.bin %> <%= command.id %> --verify --ci --filter 'services/**' --shard 2/8",
    },
    {description: 'For programs', command: '<%= config.bin %> <%= command.id %> --verify --ci --json'},
  ]

  static override flags = {
    verify: boolean({summary: 'Only check: report differences, write nothing, exit 1 if there are any.'}),
    force: boolean({char: 'f', summary: 'Replace keys that differ without asking; a backup is kept.'}),
    'check-decryption': boolean({summary: 'Prove that each key opens every encrypted value of its env file.'}),
    'validate-schema': boolean({summary: 'Hold the decrypted variables of each service against --schema.'}),
    schema: string({
      helpValue: 'FILE',
      char: 's',
      summary: 'JSON Schema file, or a module with a Standard Schema: schema.ts:exportName.',
    }),
    'service-dir': string({
      helpValue: 'DIR',
      char: 'd',
      summary: 'Where a relative --schema path starts. Default: here.',
    }),
    'allow-schema-code': boolean({summary: 'With --ci: let --schema name a module, whose code then runs.'}),
    'skip-key-match': boolean({
      summary: "Install a key that doesn't belong to the env file, with a warning. Never under --verify.",
    }),
    'require-coverage': boolean({summary: 'Fail when an encrypted env file is named by no mapping.'}),
    ...mappingFlags,
    provider: string({
      helpValue: 'KIND',
      char: 'p',
      summary: `Which kind of vault: ${providerNames}.`,
    }),
    'vault-url': string({helpValue: 'URL', summary: 'Address of the vault (azure, hashicorp).'}),
    region: string({helpValue: 'NAME', summary: 'AWS region.'}),
    'project-id': string({helpValue: 'ID', summary: 'GCP project.'}),
    token: string({
      helpValue: 'TOKEN',
      summary: 'HashiCorp Vault token, or - to read it from stdin. VAULT_TOKEN or ~/.vault-token are safer.',
    }),
    ...passwordFlags,
  }

  protected async execute(): Promise<Result> {
    const {flags} = await this.parse(Sync)
    return runSync(flags, {warn: (message) => this.warning(message)})
  }
}
