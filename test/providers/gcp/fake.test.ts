/* The fake against the official SDK, without our adapter: what the service was seen to answer, the fake answers too. */
import {SecretManagerServiceClient} from '@google-cloud/secret-manager'
import {GoogleAuth, grpc} from 'google-gax'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'

import {type FakeGcp, project, startGcp} from '../../fakes/gcp.ts'
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

  it('logs how many calls are in flight', async () => {
    fake.seed('myapp-production', 'one')
    await access('latest')
    fake.delay(50)
    await Promise.all([access('latest'), access('latest'), access('latest')])
    expect(fake.reads().map(({inFlight}) => inFlight)).toEqual([1, 1, 2, 3])
  })
})
