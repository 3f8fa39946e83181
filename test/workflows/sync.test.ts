import {readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {describe, expect, it} from 'vitest'

import {makeFiles, makeGit} from '../../src/cli/wire.ts'
import type {Config, MappingConfig} from '../../src/config/config.ts'
import {EnvdriftError, type ErrorCode} from '../../src/core/errors.ts'
import type {SecretRef} from '../../src/core/mapping.ts'
import type {Outcome} from '../../src/core/outcome.ts'
import {Secret} from '../../src/core/secret.ts'
import type {Fetched, Provider} from '../../src/providers/provider.ts'
import {withLock} from '../../src/system/lock.ts'
import type {SyncPorts} from '../../src/workflows/ports.ts'
import {sync, type SyncOptions} from '../../src/workflows/sync.ts'
import {plantKey} from '../support/planted-keys.ts'
import {production} from '../support/project.ts'
import {encryptEnvFile, makeWorkspace, type Workspace} from '../support/workspace.ts'

const keysFile = 'svc/.env.keys'
const trouble = (code: ErrorCode): EnvdriftError =>
  new EnvdriftError(code, `The test said ${code}`, {suggestions: ['Look at the test.']})

const mappingOf = (workspace: Workspace, parts: Partial<MappingConfig> = {}): MappingConfig => {
  const folderPath = parts.folderPath ?? 'svc'
  return {
    ref: {vault: 'default', name: 'myapp-key'},
    folderPath,
    folder: workspace.path(folderPath),
    ephemeral: false,
    required: 'always',
    number: 1,
    ...parts,
  }
}

const vaultOf = (read: Provider['read'], more: Partial<Provider> = {}): Provider => ({
  place: 'the vault of the test',
  read,
  // oxlint-disable-next-line no-empty-function
  async *earlier() {},
  write: () => Promise.reject(trouble('BAD_REQUEST')),
  whoami: () => Promise.reject(trouble('FORBIDDEN')),
  remedies: () => ['Look at the test.'],
  close: async () => {},
  ...more,
})

/** A vault that says at once what it holds. */
const holding = (value: (ref: SecretRef) => string, more: Partial<Provider> = {}): Provider =>
  vaultOf(async function* (refs) {
    for (const ref of refs) yield {kind: 'found', ref, value: new Secret(value(ref))} satisfies Fetched
  }, more)

type Around = {
  readonly mappings: readonly MappingConfig[]
  readonly vaults: Readonly<Record<string, Provider | (() => Promise<Provider>)>>
  readonly config?: Partial<Config>
  readonly options?: Partial<SyncOptions>
  readonly files?: (real: SyncPorts['files']) => Partial<SyncPorts['files']>
  readonly ask?: SyncPorts['ask']
  readonly signal?: AbortSignal
}

/** The workflow on real files, with vaults that do what the test says. */
async function run(
  workspace: Workspace,
  {mappings, vaults, config: more, options, files, ask, signal = new AbortController().signal}: Around,
): Promise<readonly Outcome[]> {
  const config: Config = {
    path: workspace.path('envdrift.toml'),
    base: workspace.root,
    repository: workspace.root,
    vaults: new Map(Object.keys(vaults).map((name) => [name, {name, provider: 'aws', settings: {}}])),
    mappings,
    total: mappings.length,
    left: [],
    unselected: [],
    envKeysFilename: '.env.keys',
    maxWorkers: 4,
    backups: 10,
    coverage: 'report',
    callTimeoutMs: 1_000,
    runTimeoutMs: 60_000,
    warnings: [],
    ...more,
  }
  const real: SyncPorts['files'] = {
    ...makeFiles(config, signal, () => new Date()),
    withLock: (path, work) => withLock(path, {stateDir: workspace.home, signal}, work),
  }
  const flags: SyncOptions = {
    verify: false,
    force: false,
    ci: false,
    checkDecryption: false,
    skipKeyMatch: false,
    validate: undefined,
    ...options,
  }
  const {outcomes} = await sync(config, flags, {
    connect: async ({name}) => {
      const vault = vaults[name]!
      return typeof vault === 'function' ? vault() : vault
    },
    files: {...real, ...files?.(real)},
    git: makeGit(signal),
    ask: ask ?? (() => Promise.reject(new TypeError('nobody was to be asked'))),
    progress: () => {},
    warn: () => {},
    signal,
  })
  return outcomes
}

const ended = (outcomes: readonly Outcome[]): readonly string[] =>
  outcomes.map((outcome) => (outcome.status === 'error' ? outcome.error.code : outcome.status))

const envFile = (publicKey: string, name = 'PRODUCTION'): string =>
  encryptEnvFile(`DOTENV_PUBLIC_KEY_${name}`, publicKey, {A: '1'})

describe('a keys file that somebody changes meanwhile', () => {
  it.each<[string, (workspace: Workspace, other: string) => void, Partial<SyncOptions>, readonly string[]]>([
    ['gets another key', (workspace, other) => workspace.write(keysFile, other), {verify: true}, ['DIFFERS']],
    ['gets another key', (workspace, other) => workspace.write(keysFile, other), {force: true}, ['updated']],
    ['goes away', (workspace) => rmSync(workspace.path(keysFile)), {verify: true}, ['KEYS_FILE_MISSING']],
    ['goes away', (workspace) => rmSync(workspace.path(keysFile)), {}, ['created']],
  ])('is compared as it is when the vault has answered: it %s', async (_, change, options, expected) => {
    const [key, other] = [plantKey(), plantKey()]
    const workspace = makeWorkspace({'svc/.env.production': envFile(key.publicKey), [keysFile]: production(key)})
    const slow = vaultOf(async function* (refs) {
      await sleep(50)
      change(workspace, production(other))
      for (const ref of refs) yield {kind: 'found', ref, value: new Secret(key.privateKey)} satisfies Fetched
    })
    const outcomes = await run(workspace, {mappings: [mappingOf(workspace)], vaults: {default: slow}, options})
    expect(ended(outcomes)).toEqual(expected)
    const isRight = workspace.exists(keysFile) && workspace.read(keysFile).includes(key.privateKey)
    expect(isRight).toBe(options.verify !== true)
  })

  it('keeps the key that came after the question, which was about another', async () => {
    const [key, old, theirs] = [plantKey(), plantKey(), plantKey()]
    const workspace = makeWorkspace({'svc/.env.production': envFile(key.publicKey), [keysFile]: production(old)})
    const outcomes = await run(workspace, {
      mappings: [mappingOf(workspace)],
      vaults: {default: holding(() => key.privateKey)},
      ask: async () => {
        workspace.write(keysFile, production(theirs))
        return 'yes'
      },
    })
    expect(ended(outcomes)).toEqual(['FILE_CHANGED'])
    expect(workspace.read(keysFile)).toBe(production(theirs))
  })

  it('keeps a key that was set where there was none when the run began', async () => {
    const [key, theirs] = [plantKey(), plantKey()]
    const workspace = makeWorkspace({'svc/.env.production': envFile(key.publicKey)})
    const outcomes = await run(workspace, {
      mappings: [mappingOf(workspace)],
      vaults: {default: holding(() => key.privateKey)},
      files: (real) => ({
        withLock: (path, work) =>
          real.withLock(path, () => {
            workspace.write(keysFile, production(theirs))
            return work()
          }),
      }),
    })
    expect(ended(outcomes)).toEqual(['FILE_CHANGED'])
    expect(workspace.read(keysFile)).toBe(production(theirs))
  })

  it('gets its key, and keeps the one that came between the last look and the write', async () => {
    const [key, staging] = [plantKey(), plantKey()]
    const added = `DOTENV_PRIVATE_KEY_STAGING=${staging.privateKey}\n`
    const workspace = makeWorkspace({'svc/.env.production': envFile(key.publicKey), [keysFile]: '# mine\n'})
    let writes = 0
    const outcomes = await run(workspace, {
      mappings: [mappingOf(workspace)],
      vaults: {default: holding(() => key.privateKey)},
      files: (real) => ({
        replace: (path, change) => {
          writes += 1
          if (writes === 1) workspace.write(keysFile, `# mine\n${added}`)
          return real.replace(path, change)
        },
      }),
    })
    expect(ended(outcomes)).toEqual(['created'])
    expect(workspace.read(keysFile)).toBe(`# mine\n${added}\n# .env.production\n${production(key)}`)
  })

  it('is left alone when it changes three times', async () => {
    const key = plantKey()
    const workspace = makeWorkspace({'svc/.env.production': envFile(key.publicKey), [keysFile]: '# 0\n'})
    let writes = 0
    const outcomes = await run(workspace, {
      mappings: [mappingOf(workspace)],
      vaults: {default: holding(() => key.privateKey)},
      files: (real) => ({
        replace: (path, change) => {
          writes += 1
          if (writes <= 3) workspace.write(keysFile, `# ${writes}\n`)
          return real.replace(path, change)
        },
      }),
    })
    expect(ended(outcomes)).toEqual(['FILE_CHANGED'])
    expect(workspace.read(keysFile)).toBe('# 3\n')
  })

  it('is not followed out of the repository when it becomes a link', async () => {
    const [key, theirs] = [plantKey(), plantKey()]
    const workspace = makeWorkspace({'svc/.env.production': envFile(key.publicKey)})
    const victim = join(workspace.base, 'victim.keys')
    writeFileSync(victim, `DOTENV_PRIVATE_KEY_STAGING=${theirs.privateKey}\n`)
    const outcomes = await run(workspace, {
      mappings: [mappingOf(workspace)],
      vaults: {default: holding(() => key.privateKey)},
      files: (real) => ({
        withLock: (path, work) =>
          real.withLock(path, () => {
            symlinkSync(victim, workspace.path(keysFile))
            return work()
          }),
      }),
    })
    expect(ended(outcomes)).toEqual(['OUTSIDE_REPOSITORY'])
    expect(readFileSync(victim, 'utf8')).toBe(`DOTENV_PRIVATE_KEY_STAGING=${theirs.privateKey}\n`)
  })

  it('C80 is an error on the rows of all its keys when it can’t be written, and on no other row', async () => {
    const [key, staging] = [plantKey(), plantKey()]
    const workspace = makeWorkspace({
      'svc/.env.production': envFile(key.publicKey),
      'svc/.env.staging': envFile(staging.publicKey, 'STAGING'),
      'fine/.env.production': envFile(key.publicKey),
    })
    const outcomes = await run(workspace, {
      mappings: [
        mappingOf(workspace, {environment: 'production'}),
        mappingOf(workspace, {folderPath: 'fine'}),
        mappingOf(workspace, {environment: 'staging', ref: {vault: 'default', name: 'staging-key'}}),
      ],
      vaults: {default: holding(({name}) => (name === 'staging-key' ? staging : key).privateKey)},
      files: (real) => ({
        replace: (path, change) =>
          path === workspace.path(keysFile) ? Promise.reject(trouble('FILE_UNWRITABLE')) : real.replace(path, change),
      }),
    })
    expect(ended(outcomes)).toEqual(['FILE_UNWRITABLE', 'created', 'FILE_UNWRITABLE'])
  })
})

describe('the time for hints', () => {
  it('ends the search for an earlier version in a vault that has gone silent', async () => {
    const [key, other] = [plantKey(), plantKey()]
    const workspace = makeWorkspace({'svc/.env.production': envFile(other.publicKey)})
    const outcomes = await run(workspace, {
      mappings: [mappingOf(workspace)],
      vaults: {
        default: holding(() => key.privateKey, {
          // oxlint-disable-next-line require-yield
          async *earlier(_ref, _limit, signal) {
            await new Promise<void>((resolve) => {
              signal.addEventListener('abort', () => resolve())
            })
          },
        }),
      },
      config: {runTimeoutMs: 100},
    })
    expect(ended(outcomes)).toEqual(['KEY_MISMATCH'])
  })
})

describe('who may be granted access', () => {
  it('takes the place of the word PRINCIPAL, and not of a name that holds it', async () => {
    const workspace = makeWorkspace({'svc/.env.production': envFile(plantKey().publicKey)})
    const error = new EnvdriftError('FORBIDDEN', 'refused', {
      suggestions: ['grant --assignee PRINCIPAL on PRINCIPAL-key: secret:PRINCIPAL-??? (Attach it to PRINCIPAL: x)'],
    })
    const outcomes = await run(workspace, {
      mappings: [mappingOf(workspace)],
      vaults: {
        default: vaultOf(
          async function* (refs) {
            for (const ref of refs) yield {kind: 'failed', ref, error} satisfies Fetched
          },
          {whoami: async () => ({who: 'me', credential: 'a key', until: 'unknown', principal: 'arn:me'})},
        ),
      },
    })
    expect(outcomes[0]).toMatchObject({
      error: {
        suggestions: ['grant --assignee arn:me on PRINCIPAL-key: secret:PRINCIPAL-??? (Attach it to arn:me: x)'],
      },
    })
  })
})

describe('the time for reading all vaults', () => {
  it('ends what is still unread when it is up, and keeps what was read', async () => {
    const key = plantKey()
    const workspace = makeWorkspace({'quick/.gitkeep': '', 'slow/.gitkeep': ''})
    const outcomes = await run(workspace, {
      mappings: ['quick', 'slow'].map((name) =>
        mappingOf(workspace, {folderPath: name, ref: {vault: name, name: 'myapp-key'}}),
      ),
      vaults: {
        quick: holding(() => key.privateKey),
        slow: vaultOf(async function* (refs, signal) {
          const error = await new Promise<EnvdriftError>((resolve) => {
            signal.addEventListener('abort', () => resolve(signal.reason as EnvdriftError))
          })
          for (const ref of refs) yield {kind: 'failed', ref, error} satisfies Fetched
        }),
      },
      config: {runTimeoutMs: 50},
    })
    expect(ended(outcomes)).toEqual(['created', 'TIMEOUT'])
    expect(outcomes[1]).toMatchObject({error: {message: expect.stringContaining('0.05 s') as string}})
  })
})

describe('fields of one secret', () => {
  it('are read in one request, and each mapping gets its own', async () => {
    const [auth, pay] = [plantKey(), plantKey()]
    const workspace = makeWorkspace({
      'auth/.env.production': envFile(auth.publicKey),
      'pay/.env.production': envFile(pay.publicKey),
    })
    const asked: SecretRef[] = []
    const outcomes = await run(workspace, {
      mappings: ['auth', 'pay'].map((field) =>
        mappingOf(workspace, {folderPath: field, ref: {vault: 'default', name: 'team/app', field}}),
      ),
      vaults: {
        default: holding((ref) => {
          asked.push(ref)
          return JSON.stringify({auth: auth.privateKey, pay: pay.privateKey})
        }),
      },
    })
    expect(ended(outcomes)).toEqual(['created', 'created'])
    expect(asked).toEqual([{vault: 'default', name: 'team/app'}])
    expect(workspace.read('auth/.env.keys')).toContain(production(auth))
    expect(workspace.read('pay/.env.keys')).toContain(production(pay))
  })

  it('two folders that are one through a link can not want two secrets for one key, before there is a file', async () => {
    const key = plantKey()
    const workspace = makeWorkspace({'a/x.env': envFile(key.publicKey), 'a/y.env': envFile(key.publicKey)})
    symlinkSync('a', workspace.path('b'))
    const clash = run(workspace, {
      mappings: [
        mappingOf(workspace, {folderPath: 'a', envFile: 'x.env', ref: {vault: 'default', name: 'x-key'}}),
        mappingOf(workspace, {folderPath: 'b', envFile: 'y.env', ref: {vault: 'default', name: 'y-key'}}),
      ],
      vaults: {default: holding(() => key.privateKey)},
    })
    await expect(clash).rejects.toThrow('x-key and y-key both want DOTENV_PRIVATE_KEY_PRODUCTION')
    expect(workspace.exists('a/.env.keys')).toBe(false)
  })

  it('two of them can not be one key', async () => {
    const key = plantKey()
    const workspace = makeWorkspace({'svc/.env.production': envFile(key.publicKey)})
    const clash = run(workspace, {
      mappings: ['auth', 'pay'].map((field) =>
        mappingOf(workspace, {ref: {vault: 'default', name: 'team/app', field}}),
      ),
      vaults: {default: holding(() => JSON.stringify({auth: key.privateKey, pay: key.privateKey}))},
    })
    await expect(clash).rejects.toThrow('team/app#auth and team/app#pay both want DOTENV_PRIVATE_KEY_PRODUCTION')
  })

  it('are looked for in earlier versions, too', async () => {
    const [old, now] = [plantKey(), plantKey()]
    const workspace = makeWorkspace({'svc/.env.production': envFile(old.publicKey)})
    const outcomes = await run(workspace, {
      mappings: [mappingOf(workspace, {ref: {vault: 'default', name: 'team/app', field: 'auth'}})],
      vaults: {
        default: holding(() => JSON.stringify({auth: now.privateKey}), {
          async *earlier(ref) {
            expect(ref).toEqual({vault: 'default', name: 'team/app'})
            yield {version: '3', value: new Secret(JSON.stringify({auth: old.privateKey}))}
          },
        }),
      },
    })
    expect(ended(outcomes)).toEqual(['EARLIER_VERSION_FITS'])
  })
})

describe('several vaults', () => {
  it('fail by themselves: the rows of the others stay what they are', async () => {
    const key = plantKey()
    const workspace = makeWorkspace({
      'svc/.env.production': envFile(key.publicKey),
      'fine/.env.production': envFile(key.publicKey),
    })
    const answered = Promise.withResolvers<void>()
    const outcomes = await run(workspace, {
      mappings: [
        mappingOf(workspace, {ref: {vault: 'broken', name: 'myapp-key'}}),
        mappingOf(workspace, {ref: {vault: 'fine', name: 'myapp-key'}, folderPath: 'fine'}),
      ],
      vaults: {
        broken: async () => {
          await answered.promise
          throw trouble('NOT_LOGGED_IN')
        },
        fine: vaultOf(async function* (refs) {
          for (const ref of refs) yield {kind: 'found', ref, value: new Secret(key.privateKey)} satisfies Fetched
          answered.resolve()
        }),
      },
    })
    expect(ended(outcomes)).toEqual(['NOT_LOGGED_IN', 'created'])
  })

  it('are not mixed up where their secrets have one name', async () => {
    const [ours, theirs] = [plantKey(), plantKey()]
    const workspace = makeWorkspace({'one/.gitkeep': '', 'two/.gitkeep': ''})
    const outcomes = await run(workspace, {
      mappings: ['one', 'two'].map((name) =>
        mappingOf(workspace, {folderPath: name, ref: {vault: name, name: 'myapp-key'}}),
      ),
      vaults: {one: holding(() => ours.privateKey), two: holding(() => theirs.privateKey)},
    })
    expect(ended(outcomes)).toEqual(['created', 'created'])
    expect(workspace.read('one/.env.keys')).toContain(production(ours))
    expect(workspace.read('two/.env.keys')).toContain(production(theirs))
  })

  it('are closed once each, also when the run is interrupted', async () => {
    const key = plantKey()
    const workspace = makeWorkspace({'one/.gitkeep': '', 'two/.gitkeep': ''})
    const mappings = ['one', 'two'].map((name) =>
      mappingOf(workspace, {folderPath: name, ref: {vault: name, name: 'myapp-key'}}),
    )
    const closed: string[] = []
    const closing = (name: string): Provider =>
      holding(() => key.privateKey, {
        close: async () => {
          closed.push(name)
        },
      })
    await run(workspace, {mappings, vaults: {one: closing('one'), two: closing('two')}})
    expect(closed.toSorted()).toEqual(['one', 'two'])

    const controller = new AbortController()
    const stopping = vaultOf(
      async function* (refs) {
        controller.abort(trouble('INTERRUPTED'))
        for (const ref of refs) yield {kind: 'failed', ref, error: trouble('INTERRUPTED')} satisfies Fetched
      },
      {close: async () => void closed.push('stopped')},
    )
    const interrupted = run(workspace, {
      mappings,
      vaults: {one: closing('three'), two: stopping},
      signal: controller.signal,
    })
    await expect(interrupted).rejects.toMatchObject({code: 'INTERRUPTED'})
    expect(closed.slice(2).toSorted()).toEqual(['stopped', 'three'])
  })
})

it('two versions of one secret are two keys', async () => {
  const [now, before] = [plantKey(), plantKey()]
  const workspace = makeWorkspace({'now/.gitkeep': '', 'before/.gitkeep': ''})
  const outcomes = await run(workspace, {
    mappings: [
      mappingOf(workspace, {folderPath: 'now'}),
      mappingOf(workspace, {folderPath: 'before', ref: {vault: 'default', name: 'myapp-key', version: '1'}}),
    ],
    vaults: {default: holding(({version}) => (version === '1' ? before : now).privateKey)},
  })
  expect(ended(outcomes)).toEqual(['created', 'created'])
  expect(workspace.read('now/.env.keys')).toContain(production(now))
  expect(workspace.read('before/.env.keys')).toContain(production(before))
})

it('an answer that came before its vault broke off counts', async () => {
  const key = plantKey()
  const workspace = makeWorkspace({'one/.gitkeep': '', 'two/.gitkeep': ''})
  const outcomes = await run(workspace, {
    mappings: ['one', 'two'].map((name) =>
      mappingOf(workspace, {folderPath: name, ref: {vault: 'default', name: `${name}-key`}}),
    ),
    vaults: {
      default: vaultOf(async function* ([first]) {
        yield {kind: 'found', ref: first!, value: new Secret(key.privateKey)}
        throw trouble('UNREACHABLE')
      }),
    },
  })
  expect(ended(outcomes)).toEqual(['created', 'UNREACHABLE'])
})

it('a secret that the vault gave no answer for is an error, not an absence', async () => {
  const workspace = makeWorkspace({'svc/.gitkeep': ''})
  // oxlint-disable-next-line no-empty-function
  const mute = vaultOf(async function* () {})
  expect(ended(await run(workspace, {mappings: [mappingOf(workspace)], vaults: {default: mute}}))).toEqual([
    'BAD_RESPONSE',
  ])
})

it.each(['UNREACHABLE', 'SECRET_DISABLED', 'NOT_LOGGED_IN'] as const)(
  'C125 only a refusal is passed over where CI alone needs the key: %s is not',
  async (code) => {
    const workspace = makeWorkspace({'svc/.gitkeep': ''})
    const failing = vaultOf(async function* (refs) {
      for (const ref of refs) yield {kind: 'failed', ref, error: trouble(code)} satisfies Fetched
    })
    const mappings = [mappingOf(workspace, {required: 'ci'})]
    expect(ended(await run(workspace, {mappings, vaults: {default: failing}}))).toEqual([code])
  },
)

it('C140 looks for no earlier version where one is pinned', async () => {
  const [key, other] = [plantKey(), plantKey()]
  const workspace = makeWorkspace({'svc/.env.production': envFile(key.publicKey)})
  const mappings = [mappingOf(workspace, {ref: {vault: 'default', name: 'myapp-key', version: '7'}})]
  const vault = holding(() => other.privateKey, {
    async *earlier() {
      yield {version: '6', value: new Secret(key.privateKey)}
    },
  })
  expect(ended(await run(workspace, {mappings, vaults: {default: vault}}))).toEqual(['KEY_MISMATCH'])
  expect(workspace.exists(keysFile)).toBe(false)
})

describe('an interruption', () => {
  it('C11 while vaults are read ends the run, and nothing is written', async () => {
    const key = plantKey()
    const workspace = makeWorkspace({'svc/.gitkeep': ''})
    const controller = new AbortController()
    const interrupted = run(workspace, {
      mappings: [mappingOf(workspace)],
      vaults: {
        default: holding(() => {
          controller.abort(trouble('INTERRUPTED'))
          return key.privateKey
        }),
      },
      signal: controller.signal,
    })
    await expect(interrupted).rejects.toMatchObject({code: 'INTERRUPTED'})
    expect(workspace.exists(keysFile)).toBe(false)
  })

  it('C11 at the question ends the run, whatever the answer is', async () => {
    const [key, old] = [plantKey(), plantKey()]
    const workspace = makeWorkspace({[keysFile]: production(old)})
    const controller = new AbortController()
    const interrupted = run(workspace, {
      mappings: [mappingOf(workspace)],
      vaults: {default: holding(() => key.privateKey)},
      ask: async () => {
        controller.abort(trouble('INTERRUPTED'))
        return 'yes'
      },
      signal: controller.signal,
    })
    await expect(interrupted).rejects.toMatchObject({code: 'INTERRUPTED'})
    expect(workspace.read(keysFile)).toBe(production(old))
  })

  it('C11 between two keys files finishes the first, leaves the second alone, and says so of each', async () => {
    const key = plantKey()
    const workspace = makeWorkspace({'one/.gitkeep': '', 'two/.gitkeep': ''})
    const controller = new AbortController()
    const outcomes = await run(workspace, {
      mappings: ['one', 'two'].map((name) => mappingOf(workspace, {folderPath: name})),
      vaults: {default: holding(() => key.privateKey)},
      files: (real) => ({
        replace: async (path, change) => {
          const written = await real.replace(path, change)
          controller.abort(trouble('TERMINATED'))
          return written
        },
      }),
      signal: controller.signal,
    })
    expect(outcomes).toMatchObject([{status: 'created'}, {status: 'error', error: {code: 'TERMINATED'}}])
    expect(workspace.read('one/.env.keys')).toContain(production(key))
    expect(workspace.exists('two/.env.keys')).toBe(false)
  })
})

it('C124 required coverage is an error where no repository says which files there are', async () => {
  const key = plantKey()
  const workspace = makeWorkspace({'svc/.gitkeep': ''})
  const nowhere = run(workspace, {
    mappings: [mappingOf(workspace)],
    vaults: {default: holding(() => key.privateKey)},
    config: {repository: undefined, coverage: 'required'},
  })
  await expect(nowhere).rejects.toMatchObject({code: 'NOT_COVERED'})
})
