import {existsSync} from 'node:fs'
import {join} from 'node:path'

import primitives from '@dotenvx/primitives'
import {expect, it} from 'vitest'

import {plantKey, runInWorkspace} from './run-envdrift.ts'
import {encryptEnvFile, makeWorkspace} from './workspace.ts'

/** Stands for envdrift, and does what it must never do. */
const program = (source: string): [string, ...string[]] => [process.execPath, '--input-type=module', '-e', source]
const write = (path: string, text: string): [string, ...string[]] =>
  program(`import fs from 'node:fs'; fs.writeFileSync(${path}, ${JSON.stringify(text)})`)

it.each(['log', 'error'])('catches twelve digits of a planted key in console.%s', async (stream) => {
  const {root} = makeWorkspace()
  const digits = plantKey().privateKey.slice(20, 32)
  await expect(runInWorkspace(program(`console.${stream}('x${digits}y')`), {cwd: root})).rejects.toThrow(/^leak on std/)
})

it('catches them in upper case, and in the terminal', async () => {
  const {root} = makeWorkspace()
  const digits = plantKey().privateKey.slice(-12).toUpperCase()
  await expect(runInWorkspace(program(`console.log('${digits}')`), {cwd: root, tty: true})).rejects.toThrow(
    'leak on stdout',
  )
})

it.each([
  "'other.txt'",
  "process.env.HOME + '/.trace'",
  "process.env.TMPDIR + '/dump'",
  "'.env.keys.envdrift-0a0b0c0d-1-0123456789abcdef.tmp'",
])('catches a key in the file %s', async (path) => {
  const {root} = makeWorkspace()
  await expect(runInWorkspace(write(path, plantKey().privateKey), {cwd: root})).rejects.toThrow(/^leak in /)
})

it('says nothing of the private half when it complains', async () => {
  const {root} = makeWorkspace()
  const {privateKey} = plantKey()
  const complaint: unknown = await runInWorkspace(program(`console.log('${privateKey}')`), {cwd: root}).catch(String)
  expect(complaint).not.toContain(privateKey.slice(0, 12))
})

it.each([
  ['.env.keys', []],
  ['.env.keys.backup.20261121_093000.1', []],
  ['shared/team.keys', []],
  ['sub/k', ['sub/k']],
])('allows a key in %s', async (name, keysFiles) => {
  const workspace = makeWorkspace({'shared/x': '', 'sub/x': ''})
  const run = await runInWorkspace(write(`'${name}'`, plantKey().privateKey), {cwd: workspace.root, keysFiles})
  expect(run).toEqual({stdout: '', stderr: '', code: 0, signal: null})
  expect(workspace.exists(name)).toBe(true)
})

it('allows a public key, and eleven digits of a private one', async () => {
  const {root} = makeWorkspace()
  const {privateKey, publicKey} = plantKey()
  const {stdout} = await runInWorkspace(program(`console.log('${publicKey} ${privateKey.slice(0, 11)}z')`), {cwd: root})
  expect(stdout).toContain(publicKey)
})

it('catches a program that executes the canary', async () => {
  const {root} = makeWorkspace()
  await expect(runInWorkspace(['/bin/sh', '-c', '. ./canary/.env.production'], {cwd: root})).rejects.toThrow(
    'the canary was executed',
  )
})

it('plants the canary inside a ciphertext, too', () => {
  const {canary, read} = makeWorkspace()
  const ciphertext = /^EVIL="(encrypted:[^"]+)"$/m.exec(read('canary/.env.production'))?.[1]
  expect(primitives.decrypt(canary.key.privateKey, ciphertext ?? '')).toBe(`$(touch '${canary.touched}')`)
  expect(existsSync(canary.touched)).toBe(false)
})

it('gives the program nothing of the developer’s environment', async () => {
  process.env['AWS_SECRET_ACCESS_KEY'] = 'of-the-developer'
  const {root, home} = makeWorkspace()
  const {stdout} = await runInWorkspace(program('console.log(JSON.stringify(process.env))'), {
    cwd: root,
    env: {EXTRA: '1'},
  })
  delete process.env['AWS_SECRET_ACCESS_KEY']
  const env = JSON.parse(stdout) as Record<string, string>
  expect(env).toMatchObject({
    HOME: home,
    XDG_STATE_HOME: join(home, '.local/state'),
    AWS_EC2_METADATA_DISABLED: 'true',
    EXTRA: '1',
  })
  expect(Object.keys(env).filter((name) => /^(?:AWS_S|npm_|VITEST|CI$)/.test(name))).toEqual([])
})

it('answers questions on a terminal, each once it was asked', async () => {
  const {root} = makeWorkspace()
  const asks = program(`import {createInterface} from 'node:readline/promises'
    const lines = createInterface({input: process.stdin, output: process.stdout, terminal: false})
    const a = await lines.question('first? '); const b = await lines.question('second? ')
    console.log(process.stdin.isTTY, process.stdout.columns, a, b); process.exit(3)`)
  const run = await runInWorkspace(asks, {
    cwd: root,
    tty: {columns: 40},
    answers: [
      {after: /first\? $/, type: 'y\r'},
      {after: /second\? $/, type: 'n\r'},
    ],
  })
  expect(run.stdout).toMatch(/true 40 y n\n$/)
  expect(run.code).toBe(3)
})

it('gives standard input, an end of it, or none', async () => {
  const {root} = makeWorkspace()
  const reads = program(
    `import fs from 'node:fs'; try { console.log('read', fs.readFileSync(0, 'utf8')) } catch (e) { console.log(e.code) }`,
  )
  const outputs = []
  for (const options of [{stdin: 'text'}, {}])
    outputs.push((await runInWorkspace(reads, {cwd: root, ...options})).stdout)
  expect(outputs).toEqual(['read text\n', 'read \n'])
  const {stdout} = await runInWorkspace(['/bin/sh', '-c', 'cat 2>/dev/null || echo closed'], {
    cwd: root,
    stdin: 'closed',
  })
  expect(stdout).toBe('closed\n')
})

it('sends a signal when asked to', async () => {
  const {root} = makeWorkspace()
  const run = await runInWorkspace(program(`console.log('ready'); setTimeout(() => {}, 60_000)`), {
    cwd: root,
    signal: {after: /ready/, name: 'SIGTERM'},
  })
  expect(run).toMatchObject({code: null, signal: 'SIGTERM'})
})

it('kills and reports what lasts too long, with what it had printed', async () => {
  const {root} = makeWorkspace()
  const endless = runInWorkspace(program(`console.log('ready'); setTimeout(() => {}, 60_000)`), {
    cwd: root,
    timeoutMs: 1_000,
  })
  await expect(endless).rejects.toThrow(/lasting too long, and had printed:\s+ready/)
})

it('writes env files that name their public key and decrypt', () => {
  const {publicKey, privateKey} = plantKey()
  const text = encryptEnvFile('DOTENV_PUBLIC_KEY_CI', publicKey, {GREETING: 'hello'})
  expect(text).toContain(`\nDOTENV_PUBLIC_KEY_CI="${publicKey}"\n\n# .env.ci\nGREETING="encrypted:`)
  expect(primitives.decrypt(privateKey, /"(encrypted:.*)"/.exec(text)?.[1] ?? '')).toBe('hello')
})
