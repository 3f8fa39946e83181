import {chmodSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {PassThrough} from 'node:stream'

import {describe, expect, it, onTestFinished} from 'vitest'

import {askHidden} from '../../src/cli/hidden-question.ts'
import {
  firstPassword,
  newVaultPassword,
  vaultPassword,
  type PasswordContext,
  type PasswordFlags,
} from '../../src/cli/password.ts'
import type {Env, Settings} from '../../src/core/provider-spec.ts'

type Given = {
  readonly flags?: PasswordFlags
  readonly env?: Env
  readonly settings?: Settings
  readonly answers?: readonly (string | undefined)[]
  readonly timeoutMs?: number
}

const path = '/vaults/myapp'
const never = new AbortController().signal

function contextOf({env, answers, timeoutMs}: Given, warnings: string[] = []): PasswordContext {
  const lines = [...(answers ?? [])]
  return {
    warn: (text) => warnings.push(text),
    signal: never,
    env: {PATH: process.env['PATH'], ...env},
    ...(answers !== undefined && {ask: async () => lines.shift()}),
    ...(timeoutMs !== undefined && {timeoutMs}),
  }
}

/** The password that these sources give, or the error's code and message. */
async function found(given: Given, warnings?: string[]): Promise<string> {
  const ask = vaultPassword(given.flags ?? {}, contextOf(given, warnings))
  return ask({path, settings: given.settings ?? {}}).then(
    (secret) => secret.reveal(),
    (error: {code: string; message: string}) => `${error.code}: ${error.message}`,
  )
}

function file(text: string | Buffer, mode = 0o600): string {
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-password-'))
  onTestFinished(() => rmSync(directory, {recursive: true}))
  writeFileSync(join(directory, 'password'), text)
  chmodSync(join(directory, 'password'), mode)
  return join(directory, 'password')
}

const nodeCommand = (script: string): string => JSON.stringify([process.execPath, '-e', script])

it.each<[string, () => Given]>([
  ['--password-fd', () => ({flags: {'password-fd': openSync(file('it\n'), 'r')}})],
  ['--password-file', () => ({flags: {'password-file': file('it\n')}})],
  ['--password-command', () => ({flags: {'password-command': 'printf it\\n'}})],
  ['ENVDRIFT_VAULT_PASSWORD', () => ({env: {ENVDRIFT_VAULT_PASSWORD: 'it'}})],
  ['ENVDRIFT_VAULT_PASSWORD_FILE', () => ({env: {ENVDRIFT_VAULT_PASSWORD_FILE: file('it')}})],
  ['ENVDRIFT_VAULT_PASSWORD_COMMAND', () => ({env: {ENVDRIFT_VAULT_PASSWORD_COMMAND: 'echo it'}})],
  ['password.env of the configuration', () => ({env: {TEAM: 'it'}, settings: {password: {env: 'TEAM'}}})],
  ['password.file of the configuration', () => ({settings: {password: {file: file('it')}}})],
  ['password.command of the configuration', () => ({settings: {password: {command: ['echo', 'it']}}})],
  ['a question at the terminal', () => ({answers: ['it']})],
])('P1 takes the password from %s alone', async (_, given) => {
  expect(await found(given())).toBe('it')
})

it('P1 takes the most explicit source: flag, then variable, then configuration, then terminal', async () => {
  const all: Required<Pick<Given, 'flags' | 'env' | 'settings' | 'answers'>> = {
    flags: {'password-file': file('flag')},
    env: {
      ENVDRIFT_VAULT_PASSWORD: 'variable',
      ENVDRIFT_VAULT_PASSWORD_FILE: file('variable for a file'),
      ENVDRIFT_VAULT_PASSWORD_COMMAND: 'echo variable-for-a-command',
    },
    settings: {password: {command: ['echo', 'configuration']}},
    answers: ['terminal'],
  }
  expect(await found(all)).toBe('flag')
  expect(await found({...all, flags: {}})).toBe('variable')
  const env = {...all.env, ENVDRIFT_VAULT_PASSWORD: undefined}
  expect(await found({...all, flags: {}, env})).toBe('variable for a file')
  const commandOnly = {...env, ENVDRIFT_VAULT_PASSWORD_FILE: undefined}
  expect(await found({...all, flags: {}, env: commandOnly})).toBe('variable-for-a-command')
  expect(await found({...all, flags: {}, env: {}})).toBe('configuration')
  expect(await found({answers: all.answers})).toBe('terminal')
})

it.each([
  ['it', 'it'],
  ['it\n', 'it'],
  ['it\r\n', 'it'],
  ['it\n\n', 'it\n'],
  [' it \t', ' it \t'],
  ['pässwörd 🔑\n', 'pässwörd 🔑'],
  ['\ufeffit\n', 'it'],
])('takes exactly one line end off %j, and a byte order mark', async (text, password) => {
  expect(await found({flags: {'password-file': file(text)}})).toBe(password)
})

it.each<[string, string | Buffer, string]>([
  ['empty', '', 'is empty'],
  ['a line end only', '\n', 'is empty'],
  ['NUL', 'a\0b', 'holds a NUL character'],
  ['bytes that are no text', Buffer.from([0xff, 0xfe]), 'is not UTF-8 text'],
  ['a large file', 'x'.repeat(70_000), 'holds more than a password'],
])('refuses %s, and names the source', async (_, text, what) => {
  const name = file(text)
  expect(await found({flags: {'password-file': name}})).toBe(
    `VAULT_PASSWORD_MISSING: --password-file (${name}) ${what}`,
  )
})

it('refuses an empty variable instead of going on to the next source', async () => {
  expect(await found({env: {ENVDRIFT_VAULT_PASSWORD: ''}, answers: ['it']})).toBe(
    'VAULT_PASSWORD_MISSING: ENVDRIFT_VAULT_PASSWORD is empty',
  )
})

it.each<[string, string, string]>([
  ['fails', nodeCommand('console.log("half"); process.exit(3)'), 'ended with exit code 3'],
  ['prints nothing', nodeCommand(''), 'printed nothing'],
  ['talks', nodeCommand('console.log("x".repeat(1e6))'), 'printed more than a password'],
  ['is not there', 'no-such-program-here', 'was not found'],
  ['is killed', nodeCommand('process.kill(process.pid, "SIGKILL")'), 'was ended by SIGKILL'],
])('P3 names the source when its command %s', async (_, command, what) => {
  const [program] = command.startsWith('[') ? [process.execPath] : [command]
  for (const given of [{flags: {'password-command': command}}, {env: {ENVDRIFT_VAULT_PASSWORD_COMMAND: command}}]) {
    const source = given.flags ? '--password-command' : 'ENVDRIFT_VAULT_PASSWORD_COMMAND'
    expect(await found(given)).toBe(`VAULT_PASSWORD_MISSING: ${source} gave no password: ${program} ${what}`)
  }
})

it('P3 ends a command that hangs, with all that it started', async () => {
  const pidFile = file('')
  const script = `const {pid} = require('node:child_process').spawn('sleep', ['600'], {stdio: 'inherit'});
    require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(pid)); setInterval(() => {}, 1000)`
  const text = await found({flags: {'password-command': nodeCommand(script)}, timeoutMs: 1500})
  expect(text).toContain('VAULT_PASSWORD_MISSING: --password-command gave no password')
  expect(text).toContain('did not end within 1.5 s')
  const state = () => {
    try {
      return readFileSync(`/proc/${readFileSync(pidFile, 'utf8')}/stat`, 'utf8').split(') ')[1]![0]
    } catch {
      return 'gone'
    }
  }
  await expect.poll(state, {timeout: 5000}).toMatch(/Z|gone/)
})

it.each(['pass show "my vault"', "sh -c 'echo it'", 'echo `it`', '["unterminated', '[]', '[1]', '   '])(
  'refuses %j, whose quotes nobody would read',
  async (command) => {
    expect(await found({flags: {'password-command': command}})).toMatch(/^USAGE: --password-command is not a program/)
  },
)

it('runs a command without a shell', async () => {
  expect(await found({flags: {'password-command': 'echo $(id) $HOME ;'}})).toBe('$(id) $HOME ;')
})

it('S20 keeps passwords and keys out of the environment of the command', async () => {
  const env = {
    ENVDRIFT_VAULT_NEW_PASSWORD: 'secret-1',
    DOTENV_PRIVATE_KEY: 'secret-2',
    DOTENV_PRIVATE_KEY_CI: 'secret-3',
    TEAM: 'secret-4',
    MYAPP: 'kept',
  }
  const command = nodeCommand('console.log(JSON.stringify(process.env))')
  const seen = await found({flags: {'password-command': command}, env, settings: {password: {env: 'TEAM'}}})
  expect(seen).toContain('"MYAPP":"kept"')
  expect(seen).not.toContain('secret-')
})

it('P4 says at once that there is no source, and names the variable that the configuration means', async () => {
  expect(await found({})).toBe('VAULT_PASSWORD_MISSING: The vault /vaults/myapp needs a password, and none was given')
  const ask = vaultPassword({}, contextOf({}))
  await expect(ask({path, settings: {password: {env: 'TEAM'}}})).rejects.toMatchObject({
    suggestions: expect.arrayContaining([expect.stringContaining('TEAM')]),
  })
})

it.each<[number, number]>([
  [0o600, 0],
  [0o400, 0],
  [0o644, 1],
  [0o640, 1],
])('P5 warns of a password file with mode %o %i times', async (mode, times) => {
  const warnings: string[] = []
  expect(await found({flags: {'password-file': file('it', mode)}}, warnings)).toBe('it')
  expect(warnings).toHaveLength(times)
})

it('reads what a flag names once, however many vaults ask', async () => {
  const fd = openSync(file('it\n'), 'r')
  const ask = vaultPassword({'password-fd': fd}, contextOf({}))
  const both = await Promise.all(['/a', '/b'].map((one) => ask({path: one, settings: {}})))
  expect(both.map((secret) => secret.reveal())).toEqual(['it', 'it'])
})

describe('a password that is about to be set', () => {
  const long = 'correct horse battery staple'

  it('is asked for twice at a terminal', async () => {
    const ask = (answers: readonly (string | undefined)[]) =>
      firstPassword({}, contextOf({answers}))({path, settings: {}}).then((secret) => secret.reveal())
    expect(await ask([long, long])).toBe(long)
    await expect(ask([long, 'other'])).rejects.toMatchObject({message: 'The two passwords differ'})
    await expect(ask([long, undefined])).rejects.toMatchObject({code: 'VAULT_PASSWORD_MISSING'})
    await expect(ask(['', ''])).rejects.toMatchObject({code: 'VAULT_PASSWORD_MISSING'})
  })

  it('is not asked for when a source is there but gives nothing', async () => {
    const given = {env: {ENVDRIFT_VAULT_PASSWORD_FILE: '/nonexistent/password'}, answers: [long, long]}
    await expect(firstPassword({}, contextOf(given))({path, settings: {}})).rejects.toMatchObject({
      code: 'VAULT_PASSWORD_MISSING',
    })
  })

  it.each<[string, number]>([
    ['x'.repeat(11), 1],
    ['x'.repeat(12), 0],
    ['🔑'.repeat(11), 1],
  ])('is warned of when it is %j', async (password, times) => {
    const warnings: string[] = []
    const context = contextOf({env: {ENVDRIFT_VAULT_PASSWORD: password}}, warnings)
    expect((await firstPassword({}, context)({path, settings: {}})).reveal()).toBe(password)
    expect(warnings).toHaveLength(times)
  })

  it('comes from a flag, a variable, or a question asked twice, and from nowhere else', async () => {
    const from = (flags: Parameters<typeof newVaultPassword>[0], given: Given) =>
      newVaultPassword(flags, contextOf(given)).then(
        (secret) => secret.reveal(),
        (error: {code: string}) => error.code,
      )
    expect(await from({'new-password-file': file(long)}, {env: {ENVDRIFT_VAULT_NEW_PASSWORD: 'other'}})).toBe(long)
    expect(await from({'new-password-fd': openSync(file(long), 'r')}, {})).toBe(long)
    expect(await from({}, {env: {ENVDRIFT_VAULT_NEW_PASSWORD: long}})).toBe(long)
    expect(await from({}, {answers: [long, long]})).toBe(long)
    expect(await from({}, {env: {ENVDRIFT_VAULT_PASSWORD: 'the old one'}})).toBe('VAULT_PASSWORD_MISSING')
  })
})

describe('a hidden question', () => {
  const asking = (signal: AbortSignal = never) => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    const answer = askHidden('Password: ', {input, output, signal})
    const chunks: string[] = []
    output.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
    return {input, answer, shown: () => chunks.join('')}
  }

  it('shows the question and never the answer', async () => {
    const {input, answer, shown} = asking()
    input.write('pass wörd\r')
    expect(await answer).toBe('pass wörd')
    await expect.poll(shown).toBe('Password: \n')
  })

  it('ends with nothing on Ctrl-D, and with INTERRUPTED on Ctrl-C', async () => {
    const ended = asking()
    ended.input.write('\u0004')
    expect(await ended.answer).toBeUndefined()
    const interrupted = asking()
    interrupted.input.write('half\u0003')
    await expect(interrupted.answer).rejects.toMatchObject({code: 'INTERRUPTED'})
  })

  it('ends when the run is cancelled', async () => {
    const run = new AbortController()
    const {answer} = asking(run.signal)
    run.abort()
    await expect(answer).rejects.toMatchObject({code: 'INTERRUPTED'})
  })
})
