/* The fake against the official SDK, without our adapter: what the service was seen to answer, the fake answers too. */
import {createPrivateKey} from 'node:crypto'
import {readFileSync} from 'node:fs'

import {SecretManagerServiceClient} from '@google-cloud/secret-manager'
import {GoogleAuth, grpc} from 'google-gax'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'

import {type FakeGcp, identities, otherProject, project, startGcp} from '../../fakes/gcp.ts'
import {signedToken} from '../../fakes/gcp/jwt.ts'
import {clearGoogleEnvironment, logInWith} from './bed.ts'

let fake: FakeGcp
let client: SecretManagerServiceClient
let authorization: string

const secret = `projects/${project.id}/secrets/myapp-production`
const numbered = `projects/${project.number}/secrets/myapp-production`

beforeEach(async () => {
  clearGoogleEnvironment()
  fake = await startGcp()
  logInWith(fake.serviceAccount)
  client = plainClient()
  const auth = new GoogleAuth({projectId: project.id, scopes: ['https://www.googleapis.com/auth/cloud-platform']})
  auth.useJWTAccessWithScope = true
  authorization = (await auth.getRequestHeaders()).get('authorization')!
})

afterEach(async () => {
  await client.close()
  await fake.stop()
})

function plainClient(): SecretManagerServiceClient {
  const {hostname, port} = new URL(fake.endpoint)
  const sslCreds = grpc.credentials.createInsecure()
  return new SecretManagerServiceClient({apiEndpoint: hostname, port: Number(port), sslCreds, projectId: project.id})
}

/** gRPC sends no credentials in plain text, so the tests add the header. */
const options = (more: object = {}) => ({otherArgs: {headers: {authorization}}, ...more})
const access = (version: string, more: object = {}) =>
  client.accessSecretVersion({name: `${secret}/versions/${version}`}, options(more))

describe('the fake of GCP Secret Manager', () => {
  it('gives the payload as a Buffer, its CRC32C as a string, and names with the number of the project', async () => {
    fake.seed('myapp-production', '123456789')
    const [answer] = await access('latest')
    expect(answer.name).toBe(`${numbered}/versions/1`)
    expect(answer.payload?.data).toEqual(Buffer.from('123456789'))
    // 0xE3069283, the published check value of CRC-32/ISCSI.
    expect(answer.payload?.dataCrc32c).toBe('3808858755')
  })

  it('answers 5 NOT_FOUND for a secret that is missing or has no versions', async () => {
    const details = `Secret [${numbered}] not found or has no versions.`
    await expect(access('latest')).rejects.toMatchObject({code: 5, details})
    fake.create('myapp-production')
    await expect(access('latest')).rejects.toMatchObject({code: 5, details})
  })

  it('answers 5 NOT_FOUND for a version that was never added', async () => {
    fake.seed('myapp-production', 'one')
    await expect(access('2')).rejects.toMatchObject({
      code: 5,
      details: `Secret Version [${numbered}/versions/2] not found.`,
    })
  })

  it('answers 9 FAILED_PRECONDITION for a disabled version, also through latest, which does not skip it', async () => {
    fake.seed('myapp-production', 'one')
    fake.seed('myapp-production', 'two')
    await client.disableSecretVersion({name: `${secret}/versions/2`}, options())
    for (const version of ['2', 'latest']) {
      await expect(access(version)).rejects.toMatchObject({
        code: 9,
        details: `Secret Version [${numbered}/versions/2] is in DISABLED state.`,
      })
    }
  })

  it('answers 9 FAILED_PRECONDITION for a destroyed version', async () => {
    fake.seed('myapp-production', 'one')
    await client.destroySecretVersion({name: `${secret}/versions/1`}, options())
    await expect(access('latest')).rejects.toMatchObject({
      code: 9,
      details: `Secret Version [${numbered}/versions/1] is in DESTROYED state.`,
    })
  })

  it('answers 7 PERMISSION_DENIED where we may not read, and for a project that is not there', async () => {
    fake.seed('myapp-production', 'one')
    fake.forbid('myapp-production')
    await expect(access('latest')).rejects.toMatchObject({
      code: 7,
      details: `Permission 'secretmanager.versions.access' denied for resource '${secret}/versions/latest' (or it may not exist).`,
    })
    const elsewhere = client.accessSecretVersion({name: 'projects/nowhere/secrets/x/versions/latest'}, options())
    await expect(elsewhere).rejects.toMatchObject({code: 7})
  })

  it('answers 16 UNAUTHENTICATED without a token, and with a changed one', async () => {
    fake.seed('myapp-production', 'one')
    const name = `${secret}/versions/latest`
    await expect(client.accessSecretVersion({name})).rejects.toMatchObject({code: 16})
    authorization = `${authorization.slice(0, -8)}AAAAAAAA`
    await expect(access('latest')).rejects.toMatchObject({code: 16})
  })

  it('answers 6 ALREADY_EXISTS, and 3 INVALID_ARGUMENT for a malformed name', async () => {
    const create = () =>
      client.createSecret(
        {parent: `projects/${project.id}`, secretId: 'myapp-production', secret: {replication: {automatic: {}}}},
        options(),
      )
    await create()
    await expect(create()).rejects.toMatchObject({code: 6, details: `Secret [${numbered}] already exists.`})
    await expect(client.accessSecretVersion({name: `${secret}/latest`}, options())).rejects.toMatchObject({code: 3})
    await expect(client.accessSecretVersion({name: secret}, options())).rejects.toMatchObject({code: 3})
  })

  it('adds versions, lists them newest first, and refuses a payload that is empty or was damaged', async () => {
    fake.create('myapp-production')
    const add = (payload: object) => client.addSecretVersion({parent: secret, payload}, options())
    await add({data: Buffer.from('one')})
    await add({data: Buffer.from('123456789'), dataCrc32c: '3808858755'})
    await expect(add({data: Buffer.from('12345678'), dataCrc32c: '3808858755'})).rejects.toMatchObject({code: 3})
    await expect(add({data: Buffer.alloc(0)})).rejects.toMatchObject({code: 3})
    const [versions] = await client.listSecretVersions({parent: secret}, options({autoPaginate: false}))
    expect(versions.map(({name, state}) => [name, state])).toEqual([
      [`${numbered}/versions/2`, 'ENABLED'],
      [`${numbered}/versions/1`, 'ENABLED'],
    ])
  })

  it('resolves aliases', async () => {
    fake.seed('myapp-production', 'one')
    fake.seed('myapp-production', 'two')
    fake.setAlias('myapp-production', 'stable', 1)
    expect((await access('stable'))[0].payload?.data).toEqual(Buffer.from('one'))
    const [described] = await client.getSecret({name: secret}, options())
    expect(described.versionAliases).toEqual({stable: '1'})
  })

  it.each([
    ['UNAVAILABLE', 14],
    ['RESOURCE_EXHAUSTED', 8],
  ])('is asked again by the SDK after %s', async (_, code) => {
    fake.seed('myapp-production', 'one')
    fake.fail(code, 1)
    expect((await access('latest'))[0].payload?.data).toEqual(Buffer.from('one'))
    expect(fake.reads()).toHaveLength(2)
  })

  it('leaves a call to the time limit of the SDK when it is silent: 4 DEADLINE_EXCEEDED', async () => {
    fake.silence()
    await expect(access('latest', {timeout: 200, retry: null})).rejects.toMatchObject({code: 4})
  })

  it('says in its details when to come again, and which permission is missing', async () => {
    fake.fail(8, 1, {retrySeconds: 600})
    await expect(access('latest', {retry: null})).rejects.toMatchObject({
      code: 8,
      statusDetails: [{retryDelay: {seconds: {low: 600}}}],
    })
    fake.seed('myapp-production', 'one')
    fake.forbid('myapp-production')
    await expect(access('latest')).rejects.toMatchObject({
      reason: 'IAM_PERMISSION_DENIED',
      domain: 'iam.googleapis.com',
      errorInfoMetadata: {permission: 'secretmanager.versions.access', resource: `${secret}/versions/latest`},
    })
  })

  it('shows what is not there to those alone who may read the whole project', async () => {
    fake.seed('myapp-production', 'one')
    fake.policy.strip(identities.serviceAccount)
    await expect(access('latest')).rejects.toMatchObject({code: 7})
    fake.policy.grant(identities.serviceAccount, 'roles/secretmanager.secretAccessor', secret)
    expect((await access('latest'))[0].payload?.data).toEqual(Buffer.from('one'))
    const gone = {name: `projects/${project.id}/secrets/gone/versions/latest`}
    await expect(client.accessSecretVersion(gone, options())).rejects.toMatchObject({code: 7})
    await expect(
      client.addSecretVersion({parent: secret, payload: {data: Buffer.from('x')}}, options()),
    ).rejects.toMatchObject({
      code: 7,
      errorInfoMetadata: {permission: 'secretmanager.versions.add'},
    })
    await expect(client.getSecretVersion({name: `${secret}/versions/1`}, options())).rejects.toMatchObject({code: 7})
  })

  it('takes 65,536 bytes and no more', async () => {
    fake.create('myapp-production')
    const add = (size: number) =>
      client.addSecretVersion({parent: secret, payload: {data: Buffer.alloc(size, 'x')}}, options())
    await add(65_536)
    await expect(add(65_537)).rejects.toMatchObject({code: 3})
    expect((await access('latest'))[0].payload?.data).toHaveLength(65_536)
  })

  it('wants a replication of a global secret, and none of a regional one', async () => {
    const create = (parent: string, more: object) =>
      client.createSecret({parent, secretId: 'x', secret: more}, options())
    const parent = `projects/${project.id}`
    await expect(create(parent, {})).rejects.toMatchObject({code: 3})
    await expect(create(`${parent}/locations/europe-west3`, {replication: {automatic: {}}})).rejects.toMatchObject({
      code: 3,
    })
    await create(`${parent}/locations/europe-west3`, {})
  })

  it('keeps destroyed versions destroyed', async () => {
    fake.seed('myapp-production', 'one')
    const name = `${secret}/versions/1`
    await client.destroySecretVersion({name}, options())
    await expect(client.enableSecretVersion({name}, options())).rejects.toMatchObject({code: 9})
    const [version] = await client.getSecretVersion({name}, options())
    expect(version).toMatchObject({state: 'DESTROYED', etag: expect.stringMatching(/^".+"$/)})
  })

  it('counts requests against x-goog-user-project, and asks for the right to', async () => {
    fake.seed('myapp-production', 'one')
    const paidBy = (payer: string) =>
      client.accessSecretVersion(
        {name: `${secret}/versions/latest`},
        {otherArgs: {headers: {authorization, 'x-goog-user-project': payer}}},
      )
    await paidBy(project.id)
    await expect(paidBy(otherProject.id)).rejects.toMatchObject({
      code: 7,
      reason: 'USER_PROJECT_DENIED',
      errorInfoMetadata: {consumer: `projects/${otherProject.id}`},
    })
    fake.disableApi(project.id)
    await expect(access('latest')).rejects.toMatchObject({
      code: 7,
      reason: 'SERVICE_DISABLED',
      errorInfoMetadata: {consumer: `projects/${project.number}`},
    })
  })

  it('takes no token that is too old, too long, of another clock, or for something else', async () => {
    fake.seed('myapp-production', 'one')
    const {private_key, private_key_id, client_email} = fake.serviceAccount as Record<string, string>
    const now = Math.floor(Date.now() / 1000)
    const good = {
      iss: client_email,
      sub: client_email,
      scope: 'https://www.googleapis.com/auth/cloud-platform',
      iat: now,
      exp: now + 3600,
    }
    const attempt = (claims: object, kid = private_key_id!) => {
      authorization = `Bearer ${signedToken({...good, ...claims}, createPrivateKey(private_key!), kid)}`
      return access('latest').then(
        () => 'taken',
        ({code}: {code: number}) => code,
      )
    }
    expect(await attempt({})).toBe('taken')
    expect(await attempt({scope: undefined, aud: 'https://secretmanager.googleapis.com/'})).toBe('taken')
    expect(await attempt({scope: undefined, aud: 'https://pubsub.googleapis.com/'})).toBe(16)
    expect(await attempt({scope: 'https://www.googleapis.com/auth/devstorage.read_only'})).toBe(16)
    expect(await attempt({exp: now + 7200})).toBe(16)
    expect(await attempt({iat: now - 7200, exp: now - 3600})).toBe(16)
    expect(await attempt({iat: now + 3600, exp: now + 7200})).toBe(16)
    expect(await attempt({sub: 'other@example.com'})).toBe(16)
    expect(await attempt({}, 'another-key')).toBe(16)
    fake.skewClock(24 * 3_600_000)
    expect(await attempt({})).toBe(16)
  })

  it('answers REST as it answers gRPC', async () => {
    fake.seed('myapp-production', '123456789')
    const get = async (name: string, headers: Record<string, string> = {authorization}) => {
      const response = await fetch(`http://${fake.tokenHost}/v1/${name}:access`, {headers})
      return {status: response.status, body: (await response.json()) as unknown}
    }
    expect(await get(`${secret}/versions/latest`)).toEqual({
      status: 200,
      body: {name: `${numbered}/versions/1`, payload: {data: 'MTIzNDU2Nzg5', dataCrc32c: '3808858755'}},
    })
    expect(await get(`${secret}/versions/2`)).toMatchObject({status: 404, body: {error: {status: 'NOT_FOUND'}}})
    expect(await get(`${secret}/versions/latest`, {})).toMatchObject({
      status: 401,
      body: {error: {status: 'UNAUTHENTICATED'}},
    })
    fake.setState('myapp-production', 1, 'DISABLED')
    expect(await get(`${secret}/versions/latest`)).toMatchObject({
      status: 400,
      body: {error: {code: 400, status: 'FAILED_PRECONDITION'}},
    })
    fake.forbid('myapp-production')
    expect(await get(`${secret}/versions/latest`)).toMatchObject({
      status: 403,
      body: {
        error: {details: [{'@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'IAM_PERMISSION_DENIED'}]},
      },
    })
  })

  it('logs how many calls are in flight', async () => {
    fake.seed('myapp-production', 'one')
    await access('latest')
    fake.delay(50)
    await Promise.all([access('latest'), access('latest'), access('latest')])
    expect(fake.reads().map(({inFlight}) => inFlight)).toEqual([1, 1, 2, 3])
  })
})

describe('the token services of the fake', () => {
  const post = async (path: string, body: object | URLSearchParams, headers: Record<string, string> = {}) => {
    const isForm = body instanceof URLSearchParams
    const response = await fetch(`http://${fake.tokenHost}${path}`, {
      method: 'POST',
      headers: {...(isForm ? {} : {'content-type': 'application/json'}), ...headers},
      body: isForm ? body : JSON.stringify(body),
    })
    return {status: response.status, body: (await response.json()) as Record<string, unknown>}
  }

  const exchange = (change: Record<string, string> = {}) => {
    const {audience, subject_token_type, credential_source} = fake.workloadIdentity as {
      audience: string
      subject_token_type: string
      credential_source: {file: string}
    }
    return post(
      '/v1/token',
      new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        scope: 'https://www.googleapis.com/auth/cloud-platform',
        subject_token: readFileSync(credential_source.file, 'utf8'),
        audience,
        subject_token_type,
        ...change,
      }),
    )
  }

  it('exchange the token of a job, and nothing else', async () => {
    expect(await exchange()).toMatchObject({
      status: 200,
      body: {token_type: 'Bearer', issued_token_type: 'urn:ietf:params:oauth:token-type:access_token'},
    })
    expect((await exchange({audience: '//iam.googleapis.com/projects/1'})).body['error']).toBe('invalid_target')
    expect((await exchange({grant_type: 'password'})).body['error']).toBe('invalid_request')
    expect((await exchange({subject_token: 'a.b.c'})).body['error']).toBe('invalid_grant')
    fake.skewClock(24 * 3_600_000)
    expect((await exchange()).body['error']).toBe('invalid_grant')
  })

  it('take a signed assertion for an hour, made about now, for themselves', async () => {
    const {private_key, private_key_id, client_email} = fake.serviceAccount as Record<string, string>
    const now = Math.floor(Date.now() / 1000)
    const assert = async (claims: object) => {
      const all = {
        iss: client_email,
        scope: 'https://www.googleapis.com/auth/cloud-platform',
        aud: 'https://oauth2.googleapis.com/token',
        iat: now,
        exp: now + 3600,
        ...claims,
      }
      const assertion = signedToken(all, createPrivateKey(private_key!), private_key_id!)
      const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
      const {status, body} = await post('/token', new URLSearchParams({grant_type, assertion}))
      return status === 200 ? 'taken' : body['error']
    }
    expect(await assert({})).toBe('taken')
    expect(await assert({aud: 'https://example.com/token'})).toBe('invalid_grant')
    expect(await assert({exp: now + 7200})).toBe('invalid_grant')
    expect(await assert({iat: now - 86_400, exp: now - 82_800})).toBe('invalid_grant')
  })

  it('give a token for another account to those who may act as it', async () => {
    const target = identities.deployer.slice('serviceAccount:'.length)
    const path = `/v1/projects/-/serviceAccounts/${target}:generateAccessToken`
    const body = {scope: ['https://www.googleapis.com/auth/cloud-platform'], lifetime: '3600s'}
    expect(await post(path, body, {authorization})).toMatchObject({
      status: 200,
      body: {accessToken: expect.any(String)},
    })
    expect((await post(path, {...body, lifetime: '7200s'}, {authorization})).status).toBe(400)
    expect((await post(path, {lifetime: '60s'}, {authorization})).status).toBe(400)
    expect((await post(path, body)).status).toBe(401)
    fake.policy.strip(identities.serviceAccount)
    expect(await post(path, body, {authorization})).toMatchObject({
      status: 403,
      body: {error: {details: [{metadata: {permission: 'iam.serviceAccounts.getAccessToken'}}]}},
    })
  })

  it('give the token of the machine to those alone who know its header', async () => {
    const at = `http://${fake.tokenHost}/computeMetadata/v1/instance/service-accounts/default`
    expect((await fetch(`${at}/token`)).status).toBe(403)
    const response = await fetch(`${at}/email`, {headers: {'metadata-flavor': 'Google'}})
    expect(response.headers.get('metadata-flavor')).toBe('Google')
    expect(`serviceAccount:${await response.text()}`).toBe(identities.machine)
  })
})

describe('the hosts of the fake', () => {
  const regional = `projects/${project.id}/locations/europe-west3/secrets/x/versions/latest`
  const global = `projects/${project.id}/secrets/x/versions/latest`

  it.each([
    ['secretmanager.googleapis.com', global, 'found'],
    ['secretmanager.googleapis.com', regional, 3],
    ['secretmanager.europe-west3.rep.googleapis.com', regional, 'found'],
    ['secretmanager.europe-west3.rep.googleapis.com', global, 3],
    ['secretmanager.europe-west4.rep.googleapis.com', regional, 3],
  ])('%s asked for %s: %s', async (host, name, expected) => {
    fake.seed('x', 'one')
    fake.seed('locations/europe-west3/secrets/x', 'two')
    const {hostname, port} = new URL(fake.endpoint)
    const asHost = new SecretManagerServiceClient({
      apiEndpoint: hostname,
      port: Number(port),
      sslCreds: grpc.credentials.createInsecure(),
      projectId: project.id,
      'grpc.default_authority': host,
    })
    const result = await asHost.accessSecretVersion({name}, options()).then(
      () => 'found',
      ({code}: {code: number}) => code,
    )
    await asHost.close()
    expect(result).toBe(expected)
  })
})
