import {expect, it} from 'vitest'

import {makeUsualProject, production} from '../../support/project.ts'

it.each([
  ['SIGINT', 130, 'Interrupted'],
  ['SIGTERM', 143, 'Terminated'],
] as const)('C11 ends in order on %s: with %d, saying so, and nothing changed', async (name, code, word) => {
  const {sync, workspace, other} = await makeUsualProject({local: (_, old) => production(old)})
  const run = await sync([], {tty: true, signal: {after: /none\) /, name}})
  expect(run.code).toBe(code)
  expect(run.stdout).toContain(`[ERROR] ${word}\n`)
  expect(workspace.read('svc/.env.keys')).toBe(production(other))
})
