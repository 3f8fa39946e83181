import {createServer} from 'node:http'
import {connect, type AddressInfo, type Socket} from 'node:net'

/** A proxy as companies have them: it makes tunnels (CONNECT), and sees nothing of what goes through. */
export type ConnectProxy = {
  readonly url: string
  /** `host:port` of each tunnel that was asked for. */
  readonly asked: readonly string[]
  readonly stop: () => Promise<void>
}

/** @param options.status - refuse every tunnel with it. @param options.login - `name:password` that it wants. */
export async function startConnectProxy(
  options: {readonly status?: number; readonly login?: string; readonly silent?: boolean} = {},
): Promise<ConnectProxy> {
  const asked: string[] = []
  const open = new Set<Socket>()
  const server = createServer((_, response) => response.writeHead(405).end())
  server.on('connection', (socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  server.on('connect', (request, socket: Socket) => {
    asked.push(request.url ?? '')
    socket.on('error', () => {})
    if (options.silent === true) {
      // Without reading it would not notice that the client goes away.
      socket.resume().on('end', () => socket.destroy())
      return
    }
    const wanted = options.login && `Basic ${Buffer.from(options.login).toString('base64')}`
    const status = wanted !== undefined && request.headers['proxy-authorization'] !== wanted ? 407 : options.status
    if (status !== undefined) {
      socket.end(`HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\n\r\n{"errors":[]}`)
      return
    }
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(request.url ?? '') ?? []
    // Whatever the name, the servers of these tests are on this machine.
    const upstream = connect(Number(port), host === '' ? '' : '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.pipe(socket).pipe(upstream)
    })
    upstream.on('error', () => socket.destroy())
    socket.on('close', () => upstream.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}
