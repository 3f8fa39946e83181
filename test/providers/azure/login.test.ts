import {createPrivateKey} from 'node:crypto'
import {chmodSync, existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {describe, expect, it} from 'vitest'

import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import type {FakeAzure} from '../../fakes/azure.ts'
import {gist, readAll} from '../contract.ts'
import {
  clientSecretLogin,
  connectAt,
  enterFake,
  environmentOf,
  homeFile,
  inChild,
  readInChild,
  scriptThatReads,
  type ReadInChild,
} from './bed.ts'

// Which of the credentials logs in, with settings and without.

const never = () => new AbortController().signal
const ref = {vault: 'default', name: 'myapp-key'}

const world = async (...login: Parameters<typeof enterFake>): Promise<FakeAzure> => (await enterFake(...login)).fake

const connect = (settings?: Settings, host?: Partial<Host>): Promise<Provider> =>
  connectAt('https://my-keyvault.vault.azure.net', host, settings)

/** A program of that name that prints `text`, whatever it is asked. */
function tool(name: string, text: string): void {
  chmodSync(homeFile(name, `#!/bin/sh\n/bin/cat <<'END'\n${text}\nEND\n`), 0o755)
}

const cliAnswer = (fake: FakeAzure): string =>
  JSON.stringify({accessToken: fake.userToken(), expires_on: Math.floor(Date.now() / 1000) + 3600})

/** What one reading came to: the secret, and by which credential; or the code with all that is said. */
async function outcomeOf(provider: Provider): Promise<string> {
  const [answer] = await readAll(provider, [ref])
  if (answer?.kind !== 'failed') return `${gist(answer!)} by ${(await provider.whoami(never())).credential}`
  return [answer.error.code, answer.error.message, ...answer.error.suggestions].join('\n')
}

/** Every login of the chain that works without Azure is there: a client secret, a workload's token, Azure CLI. */
async function worldOfAll(): Promise<FakeAzure> {
  const fake = await world((given) => ({...clientSecretLogin(given), AZURE_TOKEN_CREDENTIALS: ''}))
  process.env['AZURE_FEDERATED_TOKEN_FILE'] = homeFile('token', fake.federatedToken)
  tool('az', cliAnswer(fake))
  return fake
}

describe('credential', () => {
  it.each([
    ['environment', 'environment variables (client secret)'],
    ['client-secret', 'environment variables (client secret)'],
    ['workload-identity', 'workload identity'],
    ['azure-cli', 'Azure CLI'],
  ])('= "%s" logs in by it, whatever else is there', async (credential, called) => {
    await worldOfAll()
    expect(await outcomeOf(await connect({credential}))).toBe(`found the value by ${called}`)
  })

  it('wins over AZURE_TOKEN_CREDENTIALS, which decides without it', async () => {
    await worldOfAll()
    process.env['AZURE_TOKEN_CREDENTIALS'] = 'dev'
    expect(await outcomeOf(await connect())).toContain('by Azure CLI')
    expect(await outcomeOf(await connect({credential: 'client-secret'}))).toContain('(client secret)')
  })

  it('= "client-certificate" takes the certificate although there is a secret, with the password of its key', async () => {
    const fake = await worldOfAll()
    const pem = await fake.issueClientCertificate()
    const [key = '', certificate = ''] = pem.split(/(?=-----BEGIN CERTIFICATE)/)
    const cipher = {format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'a password'} as const
    const locked = createPrivateKey(key).export(cipher).toString()
    process.env['AZURE_CLIENT_CERTIFICATE_PATH'] = homeFile('certificate.pem', `${locked}${certificate}`)
    process.env['AZURE_CLIENT_CERTIFICATE_PASSWORD'] = 'a password'
    const called = 'found the value by environment variables (certificate)'
    expect(await outcomeOf(await connect({credential: 'client-certificate'}))).toBe(called)
    expect(await outcomeOf(await connect())).toContain('(client secret)')
  })

  it('that is refused is not followed by another', async () => {
    const fake = await worldOfAll()
    process.env['AZURE_CLIENT_SECRET'] = 'wrong'
    expect(await outcomeOf(await connect({credential: 'client-secret'}))).toMatch(/^LOGIN_REFUSED\n.*AADSTS7000215/)
    expect(await outcomeOf(await connect())).toMatch(/^LOGIN_REFUSED\n.*AADSTS7000215/)
    expect(fake.tokenRequests()).toBe(2)
  })

  it.each([
    [
      'client-secret',
      'Set AZURE_TENANT_ID (or tenant_id under [vault.azure]), AZURE_CLIENT_ID (or client_id), AZURE_CLIENT_SECRET: not set here.',
    ],
    ['client-certificate', 'AZURE_CLIENT_CERTIFICATE_PATH: not set here.'],
    ['workload-identity', 'AZURE_FEDERATED_TOKEN_FILE: not set here.'],
    ['azure-cli', 'Log in: `az login --tenant '],
    ['azure-powershell', 'Connect-AzAccount'],
    ['azure-developer-cli', 'Log in: `azd auth login`'],
  ])('= "%s" says what it lacks, and that nothing else was tried', async (credential, lack) => {
    await world(() => ({}))
    const said = await outcomeOf(await connect({credential}))
    expect(said).toContain(`NOT_LOGGED_IN\nNo login by ${credential} was possible`)
    expect(said).toContain(lack)
    expect(said).toContain('nothing else was tried')
  })

  it('takes tenant_id and client_id before the variables', async () => {
    const fake = await worldOfAll()
    const account = {tenant_id: fake.tenantId, client_id: fake.clientId}
    const elsewhere = '00000000-0000-0000-0000-000000000000'
    Object.assign(process.env, {AZURE_TENANT_ID: elsewhere, AZURE_CLIENT_ID: elsewhere})
    for (const credential of ['environment', 'client-secret', 'workload-identity']) {
      expect(await outcomeOf(await connect({credential, ...account}))).toContain('found the value')
    }
    const other = await outcomeOf(
      await connect({credential: 'client-secret', ...account, tenant_id: fake.otherTenantId}),
    )
    expect(other).toContain(`and tenant_id names ${fake.otherTenantId}`)
  })

  it('lets a developer go to the tenant of the vault, whatever AZURE_TENANT_ID says', async () => {
    const fake = await worldOfAll()
    process.env['AZURE_TENANT_ID'] = fake.otherTenantId
    expect(await outcomeOf(await connect({credential: 'azure-cli'}))).toContain('found the value')
  })
})

describe('what is given means that account, and no other that happens to be there:', () => {
  it.each([
    [{AZURE_CLIENT_SECRET: 'x'}, 'client-secret', 'AZURE_TENANT_ID (or tenant_id under [vault.azure])'],
    [{AZURE_CLIENT_SECRET: 'x', AZURE_TENANT_ID: 'x'}, 'client-secret', 'AZURE_CLIENT_ID (or client_id)'],
    [{AZURE_CLIENT_CERTIFICATE_PATH: 'x'}, 'client-certificate', 'AZURE_TENANT_ID (or tenant_id under [vault.azure])'],
    [{AZURE_FEDERATED_TOKEN_FILE: 'x', AZURE_TENANT_ID: 'x'}, 'workload-identity', 'AZURE_CLIENT_ID (or client_id)'],
  ])('%j lacks something', async (variables, name, lack) => {
    const fake = await world(() => variables)
    tool('az', cliAnswer(fake))
    const said = await outcomeOf(await connect())
    expect(said).toContain(`NOT_LOGGED_IN\nNo login by ${name} was possible`)
    expect(said).toContain(`Set ${lack}`)
    expect(said).toContain(`${Object.keys(variables)[0]} is set, which means that account`)
  })

  it('a workload whose token Entra refuses', async () => {
    const fake = await world((given) => ({AZURE_TENANT_ID: given.tenantId, AZURE_CLIENT_ID: given.clientId}))
    process.env['AZURE_FEDERATED_TOKEN_FILE'] = homeFile('token', fake.makeFederatedToken({sub: 'somebody:else'}))
    tool('az', cliAnswer(fake))
    expect(await outcomeOf(await connect())).toMatch(/^LOGIN_REFUSED\n.*AADSTS700213/)
    expect(fake.tokenRequests()).toBe(1)
  })
})

describe('credential = "github-oidc"', () => {
  it('logs in with the token of the job, and with nothing that is stored', async () => {
    const fake = await world((given) => ({
      ...given.job,
      AZURE_TENANT_ID: given.tenantId,
      AZURE_CLIENT_ID: given.clientId,
    }))
    expect(await outcomeOf(await connect({credential: 'github-oidc'}))).toBe(
      'found the value by the token of the GitHub job',
    )
    expect(fake.tokenRequests()).toBe(1)
  })

  it('says what a job lacks that may not ask for one, and what GitHub says', async () => {
    const fake = await world((given) => ({AZURE_TENANT_ID: given.tenantId, AZURE_CLIENT_ID: given.clientId}))
    const forbidden = await outcomeOf(await connect({credential: 'github-oidc'}))
    expect(forbidden).toContain('NOT_LOGGED_IN\nNo login by github-oidc was possible')
    expect(forbidden).toContain('ACTIONS_ID_TOKEN_REQUEST_URL: not set here')
    Object.assign(process.env, fake.job, {ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'stale'})
    expect(await outcomeOf(await connect({credential: 'github-oidc'}))).toContain('no token (status 401)')
    expect(fake.tokenRequests()).toBe(0)
  })
})

describe('exclude_credentials', () => {
  it('leaves out what it names, and keeps the order of the rest', async () => {
    await worldOfAll()
    const excluding = async (...names: string[]) => outcomeOf(await connect({exclude_credentials: names}))
    expect(await excluding('environment')).toContain('by workload identity')
    expect(await excluding('environment', 'workload-identity', 'managed-identity')).toContain('by Azure CLI')
  })

  it('is honoured beside AZURE_TOKEN_CREDENTIALS', async () => {
    const fake = await worldOfAll()
    process.env['AZURE_TOKEN_CREDENTIALS'] = 'EnvironmentCredential'
    const said = await outcomeOf(await connect({exclude_credentials: ['environment']}))
    expect(said).toContain('NOT_LOGGED_IN\nNo login was tried')
    expect(fake.tokenRequests()).toBe(0)
  })
})

describe('in a process of its own', () => {
  it.each([
    [
      'azure-powershell',
      'pwsh',
      'Azure PowerShell',
      (token: string, ends: string) => ({Token: token, ExpiresOn: ends}),
    ],
    ['azure-developer-cli', 'azd', 'Azure Developer CLI', (token: string, ends: string) => ({token, expiresOn: ends})],
  ])('%s asks %s', async (credential, program, called, answer) => {
    const fake = await world(() => ({}))
    const ends = new Date(Date.now() + 3_600_000).toISOString()
    tool(program, JSON.stringify(answer(fake.userToken(), ends)))
    const variables = {...environmentOf(fake), PATH: process.env['PATH']!}
    expect(await readInChild(variables, {credential})).toMatchObject({outcome: 'found', credential: called})
  })

  const noSecret = {AZURE_TENANT_ID: '', AZURE_CLIENT_ID: '', AZURE_CLIENT_SECRET: '', AZURE_TOKEN_CREDENTIALS: ''}
  const ways: [string, (fake: FakeAzure) => Record<string, string>][] = [
    ['pod identity', (fake) => ({AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.proxyUrl})],
    [
      'App Service',
      (fake) => ({IDENTITY_ENDPOINT: `${fake.proxyUrl}/msi/token`, IDENTITY_HEADER: fake.identityHeader}),
    ],
  ]

  it.each(ways)('managed-identity is that of the machine, or the one of client_id (%s)', async (_, address) => {
    const fake = await world(() => ({}))
    fake.metadata(true)
    const variables = {...environmentOf(fake), ...noSecret, ...address(fake)}
    const called = {outcome: 'found', credential: 'managed identity'}
    const own = await readInChild(variables, {credential: 'managed-identity'})
    expect(own).toMatchObject(called)
    expect(own.who).toContain('virtualMachines/myapp-runner')
    const assigned = await readInChild(variables, {credential: 'managed-identity', client_id: fake.clientId})
    expect(assigned).toMatchObject(called)
    expect(assigned.who).toContain(`userAssignedIdentities/myapp (object id ${fake.principalId}`)
  })

  it.each<[string, Settings]>([
    ['named', {credential: 'managed-identity'}],
    ['one of a chain without workload-identity', {exclude_credentials: ['workload-identity']}],
  ])('managed-identity, %s, is no workload identity, although a token file is there', async (_, settings) => {
    const fake = await world(() => ({}))
    fake.metadata(true)
    const workload = {
      AZURE_TENANT_ID: fake.tenantId,
      AZURE_CLIENT_ID: fake.clientId,
      AZURE_FEDERATED_TOKEN_FILE: homeFile('token', fake.federatedToken),
    }
    const address = {AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.proxyUrl}
    const variables = {...environmentOf(fake), ...noSecret, ...workload, ...address}
    const own = await readInChild(variables, settings)
    expect(own).toMatchObject({outcome: 'found', credential: 'managed identity'})
    expect(own.who).toContain('userAssignedIdentities/myapp')
    fake.metadata(false)
    expect((await readInChild(variables, settings)).outcome).toBe('NOT_LOGGED_IN')
    expect(fake.hosts().filter((host) => host.startsWith('login.'))).toEqual([])
  })

  it('managed-identity says what the metadata address says of an identity that it does not know', async () => {
    const fake = await world(() => ({}))
    fake.metadata(true)
    const variables = {...environmentOf(fake), ...noSecret, AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.proxyUrl}
    const unknown = '00000000-0000-0000-0000-000000000000'
    const {outcome, said} = await readInChild(variables, {credential: 'managed-identity', client_id: unknown})
    expect(outcome).toBe('NOT_LOGGED_IN')
    expect(said).toContain('answered with status 400: check client_id')
  })

  it('managed identities of two vaults are kept apart, and the second outlives the first', async () => {
    const fake = await world(() => ({}))
    fake.metadata(true)
    const variables = {...environmentOf(fake), ...noSecret, AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.proxyUrl}
    const reading = (settings: Settings) =>
      `await (async () => {${scriptThatReads(settings).replace(/^.*import .*$/m, '')}})()`
    const {stdout} = await inChild(
      `import {provider as azure} from './src/providers/azure/index.ts'
      ${reading({credential: 'managed-identity', client_id: fake.clientId})}
      ${reading({credential: 'managed-identity'})}`,
      variables,
    )
    const who = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as ReadInChild).who)
    expect(who).toEqual([expect.stringContaining('userAssignedIdentities'), expect.stringContaining('virtualMachines')])
  })

  it('NO_PROXY is honoured: what it names is not asked for at the proxy', async () => {
    const fake = await world(() => ({}))
    const variables = {...environmentOf(fake), NO_PROXY: '.vault.azure.net'}
    // A label of more than 63 letters is refused by the resolver itself: nothing leaves the machine.
    const nowhere = {vault_url: `https://${'a'.repeat(64)}.vault.azure.net/`}
    expect((await readInChild(variables, nowhere)).said).toContain('ENOTFOUND')
    expect(fake.hosts()).toEqual([])
  })
})

describe('credential = "browser"', () => {
  it('is refused where nobody sits at a terminal, once for all', async () => {
    const fake = await world(() => ({}))
    const said = await outcomeOf(await connect({credential: 'browser'}))
    expect(said).toContain('NOT_LOGGED_IN\ncredential = "browser" needs a person at a terminal')
    expect(fake.hosts()).not.toContain('login.microsoftonline.com')
  })

  // On other systems there is no variable that names the browser.
  it.runIf(process.platform === 'linux')(
    'lets a person take longer than a call may, and reads as that person',
    async () => {
      const fake = await world(() => ({}))
      const place = process.env['HOME']!
      const address = join(place, 'address')
      chmodSync(
        homeFile('browser', `#!/bin/sh\nprintf %s "$1" > ${address}.part && mv ${address}.part ${address}\n`),
        0o755,
      )
      Object.assign(process.env, {PATH: `${place}:/usr/bin:/bin`, BROWSER: join(place, 'browser'), DISPLAY: ''})
      const warnings: string[] = []
      const host = {interactive: true, callTimeoutMs: 2500, warn: (text: string) => void warnings.push(text)}
      const provider = await connect({credential: 'browser'}, host)
      const reading = outcomeOf(provider)
      await expect.poll(() => existsSync(address), {timeout: 10_000}).toBe(true)
      // Longer than the deadline of a call.
      await sleep(3000)
      const {redirectUri, form} = fake.signIn(readFileSync(address, 'utf8'))
      await fetch(redirectUri, {method: 'POST', body: form, redirect: 'manual'})
      expect(await reading).toBe('found the value by a login in the browser')
      expect(warnings.join()).toContain('A browser opens')
      expect((await provider.whoami(never())).who).toContain('dev@example.com')
      expect(fake.tokenRequests()).toBe(1)
    },
  )
})

describe('a login host that asks for time', () => {
  it('is not waited for when it is longer than a login may take', async () => {
    const fake = await world()
    fake.failLogin(429, 600)
    const said = await outcomeOf(await connect())
    expect(said).toMatch(/^THROTTLED\nMicrosoft Entra.*600 s/)
    expect(fake.tokenRequests()).toBe(1)
  })
})

describe('a clock that is wrong by a day', () => {
  it('does not matter to a client secret, and is named when a certificate is refused for it', async () => {
    const fake = await world()
    fake.skewClock(86_400_000)
    expect(await outcomeOf(await connect())).toContain('found the value')
    process.env['AZURE_CLIENT_CERTIFICATE_PATH'] = homeFile('certificate.pem', await fake.issueClientCertificate())
    const said = await outcomeOf(await connect({credential: 'client-certificate'}))
    expect(said).toMatch(/^LOGIN_REFUSED\n.*AADSTS700024/)
    expect(said).toContain('Set the clock of this machine')
  })
})
