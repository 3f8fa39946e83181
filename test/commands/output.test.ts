import {existsSync} from 'node:fs'

import {describe, expect, it} from 'vitest'

import {makeUsualProject, production} from '../support/project.ts'
import {program, runInWorkspace} from '../support/run-envdrift.ts'

const isThere = existsSync('/dev/full')

describe.runIf(isThere)('output that goes to a full disk', () => {
  it.each([
    ['sync --verify --ci', 'stdout'],
    ['sync --verify --ci --json', 'stdout'],
    ['mappings', 'stdout'],
    ['mappings --json', 'stdout'],
    ['sync --nope --json', 'stdout'],
    ['sync --nope', 'stderr'],
    ['snyc', 'stdout and stderr'],
    ['--version', 'stdout'],
    ['sync --help', 'stdout'],
  ])('ends %s with a failure, and says so where it can: %s', async (line, full) => {
    const {workspace, env} = await makeUsualProject({local: (key) => production(key)})
    const [node, entry] = program
    const to = `${full.includes('stdout') ? '>/dev/full ' : ''}${full.includes('stderr') ? '2>/dev/full' : ''}`
    const script = `"$0" "$1" ${line} ${to}`
    const run = await runInWorkspace(['sh', '-c', script, node, entry], {cwd: workspace.root, env})
    expect(run.code).toBeGreaterThan(0)
    expect(run.stderr).not.toContain('A bug')
    expect(run.stderr).not.toContain('    at ')
    expect(run.stderr.includes('The standard output could not be written: ENOSPC')).toBe(full === 'stdout')
  })

  it('passes where nothing was lost', async () => {
    const {workspace, env} = await makeUsualProject({local: (key) => production(key)})
    const [node, entry] = program
    const run = await runInWorkspace(['sh', '-c', '"$0" "$1" mappings 2>/dev/full', node, entry], {
      cwd: workspace.root,
      env,
    })
    expect(run).toMatchObject({code: 0})
  })
})
