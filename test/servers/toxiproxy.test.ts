import {once} from 'node:events'
import {connect, createServer, type AddressInfo, type Socket} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'

import {expect, it, onTestFinished} from 'vitest'

import {placeOf} from '../../scripts/servers/place.ts'
import {runningServers} from '../../scripts/servers/state.ts'
import {openToxicWay, type ToxicWay} from './toxiproxy.ts'

/** A way to a server that says back what it hears, and what that server has heard. */
async function wayToEcho(): Promise<{readonly way: ToxicWay; readonly heard: () => string}> {
  let heard = ''
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      heard += bytes.toString()
      socket.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const way = await openToxicWay(runningServers(placeOf()).toxiproxy.url, (server.address() as AddressInfo).port)
  onTestFinished(async () => {
    await way.stop()
    server.close()
  })
  return {way, heard: () => heard}
}

/** A connection through it, what came back on it so far, and how it ended, if it did. */
async function connection({port}: ToxicWay): Promise<Socket & {came: string; ended?: string}> {
  const socket = Object.assign(connect(port, '127.0.0.1'), {came: ''}) as Socket & {came: string; ended?: string}
  socket.on('data', (bytes: Buffer) => (socket.came += bytes.toString()))
  socket.on('error', ({code}: NodeJS.ErrnoException) => (socket.ended = code ?? 'error'))
  socket.on('end', () => (socket.ended ??= 'end'))
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

it('lets everything through in fair weather', async () => {
  const {way} = await wayToEcho()
  const socket = await connection(way)
  socket.write('a request')
  await expect.poll(() => socket.came).toBe('a request')
})

it('resets every connection when it has sent its first bytes', async () => {
  const {way} = await wayToEcho()
  await way.reset(Infinity)
  for (const text of ['first', 'second']) {
    const socket = await connection(way)
    socket.write(text)
    await expect.poll(() => socket.ended).toBe('ECONNRESET')
    expect(socket.came).toBe('')
  }
})

it('goes silent in both directions on a connection that worked, and closes nothing', async () => {
  const {way, heard} = await wayToEcho()
  const socket = await connection(way)
  socket.write('one')
  await expect.poll(() => socket.came).toBe('one')
  await way.silence()
  socket.write('two')
  await sleep(200)
  expect({came: socket.came, heard: heard(), ended: socket.ended}).toEqual({
    came: 'one',
    heard: 'one',
    ended: undefined,
  })
})

it('holds the first byte back', async () => {
  const {way} = await wayToEcho()
  await way.slowToFirstByte(600_000)
  const socket = await connection(way)
  socket.write('a request')
  await sleep(200)
  expect(socket.came).toBe('')
})

it('lets the first byte through at once, and the last one late', async () => {
  const {way} = await wayToEcho()
  const socket = await connection(way)
  await way.slowToLastByte(100)
  socket.write('x'.repeat(10_000))
  await expect.poll(() => socket.came.length).toBeGreaterThan(0)
  expect(socket.came.length).toBeLessThan(5_000)
})

it('takes the next weather for the last one', async () => {
  const {way} = await wayToEcho()
  await way.silence()
  await way.slowToFirstByte(1)
  const socket = await connection(way)
  socket.write('a request')
  await expect.poll(() => socket.came).toBe('a request')
})
