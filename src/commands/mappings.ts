import {string} from '@oclif/core/flags'

import {BaseCommand} from '../cli/base-command.ts'
import {mappingFlags} from '../cli/configured.ts'
import {runMappings} from '../cli/run-mappings.ts'
import type {Result} from '../core/report.ts'

export default class Mappings extends BaseCommand {
  static override summary =
    'List what the configuration maps: each env file, its key, its secret, and where that is written.'

  static override description =
    'Patterns are expanded, profiles, --filter and --shard applied, as `envdrift sync` would. No vault is asked, and nothing is written. Exit code 0: every mapping has its folder and files.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    {
      description: 'What the second of eight jobs would check',
      command: '<%= config.bin %> <%= command.id %> --shard 2/8',
    },
    {description: 'For programs', command: '<%= config.bin %> <%= command.id %> --json'},
  ]

  static override flags = {
    ...mappingFlags,
    provider: string({
      helpValue: 'KIND',
      char: 'p',
      summary: 'Which kind of vault, for a configuration that names none.',
    }),
  }

  protected async execute(): Promise<Result> {
    const {flags} = await this.parse(Mappings)
    return runMappings(flags, {warn: (message) => this.warning(message)})
  }
}
