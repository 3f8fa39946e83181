/**
 * The server behind an example, a stand-in for one cloud: `node examples/serve.ts PROVIDER DIRECTORY < KEY`.
 *
 * Prints what the shell has to set, then `# ready`, and ends on SIGTERM or after an hour.
 */
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'

const [provider = '', directory = ''] = process.argv.slice(2)
const key = await text(process.stdin)
const name = 'myapp-key'

/** Each starts its server, stores the key, and says what the environment must hold; an empty value is unset. */
const servers: Readonly<Record<string, () => Promise<Readonly<Record<string, string>>>>> = {
  async aws() {
    const {startAwsFake} = await import('../test/fakes/aws.ts')
    const fake = await startAwsFake()
    fake.put(name, key, 'eu-west-1')
    return awsEnvironment(fake)
  },
  async azure() {
    const {certificateFile, environmentFor, startFakeAzure} = await import('../test/fakes/azure.ts')
    const fake = await startFakeAzure()
    fake.addVault('my-keyvault')
    fake.set('my-keyvault', name, key)
    return environmentFor(fake, certificateFile(directory, fake.certificate, process.env['NODE_EXTRA_CA_CERTS']))
  },
  async hashicorp() {
    const {startFakeVault} = await import('../test/fakes/hashicorp.ts')
    const fake = await startFakeVault()
    await fetch(`${fake.url}/v1/secret/data/${name}`, {
      method: 'POST',
      headers: {'x-vault-token': fake.rootToken},
      body: JSON.stringify({data: {value: key}}),
    })
    return {VAULT_ADDR: fake.url, VAULT_TOKEN: fake.rootToken, VAULT_NAMESPACE: ''}
  },
  async gcp() {
    const {project, startGcp} = await import('../test/fakes/gcp.ts')
    const fake = await startGcp()
    fake.seed(name, key)
    const keyFile = join(directory, 'service-account.json')
    writeFileSync(keyFile, JSON.stringify(fake.serviceAccount), {mode: 0o600})
    return {
      ENVDRIFT_GCP_API_ENDPOINT: fake.endpoint,
      ENVDRIFT_PROJECT_ID: project.id,
      GOOGLE_APPLICATION_CREDENTIALS: keyFile,
    }
  },
  async 'aws-ssm'() {
    const {startSsmFake} = await import('../test/fakes/aws-ssm.ts')
    const fake = await startSsmFake()
    fake.put('/team/myapp/key', key, {region: 'eu-west-1'})
    return awsEnvironment(fake)
  },
}

async function awsEnvironment({url}: {readonly url: string}): Promise<Readonly<Record<string, string>>> {
  const {exampleCredentials} = await import('../test/fakes/aws.ts')
  return {
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: exampleCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: exampleCredentials.secretAccessKey,
    AWS_SESSION_TOKEN: '',
    AWS_PROFILE: '',
  }
}

const environment = await servers[provider]!()
for (const [variable, value] of Object.entries(environment)) {
  process.stdout.write(
    value === '' && variable !== 'NO_PROXY' ? `unset ${variable}\n` : `export ${variable}="${value}"\n`,
  )
}
process.stdout.write('# ready\n')
process.once('SIGTERM', () => process.exit(0))
setTimeout(() => process.exit(0), 60 * 60 * 1000)
