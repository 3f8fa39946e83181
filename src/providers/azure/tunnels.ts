import type {HttpClient} from '@azure/core-rest-pipeline'
import type {HttpsProxyAgent} from 'https-proxy-agent'

type Agent = HttpsProxyAgent<string>

export type Tunnels = {
  readonly http: HttpClient
  /** Ends the connections that nobody uses any more. Later requests open new ones. */
  readonly close: () => void
}

/**
 * An HTTP client whose tunnels stay open: the SDK's proxy policy brings an agent that opens a new one, with a new
 * handshake in it, for every request. Which proxy it is, and for which hosts, stays the policy's to say.
 *
 * @param maxSockets - most tunnels to one host.
 */
export function keepTunnels(
  http: HttpClient,
  {ProxyAgent, maxSockets}: {readonly ProxyAgent: typeof HttpsProxyAgent; readonly maxSockets: number},
): Tunnels {
  const agents = new Map<string, Agent>()

  function agentThrough(proxy: string): Agent {
    const known = agents.get(proxy)
    if (known) return known
    const agent = new ProxyAgent(proxy, {keepAlive: true, maxSockets})
    // Else it looks at the stack to see whether a connection is for https, and finds no kept one again.
    agent.isSecureEndpoint = () => true
    agents.set(proxy, agent)
    return agent
  }

  return {
    http: {
      sendRequest: async (request) => {
        const {proxy} = (request.agent ?? {}) as {readonly proxy?: unknown}
        if (proxy instanceof URL && request.url.startsWith('https:')) request.agent = agentThrough(proxy.href)
        return http.sendRequest(request)
      },
    },
    close: () => agents.forEach((agent) => agent.destroy()),
  }
}
