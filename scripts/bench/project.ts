import {execFileSync} from 'node:child_process'
import {createECDH, randomBytes} from 'node:crypto'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {exampleCredentials, startAwsFake, type AwsFake} from '../../test/fakes/aws.ts'
import {encryptEnvFile} from '../../test/support/workspace.ts'

/** A repository with many services, and a fake AWS that holds their keys. */
export type BenchProject = {
  readonly cwd: string
  readonly vault: AwsFake
  /** What a program needs to reach the fake. */
  readonly login: Readonly<Record<string, string>>
}

/**
 * Makes a project of `size` services whose keys files hold what the vault holds.
 *
 * @param options.values - encrypted values in each env file; 0: a placeholder that nobody decrypts.
 * @param options.batch - as `batch` of `[vault.aws]`.
 * @param options.delayMs - how much later the fake answers.
 */
export async function makeProject(
  cwd: string,
  size: number,
  options: {readonly delayMs: number; readonly values?: number; readonly batch?: 'auto' | 'off'},
): Promise<BenchProject> {
  const {delayMs, values = 0, batch = 'auto'} = options
  const vault = await startAwsFake({delayMs})
  mkdirSync(cwd)
  const mappings: string[] = []
  for (let n = 0; n < size; n += 1) {
    const name = `service-${n}`
    const {key, envFile} = values === 0 ? placeholder() : encrypted(values)
    vault.put(`${name}-key`, `DOTENV_PRIVATE_KEY_PRODUCTION=${key}`)
    // Where the rival that knows no other names looks.
    vault.put(`secretspec/bench/default/KEY_${n}`, key)
    mkdirSync(join(cwd, name))
    writeFileSync(join(cwd, name, '.env.production'), envFile)
    writeFileSync(join(cwd, name, '.env.keys'), `DOTENV_PRIVATE_KEY_PRODUCTION=${key}\n`, {mode: 0o600})
    mappings.push(
      `[[vault.sync.mappings]]\nsecret_name = "${name}-key"\nfolder_path = "${name}"\nenvironment = "production"\n`,
    )
  }
  const config = (more: string): string =>
    `[vault]\nprovider = "aws"\n[vault.aws]\nregion = "us-east-1"\n${more}[vault.sync]\n${mappings.join('')}`
  writeFileSync(join(cwd, 'envdrift.toml'), config(`batch = "${batch}"\n`))
  // The same mappings, found.
  writeFileSync(
    join(cwd, 'pattern.toml'),
    `[vault]\nprovider = "aws"\n[vault.aws]\nregion = "us-east-1"\nbatch = "${batch}"\n[[vault.sync.patterns]]\nenv_files = "*/.env.production"\nsecret_name = "{folder}-key"\n`,
  )
  // The Python tool takes a setting that it doesn't know for a mistake.
  writeFileSync(join(cwd, 'python.toml'), config(''))
  const specs = Array.from({length: size}, (_, n) => `KEY_${n} = { description = "key of service-${n}" }\n`)
  writeFileSync(
    join(cwd, 'secretspec.toml'),
    `[project]\nname = "bench"\nrevision = "1.0"\n\n[profiles.default]\n${specs.join('')}`,
  )
  execFileSync('git', ['init', '--quiet', cwd])
  writeFileSync(join(cwd, '.gitignore'), '.env.keys*\n')
  return {
    cwd,
    vault,
    login: {
      AWS_ENDPOINT_URL: vault.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: exampleCredentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: exampleCredentials.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
    },
  }
}

const placeholder = () => ({key: randomBytes(32).toString('hex'), envFile: 'A="encrypted:nothing is decrypted here"\n'})

function encrypted(values: number) {
  const pair = createECDH('secp256k1')
  pair.generateKeys()
  const publicKey = pair.getPublicKey('hex', 'compressed')
  const variables = Array.from({length: values}, (_, n) => [`VARIABLE_${n}`, `the value of variable ${n}`] as const)
  return {
    key: pair.getPrivateKey('hex').padStart(64, '0'),
    envFile: encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', publicKey, Object.fromEntries(variables)),
  }
}
