import './no-roots-file.ts'
import {createSocket} from 'node:dgram'
import dns from 'node:dns'
import {once} from 'node:events'
import {mkdirSync, writeFileSync} from 'node:fs'
import {createServer, type Server} from 'node:net'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {afterEach, beforeEach, describe, expect, it} from 'vitest'

import type {Host} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {provider as definition} from '../../../src/providers/gcp/index.ts'
import type {Fetched, Provider} from '../../../src/providers/provider.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import {type FakeGcp, identities, otherProject, project, startGcp} from '../../fakes/gcp.ts'
import {everythingOf, gist, readAll, testHost} from '../contract.ts'
import {clearGoogleEnvironment, connectTo, logInWith, temporaryDirectory, trustFakes} from './bed.ts'

let fake: FakeGcp
const connected: Provider[] = []
const servers: Server[] = []
const never = new AbortController().signal
const ref = (name: string, version?: string) => ({vault: 'default', name, ...(version !== undefined && {version})})

beforeEach(async () => {
  clearGoogleEnvironment()
  fake = await startGcp()
  logInWith(fake.serviceAccount)
})

afterEach(async () => {
  await Promise.all(connected.splice(0).map((each) => each.close()))
  await fake.stop()
  for (const server of servers.splice(0)) server.close()
})

async function connect(host: Partial<Host> = {}): Promise<Provider> {
  const each = await connectTo(fake, host)
  connected.push(each)
  return each
}

async function readOne(name: string, version?: string, host: Partial<Host> = {}): Promise<Fetched> {
  const [answer] = await readAll(await connect(host), [ref(name, version)])
  return answer!
}

/** Reads `myapp-production` and expects a failure that quotes nothing. */
async function failure(
  host: Partial<Host> = {},
): Promise<{code: string; message: string; suggestions: readonly string[]}> {
  const answer = await readOne('myapp-production', undefined, host)
  if (answer.kind !== 'failed') throw new Error(`Not a failure: ${gist(answer)}`)
  for (const text of fake.credentials()) expect(everythingOf(answer.error)).not.toContain(text)
  return answer.error
}

describe('reading', () => {
  it('looks up nothing but the address of the service: a TXT record in its DNS could change how it is called', async () => {
    const {certificate, key} = await serverCertificate(['localhost'])
    const twin = await startGcp({directory: temporaryDirectory(), tls: {key, cert: certificate}})
    const [asked, server, before] = [[] as string[], createSocket('udp4'), dns.getServers()]
    server.on('message', (question) => asked.push(question.toString('latin1')))
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      trustFakes(certificate)
      logInWith(twin.serviceAccount)
      twin.seed('myapp-production', 'value')
      // Of the process: the address itself is asked of the system.
      dns.setServers([`127.0.0.1:${server.address().port}`])
      const client = await connectTo({endpoint: twin.endpoint.replace('127.0.0.1', 'localhost')})
      connected.push(client)
      expect((await readAll(client, [ref('myapp-production')])).map(gist)).toEqual(['found value'])
      expect(asked).toEqual([])
    } finally {
      dns.setServers(before)
      server.close()
      await twin.stop()
    }
  })

  it('C113 asks for nothing but the version that it reads', async () => {
    fake.seed('myapp-production', 'value')
    await readAll(await connect(), [ref('myapp-production'), ref('myapp-staging')])
    expect(fake.calls()).toEqual(['accessSecretVersion', 'accessSecretVersion'])
  })

  it.each([`projects/${project.id}/secrets/myapp-key`, `projects/${project.number}/secrets/myapp-key/versions/1`])(
    'C114 uses the full name %s as it is',
    async (name) => {
      fake.seed('myapp-key', 'value')
      expect(gist(await readOne(name))).toBe('found value')
    },
  )

  it('C114 reads a regional secret by its full name', async () => {
    fake.seed('locations/europe-west3/secrets/myapp-key', 'regional')
    expect(gist(await readOne(`projects/${project.id}/locations/europe-west3/secrets/myapp-key`))).toBe(
      'found regional',
    )
  })

  it("C114 asks another project for that project's secret, and never for its own", async () => {
    fake.seed('myapp-key', 'value')
    expect(gist(await readOne('projects/other-project/secrets/myapp-key'))).toBe('FORBIDDEN')
  })

  it("C114 reads another project's secret where it may", async () => {
    const name = `projects/${otherProject.id}/secrets/team-key`
    fake.seed(name, 'shared')
    expect(gist(await readOne(name))).toBe('FORBIDDEN')
    fake.policy.grant(identities.serviceAccount, 'roles/secretmanager.secretAccessor', name)
    expect(gist(await readOne(name))).toBe('found shared')
  })

  it.each(['projects/other', 'team/app/key', 'a name'])(
    'C114 sends nothing for the malformed name %s',
    async (name) => {
      expect(gist(await readOne(name))).toBe('BAD_REQUEST')
      expect(fake.calls()).toEqual([])
    },
  )

  it('reads a version by its alias, and says its number', async () => {
    fake.seed('myapp-production', 'one')
    fake.seed('myapp-production', 'two')
    fake.setAlias('myapp-production', 'stable', 1)
    expect(await readOne('myapp-production', 'stable')).toMatchObject({kind: 'found', version: '1'})
    expect(gist(await readOne('myapp-production', 'unstable'))).toBe('absent')
    expect(gist(await readOne('myapp-production', '3'))).toBe('absent')
  })

  it.each([
    ['DISABLED', 'SECRET_DISABLED', 'gcloud secrets versions enable 2 --secret=myapp-production'],
    ['DESTROYED', 'SECRET_DELETED', 'gcloud secrets versions add myapp-production'],
  ] as const)(
    'never falls back to an older version when the latest is %s, but says %s',
    async (state, code, remedy) => {
      fake.seed('myapp-production', 'one')
      fake.seed('myapp-production', 'two')
      fake.setState('myapp-production', 2, state)
      const error = await failure()
      expect(error.code).toBe(code)
      expect(error.suggestions[0]).toContain(remedy)
    },
  )

  it('says absent for a secret without versions', async () => {
    fake.create('myapp-production')
    expect(gist(await readOne('myapp-production'))).toBe('absent')
  })

  it('refuses a payload whose checksum differs', async () => {
    fake.seed('myapp-production', 'value')
    fake.corrupt('myapp-production')
    expect(await failure()).toMatchObject({code: 'BAD_RESPONSE', message: expect.stringContaining('CRC32C')})
  })

  it('keeps a byte order mark', async () => {
    fake.seed('myapp-production', '\ufeffvalue')
    expect(gist(await readOne('myapp-production'))).toBe('found \ufeffvalue')
  })

  it('tells a project without the API from one that refuses us', async () => {
    fake.disableApi(project.id)
    const error = await failure()
    expect(error.code).toBe('VAULT_NOT_FOUND')
    expect(error.suggestions[0]).toContain(
      `gcloud services enable secretmanager.googleapis.com --project=${project.number}`,
    )
  })

  it('takes NOT_FOUND from the infrastructure for trouble, never for an absence', async () => {
    fake.seed('myapp-production', 'value')
    fake.fail(5, Infinity, {info: {reason: 'RESOURCE_PROJECT_INVALID', domain: 'googleapis.com'}})
    expect((await failure()).code).toBe('VAULT_NOT_FOUND')
  })

  it('names who to grant what when it is refused', async () => {
    fake.seed('myapp-production', 'value')
    fake.forbid('myapp-production')
    const error = await failure()
    expect(error.code).toBe('FORBIDDEN')
    expect(error.suggestions[0]).toContain(
      `gcloud secrets add-iam-policy-binding myapp-production --member=serviceAccount:ci@myapp-project.iam.gserviceaccount.com --role=roles/secretmanager.secretAccessor --project=${project.id}`,
    )
  })

  it.each([
    [3, 'BAD_REQUEST'],
    [4, 'TIMEOUT'],
    [12, 'BAD_RESPONSE'],
    [2, 'SERVICE_ERROR'],
    [15, 'SERVICE_ERROR'],
  ])('maps gRPC status %i to %s', async (code, expected) => {
    fake.fail(code, Infinity)
    expect((await failure()).code).toBe(expected)
  })

  it.each([
    ['RESOURCE_EXHAUSTED', 8],
    ['UNAVAILABLE', 14],
  ])('C120 reads after a first %s', async (_, code) => {
    fake.seed('myapp-production', 'value')
    fake.fail(code, 1)
    expect(gist(await readOne('myapp-production'))).toBe('found value')
    expect(fake.reads()).toHaveLength(2)
  })
})

describe('the way there', () => {
  /** Takes CONNECT requests, notes where they wanted to go, and hangs up. */
  async function proxy(): Promise<readonly string[]> {
    const targets: string[] = []
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (data) => {
        targets.push(data.toString().split(' ')[1]!)
        socket.destroy()
      })
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    process.env['https_proxy'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return targets
  }

  it.each([
    ['myapp-production', 'secretmanager.googleapis.com:443'],
    ['projects/p/locations/europe-west3/secrets/myapp-production', 'secretmanager.europe-west3.rep.googleapis.com:443'],
  ])('C114 asks for %s at %s', async (name, host) => {
    const targets = await proxy()
    const real = await definition.connect(
      {name: 'default', settings: {project_id: project.id}},
      testHost({callTimeoutMs: 3000}),
    )
    connected.push(real)
    expect((await readAll(real, [ref(name)])).map(gist)).toEqual(['UNREACHABLE'])
    expect(new Set(targets)).toEqual(new Set([host]))
  })

  it.each(['http://example.com', 'http://localhost:9000'])(
    'sends no token in plain text to %s',
    async (api_endpoint) => {
      const connecting = definition.connect(
        {name: 'default', settings: {project_id: project.id, api_endpoint}},
        testHost(),
      )
      await expect(connecting).rejects.toMatchObject({code: 'CONFIG_INVALID'})
    },
  )
})

describe('the login', () => {
  it('C111 says NOT_LOGGED_IN without any credentials, and what to run', async () => {
    delete process.env['GOOGLE_APPLICATION_CREDENTIALS']
    const error = await failure()
    expect(error.code).toBe('NOT_LOGGED_IN')
    expect(error.suggestions[0]).toContain('gcloud auth application-default login')
  })

  it.each([
    ['is missing', undefined],
    ['is no JSON', 'not JSON: hush-hush-1234'],
    [
      'has a broken private key',
      JSON.stringify({type: 'service_account', client_email: 'a@b', private_key: 'hush-hush-1234'}),
    ],
    ['has no private key', JSON.stringify({type: 'service_account', client_email: 'hush-hush-1234'})],
  ])('says NOT_LOGGED_IN for a credential file that %s, and quotes nothing of it', async (_, content) => {
    const path = join(temporaryDirectory(), 'credentials.json')
    if (content !== undefined) writeFileSync(path, content)
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = path
    const error = await failure()
    expect(error).toMatchObject({
      code: 'NOT_LOGGED_IN',
      message: expect.stringContaining('GOOGLE_APPLICATION_CREDENTIALS'),
    })
    expect(everythingOf(error)).not.toContain('hush-hush-1234')
  })

  it('does not say that there are no credentials when the file of gcloud is broken', async () => {
    delete process.env['GOOGLE_APPLICATION_CREDENTIALS']
    const directory = join(process.env['HOME']!, '.config', 'gcloud')
    mkdirSync(directory, {recursive: true})
    const broken = {type: 'service_account', client_email: 'ci@example.com', private_key: 'hush-hush-1234'}
    writeFileSync(join(directory, 'application_default_credentials.json'), JSON.stringify(broken))
    const error = await failure()
    expect(error).toMatchObject({code: 'NOT_LOGGED_IN', message: expect.stringContaining('gcloud')})
    expect(everythingOf(error)).not.toContain('hush-hush-1234')
  })

  it('says LOGIN_REFUSED for invalid_grant, and asks the token service once for all', async () => {
    logInWith(fake.workloadIdentity)
    fake.rejectLogins()
    const refs = ['a', 'b', 'c', 'd'].map((name) => ref(name))
    const answers = await readAll(await connect(), refs)
    expect(answers.map(gist)).toEqual(refs.map(() => 'LOGIN_REFUSED'))
    expect(answers[0]).toMatchObject({error: {message: expect.stringContaining('invalid_grant')}})
    expect(fake.logins()).toBe(1)
    for (const text of fake.credentials()) expect(everythingOf(answers)).not.toContain(text)
  })

  it('says UNREACHABLE for a token service that is down', async () => {
    logInWith({...fake.workloadIdentity, token_url: 'http://127.0.0.1:1/v1/token'})
    expect((await failure()).code).toBe('UNREACHABLE')
  })

  it('C112 says TIMEOUT for a token service that is silent', async () => {
    logInWith(fake.workloadIdentity)
    fake.tokens.silence()
    expect((await failure({callTimeoutMs: 300})).code).toBe('TIMEOUT')
  })

  it('logs in through the metadata server, once, and says as whom', async () => {
    delete process.env['GOOGLE_APPLICATION_CREDENTIALS']
    process.env['METADATA_SERVER_DETECTION'] = 'assume-present'
    process.env['GCE_METADATA_HOST'] = fake.tokenHost
    fake.seed('a', 'first')
    fake.seed('b', 'second')
    const vm = await connect()
    expect((await readAll(vm, [ref('a'), ref('b')])).map(gist)).toEqual(['found first', 'found second'])
    expect(fake.logins()).toBe(1)
    expect(await vm.whoami(never)).toMatchObject({
      who: 'vm@myapp-project.iam.gserviceaccount.com',
      credential: 'the metadata server',
      until: expect.any(Date),
    })
  })

  it('C112 says TIMEOUT for a metadata server that is silent', async () => {
    delete process.env['GOOGLE_APPLICATION_CREDENTIALS']
    process.env['METADATA_SERVER_DETECTION'] = 'assume-present'
    process.env['GCE_METADATA_HOST'] = fake.tokenHost
    fake.tokens.silence()
    expect((await failure({callTimeoutMs: 300})).code).toBe('TIMEOUT')
  })

  it("signs one token for all reads of a run, the service account's own", async () => {
    fake.seed('myapp-production', 'value')
    const each = await connect()
    await readAll(each, [ref('myapp-production'), ref('myapp-staging')])
    // A token that is signed in another second is another token.
    await sleep(1100)
    await readAll(each, [ref('myapp-production')])
    expect(fake.logins()).toBe(1)
  })

  it('says so when the credentials are of another universe than the service', async () => {
    logInWith({...fake.serviceAccount, universe_domain: 'universe.example'})
    const error = await failure()
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      suggestions: [expect.stringContaining('GOOGLE_CLOUD_UNIVERSE_DOMAIN'), expect.anything()],
    })
  })

  it('says whose key it is', async () => {
    expect(await (await connect()).whoami(never)).toEqual({
      who: 'ci@myapp-project.iam.gserviceaccount.com',
      credential: 'the service account key in the file that GOOGLE_APPLICATION_CREDENTIALS names',
      until: 'unknown',
      principal: 'serviceAccount:ci@myapp-project.iam.gserviceaccount.com',
    })
  })

  it('says until when a federated login holds', async () => {
    logInWith(fake.workloadIdentity)
    expect(await (await connect()).whoami(never)).toMatchObject({
      who: identities.workload,
      principal: identities.workload,
      credential: 'the workload identity federation in the file that GOOGLE_APPLICATION_CREDENTIALS names',
      until: expect.any(Date),
    })
  })
})

describe('earlier versions', () => {
  it('skips disabled and destroyed ones', async () => {
    for (const value of ['one', 'two', 'three', 'four']) fake.seed('myapp-production', value)
    fake.setState('myapp-production', 2, 'DISABLED')
    fake.setState('myapp-production', 3, 'DESTROYED')
    const found: string[] = []
    for await (const {version, value} of (await connect()).earlier(ref('myapp-production'), 5, never)) {
      found.push(`${version} ${value.reveal()}`)
    }
    expect(found).toEqual(['1 one'])
  })

  it('ends silently when the service fails', async () => {
    for (const value of ['one', 'two']) fake.seed('myapp-production', value)
    fake.forbid('myapp-production')
    for await (const earlier of (await connect()).earlier(ref('myapp-production'), 5, never))
      expect.unreachable(earlier.version)
  })
})

describe('writing', () => {
  it('fills a secret that has no versions yet', async () => {
    fake.create('myapp-production')
    const each = await connect()
    await each.write(ref('myapp-production'), new Secret('first'), 'absent', never)
    expect(fake.versionsOf('myapp-production')).toEqual(['first'])
  })

  it('creates a regional secret where its name says', async () => {
    const name = `projects/${project.id}/locations/europe-west3/secrets/myapp-key`
    expect(await (await connect()).write(ref(name), new Secret('regional'), 'any', never)).toBe('1')
    expect(fake.versionsOf('locations/europe-west3/secrets/myapp-key')).toEqual(['regional'])
  })

  it('says VERSION_CONFLICT when somebody else writes in between, and hides neither value', async () => {
    fake.seed('myapp-production', 'one')
    const each = await connect()
    fake.beforeNextAdd(() => fake.seed('myapp-production', 'theirs'))
    const writing = each.write(ref('myapp-production'), new Secret('ours'), '1', never)
    await expect(writing).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
      message: expect.stringContaining('version 3'),
    })
    expect(fake.versionsOf('myapp-production')).toEqual(['one', 'theirs', 'ours'])
  })

  it('never sends a value twice', async () => {
    fake.seed('myapp-production', 'one')
    const each = await connect()
    fake.fail(14, 1)
    await expect(each.write(ref('myapp-production'), new Secret('two'), 'any', never)).rejects.toMatchObject({
      code: 'SERVICE_ERROR',
    })
    expect(fake.calls()).toEqual(['addSecretVersion'])
  })
})
