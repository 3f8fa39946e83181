import {Agent as HttpAgent} from 'node:http'
import {Agent as HttpsAgent} from 'node:https'
import type {Readable} from 'node:stream'

import {NodeHttpHandler} from '@smithy/node-http-handler'

import {EnvdriftError} from '../core/errors.ts'
import type {Env} from '../core/provider-spec.ts'
import {proxyOf} from './proxy-of.ts'
import {makeTunnelAgent} from './tunnel-agent.ts'

/** No word of the SDK on our streams: by default it warns on the console. */
export const quiet = {trace: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {}}

/**
 * The whole of an answer. The SDK's own collector looks for streams of browsers first, for which Node loads 20 modules.
 */
export const wholeOf = async (stream: Readable): Promise<Uint8Array> => Buffer.concat(await stream.toArray())

type Request = Parameters<NodeHttpHandler['handle']>[0]

/** What the AWS SDK takes as `requestHandler`. */
export type AwsHttp = Pick<
  NodeHttpHandler,
  'handle' | 'destroy' | 'metadata' | 'updateHttpClientConfig' | 'httpHandlerConfigs'
>

/** Node's code for errors of ours: the proxy answered the request for a tunnel with another status than 200. */
export const proxyRefusal = 'ERR_PROXY_REFUSED'

/**
 * The SDK's own HTTP client on connections that are kept open, through the proxy that the environment names for https
 * (the SDK itself looks at no such variable). Plain http, which only emulators on this machine speak, goes directly.
 *
 * @param maxSockets - most connections to one host.
 */
export function makeAwsHttp({env, maxSockets}: {readonly env: Env; readonly maxSockets: number}): AwsHttp {
  const options = {keepAlive: true, maxSockets}
  const direct = new NodeHttpHandler({
    httpAgent: new HttpAgent(options),
    httpsAgent: new HttpsAgent(options),
    logger: quiet,
  })
  const tunnels = new Map<string, Promise<NodeHttpHandler>>()

  async function tunnelThrough(proxy: string): Promise<NodeHttpHandler> {
    const url = URL.parse(proxy)
    if (url === null || !/^https?:$/.test(url.protocol)) {
      // Not quoted: a password may stand in it.
      throw new EnvdriftError(
        'CONFIG_INVALID',
        'The proxy that the environment names is no http:// or https:// address',
        {
          suggestions: [
            'Set HTTPS_PROXY (or ALL_PROXY) to an address like http://proxy.example.com:3128, or unset it.',
          ],
        },
      )
    }
    const httpsAgent = await makeTunnelAgent(url, {maxSockets})
    httpsAgent.on('proxyConnect', ({statusCode}: {readonly statusCode: number}) => {
      // Otherwise the proxy's own answer is read as one of AWS.
      if (statusCode !== 200) throw Object.assign(new Error(`status ${statusCode}`), {code: proxyRefusal, statusCode})
    })
    return new NodeHttpHandler({httpsAgent, logger: quiet})
  }

  async function handlerFor({protocol, hostname, port}: Request): Promise<NodeHttpHandler> {
    const proxy = protocol === 'https:' ? proxyOf({hostname, port}, env) : undefined
    if (proxy === undefined) return direct
    const tunnel = tunnels.get(proxy) ?? tunnelThrough(proxy)
    tunnels.set(proxy, tunnel)
    return tunnel
  }

  return {
    metadata: direct.metadata,
    handle: async (request, handling) => (await handlerFor(request)).handle(request, handling),
    updateHttpClientConfig: (key, value) => direct.updateHttpClientConfig(key, value),
    httpHandlerConfigs: () => direct.httpHandlerConfigs(),
    destroy() {
      direct.destroy()
      for (const tunnel of tunnels.values()) {
        void tunnel.then(
          (handler) => handler.destroy(),
          () => {},
        )
      }
    },
  }
}

/** What went wrong last between us and a service, on the level of HTTP. */
export type LastTrouble = {readonly thrown: unknown} | {readonly status: number} | undefined

/**
 * The same, with an eye on what goes wrong: the SDK's credential providers keep neither cause nor status of an error, so
 * that a network that is down looks like a login that is missing.
 */
export function watch(http: AwsHttp): {readonly http: AwsHttp; readonly lastTrouble: () => LastTrouble} {
  let trouble: LastTrouble
  return {
    lastTrouble: () => trouble,
    http: {
      ...http,
      async handle(request, handling) {
        try {
          const answer = await http.handle(request, handling)
          const status = answer.response.statusCode
          trouble = status >= 400 ? {status} : undefined
          return answer
        } catch (thrown) {
          trouble = {thrown}
          throw thrown
        }
      },
    },
  }
}
