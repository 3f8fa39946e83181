import {createServer, type AddressInfo, type Server} from 'node:net'

import {onTestFinished} from 'vitest'

import type {EnvdriftError} from '../../../src/core/errors.ts'
import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {provider as aws} from '../../../src/providers/aws/index.ts'
import type {Fetched, Provider} from '../../../src/providers/provider.ts'
import {ref} from '../aws-asking.ts'
import {gist, readAll, testHost} from '../contract.ts'
import {startAwsBed, type AwsBed} from './bed.ts'

/** A bed that is gone when the test has ended. */
export async function start(options: Parameters<typeof startAwsBed>[0] = {}): Promise<AwsBed> {
  const bed = await startAwsBed(options)
  onTestFinished(bed.stop)
  return bed
}

/** A provider that is closed when the test has ended. */
export async function connect(settings: Settings = {region: 'us-east-1'}, host: Partial<Host> = {}): Promise<Provider> {
  const provider = await aws.connect({name: 'default', settings}, testHost(host))
  onTestFinished(provider.close)
  return provider
}

export async function readOne(provider: Provider, name = 'myapp-production', version?: string): Promise<Fetched> {
  const [answer] = await readAll(provider, [ref(name, version)])
  return answer!
}

export async function failureOf(provider: Provider, name?: string): Promise<EnvdriftError> {
  const answer = await readOne(provider, name)
  if (answer.kind === 'failed') return answer.error
  throw new Error(`Expected a failure: ${gist(answer)}`)
}

/** Listens on a free port of the loopback until the test ends. */
export async function listen(server: Server = createServer(() => {})): Promise<number> {
  const sockets = new Set<{destroy: () => void}>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => {
      server.close(resolve)
    })
  })
  return (server.address() as AddressInfo).port
}
