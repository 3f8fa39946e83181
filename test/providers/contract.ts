import {appendFileSync} from 'node:fs'
import {inspect} from 'node:util'

import {afterEach, describe, expect, it} from 'vitest'

import {refId, type SecretRef} from '../../src/core/mapping.ts'
import type {Host} from '../../src/core/provider-spec.ts'
import {Secret} from '../../src/core/secret.ts'
import type {Fetched, Provider} from '../../src/providers/provider.ts'
import type {Network} from '../support/gate.ts'

/** One request for a secret, as the server saw it. Concurrency and order are asserted from this log, never from a clock. */
export type LoggedRead = {readonly name: string; readonly inFlight: number}

/** A running service with an empty vault in it, real or a fake of ours; the suite drives it through this. */
export type Bed = {
  /** A provider of this service, with the bed's good credentials; `host` replaces parts of the test host. */
  readonly connect: (host?: Partial<Host>) => Promise<Provider>
  /** The name under which the suite's secret NAME is stored here (services differ in what a name may hold). */
  readonly seed: (name: string, value: string) => Promise<void>
  /** A secret whose payload isn't text. Left out where the service can't hold one. */
  readonly seedBinary?: (name: string, bytes: Buffer) => Promise<void>
  /** A second version, so that `earlier` has something to find. */
  readonly addVersion?: (name: string, value: string) => Promise<void>
  /** From now on this identity may not read NAME. */
  readonly forbid?: (name: string) => Promise<void>
  /** From now on the service takes our credentials for bad, expired or unknown. */
  readonly rejectLogin?: () => Promise<void>
  readonly disable?: (name: string) => Promise<void>
  readonly remove?: (name: string) => Promise<void>
  /** The next `times` requests for a secret answer `status` (with `retryAfterSeconds`, if given); `Infinity`: all. */
  readonly fail?: (status: number, times: number, retryAfterSeconds?: number) => void
  /** Every answer from now on comes this much later. */
  readonly delay?: (ms: number) => void
  /** From now on connections are taken and never answered. */
  readonly silence?: () => void | Promise<void>
  readonly reads: () => readonly LoggedRead[]
  /** How many logins (token requests) the service has seen. */
  readonly logins: () => number
  /** Gone for good: its newest version is destroyed, the secret itself may still be listed. */
  readonly destroy?: (name: string) => Promise<void>
  /** Our login was good and has run out: from now on the service says what it says of an expired one. */
  readonly expireLogin?: () => Promise<void>
  /** A provider whose place (vault, mount, project, region) does not exist, with the same good credentials. */
  readonly elsewhere?: (host?: Partial<Host>) => Promise<Provider>
  /** The largest value that the service takes, in bytes. */
  readonly largest?: number
  /** A name that the service refuses, and that a configuration therefore refuses before. */
  readonly badName?: string
  /** What can go wrong on the way: the bed's provider reaches the service through it. */
  readonly network?: Network
  /** A provider of the same service with TLS and a certificate that nobody here trusts. */
  readonly connectUntrusted?: (host?: Partial<Host>) => Promise<Provider>
  /** A provider that is told of a proxy in the way its users would (HTTPS_PROXY), and how many tunnels that proxy has made. */
  readonly connectThroughProxy?: (
    host?: Partial<Host>,
  ) => Promise<{readonly provider: Provider; readonly tunnels: () => number}>
  /** The clock of the service differs from ours by so many milliseconds from now on. */
  readonly skewClock?: (ms: number) => void
  /** Texts that no message may hold: tokens, passwords, secret access keys, signatures of the bed's login. */
  readonly credentials?: readonly string[]
  /** The suite may have called it before, to see a server that is down; `silence` must not keep it waiting. */
  readonly stop: () => Promise<void>
}

/** The members of {@link Bed} that some service or bed may lack. */
const bedCapabilities = [
  'seedBinary',
  'addVersion',
  'forbid',
  'rejectLogin',
  'expireLogin',
  'disable',
  'remove',
  'destroy',
  'elsewhere',
  'largest',
  'badName',
  'fail',
  'delay',
  'silence',
  'network',
  'connectUntrusted',
  'connectThroughProxy',
  'skewClock',
  'credentials',
] as const satisfies readonly (keyof Bed)[]

type BedCapability = (typeof bedCapabilities)[number]

/**
 * What some service or bed can't do, by name: an optional member of {@link Bed}, or
 * `empty` (hold an empty secret), `long` (hold 20 KB), `down` (be a server that is down), `parallel` (be asked for one secret at a time),
 * `compareAndSet` (see that another version is current), `retryAfter` (name a time after which to ask again),
 * `resetOnce` (reset a single connection).
 */
export type Capability =
  | BedCapability
  | 'empty'
  | 'long'
  | 'down'
  | 'parallel'
  | 'compareAndSet'
  | 'retryAfter'
  | 'resetOnce'

/** A host as the suite's beds use it: this process's environment, nobody at the terminal, no embedded vault. */
export const testHost = (over: Partial<Host> = {}): Host => ({
  env: process.env,
  home: process.env['HOME'] ?? '/nonexistent',
  maxInFlight: 16,
  callTimeoutMs: 20_000,
  interactive: false,
  warn: () => {},
  vaultPassword: () => Promise.reject(new Error('This test has no embedded vault')),
  ...over,
})

/** Every reading of `refs`, checked for what holds of any: each reference answered once, by its own reference. */
export async function readAll(
  provider: Provider,
  refs: readonly SecretRef[],
  signal: AbortSignal = new AbortController().signal,
): Promise<readonly Fetched[]> {
  const answers: Fetched[] = []
  for await (const answer of provider.read(refs, signal)) answers.push(answer)
  expect(answers.map(({ref}) => refId(ref)).sort()).toEqual(refs.map(refId).sort())
  return refs.map((ref) => answers.find((answer) => refId(answer.ref) === refId(ref))!)
}

/** `found` with its text, `absent`, or the code of the failure: what an expectation is written in. */
export function gist(answer: Fetched): string {
  switch (answer.kind) {
    case 'found':
      return `found ${answer.value.reveal()}`
    case 'absent':
      return 'absent'
    case 'failed':
      return answer.error.code
  }
}

/** All that could be printed of an error, its cause and everything below it included. */
export const everythingOf = (error: unknown): string =>
  inspect(error, {depth: Infinity, showHidden: true, getters: false})

/**
 * {@link readAll}, written down where ENVDRIFT_CONTRACT_TABLE names a file: one line of JSON for a row of the table
 * provider, situation, outcome, how long it took and how many requests for secrets the service saw.
 */
async function observe(
  provider: string,
  situation: string,
  bed: Bed,
  reading: () => Promise<readonly Fetched[]>,
): Promise<readonly Fetched[]> {
  const [start, before] = [performance.now(), bed.reads().length]
  const answers = await reading()
  const file = process.env['ENVDRIFT_CONTRACT_TABLE']
  if (file !== undefined) {
    const outcome = [...new Set(answers.map((answer) => (answer.kind === 'failed' ? answer.error.code : answer.kind)))]
    const requests = bed.reads().length - before
    const ms = Math.round(performance.now() - start)
    appendFileSync(file, `${JSON.stringify({provider, situation, outcome: outcome.join(', '), ms, requests})}\n`)
  }
  return answers
}

const ref = (name: string, version?: string): SecretRef => ({
  vault: 'default',
  name,
  ...(version !== undefined && {version}),
})
const never = (): AbortSignal => new AbortController().signal

const texts = [
  ['64 hex digits', '3f8a61c09b7d4e25a1f0c6d8e9b2743516fa0d9c8b7e6a5f4d3c2b1a09f8e7d6'],
  ['a line of a keys file', 'DOTENV_PRIVATE_KEY_PRODUCTION="3f8a61c09b7d4e25a1f0c6d8e9b27435"'],
  ['padding', '  padded\t'],
  ['an end of line', 'first line\nlínea segunda\r\n'],
  ['JSON', '{"b": 1, "a": "x",\n  "é": [true, null, 1.50]}'],
  ['a backslash, quotes and an emoji', String.raw`C:\new "quoted" 'single' 🔑`],
] as const

/**
 * Runs the suite that every provider passes against a service that `start` brings up afresh for each test.
 *
 * Secret names are letters, digits and hyphens, so that every service takes them. A bed reports what it can't do in
 * `lacks`, each with its reason, which is printed with the skipped test; an undeclared lack fails.
 */
export function providerContract(
  name: string,
  start: () => Promise<Bed>,
  lacks: {readonly [capability in Capability]?: string} = {},
): void {
  describe(`${name} keeps the provider contract`, () => {
    const started: Bed[] = []
    const connected: Provider[] = []

    afterEach(async () => {
      await Promise.all(connected.splice(0).map((provider) => provider.close()))
      await Promise.all(started.splice(0).map((bed) => bed.stop()))
    })

    /** A bed with every member, so that a test can use those that it has asked for. */
    async function bedOf(): Promise<Required<Bed>> {
      const bed = await start()
      started.push(bed)
      return bed as Required<Bed>
    }

    async function connect(bed: Bed, host: Partial<Host> = {}): Promise<Provider> {
      const provider = await bed.connect(host)
      connected.push(provider)
      return provider
    }

    /** A test that needs `capabilities`; skipped, with the reason in its name, where one is declared missing. */
    function claim(title: string, capabilities: readonly Capability[], test: () => Promise<void>): void {
      const reason = capabilities.map((capability) => lacks[capability]).find((text) => text !== undefined)
      const define = reason === undefined ? it : it.skip
      define(reason === undefined ? title : `${title} (skipped: ${reason})`, test)
    }

    /** No message, suggestion or cause holds a credential or a value of the vault. */
    function expectDiscreet(bed: Bed, errors: readonly unknown[], values: readonly string[] = []): void {
      for (const error of errors) {
        const printed = everythingOf(error)
        for (const text of [...(bed.credentials ?? []), ...values]) expect(printed).not.toContain(text)
      }
    }

    /** Reads `names`, and notes what came of it as a row of the table. */
    const look = (
      situation: string,
      bed: Bed,
      provider: Provider,
      names: readonly (string | SecretRef)[] = ['myapp-production'],
    ): Promise<readonly Fetched[]> =>
      observe(name, situation, bed, () =>
        readAll(
          provider,
          names.map((one) => (typeof one === 'string' ? ref(one) : one)),
        ),
      )

    function failures(answers: readonly Fetched[]): readonly Error[] {
      return answers.flatMap((answer) => (answer.kind === 'failed' ? [answer.error] : []))
    }

    it('can do all that is not declared missing', async () => {
      const bed = await bedOf()
      expect(bedCapabilities.filter((member) => (bed as Bed)[member] === undefined)).toEqual(
        bedCapabilities.filter((member) => lacks[member] !== undefined),
      )
    })

    it('says where it reads, in one printable line', async () => {
      const provider = await connect(await bedOf())
      expect(provider.place).toMatch(/^\P{C}+$/u)
    })

    async function readBack(text: string): Promise<string> {
      const bed = await bedOf()
      await bed.seed('myapp-production', text)
      const [answer] = await readAll(await connect(bed), [ref('myapp-production')])
      return gist(answer!)
    }

    it.each(texts)('reads back %s unchanged', async (_, text) => {
      expect(await readBack(text)).toBe(`found ${text}`)
    })

    claim('reads back 20 KB unchanged', ['long'], async () => {
      const text = 'DOTENV_PRIVATE_KEY_SERVICE=0123456789abcdef\n'.repeat(465)
      expect(await readBack(text)).toBe(`found ${text}`)
    })

    claim('reads back an empty secret as found and empty', ['empty'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', '')
      const [answer] = await look('empty', bed, await connect(bed))
      expect(gist(answer!)).toBe('found ')
    })

    it('says absent for what is not there, and how to put it there', async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'here')
      const provider = await connect(bed)
      const missing = ref('myapp-staging')
      expect((await look('present', bed, provider)).map(gist)).toEqual(['found here'])
      expect((await look('absent', bed, provider, [missing])).map(gist)).toEqual(['absent'])
      expect(provider.remedies(missing).join('\n')).toContain('myapp-staging')
    })

    it('answers an empty list with nothing', async () => {
      expect(await readAll(await connect(await bedOf()), [])).toEqual([])
    })

    claim('says FORBIDDEN for what we may not read, and reads the rest', ['forbid'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'held-back')
      await bed.seed('myapp-staging', 'open')
      await bed.forbid('myapp-production')
      const answers = await look('forbidden, beside one that is not', bed, await connect(bed), [
        'myapp-production',
        'myapp-staging',
      ])
      expect(answers.map(gist)).toEqual(['FORBIDDEN', 'found open'])
      expectDiscreet(bed, failures(answers), ['held-back'])
      const [refusal] = answers
      if (refusal?.kind !== 'failed') return expect.unreachable('not refused')
      // What grants it comes first, and names the secret that it is about.
      expect(refusal.error.suggestions[0]).toContain('myapp-production')
    })

    claim('takes a rejected login for what it is, and tries it once for all', ['rejectLogin'], async () => {
      const bed = await bedOf()
      const names = Array.from({length: 20}, (_, n) => `service-${n}`)
      for (const each of names) await bed.seed(each, 'unreachable-value')
      await bed.rejectLogin()
      const before = bed.logins()
      const answers = await look('rejected login, 20 secrets', bed, await connect(bed, {maxInFlight: 4}), names)
      expect([...new Set(answers.map(gist))]).toEqual([expect.stringMatching(/^(NOT_LOGGED_IN|LOGIN_REFUSED)$/)])
      expect(bed.logins() - before).toBeLessThanOrEqual(1)
      // Those in flight may have been asked; nobody is asked after the first refusal.
      expect(bed.reads().length).toBeLessThanOrEqual(4)
      expectDiscreet(bed, failures(answers), ['unreachable-value'])
    })

    claim('C41 says KEY_BINARY for a payload that is not text', ['seedBinary'], async () => {
      const bed = await bedOf()
      await bed.seedBinary('myapp-production', Buffer.from([0x00, 0xff, 0xfe, 0x80, 0xc3, 0x28]))
      const answers = await look('binary', bed, await connect(bed))
      expect(answers.map(gist)).toEqual(['KEY_BINARY'])
    })

    claim('says SECRET_DISABLED for a disabled secret, never absent', ['disable'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'switched-off')
      await bed.disable('myapp-production')
      const answers = await look('disabled', bed, await connect(bed))
      expect(answers.map(gist)).toEqual(['SECRET_DISABLED'])
      expectDiscreet(bed, failures(answers), ['switched-off'])
    })

    claim('says SECRET_DELETED for a removed secret, never absent', ['remove'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'thrown-away')
      await bed.remove('myapp-production')
      const answers = await look('deleted', bed, await connect(bed))
      expect(answers.map(gist)).toEqual(['SECRET_DELETED'])
      expectDiscreet(bed, failures(answers), ['thrown-away'])
    })

    claim('reads the version that is pinned, and the newest otherwise', ['addVersion'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'one')
      const provider = await connect(bed)
      const [first] = await readAll(provider, [ref('myapp-production')])
      await bed.addVersion('myapp-production', 'two')
      if (first?.kind !== 'found') return expect.unreachable(`not found: ${gist(first!)}`)
      expect(first.version).toBeTruthy()
      const refs = [ref('myapp-production', first.version), ref('myapp-production')]
      expect((await look('pinned version', bed, provider, refs)).map(gist)).toEqual(['found one', 'found two'])
    })

    claim('shows earlier versions, newest first, without the current one', ['addVersion'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'one')
      await bed.addVersion('myapp-production', 'two')
      const provider = await connect(bed)
      expect(await earlierOf(provider, 'myapp-production', 5)).toEqual(['one'])
      await bed.addVersion('myapp-production', 'three')
      expect(await earlierOf(provider, 'myapp-production', 1)).toEqual(['two'])
    })

    it('shows no earlier versions of what is not there or never changed', async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'one')
      const provider = await connect(bed)
      expect(await earlierOf(provider, 'myapp-production', 5)).toEqual([])
      expect(await earlierOf(provider, 'myapp-staging', 5)).toEqual([])
    })

    claim('finds a secret although the service throttled once', ['fail'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'patience')
      bed.fail(429, 1, 1)
      const answers = await look('429 once, Retry-After 1', bed, await connect(bed))
      expect(answers.map(gist)).toEqual(['found patience'])
    })

    for (const status of [500, 503]) {
      claim(`finds a secret although the service answered ${status} once`, ['fail'], async () => {
        const bed = await bedOf()
        await bed.seed('myapp-production', 'patience')
        bed.fail(status, 1)
        const answers = await look(`${status} once`, bed, await connect(bed))
        expect(answers.map(gist)).toEqual(['found patience'])
      })
    }

    claim('says THROTTLED when the service throttles for ever', ['fail'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'never-served')
      bed.fail(429, Infinity)
      const answers = await look('429 for ever', bed, await connect(bed))
      expect(answers.map(gist)).toEqual(['THROTTLED'])
      expectDiscreet(bed, failures(answers))
    })

    claim('says SERVICE_ERROR when the service answers 500 for ever', ['fail'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'never-served')
      bed.fail(500, Infinity)
      const answers = await look('500 for ever', bed, await connect(bed))
      expect(answers.map(gist)).toEqual(['SERVICE_ERROR'])
      expectDiscreet(bed, failures(answers))
    })

    claim('says TIMEOUT for a service that is silent', ['silence'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'never-served')
      const provider = await connect(bed, {callTimeoutMs: 400})
      await bed.silence()
      const answers = await look('silent from the start', bed, provider, ['myapp-production', 'myapp-staging'])
      expect(answers.map(gist)).toEqual(['TIMEOUT', 'TIMEOUT'])
      expectDiscreet(bed, failures(answers))
    })

    claim('says UNREACHABLE for a server that is down, and nothing about logins', ['down'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'never-served')
      const provider = await connect(bed)
      await bed.stop()
      const answers = await look('server down', bed, provider)
      expect(answers.map(gist)).toEqual(['UNREACHABLE'])
      expect(failures(answers)[0]!.message).not.toMatch(/authenticat|credential|log ?in/i)
      expectDiscreet(bed, failures(answers))
    })

    claim(
      'ends soon when the run is cancelled half way: what is unanswered is INTERRUPTED',
      ['delay', 'parallel'],
      async () => {
        const bed = await bedOf()
        const names = Array.from({length: 12}, (_, n) => `service-${n}`)
        for (const each of names) await bed.seed(each, 'value')
        const provider = await connect(bed, {maxInFlight: 2})
        const run = new AbortController()
        const seen: string[] = []
        for await (const answer of provider.read(
          names.map((each) => ref(each)),
          run.signal,
        )) {
          seen.push(gist(answer))
          // Longer than this test may last: it ends only if nobody waits for the service any more.
          bed.delay(600_000)
          run.abort()
        }
        expect(seen).toHaveLength(12)
        expect(seen[0]).toBe('found value')
        expect(seen.at(-1)).toBe('INTERRUPTED')
        expect(new Set(seen)).toEqual(new Set(['found value', 'INTERRUPTED']))
      },
    )

    it('answers INTERRUPTED without asking when the run was cancelled before', async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'value')
      const provider = await connect(bed)
      const before = bed.reads().length
      const answers = await readAll(provider, [ref('myapp-production')], AbortSignal.abort())
      expect(answers.map(gist)).toEqual(['INTERRUPTED'])
      expect(bed.reads()).toHaveLength(before)
    })

    claim(
      'reads 40 secrets in parallel, at most maxInFlight at once, each once, after one login',
      ['delay', 'parallel'],
      async () => {
        const bed = await bedOf()
        const names = Array.from({length: 40}, (_, n) => `service-${n}`)
        for (const each of names) await bed.seed(each, `value of ${each}`)
        bed.delay(20)
        const [readsBefore, loginsBefore] = [bed.reads().length, bed.logins()]
        const answers = await look('40 secrets, 8 at once', bed, await connect(bed, {maxInFlight: 8}), names)
        expect(answers.map(gist)).toEqual(names.map((each) => `found value of ${each}`))
        const reads = bed.reads().slice(readsBefore)
        expect(reads).toHaveLength(40)
        const peak = Math.max(...reads.map(({inFlight}) => inFlight))
        expect(peak).toBeLessThanOrEqual(8)
        expect(peak).toBeGreaterThan(1)
        expect(bed.logins() - loginsBefore).toBeLessThanOrEqual(1)
      },
    )

    claim('reads 50 secrets at once without losing one', ['delay', 'parallel'], async () => {
      const bed = await bedOf()
      const names = Array.from({length: 50}, (_, n) => `service-${n}`)
      for (const each of names) await bed.seed(each, `value of ${each}`)
      const before = bed.reads().length
      bed.delay(300)
      const answers = await look('50 in flight', bed, await connect(bed, {maxInFlight: 50}), names)
      expect(answers.map(gist)).toEqual(names.map((each) => `found value of ${each}`))
      const peak = Math.max(
        ...bed
          .reads()
          .slice(before)
          .map(({inFlight}) => inFlight),
      )
      expect(peak).toBeGreaterThan(16)
      expect(peak).toBeLessThanOrEqual(50)
    })

    claim('reads back the largest value that the service takes', ['largest'], async () => {
      const bed = await bedOf()
      const text = 'DOTENV_PRIVATE_KEY_SERVICE=0123456789abcdef\n'.repeat(30_000).slice(0, bed.largest)
      expect(text).toHaveLength(bed.largest)
      await bed.seed('myapp-production', text)
      const [answer] = await look('largest value', bed, await connect(bed))
      expect(answer).toMatchObject({kind: 'found'})
      expect(gist(answer!) === `found ${text}`).toBe(true)
    })

    claim('refuses a name that the service can not hold, and never takes it for absent', ['badName'], async () => {
      const bed = await bedOf()
      const answers = await look('name that the service can not hold', bed, await connect(bed), [bed.badName])
      expect(answers.map(gist)).toEqual([expect.stringMatching(/^(CONFIG_INVALID|BAD_REQUEST)$/)])
    })

    claim('says SECRET_DELETED for a destroyed version, never absent', ['destroy'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'burnt')
      await bed.destroy('myapp-production')
      const answers = await look('destroyed', bed, await connect(bed))
      expect(answers.map(gist)).toEqual(['SECRET_DELETED'])
      expectDiscreet(bed, failures(answers), ['burnt'])
    })

    claim('takes an expired login for what it is, and says how to log in', ['expireLogin'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'unreachable-value')
      const provider = await connect(bed)
      await bed.expireLogin()
      const answers = await look('expired login', bed, provider, ['myapp-production', 'myapp-staging'])
      expect([...new Set(answers.map(gist))]).toEqual([expect.stringMatching(/^(NOT_LOGGED_IN|LOGIN_REFUSED)$/)])
      expectDiscreet(bed, failures(answers), ['unreachable-value'])
    })

    claim('never says absent in a place that is not there', ['elsewhere'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'here')
      const provider = await bed.elsewhere()
      connected.push(provider)
      const answers = await look('place that is not there', bed, provider)
      expect(answers.map(gist)).toEqual([
        expect.stringMatching(/^(VAULT_NOT_FOUND|FORBIDDEN|UNREACHABLE|LOGIN_REFUSED|BAD_REQUEST)$/),
      ])
    })

    claim(
      'gives up at once when it is to wait longer than a call may take, and says how long',
      ['fail', 'retryAfter'],
      async () => {
        const bed = await bedOf()
        await bed.seed('myapp-production', 'never-served')
        bed.fail(429, Infinity, 600)
        const provider = await connect(bed, {callTimeoutMs: 20_000})
        const answers = await look('429, Retry-After 600', bed, provider)
        expect(answers.map(gist)).toEqual(['THROTTLED'])
        expect(failures(answers)[0]!.message).toContain('600 s')
        expectDiscreet(bed, failures(answers))
      },
    )

    claim('says SERVICE_ERROR when the service answers 503 for ever', ['fail'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'never-served')
      bed.fail(503, Infinity)
      const answers = await look('503 for ever', bed, await connect(bed))
      expect(answers.map(gist)).toEqual(['SERVICE_ERROR'])
    })

    claim('finds a secret although the connection was reset once', ['network', 'resetOnce'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'patience')
      const provider = await connect(bed)
      await bed.network.reset(1)
      expect((await look('reset once', bed, provider)).map(gist)).toEqual(['found patience'])
    })

    claim('says UNREACHABLE when every connection is reset', ['network'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'never-served')
      const provider = await connect(bed)
      await bed.network.reset(Infinity)
      const answers = await look('reset for ever', bed, provider)
      expect(answers.map(gist)).toEqual(['UNREACHABLE'])
      expectDiscreet(bed, failures(answers))
    })

    claim('says TIMEOUT when a connection that worked goes dead without closing', ['network'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'once')
      await bed.seed('myapp-staging', 'never-served')
      const provider = await connect(bed, {callTimeoutMs: 2000})
      expect((await readAll(provider, [ref('myapp-production')])).map(gist)).toEqual(['found once'])
      await bed.network.silence()
      const answers = await look('half-open', bed, provider, ['myapp-staging'])
      expect(answers.map(gist)).toEqual(['TIMEOUT'])
    })

    claim('waits for a service that is slow, within the deadline of a call', ['network'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'patience')
      await bed.seed('myapp-staging', 'more patience')
      const provider = await connect(bed)
      await bed.network.slowToFirstByte(300)
      expect((await look('slow to the first byte', bed, provider)).map(gist)).toEqual(['found patience'])
      await bed.network.slowToLastByte(4000)
      const answers = await look('slow to the last byte', bed, provider, ['myapp-staging'])
      expect(answers.map(gist)).toEqual(['found more patience'])
    })

    claim('says TIMEOUT when the first byte, or the last, comes after the deadline', ['network'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'never-served')
      await bed.network.slowToFirstByte(600_000)
      const late = await look('first byte after the deadline', bed, await connect(bed, {callTimeoutMs: 1000}))
      expect(late.map(gist)).toEqual(['TIMEOUT'])
      await bed.network.slowToLastByte(1)
      const slow = await look('last byte after the deadline', bed, await connect(bed, {callTimeoutMs: 1000}))
      expect(slow.map(gist)).toEqual(['TIMEOUT'])
    })

    claim('says TLS_REFUSED for a certificate that nobody trusts', ['connectUntrusted'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'never-served')
      const provider = await bed.connectUntrusted()
      connected.push(provider)
      const answers = await look('certificate that nobody trusts', bed, provider)
      expect(answers.map(gist)).toEqual(['TLS_REFUSED'])
      expectDiscreet(bed, failures(answers), ['never-served'])
    })

    claim('goes through the proxy of the environment', ['connectThroughProxy'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'through')
      const {provider, tunnels} = await bed.connectThroughProxy()
      connected.push(provider)
      expect((await look('through a proxy', bed, provider)).map(gist)).toEqual(['found through'])
      expect(tunnels()).toBeGreaterThan(0)
    })

    claim('reads, or speaks of the clock, when clocks differ by a day', ['skewClock'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'on time')
      bed.skewClock(24 * 3_600_000)
      const [answer] = await look('clock off by a day', bed, await connect(bed))
      expect(gist(answer!)).toMatch(/^(found on time|LOGIN_REFUSED|NOT_LOGGED_IN)$/)
      if (answer?.kind === 'failed')
        expect([answer.error.message, ...answer.error.suggestions].join('\n')).toMatch(/clock/i)
    })

    it('writes a new secret, and reads it back', async () => {
      const provider = await connect(await bedOf())
      const version = await provider.write(ref('myapp-production'), new Secret(' new\n'), 'absent', never())
      const [answer] = await readAll(provider, [ref('myapp-production')])
      expect(gist(answer!)).toBe('found  new\n')
      expect(answer).toMatchObject({version})
    })

    it('refuses with VERSION_CONFLICT to create what exists, and leaves it as it is', async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'first')
      const provider = await connect(bed)
      const writing = provider.write(ref('myapp-production'), new Secret('overwritten'), 'absent', never())
      const error: unknown = await writing.then(
        () => undefined,
        (caught: unknown) => caught,
      )
      expect(error).toMatchObject({code: 'VERSION_CONFLICT'})
      expectDiscreet(bed, [error], ['overwritten', 'first'])
      expect((await readAll(provider, [ref('myapp-production')])).map(gist)).toEqual(['found first'])
    })

    it('writes over any version, and creates where there is none', async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'first')
      const provider = await connect(bed)
      await provider.write(ref('myapp-production'), new Secret('second'), 'any', never())
      await provider.write(ref('myapp-staging'), new Secret('created'), 'any', never())
      const answers = await readAll(provider, [ref('myapp-production'), ref('myapp-staging')])
      expect(answers.map(gist)).toEqual(['found second', 'found created'])
    })

    claim('writes over the expected version only', ['compareAndSet'], async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'one')
      const provider = await connect(bed)
      const [first] = await readAll(provider, [ref('myapp-production')])
      if (first?.kind !== 'found' || first.version === undefined) return expect.unreachable('found without a version')
      await provider.write(ref('myapp-production'), new Secret('two'), first.version, never())
      const late = provider.write(ref('myapp-production'), new Secret('three'), first.version, never())
      await expect(late).rejects.toMatchObject({code: 'VERSION_CONFLICT'})
      expect((await readAll(provider, [ref('myapp-production')])).map(gist)).toEqual(['found two'])
    })

    it('says who we are without saying a credential', async () => {
      const bed = await bedOf()
      const identity = await (await connect(bed)).whoami(never())
      expect(identity.who).toBeTruthy()
      expect(identity.credential).toBeTruthy()
      expectDiscreet(bed, [identity])
    })

    it('leaves nothing behind that keeps the process alive', async () => {
      const bed = await bedOf()
      await bed.seed('myapp-production', 'value')
      const sockets = () =>
        process.getActiveResourcesInfo().filter((kind) => /TCPSocket|TLSSocket|Pipe/.test(kind)).length
      const before = sockets()
      const provider = await connect(bed)
      await readAll(provider, [ref('myapp-production')])
      await provider.close()
      // The service's end closes a turn or two after ours. Not much longer: a Node server gives up an idle one after 5 s.
      await expect.poll(sockets, {timeout: 3000}).toBeLessThanOrEqual(before)
    })
  })

  async function earlierOf(provider: Provider, secret: string, limit: number): Promise<readonly string[]> {
    const values: string[] = []
    for await (const {version, value} of provider.earlier(ref(secret), limit, never())) {
      expect(version).toBeTruthy()
      values.push(value.reveal())
    }
    return values
  }
}
