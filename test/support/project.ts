import {onTestFinished} from 'vitest'

import {exampleCredentials, startAwsFake, type AwsFake} from '../fakes/aws.ts'
import {plantKey, type PlantedKey} from './planted-keys.ts'
import {envdrift, type Run, type RunOptions} from './run-envdrift.ts'
import {encryptEnvFile, makeWorkspace, type Workspace} from './workspace.ts'

/** A workspace whose configuration names an AWS vault: a fake that listens while the test runs. */
export type Project = {
  readonly workspace: Workspace
  readonly vault: AwsFake
  /** `envdrift sync …` in the repository. */
  readonly sync: (args?: readonly string[], options?: Partial<RunOptions>) => Promise<Run>
  readonly env: Readonly<Record<string, string>>
}

export type ProjectOptions = {
  /** `[[vault.sync.mappings]]` as TOML inline tables; one mapping of `myapp-key` and `svc` unless given. */
  readonly mappings?: readonly Readonly<Record<string, string | boolean>>[]
  /** More lines for `[vault.sync]`. */
  readonly settings?: readonly string[]
  readonly secrets?: Readonly<Record<string, string | Buffer>>
  readonly files?: Readonly<Record<string, string>>
  /** Lines of .gitignore; the keys files unless given. */
  readonly ignore?: string
}

const region = 'eu-west-1'

/** A git repository, its configuration, its files, and a vault that holds these secrets. */
export async function makeProject({
  mappings = [{secret_name: 'myapp-key', folder_path: 'svc'}],
  settings = [],
  secrets = {},
  files = {},
  ignore = '.env.keys*\n',
}: ProjectOptions = {}): Promise<Project> {
  const vault = await startAwsFake()
  onTestFinished(() => vault.stop())
  for (const [name, value] of Object.entries(secrets)) vault.put(name, value, region)
  const workspace = makeWorkspace({'.gitignore': ignore, 'envdrift.toml': configText(mappings, settings), ...files})
  const env = {
    AWS_ENDPOINT_URL: vault.url,
    AWS_ACCESS_KEY_ID: exampleCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: exampleCredentials.secretAccessKey,
  }
  return {
    workspace,
    vault,
    env,
    sync: (args = [], options = {}) =>
      envdrift(['sync', ...args], {cwd: workspace.root, ...options, env: {...env, ...options.env}}),
  }
}

export function configText(
  mappings: readonly Readonly<Record<string, string | boolean>>[],
  settings: readonly string[] = [],
): string {
  return [
    '[vault]',
    'provider = "aws"',
    '[vault.aws]',
    `region = "${region}"`,
    '[vault.sync]',
    ...settings,
    ...mappings.flatMap((mapping) => [
      '[[vault.sync.mappings]]',
      ...Object.entries(mapping).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
    ]),
    '',
  ].join('\n')
}

/** The usual project: one service whose env file carries its public key, and the vault has the private one. */
export async function makeUsualProject(
  options: ProjectOptions & {readonly local?: (key: PlantedKey, other: PlantedKey) => string} = {},
): Promise<Project & {readonly key: PlantedKey; readonly other: PlantedKey}> {
  const [key, other] = [plantKey(), plantKey()]
  const project = await makeProject({
    ...options,
    secrets: {'myapp-key': key.privateKey, ...options.secrets},
    files: {
      'svc/.env.production': encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', key.publicKey, {
        DATABASE_URL: 'postgres://db/myapp',
      }),
      ...(options.local === undefined ? {} : {'svc/.env.keys': options.local(key, other)}),
      ...options.files,
    },
  })
  return {...project, key, other}
}

export const production = ({privateKey}: PlantedKey): string => `DOTENV_PRIVATE_KEY_PRODUCTION=${privateKey}\n`
