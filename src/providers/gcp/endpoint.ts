/** Where gRPC calls go instead of the service; `plain` is without TLS. */
export type Endpoint = {readonly host: string; readonly port: number; readonly plain: boolean}

/**
 * Read `api_endpoint`: `HOST`, `HOST:PORT`, `https://HOST[:PORT]`, or `http://127.0.0.1:PORT` (`[::1]` too).
 *
 * Plain text goes to this machine only, since a token travels with every call; `localhost` is left out, because what it
 * means is up to a resolver.
 *
 * @returns `undefined` for anything else, paths and user names included.
 */
export function endpointOf(written: string): Endpoint | undefined {
  const url = URL.parse(written.includes('://') ? written : `https://${written}`)
  if (!url || url.username || url.password || url.pathname !== '/' || url.search || url.hash) return undefined
  const plain = url.protocol === 'http:'
  const thisMachine = /^(127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (plain ? !thisMachine : url.protocol !== 'https:') return undefined
  return {host: url.hostname, port: Number(url.port || (plain ? 80 : 443)), plain}
}
