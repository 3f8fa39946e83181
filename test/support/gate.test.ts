import {once} from 'node:events'
import {connect, createServer, type AddressInfo, type Socket} from 'node:net'

import {expect, it, onTestFinished} from 'vitest'

import {startGate, type Gate} from './gate.ts'

/** A gate before a server that says back what it hears. */
async function gateToEcho(): Promise<Gate> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const gate = await startGate((server.address() as AddressInfo).port)
  onTestFinished(async () => {
    await gate.stop()
    server.close()
  })
  return gate
}

async function connection({port}: Gate): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function echoOf(socket: Socket, text: string): Promise<string> {
  let heard = ''
  const whole = Promise.withResolvers<string>()
  socket.on('data', (bytes: Buffer) => {
    heard += bytes.toString()
    if (heard.length >= text.length) whole.resolve(heard)
  })
  socket.once('error', ({code}: NodeJS.ErrnoException) => whole.resolve(`error ${code}`))
  socket.write(text)
  return whole.promise
}

it('lets everything through in fair weather, and counts connections', async () => {
  const gate = await gateToEcho()
  expect(await echoOf(await connection(gate), 'a request')).toBe('a request')
  expect(gate.connections()).toBe(1)
})

it('resets as many connections as asked for, and lets the next one through', async () => {
  const gate = await gateToEcho()
  await gate.reset(2)
  expect(await echoOf(await connection(gate), 'first')).toBe('error ECONNRESET')
  expect(await echoOf(await connection(gate), 'second')).toBe('error ECONNRESET')
  expect(await echoOf(await connection(gate), 'third')).toBe('third')
})

it('resets a connection that is there already', async () => {
  const gate = await gateToEcho()
  const socket = await connection(gate)
  await echoOf(socket, 'a request')
  const error = once(socket, 'error')
  await gate.reset(1)
  expect((await error)[0]).toMatchObject({code: 'ECONNRESET'})
})

it('goes silent on a connection that worked, without closing it', async () => {
  const gate = await gateToEcho()
  const socket = await connection(gate)
  await echoOf(socket, 'a request')
  await gate.silence()
  const answer = await Promise.race([echoOf(socket, 'another'), once(socket, 'close'), later(200)])
  expect(answer).toBe('nothing came')
})

it.each([['slowToFirstByte', 150] as const, ['slowToLastByte', 100] as const])(
  'delivers everything, in order, when %s',
  async (member, amount) => {
    const gate = await gateToEcho()
    await gate[member](amount)
    const socket = await connection(gate)
    const text = 'a request with an answer of thirty-nine'
    const answer = echoOf(socket, text)
    expect(await Promise.race([answer, later(40)])).toBe('nothing came')
    expect(await answer).toBe(text)
  },
)

const later = (ms: number): Promise<string> => new Promise((resolve) => setTimeout(resolve, ms, 'nothing came'))
