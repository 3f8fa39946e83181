import {createServer, request, type IncomingHttpHeaders} from 'node:http'
import type {AddressInfo} from 'node:net'

/** A request as it went by. */
export type Passed = {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Requests without an answer at that moment, this one included. */
  readonly inFlight: number
}

/** What stands in front of a server that keeps no log of its own, and can hold its answers back. */
export type Front = {
  readonly port: number
  readonly log: readonly Passed[]
  /** Answers from now on come so much later, in milliseconds. */
  readonly delay: (ms: number) => void
  readonly stop: () => Promise<void>
}

/** @param target - `http://127.0.0.1:PORT`. */
export async function startFront(target: string): Promise<Front> {
  const log: Passed[] = []
  let [inFlight, delayMs] = [0, 0]
  const server = createServer((incoming, response) => {
    inFlight += 1
    const now = inFlight
    response.on('close', () => {
      inFlight -= 1
    })
    const {method = '', headers, url: path = ''} = incoming
    const chunks: Buffer[] = []
    incoming.on('data', (bytes: Buffer) => chunks.push(bytes))
    incoming.on('end', () => {
      const body = Buffer.concat(chunks)
      log.push({method, path, headers, body: body.toString(), inFlight: now})
      const outgoing = request(`${target}${path}`, {method, headers}, (answer) => {
        const say = (): void => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        }
        setTimeout(say, delayMs).unref()
      })
      outgoing.on('error', () => response.destroy())
      outgoing.end(body)
    })
    incoming.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    log,
    delay(ms) {
      delayMs = ms
    },
    stop: async () => {
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
    },
  }
}
