// The default is what both export: they are CommonJS, and another name is not always known to be there.
import sdk from '@google-cloud/secret-manager'
import gax from 'google-gax'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import type {Host, Settings} from '../../core/provider-spec.ts'
import {Secret} from '../../core/secret.ts'
import {printable} from '../../core/text.ts'
import {type Answer, readEach, withDeadline} from '../in-flight.ts'
import type {Provider, ProviderDefinition, Version} from '../provider.ts'
import {connectionTo} from './connection.ts'
import {crc32c} from './crc32c.ts'
import {endpointOf} from './endpoint.ts'
import {type Refusal, status} from './refusal.ts'
import {
  gcloudFlags,
  parentOf,
  placeOf,
  type ResourceName,
  resourceNameOf,
  secretOf,
  versionAnswered,
  versionOf,
} from './resource-name.ts'

/** So many disabled or destroyed versions may lie between the earlier versions that are asked for. */
const skippedVersions = 10

/** What one version holds. */
type Payload = {readonly bytes: Uint8Array; readonly version: Version}

export const provider: ProviderDefinition = {
  async connect({settings}, host) {
    silence()
    return providerOf(settings, host)
  },
}

function providerOf(settings: Settings, host: Host): Provider {
  const project = settings['project_id'] as string
  const location = settings['location'] as string | undefined
  const override = settings['api_endpoint'] as string | undefined
  const endpoint = override === undefined ? undefined : endpointOf(override)
  if (override !== undefined && !endpoint) {
    throw new EnvdriftError(
      'CONFIG_INVALID',
      `api_endpoint ${printable(override)} is not one that we send a token to`,
      {
        suggestions: ['Write HOST, HOST:PORT, or http://127.0.0.1:PORT for a server on this machine.'],
      },
    )
  }
  const place = placeOf({project, location})
  const ClientClass = sdk.SecretManagerServiceClient
  const {call, identity, end} = connectionTo({gax, ClientClass, settings, host, endpoint, place})

  function nameOf(ref: SecretRef): ResourceName {
    const name = resourceNameOf(project, ref, location)
    if (name) return name
    throw new EnvdriftError('BAD_REQUEST', `${printable(ref.name)} is not a name of Secret Manager`, {
      suggestions: ['Write secret_name as NAME, as projects/P/secrets/NAME or as projects/P/locations/L/secrets/NAME.'],
    })
  }

  /** @returns `absent` only when the service knows the project and not the secret, or not the version. */
  function access(name: ResourceName, signal: AbortSignal): Promise<Payload | 'absent'> {
    return call<Payload | 'absent'>(
      name,
      'read',
      signal,
      async (client, options) => {
        const [answer] = await client.accessSecretVersion({name: versionOf(name)}, options)
        const {data, dataCrc32c} = answer.payload ?? {}
        const version = versionAnswered(answer.name ?? '', name)
        if (!(data instanceof Uint8Array) || version === undefined) {
          throw badResponse(`${placeOf(name)} answered for ${name.secret} with something else`)
        }
        // An alias, as latest is, comes back as the number that it stands for.
        const areNumbers = [version, name.version].every((each) => /^\d+$/.test(each))
        if (areNumbers && BigInt(version) !== BigInt(name.version)) {
          throw badResponse(`${placeOf(name)} sent version ${version} of ${name.secret} instead of ${name.version}`)
        }
        // Versions from before the service kept checksums have none.
        if (dataCrc32c !== undefined && dataCrc32c !== null && String(dataCrc32c) !== String(crc32c(data))) {
          throw badResponse(`What ${placeOf(name)} sent for ${name.secret} was damaged on its way (its CRC32C differs)`)
        }
        return {bytes: data, version}
      },
      absence,
    )
  }

  async function readOne(ref: SecretRef, signal: AbortSignal): Promise<Answer> {
    const name = nameOf(ref)
    const payload = await access(name, signal)
    if (payload === 'absent') return {kind: 'absent'}
    const value = textOf(payload.bytes)
    if (value === undefined) {
      throw new EnvdriftError(
        'KEY_BINARY',
        `Version ${payload.version} of ${name.secret} holds binary data, not text`,
        {
          suggestions: [`Store the key as UTF-8 text: ${addCommand(name)}`],
        },
      )
    }
    return {kind: 'found', value, version: payload.version}
  }

  /** @returns `false` when there is no such secret. */
  async function add(name: ResourceName, value: Secret, signal: AbortSignal): Promise<Version | false> {
    const data = Buffer.from(value.reveal())
    return call<Version | false>(
      name,
      'add a version to',
      signal,
      async (client, options) => {
        const request = {parent: secretOf(name), payload: {data, dataCrc32c: crc32c(data)}}
        const [answer] = await client.addSecretVersion(request, options)
        const version = versionAnswered(answer.name ?? '', name)
        if (version === undefined) throw badResponse(`${placeOf(name)} answered for ${name.secret} with something else`)
        return version
      },
      (refusal) => (absence(refusal) ? false : undefined),
    )
  }

  /** @returns whether it was made now; `false`: it was there already, with or without versions. */
  function create(name: ResourceName, signal: AbortSignal): Promise<boolean> {
    // A regional secret lies where its name says, and takes no replication.
    const secret = name.location === undefined ? {replication: {automatic: {}}} : {}
    return call(
      name,
      'create',
      signal,
      async (client, options) => {
        await client.createSecret({parent: parentOf(name), secretId: name.secret, secret}, options)
        return true
      },
      (refusal) => (refusal.status === status.alreadyExists ? false : undefined),
    )
  }

  async function addOrFail(name: ResourceName, value: Secret, signal: AbortSignal): Promise<Version> {
    const version = await add(name, value, signal)
    if (version !== false) return version
    throw conflict(name, `Secret ${name.secret} was removed from ${place} while we wrote it`)
  }

  async function write(name: ResourceName, value: Secret, expect: string, signal: AbortSignal): Promise<Version> {
    if (expect === 'any') {
      const version = await add(name, value, signal)
      if (version !== false) return version
      await create(name, signal)
      return addOrFail(name, value, signal)
    }
    if (expect === 'absent') {
      // A secret without versions counts as absent: that is what a read says of it.
      if (!(await create(name, signal)) && (await access(name, signal)) !== 'absent') {
        throw conflict(name, `${place} already has a secret ${name.secret}`)
      }
      return addOrFail(name, value, signal)
    }
    const current = await access(name, signal)
    if (current === 'absent' || current.version !== expect) {
      const found = current === 'absent' ? 'there is none' : `version ${current.version} is current`
      throw conflict(name, `Version ${expect} of ${name.secret} was to be replaced, but in ${place} ${found}`)
    }
    const version = await addOrFail(name, value, signal)
    // The service has no compare and set for versions. Numbers are given in order, so a gap tells of another writer.
    if (BigInt(version) === BigInt(expect) + 1n) return version
    throw conflict(
      name,
      `Somebody else added a version to ${name.secret} while we added version ${version}; both are there`,
    )
  }

  /** A name that is none lies nowhere; the read says so. */
  function placeOfRef(ref: SecretRef): string {
    try {
      return placeOf(nameOf(ref))
    } catch {
      return place
    }
  }

  const limits = (signal: AbortSignal) => ({place, callTimeoutMs: host.callTimeoutMs, signal})

  return {
    place,
    read: (refs, signal) =>
      readEach(refs, readOne, {
        ...limits(signal),
        placeOf: placeOfRef,
        maxInFlight: host.maxInFlight,
      }),

    async *earlier(ref, limit, signal) {
      let found = 0
      let skipped = 0
      try {
        const name = nameOf(ref)
        const current = await withDeadline((stop) => access(name, stop), limits(signal))
        if (current === 'absent') return
        for (let number = Number(current.version) - 1; number >= 1 && found < limit; number--) {
          const one = {...name, version: String(number)}
          const payload = await withDeadline((stop) => access(one, stop), limits(signal)).catch((error: unknown) => {
            if (error instanceof EnvdriftError && (error.code === 'SECRET_DISABLED' || error.code === 'SECRET_DELETED'))
              return 'disabled' as const
            throw error
          })
          if (payload === 'absent') return
          if (payload === 'disabled') {
            if (++skipped > skippedVersions) return
            continue
          }
          const value = textOf(payload.bytes)
          if (value === undefined) continue
          found++
          yield {version: payload.version, value}
        }
      } catch (error) {
        // Whatever keeps us from older versions: they are for a message about the current one.
        if (!(error instanceof EnvdriftError)) throw error
      }
    },

    async write(ref, value, expect, signal) {
      const name = {...nameOf(ref), version: 'latest'}
      return withDeadline((stop) => write(name, value, expect, stop), limits(signal))
    },

    whoami: (signal) => withDeadline(identity, limits(signal)),

    remedies(ref) {
      const name = resourceNameOf(project, ref, location)
      if (!name) return ['Check secret_name in envdrift.toml.']
      return [
        `Create it from a file that holds the key: \`gcloud secrets create ${name.secret} ${gcloudFlags(name)} --data-file=FILE\``,
        `If it is there without versions: ${addCommand(name)}`,
        'Check secret_name and project_id in envdrift.toml.',
      ]
    },

    close: end,
  }
}

/** A reason comes from the infrastructure in front of the service: then it is the project that wasn't found. */
const absence = ({status: code, reason}: Refusal): 'absent' | undefined =>
  code === status.notFound && reason === undefined ? 'absent' : undefined

const addCommand = (name: ResourceName): string =>
  `\`gcloud secrets versions add ${name.secret} ${gcloudFlags(name)} --data-file=FILE\``

const badResponse = (message: string): EnvdriftError =>
  new EnvdriftError('BAD_RESPONSE', message, {
    suggestions: ['Run the command again; if it persists, check the proxy of this machine.'],
  })

const conflict = (name: ResourceName, message: string): EnvdriftError =>
  new EnvdriftError('VERSION_CONFLICT', message, {
    suggestions: [
      `See what is there, then decide which value is right: \`gcloud secrets versions list ${name.secret} ${gcloudFlags(name)}\``,
    ],
  })

/** @returns `undefined` for bytes that are not UTF-8. */
function textOf(bytes: Uint8Array): Secret | undefined {
  try {
    // A byte order mark stays: what a value means is not decided here.
    return new Secret(new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes))
  } catch {
    return undefined
  }
}

/**
 * Turn off what the SDK, its login library and gRPC print when GOOGLE_SDK_NODE_LOGGING, GRPC_TRACE or GRPC_VERBOSITY
 * are set: payloads, tokens and headers in clear.
 */
function silence(): void {
  gax.loggingUtils.setBackend(null)
  gax.grpc.setLogVerbosity(gax.grpc.logVerbosity.NONE)
}
