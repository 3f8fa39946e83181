import {setMaxListeners} from 'node:events'
import {Agent as HttpAgent, request as httpRequest} from 'node:http'
import type {IncomingHttpHeaders, IncomingMessage} from 'node:http'
import {Agent as HttpsAgent, request as httpsRequest} from 'node:https'
import type {AgentOptions} from 'node:https'

import {HttpsProxyAgent} from 'https-proxy-agent'

type HttpRequest = {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  readonly signal: AbortSignal
}

export type HttpAnswer = {
  readonly status: number
  /** What the JSON says; the text itself where it is no JSON; `undefined` for an empty body. */
  readonly body: unknown
  readonly location: string | undefined
  readonly retryAfterMs: number | undefined
  /** An agent keeps this answer for whoever asks the same, or has kept it from before. */
  readonly isKept: boolean
}

export type Http = {
  /**
   * One request, one answer: nothing is tried twice but a read on a kept connection that has ended; a redirect is an answer.
   *
   * @throws Error with Node's code when there is no whole answer; ANSWER_TOO_LARGE and ANSWER_NOT_TEXT are ours.
   */
  readonly send: (request: HttpRequest) => Promise<HttpAnswer>
  readonly close: () => void
}

/** Twice the largest entry that Vault's own storage takes. Source: `max_entry_size` of the raft storage, 1 MiB. */
const maxAnswerBytes = 2 * 1024 * 1024

/** Node gives the first address 250 ms by default, which a far region does not meet. */
const addressAttemptMs = 1000

/**
 * The HTTP below node-vault. Its own, axios, can neither be cancelled nor be limited through node-vault; it follows a
 * redirect to any host with the token in its hand, and `DEBUG=follow-redirects` prints the token.
 *
 * @param options.tls - what the user's settings say; what they leave out is as Node has it.
 * @param options.proxy - makes a tunnel to every https address; it sees neither token nor secret.
 */
export function makeHttp(options: {
  readonly maxSockets: number
  readonly tls: AgentOptions
  readonly proxy: URL | undefined
}): Http {
  const {maxSockets, tls, proxy} = options
  const common = {keepAlive: true, maxSockets, autoSelectFamilyAttemptTimeout: addressAttemptMs}
  // Ends what still waits for a proxy's answer: nothing else would, and the process could not end.
  const closing = new AbortController()
  setMaxListeners(0, closing.signal)
  const plain = new HttpAgent(common)
  const secure = proxy ? new HttpsProxyAgent(proxy, {...common, signal: closing.signal}) : new HttpsAgent(common)

  function begin({method, url, headers, json, signal}: HttpRequest) {
    const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
    const all = {
      ...headers,
      accept: 'application/json',
      ...(body && {'content-type': 'application/json', 'content-length': body.length}),
    }
    // With the request and not with the agent: one that makes tunnels would use them for the proxy.
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, {...tls, method, headers: all, signal, agent: secure})
        : httpRequest(url, {method, headers: all, signal, agent: plain})
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      let refused: Error | undefined
      // What a proxy says instead of making a tunnel comes like an answer, and must never be taken for one of Vault's.
      request.once('proxyConnect', ({statusCode}: {readonly statusCode: number}) => {
        if (statusCode === 200) return
        const code = statusCode === 407 ? 'PROXY_WANTS_LOGIN' : 'PROXY_REFUSED'
        refused = Object.assign(new Error(`the proxy answered ${statusCode}`), {code, status: statusCode})
      })
      request.once('response', (answer) => {
        if (refused === undefined) return resolve(answer)
        answer.destroy()
        reject(refused)
      })
      request.on('error', (error) => reject(refused ?? error))
      request.end(body)
    })
    return {request, response}
  }

  /** A kept connection that the server has just closed says nothing of the server: a read takes the next one, at once. */
  async function respond(wanted: HttpRequest): Promise<IncomingMessage> {
    for (;;) {
      const {request, response} = begin(wanted)
      try {
        return await response
      } catch (error) {
        const {code} = error as NodeJS.ErrnoException
        if (!request.reusedSocket || wanted.method !== 'GET' || code !== 'ECONNRESET') throw error
      }
    }
  }

  return {
    async send(request) {
      const response = await respond(request)
      const text = await textOf(response)
      return {
        status: response.statusCode ?? 0,
        body: parsed(text),
        location: response.headers.location,
        retryAfterMs: millisecondsOf(response.headers),
        // These words alone are those of Vault's agent.
        isKept: ['HIT', 'MISS'].includes(String(response.headers['x-cache'])),
      }
    },
    close() {
      closing.abort()
      plain.destroy()
      secure.destroy()
    },
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxAnswerBytes) throw Object.assign(new Error('answer too large'), {code: 'ANSWER_TOO_LARGE'})
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(Buffer.concat(chunks))
  } catch (cause) {
    throw Object.assign(new Error('answer is not UTF-8', {cause}), {code: 'ANSWER_NOT_TEXT'})
  }
}

function parsed(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Of a Retry-After in seconds, or as a date: by the clock of whoever wrote it, where that is told, and ours may be off. */
function millisecondsOf({'retry-after': retryAfter = '', date = ''}: IncomingHttpHeaders): number | undefined {
  if (/^\d{1,6}$/.test(retryAfter.trim())) return Number(retryAfter) * 1000
  const ms = Date.parse(retryAfter) - (Date.parse(date) || Date.now())
  return ms > 0 ? ms : undefined
}
