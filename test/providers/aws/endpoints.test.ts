import {describe, expect, it, onTestFinished, vi} from 'vitest'

import {serverCertificate} from '../../fakes/certificate.ts'
import {ref, signal} from '../aws-asking.ts'
import {startConnectProxy, type ConnectProxy} from '../aws-connect-proxy.ts'
import {leadAwsTo} from '../aws-environment.ts'
import {everythingOf, gist, readAll} from '../contract.ts'
import {connect, failureOf, readOne, start} from './asking.ts'
import type {AwsBed} from './bed.ts'

/** The hosts that a read asks for, as a proxy sees them: it lets none through. */
async function hostsOf(settings: Parameters<typeof connect>[0], name = 'myapp-production'): Promise<readonly string[]> {
  const proxy = await refusingProxy()
  await readOne(await connect(settings), name)
  return proxy.hosts()
}

async function refusingProxy(options: Parameters<typeof startConnectProxy>[0] = {}): Promise<ConnectProxy> {
  await start()
  vi.stubEnv('AWS_ENDPOINT_URL', undefined)
  const proxy = await startConnectProxy(options)
  onTestFinished(proxy.stop)
  vi.stubEnv('HTTPS_PROXY', proxy.url)
  return proxy
}

describe('the host', () => {
  it.each([
    [{region: 'eu-west-1'}, 'secretsmanager.eu-west-1.amazonaws.com'],
    [{region: 'cn-north-1'}, 'secretsmanager.cn-north-1.amazonaws.com.cn'],
    [{region: 'us-gov-west-1'}, 'secretsmanager.us-gov-west-1.amazonaws.com'],
    [{region: 'us-east-1', use_fips_endpoint: true}, 'secretsmanager-fips.us-east-1.amazonaws.com'],
    // The host that this service always had answers on IPv6 as well; others are named anew in some partitions.
    [{region: 'us-east-1', use_dualstack_endpoint: true}, 'secretsmanager.us-east-1.amazonaws.com'],
    [
      {region: 'eusc-de-east-1', use_dualstack_endpoint: true},
      'secretsmanager.eusc-de-east-1.api.amazonwebservices.eu',
    ],
    [{region: 'us-gov-west-1', use_fips_endpoint: true}, 'secretsmanager-fips.us-gov-west-1.amazonaws.com'],
  ])('of %j is %s', async (settings, host) => {
    expect(await hostsOf(settings)).toEqual([`${host}:443`])
  })

  it('follows AWS_USE_FIPS_ENDPOINT, and the setting wins', async () => {
    const proxy = await refusingProxy()
    vi.stubEnv('AWS_USE_FIPS_ENDPOINT', 'true')
    await readOne(await connect())
    await readOne(await connect({region: 'us-east-1', use_fips_endpoint: false}))
    expect(proxy.hosts()).toEqual([
      'secretsmanager-fips.us-east-1.amazonaws.com:443',
      'secretsmanager.us-east-1.amazonaws.com:443',
    ])
  })

  it.each([
    ['arn:aws:secretsmanager:eu-central-1:210987654321:secret:shared', 'secretsmanager.eu-central-1.amazonaws.com'],
    ['arn:aws-cn:secretsmanager:cn-north-1:210987654321:secret:shared', 'secretsmanager.cn-north-1.amazonaws.com.cn'],
  ])('of the secret %s is that of its region, whatever the vault has', async (arn, host) => {
    expect(await hostsOf({region: 'us-east-1'}, arn)).toEqual([`${host}:443`])
  })

  it.each([
    [{use_fips_endpoint: true}, 'sts-fips.us-east-1.amazonaws.com'],
    [{use_dualstack_endpoint: true}, 'sts.us-east-1.api.aws'],
  ])('of STS is chosen by %j, too', async (variant, host) => {
    const role_arn = 'arn:aws:iam::123456789012:role/reader'
    expect(await hostsOf({region: 'us-east-1', role_arn, ...variant})).toEqual([`${host}:443`])
  })
})

describe('a secret of another account', () => {
  const arn = 'arn:aws:secretsmanager:eu-west-1:210987654321:secret:shared'

  it('is read by its ARN, in the region of the ARN', async () => {
    const bed = await start()
    bed.fake.put('shared', 'theirs', 'eu-west-1', '210987654321')
    const provider = await connect()
    expect(gist(await readOne(provider, arn))).toBe('found theirs')
    expect(gist(await readOne(provider, 'shared'))).toBe('absent')
    expect(provider.remedies(ref(arn))[0]).toContain('--region eu-west-1')
  })

  it('that we may not read names both policies that it takes', async () => {
    const bed = await start()
    bed.fake.put('shared', 'theirs', 'eu-west-1', '210987654321')
    bed.fake.forbid('shared')
    const error = await failureOf(await connect(), arn)
    expect(error.code).toBe('FORBIDDEN')
    expect(error.message).toContain('AWS Secrets Manager in eu-west-1')
    expect(error.suggestions[0]).toContain('aws iam put-user-policy --user-name myapp-ci')
    expect(error.suggestions[1]).toContain('belongs to the account 210987654321')
  })
})

describe('a proxy', () => {
  it('is passed by for hosts that NO_PROXY excepts, and for http', async () => {
    const bed: AwsBed = await start()
    bed.fake.put('myapp-production', 'value')
    const proxy = await startConnectProxy({})
    onTestFinished(proxy.stop)
    vi.stubEnv('HTTPS_PROXY', proxy.url)
    vi.stubEnv('HTTP_PROXY', proxy.url)
    expect(gist(await readOne(await connect()))).toBe('found value')
    const port = await bed.fake.listenTls(await serverCertificate([]))
    vi.stubEnv('NO_PROXY', '127.0.0.1')
    const direct = await failureOf(await connect({region: 'us-east-1', endpoint_url: `https://127.0.0.1:${port}`}))
    expect(direct.code).toBe('TLS_REFUSED')
    expect(proxy.hosts()).toEqual([])
  })

  it('makes no more tunnels than calls may be under way', async () => {
    const bed = await start()
    const refs = Array.from({length: 40}, (_, n) => ref(`service-${n}`))
    for (const {name} of refs) bed.fake.put(name, 'value')
    const proxy = await leadAwsTo(bed.fake)
    const provider = await connect({region: 'us-east-1', batch: 'off'}, {maxInFlight: 4})
    expect((await readAll(provider, refs)).map(gist)).toEqual(refs.map(() => 'found value'))
    expect(bed.fake.requests()).toHaveLength(40)
    expect(proxy.hosts().length).toBeLessThanOrEqual(4)
  })

  it('gets its login from its address', async () => {
    const bed = await start()
    bed.fake.put('myapp-production', 'value')
    const proxy = await leadAwsTo(bed.fake, {login: 'ada:right'})
    vi.stubEnv('HTTPS_PROXY', proxy.url.replace('http://', 'http://ada:right@'))
    expect(gist(await readOne(await connect()))).toBe('found value')
    expect(proxy.hosts()).toEqual(['secretsmanager.us-east-1.amazonaws.com:443'])
  })

  it.each([
    [{login: 'ada:hunter2-myapp'}, 407, 'USER:PASSWORD'],
    [{status: 403}, 403, 'let this host through'],
    [{status: 502}, 502, 'let this host through'],
  ])('that refuses (%j) is UNREACHABLE with its status %i, and asked once', async (options, status, advice) => {
    const proxy = await refusingProxy(options)
    const error = await failureOf(await connect())
    expect(error.code).toBe('UNREACHABLE')
    expect(error.message).toContain(`status ${status}`)
    expect(error.suggestions[0]).toContain(advice)
    expect(proxy.hosts()).toHaveLength(1)
  })

  it('whose password is wrong never stands in a message', async () => {
    const proxy = await refusingProxy({login: 'ada:right'})
    vi.stubEnv('HTTPS_PROXY', proxy.url.replace('http://', 'http://ada:hunter2-myapp@'))
    expect(everythingOf(await failureOf(await connect()))).not.toContain('hunter2-myapp')
    vi.stubEnv('HTTPS_PROXY', 'socks5://ada:hunter2-myapp@127.0.0.1:1')
    const error = await failureOf(await connect())
    expect(error.code).toBe('CONFIG_INVALID')
    expect(everythingOf(error)).not.toContain('hunter2-myapp')
  })

  it('leads to STS as well', async () => {
    const bed = await start({login: 'web identity'})
    bed.fake.put('myapp-production', 'value')
    const proxy = await leadAwsTo(bed.fake)
    const provider = await connect()
    expect(gist(await readOne(provider))).toBe('found value')
    await provider.whoami(signal)
    expect([...new Set(proxy.hosts())]).toEqual([
      'sts.us-east-1.amazonaws.com:443',
      'secretsmanager.us-east-1.amazonaws.com:443',
    ])
  })
})
