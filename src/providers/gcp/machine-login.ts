import {existsSync, readFileSync} from 'node:fs'
import {networkInterfaces} from 'node:os'

import type Gax from 'google-gax'

import type {Env} from '../../core/provider-spec.ts'
import type {Transport} from './transport.ts'

type Library = typeof Gax.googleAuthLibrary

/** Where a machine of Google's finds its metadata. Source: https://cloud.google.com/compute/docs/metadata/querying-metadata */
const metadataHost = '169.254.169.254'

/** Variables that only Google's serverless products set. Source: google's package gcp-metadata, `isGoogleCloudServerless`. */
const serverless = ['CLOUD_RUN_JOB', 'FUNCTION_NAME', 'K_SERVICE', 'CLOUD_RUN_WORKER_POOL']

/**
 * Is this a machine of Google's, or does somebody say that a metadata server is there? Asks nobody on the network: the
 * library's own look sends a request to 169.254.169.254 from every laptop, and prints a warning when that fails strangely.
 */
export function mayHaveMetadataServer(env: Env): boolean {
  switch (env['METADATA_SERVER_DETECTION']?.trim().toLowerCase()) {
    case 'none':
      return false
    case 'assume-present':
    case 'ping-only':
      return true
    case undefined:
    default:
      return (
        Boolean(env['GCE_METADATA_HOST'] || env['GCE_METADATA_IP']) ||
        serverless.some((name) => Boolean(env[name])) ||
        hasGooglesHardware()
      )
  }
}

/** Source: https://cloud.google.com/compute/docs/instances/detect-compute-engine; MAC addresses as in gcp-metadata. */
function hasGooglesHardware(): boolean {
  const vendor = '/sys/class/dmi/id/bios_vendor'
  try {
    if (process.platform === 'linux' && existsSync(vendor) && readFileSync(vendor, 'utf8').includes('Google'))
      return true
  } catch {
    // Not readable: no sign of Google.
  }
  return Object.values(networkInterfaces()).some((list) => list?.some(({mac}) => mac.startsWith('42:01')) === true)
}

export type MachineLogin = {
  readonly client: InstanceType<Library['OAuth2Client']>
  /** The service account of this machine; `undefined` when it doesn't say. */
  readonly email: () => Promise<string | undefined>
}

/**
 * The service account of this machine, through its metadata server.
 *
 * Not by the library's own `Compute`: its requests can't be ended and go through a proxy, where the token could be read.
 */
export function machineLogin(
  {OAuth2Client, gaxios}: Library,
  {env, scope, transport}: {env: Env; scope: string; transport: Transport},
): MachineLogin {
  const host = env['GCE_METADATA_IP'] || env['GCE_METADATA_HOST'] || metadataHost
  const origin = new URL(/^https?:\/\//.test(host) ? host : `http://${host}`)
  const metadata = new gaxios.Gaxios({
    ...transport,
    headers: {'metadata-flavor': 'Google'},
    noProxy: [origin],
    retry: true,
  })
  const ask = async <T>(path: string, params: Record<string, string>, responseType: 'json' | 'text'): Promise<T> => {
    const url = new URL(`/computeMetadata/v1/instance/service-accounts/default/${path}`, origin)
    return (await metadata.request<T>({url, params, responseType})).data
  }
  const client = new OAuth2Client()
  client.refreshHandler = async () => {
    const {access_token, expires_in} = await ask<{access_token?: unknown; expires_in?: unknown}>(
      'token',
      {scopes: scope},
      'json',
    )
    if (typeof access_token !== 'string') throw new TypeError('a metadata server without tokens')
    return {access_token, expiry_date: Date.now() + Number(expires_in) * 1000}
  }
  return {
    client,
    async email() {
      try {
        const answer = await ask<string>('email', {}, 'text')
        return /^[^\s@]+@[^\s@]+$/.test(answer) ? answer : undefined
      } catch {
        // The token came from there a moment ago, so this is not about the login; the name is for a message only.
        return undefined
      }
    },
  }
}
