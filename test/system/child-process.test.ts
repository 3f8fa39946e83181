import {mkdtempSync, readFileSync, realpathSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {expect, it, onTestFinished} from 'vitest'

import type {ProgramOptions} from '../../src/system/child-process.ts'
import {runProgram} from '../../src/system/child-process.ts'
import {isRunning} from '../../src/system/files.ts'

const options: ProgramOptions = {env: {PATH: '/bin:/usr/bin'}, timeoutMs: 20_000, maxOutputBytes: 1_000_000}
const shell = (script: string): [string, ...string[]] => ['/bin/sh', '-c', script]

function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'envdrift-child-')))
  onTestFinished(() => rmSync(folder, {recursive: true, force: true}))
  return folder
}

/** The process has ended, or ends soon: a kill takes a moment to arrive. */
async function ends(pid: number): Promise<boolean> {
  for (let look = 0; look < 200; look++) {
    if (!isRunning(pid)) return true
    await sleep(25)
  }
  return false
}

it('gives what was printed, without errors, and the exit code', async () => {
  const result = await runProgram(shell('echo out; echo err >&2; exit 3'), options)
  expect({...result, stdout: String(result.stdout)}).toEqual({kind: 'exited', code: 3, stdout: 'out\n'})
})

it('takes arguments as they are: no shell reads them', async () => {
  const {stdout} = await runProgram(['printf', '%s|', '$(id)', '; id', '*', ''], options)
  expect(String(stdout)).toBe('$(id)|; id|*||')
})

it('gives the child the named environment and nothing else', async () => {
  process.env['ENVDRIFT_TEST_SECRET'] = 'x'
  const {stdout} = await runProgram(['env'], {...options, env: {PATH: '/bin:/usr/bin', ONLY: 'this', NOT: undefined}})
  delete process.env['ENVDRIFT_TEST_SECRET']
  expect(String(stdout).trim().split('\n').toSorted()).toEqual(['ONLY=this', 'PATH=/bin:/usr/bin'])
})

it('writes standard input, and survives a program that does not read it', async () => {
  expect(String((await runProgram(['cat'], {...options, stdin: 'línea'})).stdout)).toBe('línea')
  expect(await runProgram(['true'], {...options, stdin: 'x'.repeat(1_000_000)})).toMatchObject({
    kind: 'exited',
    code: 0,
  })
})

it('lets a program that reads see the end of input at once when there is none', async () => {
  expect(await runProgram(['cat'], options)).toMatchObject({kind: 'exited', code: 0})
})

it.each([
  ['a-program-that-nobody-has', 'ENOENT'],
  ['/etc/passwd', 'EACCES'],
])('says why %s did not start', async (program, code) => {
  expect(await runProgram([program], options)).toMatchObject({kind: 'not-started', code})
})

it('names a signal that was not ours', async () => {
  expect(await runProgram(shell('kill -TERM $$'), options)).toMatchObject({kind: 'killed', signal: 'SIGTERM'})
})

it('kills the program and what it started when time is up', async () => {
  const pids = join(temporaryFolder(), 'pids')
  const script = `sleep 60 & echo $$ $! > '${pids}'; echo before; wait`
  const result = await runProgram(shell(script), {...options, timeoutMs: 500})
  expect({kind: result.kind, stdout: String(result.stdout)}).toEqual({kind: 'timed-out', stdout: 'before\n'})
  const both = readFileSync(pids, 'utf8').trim().split(' ').map(Number)
  expect(await Promise.all(both.map(ends))).toEqual([true, true])
})

it('kills them when the signal fires, and starts nothing when it has fired', async () => {
  const pids = join(temporaryFolder(), 'pids')
  const controller = new AbortController()
  const running = runProgram(shell(`sleep 60 & echo $$ $! > '${pids}'; wait`), {...options, signal: controller.signal})
  await sleep(300)
  controller.abort()
  expect(await running).toMatchObject({kind: 'aborted'})
  const both = readFileSync(pids, 'utf8').trim().split(' ').map(Number)
  expect(await Promise.all(both.map(ends))).toEqual([true, true])
  expect(await runProgram(shell(`rm '${pids}'`), {...options, signal: controller.signal})).toMatchObject({
    kind: 'aborted',
  })
  expect(readFileSync(pids, 'utf8')).not.toBe('')
})

it('stops a program that prints without end', async () => {
  const result = await runProgram(['yes'], {...options, maxOutputBytes: 10_000})
  expect(result.kind).toBe('too-much-output')
  expect(result.stdout.length).toBeLessThanOrEqual(10_000)
})

it('does not wait for what a program leaves in the background', async () => {
  const result = await runProgram(shell('echo done; sleep 60 & exit 0'), options)
  expect({kind: result.kind, stdout: String(result.stdout)}).toEqual({kind: 'exited', stdout: 'done\n'})
})
