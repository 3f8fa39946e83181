import {existsSync, mkdirSync, readdirSync, statSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {expect, it} from 'vitest'

import {envdrift, type Run} from '../support/run-envdrift.ts'
import {makeWorkspace, type Workspace} from '../support/workspace.ts'

/** A run that gets as far as the commands, with Node's own variable out of the way. */
const run = ({root}: Workspace, env: Readonly<Record<string, string>> = {}): Promise<Run> =>
  envdrift(['sync', '--nope'], {cwd: root, env: {NODE_COMPILE_CACHE: undefined, ...env}})

it('keeps what it compiled in the user’s cache, closed to others, and runs the same from it', async () => {
  const workspace = makeWorkspace()
  const first = await run(workspace)
  const folder = join(workspace.home, '.cache/envdrift/compiled')
  expect(readdirSync(folder, {recursive: true}).length).toBeGreaterThan(3)
  // Windows shows 0666 of every folder that can be written.
  expect(statSync(folder).mode & 0o077).toBe(process.platform === 'win32' ? 0o066 : 0)
  expect(await run(workspace)).toEqual(first)
  expect(first.code).toBe(2)
})

it('keeps nothing in a repository, and says nothing of it', async () => {
  const usual = await run(makeWorkspace())
  const workspace = makeWorkspace()
  expect(await run(workspace, {XDG_CACHE_HOME: join(workspace.root, '.cache')})).toEqual(usual)
  expect(existsSync(join(workspace.root, '.cache'))).toBe(false)
})

it('says nothing where it can keep nothing', async () => {
  const usual = await run(makeWorkspace())
  const workspace = makeWorkspace()
  mkdirSync(join(workspace.home, 'other'))
  writeFileSync(join(workspace.home, 'other/file'), '')
  expect(await run(workspace, {XDG_CACHE_HOME: join(workspace.home, 'other/file')})).toEqual(usual)
})

it('keeps nothing for what needs none', async () => {
  const workspace = makeWorkspace()
  await envdrift(['--version'], {cwd: workspace.root, env: {NODE_COMPILE_CACHE: undefined}})
  expect(existsSync(join(workspace.home, '.cache'))).toBe(false)
})
