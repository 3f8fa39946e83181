/* What a person reads, for each code and situation: messages.golden.txt holds the texts, written as prose and reviewed as such. */
import {rmSync, writeFileSync} from 'node:fs'
import {createSecureServer} from 'node:http2'
import {createServer as createHttpsServer} from 'node:https'
import type {AddressInfo, Server} from 'node:net'
import {join} from 'node:path'

import {beforeEach, describe, expect, it, onTestFinished} from 'vitest'

import type {EnvdriftError} from '../../../src/core/errors.ts'
import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {Secret} from '../../../src/core/secret.ts'
import {serverCertificate} from '../../fakes/certificate.ts'
import type {CredentialFiles} from '../../fakes/gcp/credential-files.ts'
import {everythingOf} from '../contract.ts'
import {thrownBy} from '../error-in.ts'
import {asRead, claimWhole, failureInSync, goldenTexts} from '../golden.ts'
import {credentialFile, logInWith, temporaryDirectory, trustFakes} from './bed.ts'
import {connect, enterInternet, type Internet} from './internet.ts'

const texts = goldenTexts(import.meta.dirname)

const never = new AbortController().signal
let net: Internet

beforeEach(async () => {
  net = await enterInternet()
  net.fake.seed('myapp-key', 'the-value-itself')
})

/** What `sync` would say of a secret: a refusal names who was refused. */
async function reading(name = 'myapp-key', settings: Settings = {}, host: Partial<Host> = {}): Promise<EnvdriftError> {
  const [secret = '', version] = name.split('@')
  const ref = {vault: 'default', name: secret, ...(version !== undefined && {version})}
  return failureInSync(ref, () => connect(settings, host))
}

const writing = async (name: string, expected: string): Promise<EnvdriftError> =>
  thrownBy((await connect()).write({vault: 'default', name}, new Secret('another-value'), expected, never))

const as = (login: keyof CredentialFiles): void => logInWith(net.published(login))

/** The login of the machine itself; the fake's metadata server stands where GCE_METADATA_HOST says. */
function asMachine(): void {
  delete process.env['GOOGLE_APPLICATION_CREDENTIALS']
  delete process.env['METADATA_SERVER_DETECTION']
  process.env['GCE_METADATA_HOST'] = `https://${net.fake.tokenHost}`
}

const withSource = (credential_source: object): object => ({...net.published('workloadIdentity'), credential_source})

/** What a read says when this stands in the place of the service. */
async function readingBehind(make: (options: {key: string; cert: string}) => Server): Promise<EnvdriftError> {
  as('serviceAccount')
  const {certificate, key} = await serverCertificate(['localhost'])
  trustFakes(certificate)
  process.env['NO_PROXY'] = 'localhost'
  const server = make({key, cert: certificate})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return reading('myapp-key', {api_endpoint: `https://localhost:${(server.address() as AddressInfo).port}`})
}

/** How to bring each about. */
const situations: Readonly<Record<string, () => Promise<EnvdriftError>>> = {
  'NOT_LOGGED_IN: nobody ever logged in': () => reading(),
  'NOT_LOGGED_IN: the credential file is not there': () => {
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(temporaryDirectory(), 'gone.json')
    return reading()
  },
  'NOT_LOGGED_IN: credentials_file is not JSON': () => {
    const path = join(temporaryDirectory(), 'key.json')
    writeFileSync(path, '-----BEGIN PRIVATE KEY-----')
    return reading('myapp-key', {credentials_file: path})
  },
  'NOT_LOGGED_IN: the credential file is of an unknown type': () => {
    logInWith({type: 'carrier_pigeon'})
    return reading()
  },
  'NOT_LOGGED_IN: the key in the credential file is broken': () => {
    logInWith({...net.published('serviceAccount'), private_key: 'not a key'})
    return reading()
  },
  'NOT_LOGGED_IN: the file with the token of the job is gone': () => {
    logInWith(withSource({file: join(temporaryDirectory(), 'gone')}))
    return reading()
  },
  'NOT_LOGGED_IN: the job gets no token any more': () => {
    logInWith(withSource({url: 'https://ci.example.com/oidc', headers: {Authorization: 'Bearer old'}}))
    return reading()
  },
  'NOT_LOGGED_IN: a program is named, and not allowed': () => {
    logInWith(withSource({executable: {command: 'print-token'}}))
    return reading()
  },
  'NOT_LOGGED_IN: the program is not there': () => {
    process.env['GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES'] = '1'
    logInWith(withSource({executable: {command: join(temporaryDirectory(), 'print-token')}}))
    return reading()
  },
  'NOT_LOGGED_IN: the machine has no service account': () => {
    asMachine()
    net.fake.rejectLogins()
    return reading()
  },
  'NOT_LOGGED_IN: the metadata server is out of reach': () => {
    asMachine()
    process.env['GCE_METADATA_HOST'] = '127.0.0.1:1'
    return reading()
  },
  'CONFIG_NOT_ALLOWED: a credential file in a repository sends tokens elsewhere': () => {
    const repository = temporaryDirectory()
    writeFileSync(join(repository, '.git'), '')
    const elsewhere = {...net.published('workloadIdentity'), token_url: 'https://sts.example.com/v1/token'}
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = credentialFile(elsewhere, repository)
    return reading().finally(() => rmSync(repository, {recursive: true}))
  },
  'CONFIG_INVALID: the login is of another universe': () => {
    logInWith({...net.published('serviceAccount'), universe_domain: 'universe.example'})
    return reading()
  },
  'CONFIG_INVALID: api_endpoint is plain text to another machine': () =>
    thrownBy(connect({api_endpoint: 'http://secretmanager.example.com'})),
  'LOGIN_REFUSED: the key of the service account was deleted': () => {
    as('serviceAccount')
    net.fake.rejectLogins()
    return reading()
  },
  'LOGIN_REFUSED: the token has expired': () => {
    as('serviceAccount')
    net.fake.expireTokens()
    return reading()
  },
  'LOGIN_REFUSED: the clock of this machine is wrong': () => {
    as('serviceAccount')
    net.fake.skewClock(24 * 3_600_000)
    return reading()
  },
  'LOGIN_REFUSED: the clock is wrong, and the token of the job has not begun or is over': () => {
    as('workloadIdentity')
    net.fake.skewClock(24 * 3_600_000)
    return reading()
  },
  'LOGIN_REFUSED: the login of a user was revoked': () => {
    as('userLogin')
    net.fake.rejectLogins()
    return reading()
  },
  'LOGIN_REFUSED: the organization wants proof again': () => {
    as('userLogin')
    net.fake.rejectLogins({
      error: 'invalid_grant',
      error_description: 'reauth related error (invalid_rapt)',
      error_subtype: 'invalid_rapt',
    })
    return reading()
  },
  'LOGIN_REFUSED: the token of the job is not taken': () => {
    as('workloadIdentity')
    net.fake.rejectLogins()
    return reading()
  },
  'LOGIN_REFUSED: the provider of the pool is not there': () => {
    logInWith({
      ...net.published('workloadIdentity'),
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/gone',
    })
    return reading()
  },
  'LOGIN_REFUSED: the attribute condition does not take the job': () => {
    as('workloadIdentity')
    net.fake.rejectLogins({error: 'unauthorized_client'})
    return reading()
  },
  'LOGIN_REFUSED: a service account may not act as another': () => {
    as('serviceAccount')
    return reading('myapp-key', {impersonate_service_account: 'root@myapp-project.iam.gserviceaccount.com'})
  },
  'LOGIN_REFUSED: a job may not act as a service account': () => {
    as('workloadIdentityImpersonating')
    net.fake.policy.strip(net.fake.identities.workload)
    return reading()
  },
  'FORBIDDEN: a service account lacks the role': () => {
    as('serviceAccount')
    net.fake.forbid('myapp-key')
    return reading()
  },
  'FORBIDDEN: a user lacks the role, on a regional secret of another project': () => {
    as('userLogin')
    return reading('projects/shared-secrets/locations/europe-west3/secrets/team-key')
  },
  'FORBIDDEN: a job lacks the role': () => {
    as('workloadIdentity')
    net.fake.forbid('myapp-key')
    return reading()
  },
  'FORBIDDEN: the machine lacks the role': () => {
    asMachine()
    net.fake.forbid('myapp-key')
    return reading()
  },
  'FORBIDDEN: an impersonated account lacks the role': () => {
    as('impersonation')
    net.fake.forbid('myapp-key')
    return reading()
  },
  'FORBIDDEN: the machine has the wrong scopes': () => {
    asMachine()
    net.fake.tokens.limitMachineTo(['https://www.googleapis.com/auth/devstorage.read_only'])
    return reading()
  },
  'FORBIDDEN: the quota project is not ours to use': () => {
    as('serviceAccount')
    return reading('myapp-key', {quota_project: 'shared-secrets'})
  },
  'FORBIDDEN: a service perimeter': () => {
    as('serviceAccount')
    net.fake.fail(7, Infinity, {info: {reason: 'SECURITY_POLICY_VIOLATED', domain: 'googleapis.com'}})
    return reading()
  },
  'FORBIDDEN: may read, and may not write': async () => {
    as('serviceAccount')
    net.fake.policy.strip(net.fake.identities.serviceAccount)
    net.fake.policy.grant(
      net.fake.identities.serviceAccount,
      'roles/secretmanager.secretAccessor',
      'projects/myapp-project/secrets/myapp-key',
    )
    return writing('myapp-key', '1')
  },
  'FORBIDDEN: may not create a secret': () => {
    as('serviceAccount')
    net.fake.policy.strip(net.fake.identities.serviceAccount)
    return writing('another-key', 'absent')
  },
  'VAULT_NOT_FOUND: the API is not enabled': () => {
    as('serviceAccount')
    net.fake.disableApi('myapp-project')
    return reading()
  },
  "VAULT_NOT_FOUND: a user's login counts against gcloud": () => {
    as('userLogin')
    const metadata = {consumer: 'projects/764086051850', service: 'secretmanager.googleapis.com'}
    net.fake.fail(7, Infinity, {info: {reason: 'SERVICE_DISABLED', domain: 'googleapis.com', metadata}})
    return reading()
  },
  'VAULT_NOT_FOUND: no billing account': () => {
    as('serviceAccount')
    net.fake.fail(7, Infinity, {info: {reason: 'BILLING_DISABLED', domain: 'googleapis.com'}})
    return reading()
  },
  'VAULT_NOT_FOUND: the project was deleted': () => {
    as('serviceAccount')
    const metadata = {consumer: 'projects/myapp-project'}
    net.fake.fail(7, Infinity, {info: {reason: 'CONSUMER_INVALID', domain: 'googleapis.com', metadata}})
    return reading()
  },
  'VAULT_NOT_FOUND: the location knows no such project': () => {
    as('serviceAccount')
    net.fake.fail(5, Infinity, {info: {reason: 'RESOURCE_NOT_FOUND', domain: 'googleapis.com'}})
    return reading('myapp-key', {location: 'europe-west3'})
  },
  'SECRET_DISABLED: the latest version is disabled': () => {
    as('serviceAccount')
    net.fake.setState('myapp-key', 1, 'DISABLED')
    return reading()
  },
  'SECRET_DISABLED: the service words it otherwise': () => {
    as('serviceAccount')
    net.fake.fail(9, Infinity)
    return reading()
  },
  'SECRET_DELETED: the pinned version was destroyed': () => {
    as('serviceAccount')
    net.fake.setState('myapp-key', 1, 'DESTROYED')
    return reading('myapp-key@1')
  },
  'VERSION_CONFLICT: the secret is there already': () => {
    as('serviceAccount')
    return writing('myapp-key', 'absent')
  },
  'VERSION_CONFLICT: another version is current': () => {
    as('serviceAccount')
    net.fake.seed('myapp-key', 'newer')
    return writing('myapp-key', '1')
  },
  'VERSION_CONFLICT: somebody else wrote at the same time': () => {
    as('serviceAccount')
    net.fake.beforeNextAdd(() => net.fake.seed('myapp-key', 'theirs'))
    return writing('myapp-key', '1')
  },
  'UNREACHABLE: the service': () => {
    as('serviceAccount')
    return reading('myapp-key', {api_endpoint: 'http://127.0.0.1:1'}, {callTimeoutMs: 1000})
  },
  'UNREACHABLE: the token endpoint': () => {
    logInWith({...net.published('workloadIdentity'), token_url: 'http://127.0.0.1:1/v1/token'})
    process.env['NO_PROXY'] = '127.0.0.1'
    return reading()
  },
  'TIMEOUT: the service is silent': () => {
    as('serviceAccount')
    net.fake.silence()
    return reading('myapp-key', {}, {callTimeoutMs: 1000})
  },
  'TIMEOUT: the token endpoint is silent': () => {
    as('workloadIdentity')
    net.fake.tokens.silence()
    return reading('myapp-key', {}, {callTimeoutMs: 1000})
  },
  'TIMEOUT: the metadata server is silent': () => {
    asMachine()
    net.fake.tokens.silence()
    return reading('myapp-key', {}, {callTimeoutMs: 1000})
  },
  'TIMEOUT: the service says itself that it was too slow': () => {
    as('serviceAccount')
    net.fake.fail(4, Infinity)
    return reading()
  },
  'THROTTLED: over the quota': () => {
    as('serviceAccount')
    net.fake.fail(8, Infinity)
    return reading('myapp-key', {}, {callTimeoutMs: 1000})
  },
  'THROTTLED: to wait for longer than a call may take': () => {
    as('serviceAccount')
    net.fake.fail(8, Infinity, {retrySeconds: 600})
    return reading()
  },
  'THROTTLED: the token endpoint': () => {
    as('workloadIdentity')
    net.fake.tokens.fail(429, Infinity)
    return reading()
  },
  'TLS_REFUSED: the service': () => {
    as('serviceAccount')
    trustFakes()
    return reading()
  },
  'TLS_REFUSED: the token endpoint': () => {
    as('workloadIdentity')
    trustFakes()
    return reading()
  },
  'TLS_REFUSED: a proxy that opens TLS speaks no HTTP/2': () =>
    readingBehind((options) => createHttpsServer({...options, ALPNProtocols: ['http/1.1']})),
  'SERVICE_ERROR: the service': () => {
    as('serviceAccount')
    net.fake.fail(13, Infinity)
    return reading('myapp-key', {}, {callTimeoutMs: 1000})
  },
  'SERVICE_ERROR: the token endpoint': () => {
    as('workloadIdentity')
    net.fake.tokens.fail(503, Infinity)
    return reading()
  },
  'BAD_REQUEST: a name that no secret can have': () => {
    as('serviceAccount')
    return reading('my app key')
  },
  'BAD_REQUEST: the service does not understand us': () => {
    as('serviceAccount')
    net.fake.fail(3, Infinity)
    return reading()
  },
  'BAD_RESPONSE: the payload was damaged': () => {
    as('serviceAccount')
    net.fake.corrupt('myapp-key')
    return reading()
  },
  'BAD_RESPONSE: another version than the pinned one': () => {
    as('serviceAccount')
    net.fake.mislabel('myapp-key', 2)
    return reading('myapp-key@1')
  },
  'BAD_RESPONSE: something else answers': () => {
    as('serviceAccount')
    net.fake.fail(12, Infinity)
    return reading()
  },
  'BAD_RESPONSE: a proxy says with a page that it forbids the service': () =>
    readingBehind((options) =>
      createSecureServer(options, (_, response) => {
        response.writeHead(403, {'content-type': 'text/html'})
        response.end('<html>Blocked</html>')
      }),
    ),
  'BAD_RESPONSE: a page comes with status 200': () =>
    readingBehind((options) =>
      createSecureServer(options, (_, response) => {
        response.writeHead(200, {'content-type': 'text/html'})
        response.end('<html>Sign in to this network</html>')
      }),
    ),
  'BAD_RESPONSE: a page comes from the token endpoint': () => {
    as('userLogin')
    net.fake.tokens.intercept(/./, {status: 200, headers: {'content-type': 'text/html'}, body: '<html>Sign in</html>'})
    return reading()
  },
  'BAD_RESPONSE: the token endpoint redirects': () => {
    as('userLogin')
    net.fake.tokens.intercept(/./, {status: 307, headers: {location: 'https://login.example.net/token?a=b'}, body: ''})
    return reading()
  },
  'BAD_RESPONSE: what hands out the token of the job redirects to nowhere': () => {
    as('workloadIdentityByUrl')
    net.fake.tokens.intercept(/./, {status: 302, headers: {}, body: ''})
    return reading()
  },
  'KEY_BINARY: the secret holds bytes': () => {
    as('serviceAccount')
    net.fake.seed('logo', Buffer.from([0xff, 0xd8, 0xff]))
    return reading('logo')
  },
}

describe('what a person reads', () => {
  claimWhole(texts, Object.keys(situations), {sources: ['gcp/*.ts'], moreThan: 10})

  it.each(Object.entries(situations))('%s', async (title, bringAbout) => {
    const error = await bringAbout()
    expect(`${error.code}\n${asRead(error)}`).toBe(`${title.split(':')[0]}\n${texts.get(title)}`)
    for (const text of [...net.fake.credentials(), 'the-value-itself', 'another-value']) {
      expect(everythingOf(error)).not.toContain(text)
    }
  })
})
