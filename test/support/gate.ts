import {connect, createServer, type AddressInfo, type Socket} from 'node:net'

/**
 * What can go wrong between us and a service, on the level of TCP, so that it works before any server, with TLS or without.
 * Each stays until the next is asked for.
 */
export type Network = {
  /** The next `times` connections (`Infinity`: all) are reset when they have sent their first bytes; those that are there, now. */
  readonly reset: (times: number) => Promise<void>
  /** Nothing passes any more in either direction, and nothing is closed; on connections that were used already, too. */
  readonly silence: () => Promise<void>
  /** What the server says arrives so much later, in milliseconds. */
  readonly slowToFirstByte: (ms: number) => Promise<void>
  /** What the server says arrives at so many bytes per second: the first at once, the last much later. */
  readonly slowToLastByte: (bytesPerSecond: number) => Promise<void>
}

/** A gate in front of a server; give clients `port` (on 127.0.0.1) instead of the server's own. */
export type Gate = Network & {
  readonly port: number
  /** Connections that were made so far. */
  readonly connections: () => number
  readonly stop: () => Promise<void>
}

/** How often a trickle drips, in milliseconds. */
const dripMs = 10

/** Opens a gate to a port of this machine. */
export async function startGate(target: number): Promise<Gate> {
  type Weather =
    | {readonly kind: 'fair'}
    | {readonly kind: 'reset'; left: number}
    | {readonly kind: 'silence'}
    | {readonly kind: 'late'; readonly ms: number}
    | {readonly kind: 'trickle'; readonly bytesPerSecond: number}
  let weather: Weather = {kind: 'fair'}
  let made = 0
  const open = new Set<Socket>()

  const server = createServer((client) => {
    made += 1
    const upstream = connect(target, '127.0.0.1')
    for (const one of [client, upstream]) {
      open.add(one)
      one.on('error', () => {})
      one.on('close', () => open.delete(one))
    }
    client.on('close', () => weather.kind !== 'silence' && upstream.destroy())
    // What it had said may still be on its way.
    upstream.on('close', () => say(() => void (weather.kind !== 'silence' && client.destroySoon())))
    let condemned = false
    client.on('data', (bytes) => {
      if (weather.kind === 'silence') return
      if (weather.kind === 'reset' && weather.left > 0 && !condemned) {
        weather.left -= 1
        condemned = true
        client.resetAndDestroy()
        return
      }
      upstream.write(bytes)
    })
    client.on('end', () => upstream.end())

    // One queue, so that nothing overtakes what came before it.
    let queue = Promise.resolve()
    const say = (write: () => void | Promise<void>): void => {
      queue = queue.then(write).catch(() => {})
    }
    upstream.on('data', (bytes) => {
      const now = weather
      say(async () => {
        if (weather.kind === 'silence') return
        if (now.kind === 'late') await pause(now.ms)
        if (now.kind === 'trickle') await drip(client, bytes, now.bytesPerSecond)
        else if (!client.destroyed) client.write(bytes)
      })
    })
    upstream.on('end', () => say(() => void client.end()))
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })

  const become = (next: Weather): Promise<void> => {
    weather = next
    return Promise.resolve()
  }
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => made,
    reset: (times) => {
      for (const socket of open) socket.resetAndDestroy()
      return become({kind: 'reset', left: times})
    },
    silence: () => become({kind: 'silence'}),
    slowToFirstByte: (ms) => become({kind: 'late', ms}),
    slowToLastByte: (bytesPerSecond) => become({kind: 'trickle', bytesPerSecond}),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}

/** Does not keep the process alive: nobody waits for what is still under way when a test ends. */
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref())

async function drip(to: Socket, bytes: Buffer, bytesPerSecond: number): Promise<void> {
  const size = Math.max(1, Math.round((bytesPerSecond * dripMs) / 1000))
  for (let at = 0; at < bytes.length && !to.destroyed; at += size) {
    to.write(bytes.subarray(at, at + size))
    await pause(dripMs)
  }
}
