import type {Env} from '../../core/provider-spec.ts'

/**
 * Make gRPC take the proxy that everything else takes: it reads `https_proxy` and `no_proxy` of this process, in lower case
 * only, and knows no blanks, no `*`, and no empty entry in the list (which it takes for every host).
 *
 * Sets `grpc_proxy` and `no_grpc_proxy`, which nobody but gRPC reads, unless somebody has.
 *
 * @returns whether calls may go through a proxy at all.
 */
export function shareProxy(env: Env): boolean {
  const proxy = env['grpc_proxy'] || env['https_proxy'] || env['HTTPS_PROXY']
  const direct = (env['no_grpc_proxy'] || env['no_proxy'] || env['NO_PROXY'] || '')
    .split(',')
    .map((host) => host.trim().replace(/^\*\./, '.').replace(/:\d+$/, ''))
    .filter((host) => host !== '')
  if (direct.includes('*')) return false
  if (proxy) process.env['grpc_proxy'] = proxy.includes('://') ? proxy : `http://${proxy}`
  if (direct.length > 0) process.env['no_grpc_proxy'] = direct.join(',')
  return true
}
