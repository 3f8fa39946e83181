import {createServer} from 'node:http'
import {connect, type AddressInfo, type Socket} from 'node:net'

/** A proxy on loopback that leads every host to one port of this machine, and remembers which hosts were asked for. */
export type ConnectProxy = {
  /** `http://127.0.0.1:PORT`, for HTTPS_PROXY. */
  readonly url: string
  /** `HOST:PORT` of each tunnel that was asked for, in order. */
  readonly hosts: () => readonly string[]
  readonly stop: () => Promise<void>
}

/**
 * @param options.target - where tunnels lead; left out: they are refused with `status`.
 * @param options.login - `USER:PASSWORD` that the proxy wants.
 */
export async function startConnectProxy({
  target,
  status = 403,
  login,
}: {
  readonly target?: number
  readonly status?: number
  readonly login?: string
}): Promise<ConnectProxy> {
  const hosts: string[] = []
  const open = new Set<Socket>()
  const server = createServer((_, response) => void response.writeHead(405).end())
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
  })
  server.on('connect', (request, client, head) => {
    hosts.push(request.url ?? '')
    const expected = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`
    if (expected !== undefined && request.headers['proxy-authorization'] !== expected)
      return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n')
    if (target === undefined) return void client.end(`HTTP/1.1 ${status} Refused\r\n\r\n`)
    const upstream = connect(target, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      client.pipe(upstream).pipe(client)
    })
    open.add(upstream)
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => open.delete(upstream))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hosts: () => hosts,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}
