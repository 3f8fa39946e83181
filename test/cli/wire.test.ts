import {mkdirSync, symlinkSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'

import {expect, it, onTestFinished, vi} from 'vitest'

import {makeWorkspace} from '../support/workspace.ts'

it('two names of one keys file are one lock', async () => {
  const workspace = makeWorkspace({'shared/.env.keys': '# ours\n'})
  vi.stubEnv('XDG_STATE_HOME', workspace.home)
  onTestFinished(() => void vi.unstubAllEnvs())
  // Only now: it may keep the environment that it was loaded in.
  const {makeFiles} = await import('../../src/cli/wire.ts')
  const files = makeFiles({backups: 1}, new AbortController().signal, () => new Date())
  mkdirSync(workspace.path('svc'))
  symlinkSync('../shared/.env.keys', workspace.path('svc/.env.keys'))

  const order: string[] = []
  let second: Promise<void> | undefined
  await files.withLock(workspace.path('svc/.env.keys'), async () => {
    second = files.withLock(workspace.path('shared/.env.keys'), async () => void order.push('second'))
    // Time enough for a second that needn't wait; one that waits isn't measured.
    await sleep(200)
    order.push('first')
  })
  await second
  expect(order).toEqual(['first', 'second'])
})
