import type {HttpsProxyAgent} from 'https-proxy-agent'

export type TunnelAgent = HttpsProxyAgent<string>

/**
 * An agent for https through a proxy whose tunnels stay open. What it needs is loaded here, where there is a proxy.
 *
 * @param maxSockets - most tunnels to one host.
 */
export async function makeTunnelAgent(
  proxy: string | URL,
  {maxSockets}: {readonly maxSockets: number},
): Promise<TunnelAgent> {
  // Of a CommonJS package, which has no named exports once it is bundled and loaded later.
  const {default: packaged} = await import('https-proxy-agent')
  return Object.assign(new packaged.HttpsProxyAgent<string>(proxy, {keepAlive: true, maxSockets}), {
    // Left to itself it looks for https on the stack, where an SDK's options don't say it. There is none when a connection
    // becomes free, which then is kept under another name than the one that it is looked for.
    isSecureEndpoint: () => true,
  })
}
