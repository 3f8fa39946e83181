import {spawn} from 'node:child_process'
import {chmodSync} from 'node:fs'

import {DefaultAzureCredential} from '@azure/identity'
import {SecretClient, type SecretClientOptions} from '@azure/keyvault-secrets'
import {describe, expect, it} from 'vitest'

import type {FakeAzure} from '../../fakes/azure.ts'
import {clientSecretLogin, enterFake, environmentOf, homeFile, inChild, startFake, trustNoFake} from './bed.ts'

// What the unchanged SDK shows of the fake, with nothing of ours in between: the facts that the adapter is built on.

type World = {readonly fake: FakeAzure; readonly client: SecretClient}

async function world(
  login?: Parameters<typeof enterFake>[0],
  options: SecretClientOptions = {retryOptions: {retryDelayInMs: 1}},
): Promise<World> {
  const {fake, url} = await enterFake(login)
  return {fake, client: new SecretClient(url, new DefaultAzureCredential({retryOptions: {retryDelayInMs: 1}}), options)}
}

/** What the adapter may look at of an error: everything but its text. */
async function refusalOf(call: Promise<unknown>): Promise<unknown> {
  const error = (await call.then(
    () => undefined,
    (caught: unknown) => caught,
  )) as
    | {name?: string; code?: string; statusCode?: number; details?: {error?: {innerError?: {code?: string}}}}
    | undefined
  const inner = error?.details?.error?.innerError?.code
  return error && [error.name, error.code, error.statusCode, ...(inner === undefined ? [] : [inner])]
}

const rest = (code: string, status?: number, inner?: string) => [
  'RestError',
  code,
  status,
  ...(inner === undefined ? [] : [inner]),
]

describe('the fake Azure, seen through the SDK', () => {
  it('serves a value after a challenge and one login', async () => {
    const {fake, client} = await world()
    const first = await client.getSecret('myapp-key')
    await client.getSecret('myapp-key')
    expect(first.value).toBe('the value')
    expect(first.properties.enabled).toBe(true)
    expect([fake.challenges(), fake.tokenRequests(), fake.requests().length]).toEqual([1, 1, 2])
  })

  it('routes by the name of the vault', async () => {
    const {fake} = await world()
    const other = fake.addVault('other-vault')
    fake.set('other-vault', 'myapp-key', 'other value')
    const client = new SecretClient(other, new DefaultAzureCredential())
    expect((await client.getSecret('myapp-key')).value).toBe('other value')
    expect(new Set(fake.hosts())).toEqual(new Set(['other-vault.vault.azure.net', 'login.microsoftonline.com']))
  })

  it('says SecretNotFound alike for what is missing, a bad version and what is soft-deleted', async () => {
    const {fake, client} = await world()
    expect(await refusalOf(client.getSecret('nothing-here'))).toEqual(rest('SecretNotFound', 404))
    expect(await refusalOf(client.getSecret('myapp-key', {version: '0'.repeat(32)}))).toEqual(
      rest('SecretNotFound', 404),
    )
    fake.remove('my-keyvault', 'myapp-key')
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('SecretNotFound', 404))
  })

  it('says Forbidden for disabled and for not permitted, told apart by the inner error only', async () => {
    const {fake, client} = await world()
    fake.disable('my-keyvault', 'myapp-key')
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('Forbidden', 403, 'SecretDisabled'))
    fake.forbid('other-key', 'ForbiddenByRbac')
    fake.forbid('third-key', 'ForbiddenByPolicy')
    expect(await refusalOf(client.getSecret('other-key'))).toEqual(rest('Forbidden', 403, 'ForbiddenByRbac'))
    expect(await refusalOf(client.getSecret('third-key'))).toEqual(rest('Forbidden', 403, 'ForbiddenByPolicy'))
  })

  it('keeps what is deleted: shown, recovered with its versions, purged for good', async () => {
    const {client} = await world()
    expect(await refusalOf(client.getDeletedSecret('myapp-key'))).toEqual(rest('SecretNotFound', 404))
    await (await client.beginDeleteSecret('myapp-key', {intervalInMs: 1})).pollUntilDone()
    const {recoveryId, scheduledPurgeDate, value} = await client.getDeletedSecret('myapp-key')
    expect(recoveryId).toBe('https://my-keyvault.vault.azure.net/deletedsecrets/myapp-key')
    expect(scheduledPurgeDate!.getTime()).toBeGreaterThan(Date.now())
    expect(value).toBeUndefined()
    await (await client.beginRecoverDeletedSecret('myapp-key', {intervalInMs: 1})).pollUntilDone()
    expect((await client.getSecret('myapp-key')).value).toBe('the value')
    await (await client.beginDeleteSecret('myapp-key', {intervalInMs: 1})).pollUntilDone()
    await client.purgeDeletedSecret('myapp-key')
    expect(await refusalOf(client.getDeletedSecret('myapp-key'))).toEqual(rest('SecretNotFound', 404))
    expect((await client.setSecret('myapp-key', 'new')).value).toBe('new')
  })

  it('says Forbidden for a deleted secret that is disabled', async () => {
    const {fake, client} = await world()
    fake.disable('my-keyvault', 'myapp-key')
    fake.remove('my-keyvault', 'myapp-key')
    expect(await refusalOf(client.getDeletedSecret('myapp-key'))).toEqual(rest('Forbidden', 403, 'SecretDisabled'))
  })

  it('lists secrets and deleted ones by name, and disables one that is', async () => {
    const {fake, client} = await world()
    fake.set('my-keyvault', 'old-key', 'value')
    fake.remove('my-keyvault', 'old-key')
    const names = async (all: AsyncIterable<{readonly name: string}>) => {
      const found: string[] = []
      for await (const {name} of all) found.push(name)
      return found
    }
    expect(await names(client.listPropertiesOfSecrets())).toEqual(['myapp-key'])
    expect(await names(client.listDeletedSecrets())).toEqual(['old-key'])
    const {properties} = await client.getSecret('myapp-key')
    await client.updateSecretProperties('myapp-key', properties.version!, {enabled: false})
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('Forbidden', 403, 'SecretDisabled'))
  })

  it.each(['audience', 'issuer', 'expired', 'rejected'] as const)(
    'says Unauthorized, with the number in its text, when tokens are refused for %s',
    async (reason) => {
      const {fake, client} = await world()
      fake.refuseTokens(reason)
      const error = (await client.getSecret('myapp-key').catch((caught: unknown) => caught)) as Error
      const numbers = {audience: 'AKV10022', issuer: 'AKV10032', expired: '[TokenExpired]', rejected: 'AKV10046'}
      expect(error.message).toContain(numbers[reason])
    },
  )

  it('says Conflict for setting a deleted name', async () => {
    const {fake, client} = await world()
    fake.remove('my-keyvault', 'myapp-key')
    expect(await refusalOf(client.setSecret('myapp-key', 'again'))).toEqual(
      rest('Conflict', 409, 'ObjectIsDeletedButRecoverable'),
    )
  })

  it.each(['my_app', 'a/b', 'a.b', 'a'.repeat(128)])('says BadParameter for the name %j', async (name) => {
    const {client} = await world()
    expect(await refusalOf(client.getSecret(name))).toEqual(rest('BadParameter', 400))
  })

  it('takes 25 KB and says BadParameter for a byte more', async () => {
    const {client} = await world()
    await client.setSecret('large-key', 'x'.repeat(25 * 1024))
    expect(await refusalOf(client.setSecret('large-key', 'x'.repeat(25 * 1024 + 1)))).toEqual(rest('BadParameter', 400))
  })

  it('says BadParameter for an api-version that it does not know', async () => {
    const {client} = await world(clientSecretLogin, {serviceVersion: '2001-01-01' as never})
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('BadParameter', 400))
  })

  it('says Unauthorized for a rejected or an expired token', async () => {
    const {fake, client} = await world()
    await client.getSecret('myapp-key')
    fake.rejectLogin()
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('Unauthorized', 401))

    const late = await world()
    late.fake.tokenLifetime(-10)
    // The SDK takes an expired token as it comes.
    expect(await refusalOf(late.client.getSecret('myapp-key'))).toEqual(rest('Unauthorized', 401))
  })

  it('refuses a token of another tenant, for another service, or made elsewhere', async () => {
    const {fake, client} = await world()
    const tokens = {
      own: fake.userToken(),
      'of another tenant': fake.userToken('https://vault.azure.net', fake.otherTenantId),
      'for another service': fake.userToken('https://management.azure.com'),
      'made elsewhere': `${fake.userToken()}x`,
    }
    const seen: unknown[] = []
    for (const token of Object.values(tokens)) {
      const getToken = () => Promise.resolve({token, expiresOnTimestamp: Date.now() + 3_600_000})
      seen.push(await refusalOf(new SecretClient(client.vaultUrl, {getToken}).getSecret('myapp-key')))
    }
    expect(seen).toEqual([undefined, ...Array<unknown>(3).fill(rest('Unauthorized', 401))])
  })

  it('sends the SDK to the tenant of the vault, which refuses to go there by itself', async () => {
    const {client} = await world((fake) => ({...clientSecretLogin(fake), AZURE_TENANT_ID: fake.otherTenantId}))
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(['AuthenticationError', undefined, 400])
  })

  it('is refused by the SDK when the challenge names another domain', async () => {
    const {fake} = await world()
    const url = fake.addVault('phish', {challengeResource: 'https://vault.azure.cn'})
    const client = new SecretClient(url, new DefaultAzureCredential())
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(['Error', undefined, undefined])
    expect(fake.tokenRequests()).toBe(0)
  })

  it.each([
    ['a wrong secret', {AZURE_CLIENT_SECRET: 'wrong'}],
    ['an unknown application', {AZURE_CLIENT_ID: '00000000-0000-0000-0000-000000000000'}],
  ])('says AuthenticationError 400 for %s, through DefaultAzureCredential', async (_, wrong) => {
    const {client} = await world((fake) => ({...clientSecretLogin(fake), ...wrong}))
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(['AuthenticationError', undefined, 400])
  })

  it('says AggregateAuthenticationError when there are no credentials at all', async () => {
    const {client} = await world(() => ({}))
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual([
      'AggregateAuthenticationError',
      undefined,
      undefined,
    ])
  })

  it('is not trusted unless its certificate is', async () => {
    const {client} = await world()
    trustNoFake()
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('DEPTH_ZERO_SELF_SIGNED_CERT'))
  })

  it('shows a server that is down as ECONNREFUSED, a reset as ECONNRESET', async () => {
    const {fake, client} = await world()
    await client.getSecret('myapp-key')
    fake.fail({kind: 'reset', times: 9})
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('ECONNRESET'))
    // Three retries.
    expect(fake.requests()).toHaveLength(5)
    await fake.stop()
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('ECONNREFUSED'))
  })

  it('shows a name that does not resolve as ENOTFOUND', async () => {
    const {client} = await world()
    await client.getSecret('myapp-key')
    delete process.env['HTTPS_PROXY']
    // A label of more than 63 letters is refused by the resolver itself: nothing leaves the machine.
    const nowhere = new SecretClient(`https://${'a'.repeat(64)}.vault.azure.net`, new DefaultAzureCredential(), {
      retryOptions: {maxRetries: 0},
    })
    expect(await refusalOf(nowhere.getSecret('myapp-key'))).toEqual(rest('ENOTFOUND'))
  })

  it('shows an unknown vault behind a proxy as a TypeError', async () => {
    const {client: _, fake} = await world()
    const unknown = new SecretClient('https://nobody.vault.azure.net', new DefaultAzureCredential(), {
      retryOptions: {retryDelayInMs: 1},
    })
    expect(await refusalOf(unknown.getSecret('myapp-key'))).toEqual(['TypeError', undefined, undefined])
    expect(fake.hosts()).toEqual(Array(4).fill('nobody.vault.azure.net'))
  })

  it('throttles: without Retry-After the SDK never tries again, with it three times', async () => {
    const {fake, client} = await world()
    fake.fail({kind: 'status', status: 429, times: 1})
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('Throttled', 429))
    expect(fake.requests()).toHaveLength(1)
    fake.fail({kind: 'status', status: 429, times: 4, retryAfterSeconds: 0})
    expect(await refusalOf(client.getSecret('myapp-key'))).toEqual(rest('Throttled', 429))
    expect(fake.requests()).toHaveLength(5)
    fake.fail({kind: 'status', status: 429, times: 1, retryAfterSeconds: 0})
    expect((await client.getSecret('myapp-key')).value).toBe('the value')
  })

  it('is silent for as long as it is told to', async () => {
    const {fake, client} = await world()
    fake.silence('vault')
    const abortSignal = AbortSignal.timeout(50)
    expect(await refusalOf(client.getSecret('myapp-key', {abortSignal}))).toEqual(['AbortError', undefined, undefined])
  })

  it('counts what is in flight', async () => {
    const {fake, client} = await world()
    await client.getSecret('myapp-key')
    fake.delay(50)
    await Promise.all(Array.from({length: 5}, () => client.getSecret('myapp-key')))
    expect(Math.max(...fake.requests().map(({inFlight}) => inFlight))).toBe(5)
  })

  it('lists versions page by page, in no order of time', async () => {
    const {fake, client} = await world()
    const made = Array.from({length: 30}, (_, n) => fake.set('my-keyvault', 'much-changed', `value ${n}`))
    const listed: (string | undefined)[] = []
    for await (const {version} of client.listPropertiesOfSecretVersions('much-changed')) listed.push(version)
    expect(listed).toEqual(made.toSorted())
    expect(fake.requests().filter(({operation}) => operation === 'list')).toHaveLength(2)
  })

  it('gives an identity that may only get no list', async () => {
    const {fake, client} = await world()
    fake.allowOnly('get')
    expect((await client.getSecret('myapp-key')).value).toBe('the value')
    expect(await refusalOf(client.listPropertiesOfSecretVersions('myapp-key').next())).toEqual(
      // For lists the SDK loses the inner error.
      rest('Forbidden', 403),
    )
  })
})

describe('the fake Azure logs in', () => {
  // Each in a process of its own: the SDK keeps the first managed identity, its address and its tokens for the whole process.
  const readOne = `
    const {DefaultAzureCredential} = await import('@azure/identity')
    const {SecretClient} = await import('@azure/keyvault-secrets')
    const client = new SecretClient('https://my-keyvault.vault.azure.net', new DefaultAzureCredential())
    console.log(await client.getSecret('myapp-key').then(({value}) => value, ({name}) => name))`

  async function readAsManagedIdentity(variables: (fake: FakeAzure) => Record<string, string>): Promise<string> {
    const {fake} = await world()
    fake.metadata(true)
    const none = {AZURE_TENANT_ID: '', AZURE_CLIENT_ID: '', AZURE_CLIENT_SECRET: ''}
    const {stdout} = await inChild(readOne, {...environmentOf(fake), ...none, ...variables(fake)})
    return `${stdout.trim()} after ${fake.tokenRequests()}`
  }
  const alone = {AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'}

  it.each([
    ['by IMDS', () => alone],
    ['by IMDS, after a probe in the chain', () => ({AZURE_TOKEN_CREDENTIALS: ''})],
    ['by its client id', (fake: FakeAzure) => ({...alone, AZURE_CLIENT_ID: fake.clientId})],
    ['by a pod identity address', (fake: FakeAzure) => ({...alone, AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.proxyUrl})],
    [
      'by App Service',
      (fake: FakeAzure) => ({
        ...alone,
        IDENTITY_ENDPOINT: `${fake.proxyUrl}/msi/token`,
        IDENTITY_HEADER: fake.identityHeader,
      }),
    ],
  ])('a managed identity %s', async (_, variables) => {
    expect(await readAsManagedIdentity(variables)).toBe('the value after 1')
  })

  it('no managed identity with a wrong header, or by another client id', async () => {
    const refused = 'AggregateAuthenticationError after 0'
    expect(await readAsManagedIdentity(() => ({...alone, AZURE_CLIENT_ID: 'unknown'}))).toBe(refused)
    expect(
      await readAsManagedIdentity((fake) => ({
        ...alone,
        IDENTITY_ENDPOINT: `${fake.proxyUrl}/msi/token`,
        IDENTITY_HEADER: 'wrong',
      })),
    ).toBe(refused)
  })

  it('a workload by its federated token file, and refuses another token', async () => {
    const {fake, client} = await world(() => ({}))
    Object.assign(process.env, {
      AZURE_TENANT_ID: fake.tenantId,
      AZURE_CLIENT_ID: fake.clientId,
      AZURE_TOKEN_CREDENTIALS: 'WorkloadIdentityCredential',
      AZURE_FEDERATED_TOKEN_FILE: homeFile('token', fake.federatedToken),
    })
    const workload = new SecretClient(client.vaultUrl, new DefaultAzureCredential())
    expect((await workload.getSecret('myapp-key')).value).toBe('the value')
    homeFile('token', 'another')
    const refused = new SecretClient(client.vaultUrl, new DefaultAzureCredential())
    expect(await refusalOf(refused.getSecret('myapp-key'))).toEqual([
      'AggregateAuthenticationError',
      undefined,
      undefined,
    ])
  })

  it('an application by its certificate, and refuses another certificate', async () => {
    const {fake, client} = await world((given) => ({...clientSecretLogin(given), AZURE_CLIENT_SECRET: ''}))
    process.env['AZURE_CLIENT_CERTIFICATE_PATH'] = homeFile('certificate.pem', await fake.issueClientCertificate())
    const application = new SecretClient(client.vaultUrl, new DefaultAzureCredential())
    expect((await application.getSecret('myapp-key')).value).toBe('the value')
    const stranger = await startFake()
    homeFile('certificate.pem', await stranger.issueClientCertificate())
    const refused = new SecretClient(client.vaultUrl, new DefaultAzureCredential())
    expect(await refusalOf(refused.getSecret('myapp-key'))).toEqual(['AuthenticationError', undefined, 400])
  })

  it('a person by the token of Azure CLI', async () => {
    const {fake, client} = await world(() => ({AZURE_TOKEN_CREDENTIALS: 'AzureCliCredential'}))
    const expiresOn = Math.floor(Date.now() / 1000) + 3600
    const answer = JSON.stringify({accessToken: fake.userToken(), expires_on: expiresOn, tokenType: 'Bearer'})
    chmodSync(homeFile('az', `#!/bin/sh\necho '${answer}'\n`), 0o755)
    expect((await client.getSecret('myapp-key')).value).toBe('the value')
    expect(fake.tokenRequests()).toBe(0)
  })
})

describe('the fake Azure as a program', () => {
  it('prints the environment that a process needs to take it for Azure', async () => {
    const program = spawn(process.execPath, ['test/fakes/azure.ts', '0', 'my-keyvault'], {
      env: {PATH: process.env['PATH']},
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      program.stdout.setEncoding('utf8')
      let printed = ''
      for await (const text of program.stdout) {
        printed += text as string
        if (printed.includes('curl')) break
      }
      const variables = Object.fromEntries(
        [...printed.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]),
      )
      const {stdout} = await inChild(
        `
        const {DefaultAzureCredential} = await import('@azure/identity')
        const {SecretClient} = await import('@azure/keyvault-secrets')
        const client = new SecretClient('https://my-keyvault.vault.azure.net', new DefaultAzureCredential())
        await client.setSecret('myapp-key', 'stored')
        console.log((await client.getSecret('myapp-key')).value)`,
        variables,
      )
      expect(stdout.trim()).toBe('stored')
    } finally {
      program.kill()
    }
  })
})
