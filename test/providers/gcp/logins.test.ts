import {subscribe, unsubscribe} from 'node:diagnostics_channel'
/* Every way to log in that people have, against the fake at Google's own host names. */
import {chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {beforeEach, describe, expect, it, onTestFinished} from 'vitest'

import type {Settings} from '../../../src/core/provider-spec.ts'
import {mayHaveMetadataServer} from '../../../src/providers/gcp/machine-login.ts'
import type {Identity} from '../../../src/providers/provider.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import type {CredentialFiles} from '../../fakes/gcp/credential-files.ts'
import {gist, readAll} from '../contract.ts'
import {credentialFile, isMachineOfGoogles, logInWith, startProxy, temporaryDirectory} from './bed.ts'
import {connect, enterInternet, type Internet} from './internet.ts'

const never = new AbortController().signal
let net: Internet

beforeEach(async () => {
  net = await enterInternet()
  net.fake.seed('myapp-key', 'value')
})

/** What comes of reading a secret, and who read it. */
async function reading(settings: Settings = {}, name = 'myapp-key'): Promise<{result: string; message: string}> {
  const [answer] = await readAll(await connect(settings), [{vault: 'default', name}])
  return {result: gist(answer!), message: answer?.kind === 'failed' ? answer.error.message : ''}
}

const whoami = async (settings: Settings = {}): Promise<Identity> => (await connect(settings)).whoami(never)

const as = (login: keyof CredentialFiles): void => logInWith(net.published(login))

const deployer = 'deploy@myapp-project.iam.gserviceaccount.com'
const ci = 'serviceAccount:ci@myapp-project.iam.gserviceaccount.com'

/** Nobody may read but the account that the others may act as. */
function onlyTheOtherMayRead(): void {
  const {policy, identities} = net.fake
  for (const member of Object.values(identities)) {
    if (member === identities.deployer) continue
    policy.strip(member)
    policy.grant(member, 'roles/iam.serviceAccountTokenCreator', `projects/-/serviceAccounts/${deployer}`)
  }
}

/** A folder that a pull request can change. */
function repository(): string {
  const folder = temporaryDirectory()
  mkdirSync(join(folder, '.git'))
  return folder
}

describe('which credentials', () => {
  it('are those of credentials_file, before those of GOOGLE_APPLICATION_CREDENTIALS', async () => {
    as('userLogin')
    const credentials_file = credentialFile(net.published('serviceAccount'))
    expect(await whoami({credentials_file})).toMatchObject({
      principal: ci,
      credential: 'the service account key in the file that credentials_file names',
    })
  })

  it('are those of gcloud where CLOUDSDK_CONFIG says', async () => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, 'application_default_credentials.json'), JSON.stringify(net.published('userLogin')))
    process.env['CLOUDSDK_CONFIG'] = folder
    expect(await whoami()).toMatchObject({
      who: 'dev@example.com',
      principal: 'user:dev@example.com',
      credential: 'the user login in the file of `gcloud auth application-default login`',
      until: expect.any(Date),
    })
  })

  it.each(['workloadIdentity', 'workloadIdentityByUrl'] as const)('are those of a job: %s', async (login) => {
    as(login)
    expect(await reading()).toEqual({result: 'found value', message: ''})
    expect(await whoami()).toMatchObject({
      who: net.fake.identities.workload,
      principal: net.fake.identities.workload,
      credential: 'the workload identity federation in the file that GOOGLE_APPLICATION_CREDENTIALS names',
    })
  })

  it.each([
    ['impersonation', 'impersonation by the service account key of ci@myapp-project.iam.gserviceaccount.com'],
    ['workloadIdentityImpersonating', `impersonation by the workload identity federation of principal://`],
  ] as const)('are those of another, as the file says: %s', async (login, credential) => {
    as(login)
    onlyTheOtherMayRead()
    expect((await reading()).result).toBe('found value')
    expect(await whoami()).toMatchObject({
      who: deployer,
      principal: `serviceAccount:${deployer}`,
      credential: expect.stringContaining(credential),
    })
  })

  it.each(['serviceAccount', 'userLogin', 'workloadIdentity'] as const)(
    'are those of impersonate_service_account, through the login %s, and no others reach the service',
    async (login) => {
      as(login)
      onlyTheOtherMayRead()
      expect((await reading()).result).toBe('FORBIDDEN')
      expect((await reading({impersonate_service_account: deployer})).result).toBe('found value')
      expect(await whoami({impersonate_service_account: deployer})).toMatchObject({who: deployer})
    },
  )

  it('are asked for once, however many secrets are read at the same time on behalf of another', async () => {
    as('workloadIdentity')
    const names = ['a', 'b', 'c', 'd', 'e']
    for (const name of names) net.fake.seed(name, name)
    const each = await connect({impersonate_service_account: deployer})
    const answers = await readAll(
      each,
      names.map((name) => ({vault: 'default', name})),
    )
    expect(answers.map(gist)).toEqual(names.map((name) => `found ${name}`))
    // One exchange at the token service, one token for the other account.
    expect(net.fake.logins()).toBe(2)
  })

  it('are given up without a word when the run ends before they came', async () => {
    as('workloadIdentity')
    const each = await connect()
    const run = new AbortController()
    const reading = readAll(each, [{vault: 'default', name: 'myapp-key'}], run.signal)
    run.abort()
    expect((await reading).map(gist)).toEqual(['INTERRUPTED'])
    await each.close()
    // By then the login has come to where it would send its request; an error that nobody catches would fail this file.
    await sleep(200)
    expect(net.fake.logins()).toBe(0)
  })
})

describe('a program as the source of credentials', () => {
  const answer = (more: object = {}) => ({
    version: 1,
    success: true,
    token_type: 'urn:ietf:params:oauth:token-type:jwt',
    ...more,
  })

  /** A program that prints the token of the job, and writes its environment down. */
  function program(folder = temporaryDirectory()): {readonly command: string; readonly environment: string} {
    const {credential_source} = net.published('workloadIdentity') as {credential_source: {file: string}}
    const token = readFileSync(credential_source.file, 'utf8')
    const [command, environment] = [join(folder, 'print token'), join(folder, 'environment')]
    writeFileSync(
      command,
      `#!/bin/sh\nenv > '${environment}'\necho "$1" >> '${environment}'\ncat <<'END'\n${JSON.stringify(answer({id_token: token}))}\nEND\n`,
    )
    chmodSync(command, 0o700)
    return {command, environment}
  }

  const withProgram = (executable: object): object => ({
    ...net.published('workloadIdentity'),
    credential_source: {executable},
  })

  it('is run when its user allows it, with a word for each word, and without what is only ours', async () => {
    const {command, environment} = program()
    process.env['GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES'] = '1'
    logInWith(withProgram({command: `"${command}" "two words"`}))
    const host = {
      ...process.env,
      DOTENV_PRIVATE_KEY_PRODUCTION: 'ours-1',
      ENVDRIFT_VAULT_PASSWORD: 'ours-2',
      VAULT_TOKEN: 'ours-3',
      TOOL_SETTING: 'theirs',
    }
    const [read] = await readAll(await connect({}, {env: host}), [{vault: 'default', name: 'myapp-key'}])
    expect(gist(read!)).toBe('found value')
    const seen = readFileSync(environment, 'utf8')
    expect(seen).toContain('TOOL_SETTING=theirs\n')
    expect(seen).toContain('GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=//iam.googleapis.com/')
    expect(seen).toContain('\ntwo words\n')
    expect(seen).not.toContain('ours-')
  })

  it.each([undefined, '0', 'true'])(
    'is not run when GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is %s',
    async (allowed) => {
      const {command, environment} = program()
      if (allowed !== undefined) process.env['GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES'] = allowed
      logInWith(withProgram({command: `"${command}"`}))
      expect((await reading()).result).toBe('NOT_LOGGED_IN')
      expect(() => readFileSync(environment)).toThrow('ENOENT')
    },
  )

  it('is never run when its file lies in a repository, whatever is allowed', async () => {
    const {command, environment} = program()
    process.env['GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES'] = '1'
    const folder = repository()
    const nested = {type: 'impersonated_service_account', source_credentials: withProgram({command: `"${command}"`})}
    for (const content of [withProgram({command: `"${command}"`}), nested]) {
      process.env['GOOGLE_APPLICATION_CREDENTIALS'] = credentialFile(content, folder)
      expect(await reading()).toEqual({
        result: 'CONFIG_NOT_ALLOWED',
        message: expect.stringContaining('it names a program to run'),
      })
    }
    expect(() => readFileSync(environment)).toThrow('ENOENT')
  })

  it('is not run while what it wrote before still holds', async () => {
    const {command, environment} = program()
    const {credential_source} = net.published('workloadIdentity') as {credential_source: {file: string}}
    const id_token = readFileSync(credential_source.file, 'utf8')
    const output_file = join(temporaryDirectory(), 'kept')
    process.env['GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES'] = '1'
    logInWith(withProgram({command: `"${command}"`, output_file}))
    writeFileSync(output_file, JSON.stringify(answer({id_token, expiration_time: Date.now() / 1000 + 60})))
    expect((await reading()).result).toBe('found value')
    expect(() => readFileSync(environment)).toThrow('ENOENT')
    writeFileSync(output_file, JSON.stringify(answer({id_token, expiration_time: Date.now() / 1000 - 60})))
    expect((await reading()).result).toBe('found value')
    expect(readFileSync(environment, 'utf8')).toContain(`GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=${output_file}`)
  })

  it.each([
    ['ends with an error', '#!/bin/sh\nexit 3\n', 'exit code 3'],
    [
      'says that it failed',
      `#!/bin/sh\necho '{"version":1,"success":false,"code":"1","message":"hush-hush"}'\n`,
      'no valid token',
    ],
    ['prints something else', '#!/bin/sh\necho hush-hush\n', 'no valid token'],
  ])('is no login when it %s, and what it printed is not repeated', async (_, script, said) => {
    const command = join(temporaryDirectory(), 'program')
    writeFileSync(command, script, {mode: 0o700})
    process.env['GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES'] = '1'
    logInWith(withProgram({command}))
    const {result, message} = await reading()
    expect(result).toBe('NOT_LOGGED_IN')
    expect(message).toContain(said)
    expect(message).not.toContain('hush-hush')
  })
})

describe('a credential file in a repository', () => {
  it('may be what google-github-actions/auth writes into the checkout', async () => {
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = credentialFile(net.published('workloadIdentityByUrl'), repository())
    expect((await reading()).result).toBe('found value')
  })

  it('may be the key of a service account', async () => {
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = credentialFile(
      {...net.published('serviceAccount'), token_uri: 'https://oauth2.googleapis.com/token'},
      repository(),
    )
    expect((await reading()).result).toBe('found value')
  })

  it.each([
    ['token_url', {token_url: 'https://sts.example.com/v1/token'}],
    ['tokenUrl', {tokenUrl: 'https://sts.example.com/v1/token'}],
    ['token_url', {token_url: 'http://sts.googleapis.com/v1/token'}],
    ['token_url', {token_url: 'https://sts.googleapis.com.example.com/v1/token'}],
    ['token_url', {token_url: 'https://sts.googleapis.com:8443/v1/token'}],
    ['token_url', {token_url: 'https://sts.googleapis.com@example.com/v1/token'}],
    [
      'service_account_impersonation_url',
      {service_account_impersonation_url: `https://example.com/serviceAccounts/${deployer}:generateAccessToken`},
    ],
    ['cloud_resource_manager_url', {cloud_resource_manager_url: 'https://example.com/'}],
  ])('sends nothing to another address: %s', async (key, change) => {
    const content = {...net.published('workloadIdentity'), ...change}
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = credentialFile(content, repository())
    expect(await reading()).toEqual({
      result: 'CONFIG_NOT_ALLOWED',
      message: expect.stringContaining(`its ${key} is not an address of Google's`),
    })
    expect(net.hosts).toEqual([])
  })

  it('is one after symlinks, too', async () => {
    const folder = repository()
    const link = join(temporaryDirectory(), 'link')
    symlinkSync(folder, link)
    const content = {...net.published('workloadIdentity'), token_url: 'https://sts.example.com/v1/token'}
    credentialFile(content, folder)
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(link, 'credentials.json')
    expect((await reading()).result).toBe('CONFIG_NOT_ALLOWED')
    rmSync(link)
  })
})

it('takes a bare token that its server calls a page, as many do with text', async () => {
  const {credential_source} = net.published('workloadIdentity') as {credential_source: {file: string}}
  const token = readFileSync(credential_source.file, 'utf8')
  net.fake.tokens.intercept(/^\/oidc$/, {
    status: 200,
    headers: {'content-type': 'text/html; charset=utf-8'},
    body: token,
  })
  const byUrl = net.published('workloadIdentityByUrl') as {credential_source: object}
  const content = {...byUrl, credential_source: {...byUrl.credential_source, format: {type: 'text'}}}
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = credentialFile(content)
  expect(await reading()).toMatchObject({result: 'found value'})
})

describe('a redirect', () => {
  /** Somewhere else, and what came there. */
  async function elsewhere(): Promise<{readonly url: string; readonly stolen: readonly string[]}> {
    const stolen: string[] = []
    const server = createServer((request, response) => {
      stolen.push(`${request.method} ${request.url}`)
      response.writeHead(200, {'content-type': 'application/json'})
      response.end(JSON.stringify({access_token: 'theirs', accessToken: 'theirs', value: 'theirs', expires_in: 3599}))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stolen}
  }

  it.each([
    ['userLogin', /^\/token$/, "Google's token endpoint (oauth2.googleapis.com)"],
    ['workloadIdentity', /^\/v1\/token$/, "Google's token endpoint (sts.googleapis.com)"],
    ['workloadIdentityByUrl', /^\/oidc$/, 'The place that hands out the token of this job (ci.example.com)'],
    ['impersonation', /:generateAccessToken$/, "Google's token endpoint (iamcredentials.googleapis.com)"],
    [
      'workloadIdentityImpersonating',
      /:generateAccessToken$/,
      "Google's token endpoint (iamcredentials.googleapis.com)",
    ],
  ] as const)('of the login %s at %s takes nothing along, and is asked for once', async (login, paths, place) => {
    const {url, stolen} = await elsewhere()
    net.fake.tokens.intercept(paths, {status: 307, headers: {location: `${url}/steal?mine`}, body: ''})
    as(login)
    expect(await reading()).toEqual({
      result: 'BAD_RESPONSE',
      message: `${place} redirects to ${url}; nothing was sent there`,
    })
    const others = net.hosts.filter((host) => !/^[a-z0-9]+\.(googleapis|example)\.com:443$/.test(host))
    expect({stolen, others}).toEqual({stolen: [], others: []})
    expect(net.hosts.filter((host) => place.includes(host.replace(':443', '')))).toHaveLength(1)
  })

  it('of the metadata server takes nothing along', async () => {
    const {url, stolen} = await elsewhere()
    process.env['GCE_METADATA_HOST'] = `https://${net.fake.tokenHost}`
    process.env['METADATA_SERVER_DETECTION'] = 'assume-present'
    net.fake.tokens.intercept(/\/token$/, {status: 302, headers: {location: url}, body: ''})
    expect(await reading()).toEqual({
      result: 'BAD_RESPONSE',
      message: `The metadata server of this machine (${net.fake.tokenHost}) redirects to ${url}; nothing was sent there`,
    })
    expect(stolen).toEqual([])
  })

  it('of a login by certificate, which has a connection of its own, takes nothing along', async () => {
    const {url, stolen} = await elsewhere()
    const [folder, {certificate, key}] = [temporaryDirectory(), await serverCertificate(['job.example.com'])]
    const [cert_path, key_path, config] = ['cert.pem', 'key.pem', 'config.json'].map((name) => join(folder, name))
    writeFileSync(cert_path!, certificate)
    writeFileSync(key_path!, key)
    writeFileSync(config!, JSON.stringify({cert_configs: {workload: {cert_path, key_path}}}))
    const host = net.fake.tokenHost.replace('127.0.0.1', 'localhost')
    logInWith({
      ...net.published('workloadIdentity'),
      token_url: `https://${host}/v1/token`,
      credential_source: {certificate: {certificate_config_location: config}},
    })
    net.fake.tokens.intercept(/^\/v1\/token$/, {status: 307, headers: {location: url}, body: ''})
    expect(await reading()).toEqual({
      result: 'BAD_RESPONSE',
      message: `Google's token endpoint (${host}) redirects to ${url}; nothing was sent there`,
    })
    expect(stolen).toEqual([])
  })

  it('is met once, however many secrets wait for the login', async () => {
    as('userLogin')
    net.fake.tokens.intercept(/^\/token$/, {status: 307, headers: {location: 'https://other.example.com'}, body: ''})
    const refs = ['a', 'b', 'c', 'd', 'e'].map((name) => ({vault: 'default', name}))
    const answers = await readAll(await connect({}, {maxInFlight: 2}), refs)
    expect(answers.map(gist)).toEqual(refs.map(() => 'BAD_RESPONSE'))
    expect(net.fake.logins()).toBe(1)
  })
})

describe('the project that pays', () => {
  it.each([
    ['quota_project, before all others', 'shared-secrets', 'a-b-c-d-e', 'f-g-h-i-j', 'shared-secrets'],
    ['GOOGLE_CLOUD_QUOTA_PROJECT, before that of the file', undefined, 'shared-secrets', 'f-g-h-i-j', 'shared-secrets'],
    ['that of the file', undefined, undefined, 'shared-secrets', 'shared-secrets'],
    ['nobody in particular', undefined, undefined, undefined, undefined],
  ])('is %s', async (_, setting, variable, inFile, expected) => {
    net.fake.policy.grant(ci, 'roles/serviceusage.serviceUsageConsumer', 'projects/shared-secrets')
    logInWith({...net.published('serviceAccount'), ...(inFile !== undefined && {quota_project_id: inFile})})
    if (variable !== undefined) process.env['GOOGLE_CLOUD_QUOTA_PROJECT'] = variable
    expect((await reading(setting === undefined ? {} : {quota_project: setting})).result).toBe('found value')
    expect(net.fake.billed()).toEqual([expected])
  })
})

describe('the location', () => {
  it("is asked at its own host for names without one, and a full name's own wins", async () => {
    as('serviceAccount')
    net.fake.seed('locations/europe-west3/secrets/myapp-key', 'regional')
    expect((await reading({location: 'europe-west3'})).result).toBe('found regional')
    expect(net.hosts).toEqual(['secretmanager.europe-west3.rep.googleapis.com:443'])
    expect((await reading({location: 'europe-west3'}, 'projects/myapp-project/secrets/myapp-key')).result).toBe(
      'found value',
    )
  })

  it('is in what a person is told to run', async () => {
    as('serviceAccount')
    const each = await connect({location: 'europe-west3'})
    expect(each.place).toBe('GCP Secret Manager project myapp-project in europe-west3')
    expect(each.remedies({vault: 'default', name: 'gone'})[0]).toContain('--location=europe-west3')
  })
})

describe('the metadata server', () => {
  it.each([
    [{}, 'METADATA_SERVER_DETECTION', 'none', false],
    [{K_SERVICE: 'myapp', GCE_METADATA_HOST: 'x'}, 'METADATA_SERVER_DETECTION', 'none', false],
    [{}, 'METADATA_SERVER_DETECTION', 'assume-present', true],
    [{}, 'GCE_METADATA_HOST', '127.0.0.1:1', true],
    [{}, 'K_SERVICE', 'myapp', true],
  ])('%o and %s=%s: %s', (env, name, value, expected) => {
    expect(mayHaveMetadataServer({...env, [name]: value})).toBe(expected)
  })

  const isGoogles = isMachineOfGoogles()
  it.skipIf(isGoogles)(
    `is not looked for on another machine than Google's${isGoogles ? ' (skipped: this is one)' : ''}`,
    async () => {
      delete process.env['METADATA_SERVER_DETECTION']
      const sockets: unknown[] = []
      const note = (message: unknown): void => void sockets.push(message)
      subscribe('net.client.socket', note)
      expect((await reading()).result).toBe('NOT_LOGGED_IN')
      unsubscribe('net.client.socket', note)
      expect(sockets).toEqual([])
    },
  )

  it('gives its token to us alone, and not to a proxy', async () => {
    const {fake} = net
    process.env['GCE_METADATA_HOST'] = `https://${fake.tokenHost}`
    process.env['METADATA_SERVER_DETECTION'] = 'assume-present'
    expect((await reading()).result).toBe('found value')
    expect(net.hosts).toEqual(['secretmanager.googleapis.com:443'])
  })
})

describe('the proxy', () => {
  it.each([
    ['localhost', 'direct'],
    [' other.example , localhost ', 'direct'],
    ['*', 'direct'],
    ['other.example,', 'through the proxy'],
    ['', 'through the proxy'],
  ])('is used unless NO_PROXY says otherwise: %j is %s', async (list, way) => {
    as('serviceAccount')
    process.env['NO_PROXY'] = list
    const {port} = new URL(net.fake.endpoint)
    expect((await reading({api_endpoint: `https://localhost:${port}`})).result).toBe('found value')
    expect(net.hosts).toEqual(way === 'direct' ? [] : [`localhost:${port}`])
  })

  it('is told to gRPC in the words that it knows', async () => {
    process.env['HTTPS_PROXY'] = 'proxy.example:3128'
    process.env['NO_PROXY'] = '*.googleapis.com, 10.0.0.1:443'
    await connect()
    expect(process.env['grpc_proxy']).toBe('http://proxy.example:3128')
    expect(process.env['no_grpc_proxy']).toBe('.googleapis.com,10.0.0.1')
  })

  it('is not given what goes to this machine in plain text', async () => {
    as('serviceAccount')
    const {startGcp} = await import('../../fakes/gcp.ts')
    const plain = await startGcp()
    const proxy = await startProxy(new Map())
    process.env['https_proxy'] = process.env['HTTPS_PROXY'] = proxy.url
    logInWith(plain.serviceAccount)
    plain.seed('myapp-key', 'plain')
    expect((await reading({api_endpoint: plain.endpoint})).result).toBe('found plain')
    expect(proxy.asked).toEqual([])
    await proxy.stop()
    await plain.stop()
  })
})
