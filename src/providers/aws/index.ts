import {randomUUID} from 'node:crypto'

import type {GetSecretValueCommandOutput, SecretsManagerClient} from '@aws-sdk/client-secrets-manager'

import {EnvdriftError} from '../../core/errors.ts'
import type {SecretRef} from '../../core/mapping.ts'
import {Secret} from '../../core/secret.ts'
import {readEach, retryNote, withDeadline, type Answer} from '../in-flight.ts'
import type {Identity, Provider, ProviderDefinition, Version} from '../provider.ts'
import {badResponse, callError, loginError, saysAbsent, type Doing} from './errors.ts'

/**
 * The label that a new version carries until it is known to follow the expected one. Not AWSPENDING: a rotation takes a
 * left-behind AWSPENDING for its own.
 */
const stagedLabel = 'ENVDRIFT_STAGED'

/** No word of the SDK on our streams: by default it warns on the console, whatever the logger. */
const quiet = {trace: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {}}

/**
 * AWS Secrets Manager, one GetSecretValue for each secret: the batch call needs a permission of its own, and its audit
 * trail has one entry for each secret all the same.
 *
 * Credentials and their order are the SDK's (docs.aws.amazon.com/sdk-for-javascript/v3/developer-guide/setting-credentials-node.html).
 */
export const provider: ProviderDefinition = {
  async connect({settings}, host): Promise<Provider> {
    const sdk = await import('@aws-sdk/client-secrets-manager')
    const [profile, endpoint] = [textOf(settings['profile']), textOf(settings['endpoint_url'])]
    const configured =
      textOf(settings['region']) ?? (host.env['AWS_REGION'] || host.env['AWS_DEFAULT_REGION'] || undefined)

    const agent = {keepAlive: true, maxSockets: host.maxInFlight}
    const clientIn = (region: string | undefined): SecretsManagerClient =>
      new sdk.SecretsManagerClient({
        ...(region !== undefined && {region}),
        ...(profile !== undefined && {profile}),
        ...(endpoint !== undefined && {endpoint}),
        logger: quiet,
        retryMode: 'standard',
        maxAttempts: 3,
        requestHandler: {httpAgent: agent, httpsAgent: agent},
      })

    // Without a region the SDK looks into the profile, and throws if there is none either.
    let client = clientIn(configured)
    const region = await client.config.region().catch(() => 'us-east-1')
    if (configured === undefined) {
      client.destroy()
      client = clientIn(region)
    }

    const place = `AWS Secrets Manager in ${region}`
    const limits = {place, callTimeoutMs: host.callTimeoutMs, maxInFlight: host.maxInFlight}
    const doing = (verb: Doing['verb'], {name}: SecretRef): Doing => ({place, region, verb, secret: name})

    /** Runs the chain if nothing usable is in memory: once, however many calls wait for it. */
    async function login() {
      try {
        return await client.config.credentials()
      } catch (error) {
        throw loginError(error, place, region, profile ?? host.env['AWS_PROFILE'])
      }
    }

    async function get(ref: SecretRef, abortSignal: AbortSignal): Promise<Answer> {
      // By itself, so that a role that refuses us is told from a secret that we may not read.
      await login()
      try {
        return answerOf(
          await client.send(new sdk.GetSecretValueCommand({SecretId: ref.name, ...versionOf(ref)}), {abortSignal}),
        )
      } catch (error) {
        if (saysAbsent(error)) return {kind: 'absent'}
        throw error instanceof EnvdriftError ? error : callError(error, doing('read', ref))
      }
    }

    function answerOf({SecretString, SecretBinary, VersionId, Name, $metadata}: GetSecretValueCommandOutput): Answer {
      if (($metadata.attempts ?? 1) > 1) host.warn(retryNote(place))
      const value = SecretString ?? (SecretBinary && textOfBytes(SecretBinary, Name ?? 'the secret', place))
      if (typeof value !== 'string') throw badResponse(place, Name ?? 'the secret')
      return {kind: 'found', value: new Secret(value), ...(VersionId !== undefined && {version: VersionId})}
    }

    async function* earlier(ref: SecretRef, limit: number, signal: AbortSignal) {
      const current = {vault: ref.vault, name: ref.name}
      const call = <T>(work: (signal: AbortSignal) => Promise<T>) => withDeadline(work, {...limits, signal})
      const seen = new Set<Version>()
      // The one that needs no permission but that of reading.
      let next: readonly Version[] = limit > 0 ? ['AWSPREVIOUS'] : []
      try {
        for (let listed = false; ; listed = true) {
          for (const version of next) {
            const answer = await call((callSignal) => get({...current, version}, callSignal))
            if (answer.kind === 'absent' || answer.version === undefined || seen.has(answer.version)) continue
            seen.add(answer.version)
            yield {version: answer.version, value: answer.value}
            if (seen.size === limit) return
          }
          if (listed || limit <= 0) return
          next = await call((callSignal) => olderVersions(ref.name, callSignal))
        }
      } catch {
        // A hint for a message: whatever keeps it from us, the message goes without.
      }
    }

    async function olderVersions(secret: string, abortSignal: AbortSignal): Promise<readonly Version[]> {
      const {Versions = []} = await client.send(
        new sdk.ListSecretVersionIdsCommand({SecretId: secret, IncludeDeprecated: true, MaxResults: 100}),
        {abortSignal},
      )
      return Versions.filter(({VersionStages = []}) => !VersionStages.some((stage) => notEarlier.has(stage)))
        .toSorted((a, b) => Number(b.CreatedDate) - Number(a.CreatedDate))
        .flatMap(({VersionId}) => VersionId ?? [])
    }

    const write: Provider['write'] = async (ref, value, expect, signal) => {
      const SecretId = ref.name
      const SecretString = value.reveal()
      const send = <T>(work: (signal: AbortSignal) => Promise<T>) =>
        withDeadline(
          async (callSignal) => {
            await login()
            return work(callSignal)
          },
          {...limits, signal},
        )
      const create = () =>
        send(async (abortSignal) => {
          // The token becomes the version's id, and lets AWS see that a retry of the SDK is the same write.
          const ClientRequestToken = randomUUID()
          const input = {Name: SecretId, SecretString, ClientRequestToken}
          const {VersionId} = await client.send(new sdk.CreateSecretCommand(input), {abortSignal})
          return VersionId ?? ClientRequestToken
        })
      const put = (labels?: string[]) =>
        send(async (abortSignal) => {
          const ClientRequestToken = randomUUID()
          const input = {SecretId, SecretString, ClientRequestToken, ...(labels && {VersionStages: labels})}
          const {VersionId} = await client.send(new sdk.PutSecretValueCommand(input), {abortSignal})
          return VersionId ?? ClientRequestToken
        })
      const moveLabel = (VersionStage: string, move: {RemoveFromVersionId: Version; MoveToVersionId?: Version}) =>
        send((abortSignal) =>
          client.send(new sdk.UpdateSecretVersionStageCommand({SecretId, VersionStage, ...move}), {abortSignal}),
        )

      try {
        switch (expect) {
          case 'any':
            return await put().catch((error: unknown) => {
              // Only "it is not there" leads on: a denied put must not end as a second secret.
              if (!saysAbsent(error)) throw error
              return create()
            })
          case 'absent':
            return await create().catch(async (error: unknown) => {
              if (nameOf(error) !== 'ResourceExistsException') throw error
              // Terraform makes secrets without a value: such a one exists, and still holds nothing to overwrite.
              const there = await send((abortSignal) => get({vault: ref.vault, name: ref.name}, abortSignal))
              if (there.kind === 'found') throw conflict(ref, 'it exists already')
              return put()
            })
          default: {
            // The label moves only from the version that it is on: this is the compare of the compare-and-set.
            const version = await put([stagedLabel])
            try {
              await moveLabel('AWSCURRENT', {RemoveFromVersionId: expect, MoveToVersionId: version})
              return version
            } catch (error) {
              if (nameOf(error) === 'InvalidParameterException') throw conflict(ref, 'another version is current')
              throw error
            } finally {
              // Without a label AWS drops the version in time. If this fails, the next write takes the label over.
              await moveLabel(stagedLabel, {RemoveFromVersionId: version}).catch(() => {})
            }
          }
        }
      } catch (error) {
        if (error instanceof EnvdriftError) throw error
        if (nameOf(error) === 'ResourceExistsException') throw conflict(ref, 'it was made in the meantime')
        if (saysAbsent(error)) throw conflict(ref, 'it is not there')
        throw callError(error, doing('write', ref))
      }
    }

    function conflict({name}: SecretRef, why: string): EnvdriftError {
      return new EnvdriftError('VERSION_CONFLICT', `${name} was not written: ${why} (${place})`, {
        suggestions: [
          `See its versions with \`aws secretsmanager list-secret-version-ids --secret-id ${name} --region ${region}\`.`,
        ],
      })
    }

    return {
      place,
      read: (refs, signal) => readEach(refs, get, {...limits, signal}),
      earlier,
      write,
      async whoami(signal): Promise<Identity> {
        const credentials = await withDeadline(login, {...limits, signal})
        const account = credentials.accountId === undefined ? '' : ` of account ${credentials.accountId}`
        return {
          // Its end, as AWS's own tools show it.
          who: `access key …${credentials.accessKeyId.slice(-4)}${account}`,
          credential: sourceOf(credentials),
          until: credentials.expiration ?? 'unknown',
        }
      },
      remedies({name, version}) {
        const cli = (command: string) => `\`aws secretsmanager ${command} --region ${region}\``
        const remedies = [
          `Store it there: ${cli(`create-secret --name ${name} --secret-string file://KEY_FILE`)}.`,
          `Check that secret_name ${name} and the region ${region} are right: ${cli('list-secrets')}.`,
          'Name another region with region in [vault.aws], --region or AWS_REGION.',
        ] as const
        if (version === undefined) return remedies
        return [`Check secret_version ${version}: ${cli(`list-secret-version-ids --secret-id ${name}`)}.`, ...remedies]
      },
      async close() {
        client.destroy()
      },
    }
  },
}

/** The current version is no earlier one; AWSPENDING is a rotation's next one, and the staged one never was current. */
const notEarlier: ReadonlySet<string> = new Set(['AWSCURRENT', 'AWSPENDING', stagedLabel])

/** A version's id is the token of the request that made it: 32 to 64 characters, a UUID as a rule. Labels are shorter as a rule. */
function versionOf({version}: SecretRef): {VersionId: string} | {VersionStage: string} | Record<never, never> {
  if (version === undefined) return {}
  return /^[A-Za-z0-9-]{32,64}$/.test(version) ? {VersionId: version} : {VersionStage: version}
}

function textOfBytes(bytes: Uint8Array, secret: string, place: string): string {
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes)
  } catch {
    throw new EnvdriftError('KEY_BINARY', `${secret} holds binary data, not a key (${place})`, {
      suggestions: ['Store the key as text: `aws secretsmanager put-secret-value --secret-string …`.'],
    })
  }
}

/** Marks that the SDK puts on credentials for its user agent, with the words for where they are from; first one wins. */
const sources = [
  ['CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN', 'web identity token file (AWS_WEB_IDENTITY_TOKEN_FILE)'],
  ['CREDENTIALS_ENV_VARS', 'environment variables'],
  ['CREDENTIALS_PROFILE_STS_WEB_ID_TOKEN', 'web identity of a profile'],
  ['CREDENTIALS_PROFILE_SSO', 'single sign-on of a profile'],
  ['CREDENTIALS_PROFILE_SSO_LEGACY', 'single sign-on of a profile'],
  ['CREDENTIALS_PROFILE_PROCESS', 'credential_process of a profile'],
  ['CREDENTIALS_STS_ASSUME_ROLE', 'role of a profile'],
  ['CREDENTIALS_PROFILE', 'shared credentials file'],
  ['CREDENTIALS_HTTP', 'container credentials'],
] as const

function sourceOf(credentials: object): string {
  const marks = Object.keys(('$source' in credentials && credentials.$source) || {})
  return sources.find(([mark]) => marks.includes(mark))?.[1] ?? 'credential chain of the AWS SDK'
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '')

const textOf = (setting: unknown): string | undefined => (typeof setting === 'string' ? setting : undefined)
