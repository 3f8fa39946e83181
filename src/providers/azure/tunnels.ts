import type {HttpClient} from '@azure/core-rest-pipeline'

import {makeTunnelAgent, type TunnelAgent} from '../tunnel-agent.ts'

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
export function keepTunnels(http: HttpClient, {maxSockets}: {readonly maxSockets: number}): Tunnels {
  const agents = new Map<string, Promise<TunnelAgent>>()

  function agentThrough(proxy: string): Promise<TunnelAgent> {
    const agent = agents.get(proxy) ?? makeTunnelAgent(proxy, {maxSockets})
    agents.set(proxy, agent)
    return agent
  }

  return {
    http: {
      sendRequest: async (request) => {
        const {proxy} = (request.agent ?? {}) as {readonly proxy?: unknown}
        if (proxy instanceof URL && request.url.startsWith('https:')) request.agent = await agentThrough(proxy.href)
        return http.sendRequest(request)
      },
    },
    close() {
      for (const agent of agents.values()) {
        void agent.then(
          (made) => made.destroy(),
          () => {},
        )
      }
    },
  }
}
