import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

import {expect, it} from 'vitest'

import type {Config} from '../../src/config/config.ts'
import {errorCodes, type EnvdriftError} from '../../src/core/errors.ts'
import type {SecretRef} from '../../src/core/mapping.ts'
import type {Provider} from '../../src/providers/provider.ts'
import {readVaults} from '../../src/workflows/fetch.ts'
import type {SyncPorts} from '../../src/workflows/ports.ts'
import {errorIn} from './error-in.ts'

/**
 * The texts of `messages.golden.txt` in `folder`, by title, in the order of the file: what a person reads, written by hand
 * and reviewed as prose. A block starts with `## CODE: situation`.
 */
export function goldenTexts(folder: string): ReadonlyMap<string, string> {
  const blocks = readFileSync(join(folder, 'messages.golden.txt'), 'utf8').split(/^## /m).slice(1)
  return new Map(
    blocks.map((block) => {
      const [title = '', ...lines] = block.trimEnd().split('\n')
      return [title, lines.join('\n')]
    }),
  )
}

/** An error as the golden files have it. */
export const asRead = ({message, suggestions}: Pick<EnvdriftError, 'message' | 'suggestions'>): string =>
  [message, ...suggestions.map((text) => `→ ${text}`)].join('\n')

/** What `sync` says of a secret that it can't read: a refusal names who was refused. */
export async function failureInSync(ref: SecretRef, connect: () => Promise<Provider>): Promise<EnvdriftError> {
  const config = {vaults: new Map([[ref.vault, {}]]), runTimeoutMs: 60_000} as unknown as Config
  const {signal} = new AbortController()
  const ports = {connect: () => connect(), signal, progress: () => {}} as unknown as SyncPorts
  const vaults = await readVaults([ref], config, ports)
  const answer = vaults.answer(ref)
  await vaults.close()
  return errorIn(answer)
}

/**
 * Claims that a golden file is whole.
 *
 * @param situations - the titles of all that the tests of the file bring about, in its order.
 * @param sources - patterns of files in `src/providers`: where the codes are raised.
 * @param moreThan - so many codes are found at least, else the sources were not looked through.
 * @param neverRaised - codes that the sources only tell apart.
 */
export function claimWhole(
  texts: ReadonlyMap<string, string>,
  situations: readonly string[],
  {
    sources,
    moreThan,
    neverRaised = [],
  }: {
    readonly sources: readonly string[]
    readonly moreThan: number
    readonly neverRaised?: readonly string[]
  },
): void {
  it('every text has its situation, and every situation its text', () => {
    expect([...texts.keys()]).toEqual(situations)
  })

  it('every code that the sources can raise has a text', () => {
    const root = join(import.meta.dirname, '../../src/providers')
    const source = globSync([...sources], {cwd: root})
      .map((path) => readFileSync(join(root, path), 'utf8'))
      .join('\n')
    const raised = Object.keys(errorCodes).filter((code) => source.includes(`'${code}'`) && !neverRaised.includes(code))
    expect(raised.length).toBeGreaterThan(moreThan)
    const titled = new Set([...texts.keys()].map((title) => title.split(':')[0]))
    expect(raised.filter((code) => !titled.has(code))).toEqual([])
  })
}
