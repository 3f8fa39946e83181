import {isUtf8} from 'node:buffer'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import {Secret} from '../../core/secret.ts'
import {shellWord} from '../../core/shell-word.ts'
import {printable} from '../../core/text.ts'
import {stateDir} from '../../system/directories.ts'
import {embeddedVault, type StoredSecret} from '../../vault/embedded-vault.ts'
import {asEnvdriftError, withDeadline} from '../in-flight.ts'
import type {Fetched, ProviderDefinition} from '../provider.ts'
import {spec} from './spec.ts'

/** Longest wait for another process that uses the vault, in milliseconds. */
const longestWaitMs = 10_000

/** A person may take time over the password, so only the run's own signal ends a read; the lock has its own limit. */
const noDeadlineMs = 2 ** 31 - 1

/** The embedded vault as a provider. Opened by the first read or write; the password is asked and derived once. */
export const provider: ProviderDefinition = {
  connect: async ({settings}, host) => {
    const path = settings['path'] as string
    const vault = embeddedVault({
      path,
      stateDir: stateDir(host.env, host.home),
      home: host.home,
      password: () => host.vaultPassword({path, settings}),
      now: () => new Date(),
      warn: host.warn,
      waitMs: Math.min(host.callTimeoutMs, longestWaitMs),
    })
    const place = `embedded vault ${printable(path)}`
    const read = (runSignal: AbortSignal) =>
      withDeadline((signal) => vault.read(signal), {place, callTimeoutMs: noDeadlineMs, signal: runSignal})

    return {
      place,

      async *read(refs, signal) {
        if (refs.length === 0) return
        try {
          const secrets = await read(signal)
          for (const ref of refs) yield refusedName(ref) ?? answer(path, ref, secrets.get(ref.name))
        } catch (error) {
          for (const ref of refs) yield {ref, kind: 'failed', error: asEnvdriftError(error, `read ${place}`)}
        }
      },

      async *earlier(ref, limit, signal) {
        const secrets = await read(signal).catch(() => undefined)
        const versions = secrets?.get(ref.name)?.slice(1) ?? []
        const readable = versions.flatMap(({version, value}) =>
          value !== 'deleted' && isUtf8(value) ? [{version: String(version), value: new Secret(value.toString())}] : [],
        )
        yield* readable.slice(0, limit)
      },

      async write(ref, value, expect, runSignal) {
        const expectation = expect === 'any' || expect === 'absent' ? expect : Number(expect)
        const bytes = Buffer.from(value.reveal())
        const put = (signal: AbortSignal) => vault.put(ref.name, bytes, expectation, signal)
        return String(await withDeadline(put, {place, callTimeoutMs: noDeadlineMs, signal: runSignal}))
      },

      async whoami(signal) {
        await read(signal)
        return {who: `whoever has the password of ${printable(path)}`, credential: 'password', until: 'unknown'}
      },

      remedies: (ref) => [
        `envdrift vault set ${shellWord(ref.name)} --path ${shellWord(path)}`,
        `envdrift vault list --path ${shellWord(path)}`,
      ],

      async close() {},
    }
  },
}

/** A name that the vault could never hold is no absence. */
function refusedName(ref: SecretRef): Fetched | undefined {
  const wrong = spec.checkSecretName(ref.name, ref.version)
  if (wrong === undefined) return undefined
  const error = new EnvdriftError('CONFIG_INVALID', `secret_name ${printable(ref.name)} ${wrong}`, {
    suggestions: ['Correct secret_name of the mapping.'],
  })
  return {ref, kind: 'failed', error}
}

function answer(path: string, ref: SecretRef, secret: StoredSecret | undefined): Fetched {
  if (secret === undefined) return {ref, kind: 'absent'}
  const [current] = secret
  const wanted = ref.version === undefined ? current : secret.find(({version}) => String(version) === ref.version)
  const failed = (error: EnvdriftError): Fetched => ({ref, kind: 'failed', error})
  const [name, word] = [printable(ref.name), shellWord(ref.name)]
  if (wanted === undefined)
    return failed(
      new EnvdriftError(
        'NOT_IN_VAULT',
        `The vault ${printable(path)} keeps no version ${printable(ref.version!)} of ${name}`,
        {
          suggestions: ['See its versions with `envdrift vault list --json`.', 'Check secret_version in the mapping.'],
        },
      ),
    )
  if (wanted.value === 'deleted')
    return failed(
      new EnvdriftError(
        'SECRET_DELETED',
        `${name} was deleted from the vault ${printable(path)} (version ${wanted.version})`,
        {
          suggestions: [
            `Read the value that it had with \`envdrift vault get ${word} --version ${wanted.version - 1}\`.`,
            `Store it anew with \`envdrift vault set ${word}\`.`,
          ],
        },
      ),
    )
  if (!isUtf8(wanted.value))
    return failed(
      new EnvdriftError('KEY_BINARY', `${name} in the vault ${printable(path)} is binary, not text`, {
        suggestions: [`Store the key as text with \`envdrift vault set ${word}\`.`],
      }),
    )
  return {ref, kind: 'found', value: new Secret(wanted.value.toString()), version: String(wanted.version)}
}
