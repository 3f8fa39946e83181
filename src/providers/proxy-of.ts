import type {Env} from '../core/provider-spec.ts'

/**
 * The proxy that the environment names for an https address: HTTPS_PROXY or ALL_PROXY (the lower-case spelling first),
 * unless NO_PROXY excepts the host. An entry of NO_PROXY is a host with everything below it (a leading dot or `*.` changes
 * nothing), perhaps with a port, or `*` for all. Ranges like 10.0.0.0/8 are not known.
 *
 * @returns the address as it is written there (`http://` where it has no scheme), or `undefined` for a direct connection.
 */
export function proxyOf(
  address: {readonly hostname: string; readonly port?: number | undefined},
  env: Env,
): string | undefined {
  const read = (name: string): string => (env[name.toLowerCase()] || env[name] || '').trim()
  const proxy = read('HTTPS_PROXY') || read('ALL_PROXY')
  if (proxy === '') return undefined
  const host = address.hostname.toLowerCase().replace(/^\[|\]$/g, '')
  const isExcepted = read('NO_PROXY')
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === '*') return true
      // An IPv6 address has colons, and no port here.
      const [, withPort, port] = /^([^:]+):(\d+)$/.exec(entry) ?? []
      const name = (withPort ?? entry).replace(/^\*?\.?/, '')
      if (name === '' || (port !== undefined && Number(port) !== (address.port ?? 443))) return false
      return host === name || host.endsWith(`.${name}`)
    })
  return isExcepted ? undefined : proxy.includes('://') ? proxy : `http://${proxy}`
}
