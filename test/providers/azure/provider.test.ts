import {chmodSync} from 'node:fs'

import {describe, expect, it} from 'vitest'

import type {EnvdriftError} from '../../../src/core/errors.ts'
import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import type {FakeAzure} from '../../fakes/azure.ts'
import {gist, readAll} from '../contract.ts'
import {errorIn} from '../error-in.ts'
import {
  clientSecretLogin,
  connectAt,
  enterFake,
  environmentOf,
  homeFile,
  inChild,
  readInChild,
  scriptThatReads,
  trustNoFake,
} from './bed.ts'

type World = {
  readonly fake: FakeAzure
  readonly connect: (host?: Partial<Host>, settings?: Settings) => Promise<Provider>
}

/** A vault `my-keyvault` with one secret `myapp-key`. */
async function world(...login: Parameters<typeof enterFake>): Promise<World> {
  const {fake, url} = await enterFake(...login)
  return {fake, connect: (host, settings) => connectAt(url, host, settings)}
}

const ref = (name: string, version?: string) => ({vault: 'default', name, ...(version !== undefined && {version})})
const never = () => new AbortController().signal

/** The error that reading `name` ends in. */
async function failureOf(provider: Provider, name = 'myapp-key'): Promise<EnvdriftError> {
  const [answer] = await readAll(provider, [ref(name)])
  return errorIn(answer)
}

const caught = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('Azure Key Vault', () => {
  it('says which vault it is, and how to store a secret there', async () => {
    const {connect} = await world()
    const provider = await connect()
    expect(provider.place).toBe('Azure Key Vault https://my-keyvault.vault.azure.net')
    expect(provider.remedies(ref('myapp-key'))).toEqual([
      'az keyvault secret set --vault-name my-keyvault --name myapp-key --file FILE',
    ])
  })

  it('names the variable that holds no address of a proxy, and not what it holds', async () => {
    const {connect} = await world()
    const env = {...process.env, HTTPS_PROXY: '', https_proxy: 'not an address'}
    const error = await caught(connect({env}))
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'The proxy that https_proxy names is no http:// or https:// address',
    })
  })

  it('C113 reads with an identity that may get and nothing else', async () => {
    const {fake, connect} = await world()
    fake.allowOnly('get')
    expect((await readAll(await connect(), [ref('myapp-key')])).map(gist)).toEqual(['found the value'])
    expect(fake.requests().map(({operation}) => operation)).toEqual(['get'])
  })

  it('names itself in the log of the vault', async () => {
    const {fake, connect} = await world()
    await readAll(await connect({version: '1.2.3'}), [ref('myapp-key')])
    expect(fake.requests()[0]?.userAgent).toMatch(/^envdrift\/1\.2\.3 /)
  })

  it('logs in once for 16 first reads at once', async () => {
    const {fake, connect} = await world()
    const names = Array.from({length: 16}, (_, n) => `service-${n}`)
    for (const name of names) fake.set('my-keyvault', name, name)
    await readAll(
      await connect(),
      names.map((name) => ref(name)),
    )
    expect(fake.tokenRequests()).toBe(1)
  })

  it('keeps its tunnels through a proxy open, for the next secret and for the next read', async () => {
    const {fake, connect} = await world()
    const names = Array.from({length: 60}, (_, n) => `service-${n}`)
    for (const name of names) fake.set('my-keyvault', name, name)
    const provider = await connect({maxInFlight: 4})
    const read = () =>
      readAll(
        provider,
        names.map((name) => ref(name)),
      )
    expect((await read()).map(gist)).toEqual(expect.arrayContaining(names.map((name) => `found ${name}`)))
    await read()
    const count = (isWanted: (host: string) => boolean) => fake.hosts().filter(isWanted).length
    expect(count((host) => host === 'my-keyvault.vault.azure.net')).toBeLessThanOrEqual(4)
    expect(count((host) => host !== 'my-keyvault.vault.azure.net')).toBe(1)
  })

  it('sends no request before it is asked to read', async () => {
    const {fake, connect} = await world()
    await connect()
    expect(fake.hosts()).toEqual([])
  })

  it('says absent for a version that never was', async () => {
    const {connect} = await world()
    expect((await readAll(await connect(), [ref('myapp-key', '0'.repeat(32))])).map(gist)).toEqual(['absent'])
  })

  it.each(['enabled', 'disabled'])('tells a deleted secret that was %s from one that never was', async (state) => {
    const {fake, connect} = await world()
    if (state === 'disabled') fake.disable('my-keyvault', 'myapp-key')
    fake.remove('my-keyvault', 'myapp-key')
    const provider = await connect()
    expect((await readAll(provider, [ref('never-there'), ref('myapp-key')])).map(gist)).toEqual([
      'absent',
      'SECRET_DELETED',
    ])
    const {suggestions} = await failureOf(provider)
    expect(suggestions[0]).toContain('az keyvault secret recover --vault-name my-keyvault --name myapp-key')
  })

  it('stays with absent where it may not see deleted secrets, asks for them once, and says what it does not know', async () => {
    const {fake, connect} = await world()
    fake.allowOnly('get')
    fake.remove('my-keyvault', 'myapp-key')
    const provider = await connect({maxInFlight: 1})
    expect(provider.remedies(ref('myapp-key')).join()).not.toContain('deleted')
    const names = ['myapp-key', 'a', 'b', 'c'].map((name) => ref(name))
    expect((await readAll(provider, names)).map(gist)).toEqual(Array(4).fill('absent'))
    expect(fake.requests().filter(({operation}) => operation === 'getDeleted')).toHaveLength(1)
    expect(provider.remedies(ref('myapp-key')).join()).toContain('may have been deleted')
  })

  it.each([400, 404, 405, 429, 501])(
    'stays with absent where deleted secrets are answered with %i, and says of that one what it does not know',
    async (status) => {
      const {fake, connect} = await world()
      fake.remove('my-keyvault', 'myapp-key')
      const provider = await connect({callTimeoutMs: 2000})
      expect((await readAll(provider, [ref('never-there')])).map(gist)).toEqual(['absent'])
      fake.failDeleted(status)
      expect((await readAll(provider, [ref('myapp-key')])).map(gist)).toEqual(['absent'])
      expect(provider.remedies(ref('myapp-key'))[1]).toBe(
        'It may have been deleted, and we could not look: `az keyvault secret show-deleted --vault-name my-keyvault --name myapp-key`',
      )
      expect(provider.remedies(ref('never-there'))).toHaveLength(1)
    },
  )

  it('stays with absent where a look among deleted secrets hangs, looks no further, and says what it does not know', async () => {
    const {fake, connect} = await world()
    fake.failDeleted('silence')
    fake.delay(400)
    const provider = await connect({callTimeoutMs: 2000, maxInFlight: 2})
    const names = ['gone-a', 'gone-b', 'gone-c', 'gone-d', 'gone-e', 'myapp-key']
    const answers = await readAll(
      provider,
      names.map((name) => ref(name)),
    )
    expect(answers.map(gist).toSorted()).toEqual([...Array(5).fill('absent'), 'found the value'])
    expect(fake.requests().filter(({operation}) => operation === 'getDeleted')).toHaveLength(2)
    for (const name of names.slice(0, 5)) {
      expect(provider.remedies(ref(name))[1]).toContain('It may have been deleted, and we could not look')
    }
  })

  it.each([
    [
      'ForbiddenByRbac',
      '`az role assignment create --role "Key Vault Secrets User" --assignee-object-id PRINCIPAL --assignee-principal-type ServicePrincipal --scope "$(az keyvault show --name my-keyvault --query id --output tsv)/secrets/myapp-key"`',
    ],
    ['ForbiddenByPolicy', '`az keyvault set-policy --name my-keyvault --object-id PRINCIPAL --secret-permissions get`'],
    ['ForbiddenByFirewall', '`az keyvault network-rule add --name my-keyvault --ip-address 192.0.2.17`'],
    ['ForbiddenByConnection', 'az keyvault show --name my-keyvault --query properties.privateEndpointConnections'],
  ] as const)('C126 says what to ask for when %s', async (refusal, remedy) => {
    const {fake, connect} = await world()
    fake.forbid('myapp-key', refusal)
    const error = await failureOf(await connect())
    expect(error.code).toBe('FORBIDDEN')
    expect(error.suggestions[0]).toContain(remedy)
    expect(error.message).toContain(refusal)
  })

  it('asks for the role that writes when it may not write', async () => {
    const {fake, connect} = await world()
    fake.allowOnly('get')
    const error = await caught((await connect()).write(ref('new-key'), new Secret('text'), 'absent', never()))
    expect(error).toMatchObject({code: 'FORBIDDEN'})
    expect((error as EnvdriftError).suggestions[0]).toContain('Key Vault Secrets Officer')
  })

  it('says SECRET_DISABLED with the command that enables', async () => {
    const {fake, connect} = await world()
    fake.disable('my-keyvault', 'myapp-key')
    const error = await failureOf(await connect())
    expect(error.code).toBe('SECRET_DISABLED')
    expect(error.suggestions[0]).toContain(
      'az keyvault secret set-attributes --vault-name my-keyvault --name myapp-key',
    )
  })

  it('says BAD_REQUEST for a name that the service refuses, and for more than 25 KB', async () => {
    const {connect} = await world()
    const provider = await connect()
    expect((await failureOf(provider, 'my_app')).code).toBe('BAD_REQUEST')
    const writing = provider.write(ref('large-key'), new Secret('x'.repeat(30_000)), 'any', never())
    expect(await caught(writing)).toMatchObject({code: 'BAD_REQUEST'})
  })

  it('says SECRET_DELETED for writing to a deleted name, with the command that recovers it', async () => {
    const {fake, connect} = await world()
    fake.remove('my-keyvault', 'myapp-key')
    const error = await caught((await connect()).write(ref('myapp-key'), new Secret('again'), 'absent', never()))
    expect(error).toMatchObject({code: 'SECRET_DELETED'})
    expect((error as EnvdriftError).suggestions[0]).toContain('az keyvault secret recover')
  })

  it('refuses to create over a disabled secret', async () => {
    const {fake, connect} = await world()
    fake.disable('my-keyvault', 'myapp-key')
    const writing = (await connect()).write(ref('myapp-key'), new Secret('again'), 'absent', never())
    expect(await caught(writing)).toMatchObject({code: 'SECRET_DISABLED'})
    expect(fake.requests().map(({operation}) => operation)).toEqual(['get'])
  })

  it('shows earlier versions in the order of time, without disabled ones, and none without the permission', async () => {
    const {fake, connect} = await world()
    const made = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((value) => fake.set('my-keyvault', 'rotated-key', value))
    fake.disable('my-keyvault', 'rotated-key', made[5])
    const provider = await connect()
    const earlier = async () => {
      const values: string[] = []
      for await (const {value} of provider.earlier(ref('rotated-key'), 4, never())) values.push(value.reveal())
      return values
    }
    expect(await earlier()).toEqual(['g', 'e', 'd', 'c'])
    fake.allowOnly('get')
    expect(await earlier()).toEqual([])
  })
})

describe('a login to Azure', () => {
  it('says who we are from the token, without a request of its own', async () => {
    const {fake, connect} = await world()
    const provider = await connect()
    await readAll(provider, [ref('myapp-key')])
    const asked = () => [fake.hosts().length, fake.requests().length, fake.tokenRequests()]
    const before = asked()
    const identity = await provider.whoami(never())
    expect(identity.who).toBe(`application ${fake.clientId} (object id ${fake.principalId}, tenant ${fake.tenantId})`)
    expect(identity.principal).toBe(fake.principalId)
    expect(identity.credential).toBe('environment variables (client secret)')
    expect(Number(identity.until) - Date.now()).toBeGreaterThan(3_000_000)
    expect(asked()).toEqual(before)
  })

  it.each([
    [
      'environment variables (certificate)',
      async (fake: FakeAzure) => ({
        ...clientSecretLogin(fake),
        AZURE_CLIENT_SECRET: '',
        AZURE_CLIENT_CERTIFICATE_PATH: homeFile('certificate.pem', await fake.issueClientCertificate()),
      }),
    ],
    [
      'workload identity',
      async (fake: FakeAzure) => ({
        AZURE_TENANT_ID: fake.tenantId,
        AZURE_CLIENT_ID: fake.clientId,
        AZURE_FEDERATED_TOKEN_FILE: homeFile('token', fake.federatedToken),
      }),
    ],
    [
      'Azure CLI',
      async (fake: FakeAzure) => {
        const answer = {accessToken: fake.userToken(), expires_on: Math.floor(Date.now() / 1000) + 3600}
        chmodSync(homeFile('az', `#!/bin/sh\necho '${JSON.stringify(answer)}'\n`), 0o755)
        return {}
      },
    ],
  ])('reads through the whole chain with %s, and says so', async (credential, logIn) => {
    const {fake, connect} = await world(() => ({}))
    Object.assign(process.env, await logIn(fake))
    const provider = await connect()
    expect((await readAll(provider, [ref('myapp-key')])).map(gist)).toEqual(['found the value'])
    const identity = await provider.whoami(never())
    expect(identity.credential).toBe(credential)
    expect(identity.who).toMatch(credential === 'Azure CLI' ? /^dev@example\.com / : /^application /)
  })

  it('logs in to say who we are when nothing was read yet, once for both', async () => {
    const {fake, connect} = await world()
    const provider = await connect()
    expect((await provider.whoami(never())).who).toContain(fake.clientId)
    await readAll(provider, [ref('myapp-key')])
    expect(fake.tokenRequests()).toBe(1)
  })

  it('C111 says NOT_LOGGED_IN without credentials, in few words', async () => {
    const {connect} = await world(() => ({}))
    const error = await failureOf(await connect())
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.message).toBe(
      'No usable login to Azure was found for Azure Key Vault https://my-keyvault.vault.azure.net',
    )
    expect(error.suggestions[0]).toContain('az login')
  })

  it('honours AZURE_TOKEN_CREDENTIALS, and says so when nothing else was tried', async () => {
    const {fake, connect} = await world((given) => ({
      ...clientSecretLogin(given),
      AZURE_TOKEN_CREDENTIALS: 'AzureCliCredential',
    }))
    const error = await failureOf(await connect())
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.suggestions.join('\n')).toContain('AZURE_TOKEN_CREDENTIALS is AzureCliCredential')
    expect(fake.tokenRequests()).toBe(0)
  })

  it('says NOT_LOGGED_IN for an AZURE_TOKEN_CREDENTIALS that names nothing', async () => {
    const {connect} = await world(() => ({AZURE_TOKEN_CREDENTIALS: 'mistyped'}))
    expect((await failureOf(await connect())).code).toBe('NOT_LOGGED_IN')
  })

  it('says LOGIN_REFUSED with the number of the reason for a wrong secret, and asks once', async () => {
    const {fake, connect} = await world((given) => ({...clientSecretLogin(given), AZURE_CLIENT_SECRET: 'wrong-secret'}))
    const provider = await connect({maxInFlight: 4})
    const answers = await readAll(
      provider,
      ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => ref(name)),
    )
    expect(answers.map(gist)).toEqual(Array(6).fill('LOGIN_REFUSED'))
    expect(fake.tokenRequests()).toBe(1)
    await readAll(provider, [ref('myapp-key')])
    expect(fake.tokenRequests()).toBe(1)
    const [first] = answers
    expect(first?.kind === 'failed' && first.error.message).toBe(
      'Microsoft Entra refused the login for Azure Key Vault https://my-keyvault.vault.azure.net: the client secret is wrong (AADSTS7000215)',
    )
  })

  it('says LOGIN_REFUSED for a workload whose token is refused', async () => {
    const {fake, connect} = await world((given) => ({
      AZURE_TENANT_ID: given.tenantId,
      AZURE_CLIENT_ID: given.clientId,
    }))
    const ofAnother = fake.makeFederatedToken({sub: 'repo:myorg/another:environment:production'})
    process.env['AZURE_FEDERATED_TOKEN_FILE'] = homeFile('token', ofAnother)
    const error = await failureOf(await connect())
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(error.message).toContain('AADSTS700213')
  })

  it('names a token file that cannot be read', async () => {
    const {connect} = await world((fake) => ({
      AZURE_TENANT_ID: fake.tenantId,
      AZURE_CLIENT_ID: fake.clientId,
      AZURE_FEDERATED_TOKEN_FILE: '/nonexistent/token',
    }))
    const error = await failureOf(await connect())
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.suggestions.join('\n')).toContain('AZURE_FEDERATED_TOKEN_FILE')
  })

  it('names both tenants when the vault belongs to another', async () => {
    const {fake, connect} = await world((given) => ({
      ...clientSecretLogin(given),
      AZURE_TENANT_ID: given.otherTenantId,
    }))
    const error = await failureOf(await connect())
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(error.message).toContain(fake.tenantId)
    expect(error.message).toContain(fake.otherTenantId)
  })

  it.each([
    [429, 'THROTTLED'],
    [503, 'SERVICE_ERROR'],
  ])('takes a %i of the login host for %s', async (status, code) => {
    const {fake, connect} = await world()
    fake.failLogin(status)
    expect((await failureOf(await connect())).code).toBe(code)
  })

  it('says LOGIN_REFUSED for a token that the vault refuses', async () => {
    const {fake, connect} = await world()
    const provider = await connect()
    await readAll(provider, [ref('myapp-key')])
    fake.rejectLogin()
    expect((await failureOf(provider)).code).toBe('LOGIN_REFUSED')
  })

  it('goes to the login host of the cloud that the vault is in', async () => {
    const {fake} = await world()
    const url = fake.addVault('china', {suffix: 'vault.azure.cn'})
    fake.set('china', 'myapp-key', 'value in China')
    const answers = await readAll(await connectAt(url), [ref('myapp-key')])
    expect(answers.map(gist)).toEqual(['found value in China'])
    expect(new Set(fake.hosts())).toEqual(new Set(['china.vault.azure.cn', 'login.partner.microsoftonline.cn']))
  })

  it('sends no token to a vault whose challenge names another domain, unless verification is off', async () => {
    const {fake} = await world()
    const url = fake.addVault('odd-vault', {challengeResource: 'https://vault.azure.cn'})
    expect((await failureOf(await connectAt(url))).code).toBe('BAD_RESPONSE')
    expect([fake.tokenRequests(), fake.requests().length]).toEqual([0, 0])
    await failureOf(await connectAt(url, {}, {disable_challenge_verification: true}))
    expect(fake.tokenRequests()).toBe(1)
  })

  it('C112 ends by its own deadline when the login host is silent, once for all', async () => {
    const {fake, connect} = await world()
    fake.silence('login')
    const answers = await readAll(
      await connect({callTimeoutMs: 600, maxInFlight: 2}),
      ['a', 'b', 'c', 'd'].map((name) => ref(name)),
    )
    expect(answers.map(gist)).toEqual(Array(4).fill('TIMEOUT'))
    expect(answers[0]?.kind === 'failed' && answers[0].error.suggestions[0]).toContain('Only environment was tried')
    // Two in flight share the login, and nobody is asked afterwards.
    expect(fake.challenges()).toBe(2)
  })

  it('C112 ends when the metadata address is silent, and lets the process end', async () => {
    const {fake} = await world()
    fake.metadata(true)
    fake.silence('metadata')
    const {outcome} = await readInChild(
      {...environmentOf(fake), AZURE_CLIENT_SECRET: '', AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'},
      {},
      600,
    )
    expect(outcome).toBe('TIMEOUT')
  })

  it('C112 ends when Azure CLI hangs, and lets the process end', async () => {
    const {fake} = await world()
    chmodSync(homeFile('az', '#!/bin/sh\nexec /bin/sleep 600\n'), 0o755)
    const variables = {...environmentOf(fake), PATH: process.env['PATH']!}
    const {outcome} = await readInChild({...variables, AZURE_TOKEN_CREDENTIALS: 'AzureCliCredential'}, {}, 600)
    expect(outcome).toBe('TIMEOUT')
  })

  it('C135 prints no value and no token, whatever the log level', async () => {
    const {fake} = await world()
    const loud = {AZURE_LOG_LEVEL: 'verbose', TYPESPEC_RUNTIME_LOG_LEVEL: 'verbose', DEBUG: '*'}
    const {stdout, stderr} = await inChild(scriptThatReads(), {...environmentOf(fake), ...loud})
    expect(JSON.parse(stdout)).toMatchObject({outcome: 'found'})
    // What is left comes from a package below the SDK that names hosts and ports.
    expect(stderr).not.toMatch(/the value|eyJ|Bearer|azure:|typeSpecRuntime:/)
    expect(stderr).not.toContain(fake.clientSecret)
  })
})

describe('the way to Azure', () => {
  it('C120 waits after a 429 that names no time, and finds the secret', async () => {
    const {fake, connect} = await world()
    fake.fail({kind: 'status', status: 429, times: 1})
    expect((await readAll(await connect(), [ref('myapp-key')])).map(gist)).toEqual(['found the value'])
    expect(fake.requests()).toHaveLength(2)
  })

  it.each([
    ['seconds', () => '3600'],
    ['a date', () => new Date(Date.now() + 3_600_000).toUTCString()],
  ])(
    'ends at once when it is asked, in %s, to wait longer than a call may take, and says so',
    async (_, retryAfter) => {
      const {fake, connect} = await world()
      fake.fail({kind: 'stranger', status: 429, page: '', headers: {'retry-after': retryAfter()}, times: 1})
      const error = await failureOf(await connect())
      expect(error.code).toBe('THROTTLED')
      expect(error.message).toMatch(/asks to wait (3600|3599|3598) s/)
      expect(fake.requests()).toHaveLength(1)
    },
  )

  it.each([200, 302, 403, 404, 407, 418])(
    'takes a %i that is not the vault’s for BAD_RESPONSE, never for an absence',
    async (status) => {
      const {fake, connect} = await world()
      fake.fail({kind: 'stranger', status, page: '<h1>Sign in to this network</h1>', times: 1})
      const error = await failureOf(await connect())
      expect(error.code).toBe('BAD_RESPONSE')
      expect(error.message).not.toContain('Sign in')
    },
  )

  it('takes an answer without a value for BAD_RESPONSE, never for an empty secret', async () => {
    const {fake, connect} = await world()
    const page = JSON.stringify({id: 'https://my-keyvault.vault.azure.net/secrets/myapp-key/0a1b', attributes: {}})
    fake.fail({kind: 'stranger', status: 200, page, headers: {'content-type': 'application/json'}, times: 1})
    expect((await failureOf(await connect())).code).toBe('BAD_RESPONSE')
  })

  it('takes a 404 with another code than SecretNotFound for BAD_RESPONSE, never for an absence', async () => {
    const {fake, connect} = await world()
    fake.fail({kind: 'status', status: 404, times: 1})
    expect((await failureOf(await connect())).code).toBe('BAD_RESPONSE')
  })

  it('C133 shows what claims to be a code on one line, escaped', async () => {
    const {fake, connect} = await world()
    const page = JSON.stringify({error: {code: 'Odd\n::error::pwned', message: ''}})
    fake.fail({kind: 'stranger', status: 418, page, headers: {'content-type': 'application/json'}, times: 1})
    const {message} = await failureOf(await connect())
    expect(message).toContain('Odd')
    expect(message).not.toMatch(/\n|::/)
  })

  it('reads on when the connection broke in the middle of an answer, and says that it asked again', async () => {
    const {fake, connect} = await world()
    fake.fail({kind: 'cut', times: 2})
    const warnings: string[] = []
    const provider = await connect({warn: (text) => warnings.push(text)})
    expect((await readAll(provider, [ref('myapp-key')])).map(gist)).toEqual(['found the value'])
    expect(fake.requests()).toHaveLength(3)
    expect(warnings).toEqual([expect.stringContaining('some calls were made again')])
  })

  it.each([
    [
      'another version of it',
      'myapp-key/BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB',
      'a'.repeat(32),
      `sent version ${'B'.repeat(32)} of myapp-key instead of version ${'a'.repeat(32)} of myapp-key`,
    ],
    [
      'another secret',
      `other-key/${'a'.repeat(32)}`,
      undefined,
      `sent version ${'a'.repeat(32)} of other-key instead of myapp-key`,
    ],
    ['it in capital letters', `MYAPP-KEY/${'A'.repeat(32)}`, 'a'.repeat(32), undefined],
  ])('takes %s for what was asked for only if it is that', async (_, id, version, said) => {
    const {fake, connect} = await world()
    const page = JSON.stringify({
      value: 'theirs',
      id: `https://my-keyvault.vault.azure.net/secrets/${id}`,
      attributes: {},
    })
    fake.fail({kind: 'stranger', status: 200, page, headers: {'content-type': 'application/json'}, times: 1})
    const [answer] = await readAll(await connect(), [ref('myapp-key', version)])
    const place = 'Azure Key Vault https://my-keyvault.vault.azure.net'
    const found = answer?.kind === 'failed' ? `${answer.error.code}: ${answer.error.message}` : gist(answer!)
    expect(found).toBe(said === undefined ? 'found theirs' : `BAD_RESPONSE: ${place} ${said}`)
  })

  it('follows no redirect', async () => {
    const {fake, connect} = await world()
    const elsewhere = fake.addVault('other-vault')
    fake.set('other-vault', 'myapp-key', 'not what was asked for')
    for (const location of [`${elsewhere}/secrets/myapp-key?api-version=7.6`, '/secrets/other-key?api-version=7.6']) {
      fake.fail({kind: 'stranger', status: 307, page: '', headers: {location}, times: 1})
    }
    const provider = await connect()
    expect((await failureOf(provider)).code).toBe('BAD_RESPONSE')
    expect((await failureOf(provider)).code).toBe('BAD_RESPONSE')
    expect(fake.requests().map(({vault, name}) => `${vault} ${name}`)).toEqual(Array(2).fill('my-keyvault myapp-key'))
  })

  it('says TLS_REFUSED for a certificate that is not trusted', async () => {
    const {connect} = await world()
    trustNoFake()
    const error = await failureOf(await connect())
    expect(error.code).toBe('TLS_REFUSED')
    expect(error.suggestions[0]).toContain('NODE_EXTRA_CA_CERTS')
  })

  it('says UNREACHABLE for an unknown vault behind a proxy, and that the name may be wrong', async () => {
    await world()
    const error = await failureOf(await connectAt('https://nobody.vault.azure.net'))
    expect(error.code).toBe('UNREACHABLE')
    expect(error.suggestions[0]).toContain('The name of the vault may be wrong')
  })

  it('C111 says UNREACHABLE for a name that does not resolve, and nothing about logins', async () => {
    const {fake} = await world()
    delete process.env['HTTPS_PROXY']
    // A label of more than 63 letters is refused by the resolver itself: nothing leaves the machine.
    const error = await failureOf(await connectAt(`https://${'a'.repeat(64)}.vault.azure.net`))
    expect(error.code).toBe('UNREACHABLE')
    expect(error.message).toContain('ENOTFOUND')
    expect(error.message).not.toMatch(/authenticat|credential|log ?in/i)
    expect(error.suggestions[0]).toContain('The name of the vault may be wrong')
    expect(fake.hosts()).toEqual([])
  })

  it('says UNREACHABLE when the vault answers and the login host does not, and goes no further', async () => {
    const {fake, connect} = await world()
    fake.breakLogin()
    const error = await failureOf(await connect())
    expect(error.code).toBe('UNREACHABLE')
    expect(error.message).toContain('Microsoft Entra')
    expect(fake.requests()).toEqual([])
  })

  it('takes another login host from AZURE_AUTHORITY_HOST, and says so when it is one of another cloud', async () => {
    const {fake, connect} = await world((given) => ({
      ...clientSecretLogin(given),
      AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.us',
    }))
    const error = await failureOf(await connect())
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(error.message).toContain('AADSTS500011')
    expect(error.suggestions[0]).toContain('Set cloud under [vault.azure]')
    expect(fake.hosts()).toContain('login.microsoftonline.us')
    expect(fake.hosts()).not.toContain('login.microsoftonline.com')
  })
})
