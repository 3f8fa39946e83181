import {randomUUID} from 'node:crypto'

import type {Network} from '../support/gate.ts'

/** A way to a server through toxiproxy; give clients `port` (on 127.0.0.1) instead of the server's own. */
export type ToxicWay = Network & {readonly port: number; readonly stop: () => Promise<void>}

type Toxic = {readonly type: string; readonly stream: 'upstream' | 'downstream'; readonly attributes: object}

/** How often a slow answer drips, in microseconds. */
const dripUs = 10_000

/**
 * Opens a way to a port of this machine.
 *
 * @param api - where toxiproxy itself answers.
 */
export async function openToxicWay(api: string, target: number): Promise<ToxicWay> {
  const name = `test-${randomUUID()}`
  const proxy = `/proxies/${name}`
  let toxics: readonly string[] = []

  async function ask(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${api}${path}`, {method, ...(body && {body: JSON.stringify(body)})})
    const text = await response.text()
    if (!response.ok) throw new Error(`Toxiproxy answers ${method} ${path} with ${response.status}: ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  /** The new weather first, so that nothing slips through between the two. */
  async function become(next: readonly Toxic[]): Promise<void> {
    const before = toxics
    toxics = next.map(() => randomUUID())
    for (const [index, toxic] of next.entries()) await ask('POST', `${proxy}/toxics`, {name: toxics[index], ...toxic})
    for (const old of before) await ask('DELETE', `${proxy}/toxics/${old}`)
  }

  /** The same in both directions. */
  const both = (type: string, attributes: object): readonly Toxic[] => [
    {type, stream: 'upstream', attributes},
    {type, stream: 'downstream', attributes},
  ]

  const {listen} = (await ask('POST', '/proxies', {
    name,
    listen: '127.0.0.1:0',
    upstream: `127.0.0.1:${target}`,
  })) as {readonly listen: string}
  return {
    port: Number(new URL(`tcp://${listen}`).port),
    reset(times) {
      if (times !== Infinity) throw new Error('Toxiproxy resets every connection, or none')
      return become(both('reset_peer', {timeout: 0}))
    },
    // With a timeout of 0 it closes nothing. Downstream alone, the server would still hear us.
    silence: () => become(both('timeout', {timeout: 0})),
    slowToFirstByte: (ms) => become([{type: 'latency', stream: 'downstream', attributes: {latency: ms}}]),
    slowToLastByte(bytesPerSecond) {
      const bytes = Math.ceil((bytesPerSecond * dripUs) / 1_000_000)
      const delay = Math.round((bytes * 1_000_000) / bytesPerSecond)
      return become([
        {type: 'slicer', stream: 'downstream', attributes: {average_size: bytes, size_variation: 0, delay}},
      ])
    },
    stop: async () => void (await ask('DELETE', proxy)),
  }
}
