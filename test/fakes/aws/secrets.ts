import {randomBytes, randomUUID} from 'node:crypto'

import {now, Refusal, refuse, textOf, type Body} from './refusal.ts'

type StoredVersion = {
  readonly id: string
  readonly text?: string
  readonly bytes?: Buffer
  readonly labels: Set<string>
  /** Seconds since 1970, as AWS's JSON carries dates. */
  readonly created: number
}
type StoredSecret = {
  readonly name: string
  readonly arn: string
  readonly versions: StoredVersion[]
  readonly created: number
  deleted?: number
}
/** The secrets of one account in every region, and what BatchGetSecretValue does there. */
export type Secrets = {
  /** A new version, as PutSecretValue makes one; `undefined` makes the secret alone, without a value. */
  /** @returns its ARN. */
  readonly put: (name: string, value: string | Buffer | undefined, region?: string, owner?: string) => string
  readonly remove: (name: string) => void
  readonly forbid: (name: string, why?: Denial) => void
  /** BatchGetSecretValue itself is denied from now on. */
  readonly forbidBatches: () => void
  /** A batch gives so many secrets at once from now on, and a token for the rest. */
  readonly pageSize: (size: number) => void
  /** Every page of a batch carries this token from now on, and pages that are asked for with one are empty. */
  readonly pageTokens: (tokenOf: () => string) => void
  /** An operation of the API on behalf of `caller`, an ARN. Throws a {@link Refusal}. */
  readonly answer: (operation: string, region: string, body: Body, caller: string) => unknown
}

/** Why a secret is denied: the caller's own policies don't allow it, or the KMS key behind it isn't theirs to use. */
export type Denial = 'no policy' | 'kms' | 'explicit deny'

/** What the API reference says of lengths: a batch has 1 to 20 ids. */
const batchSize = 20

export function makeSecrets(account: string): Secrets {
  const regions = new Map<string, Map<string, StoredSecret>>()
  const forbidden = new Map<string, Denial>()
  let page = batchSize
  let batchesForbidden = false
  let tokenOf: (() => string) | undefined

  /** By owner and name: two accounts may each have a secret of one name. */
  const secretsIn = (region: string): Map<string, StoredSecret> => {
    if (!regions.has(region)) regions.set(region, new Map())
    return regions.get(region)!
  }

  /** By name only in one's own account; by ARN, whole or without its last seven characters, everywhere. */
  const lookUp = (region: string, id: string): StoredSecret | undefined =>
    secretsIn(region).get(keyOf(account, id)) ??
    secretsIn(region)
      .values()
      .find(({arn}) => arn === id || arn.slice(0, -7) === id)

  function answer(operation: string, region: string, body: Body, caller: string): unknown {
    const secrets = secretsIn(region)
    const find = (id = textOf(body['SecretId'])): StoredSecret => {
      if (!id.startsWith('arn:')) checkName(id)
      const found = lookUp(region, id)
      return found ?? refuse('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
    }
    const findAlive = (id?: string): StoredSecret => {
      const secret = find(id)
      if (secret.deleted !== undefined)
        refuse(
          'InvalidRequestException',
          "You can't perform this operation on the secret because it was marked for deletion.",
        )
      return secret
    }
    const allow = (action: string, id: string): void => {
      const secret = lookUp(region, id)
      const denial = forbidden.get(secret?.name ?? id)
      if (denial === undefined) return
      if (denial === 'kms') refuse('AccessDeniedException', 'Access to KMS is not allowed')
      const why =
        denial === 'explicit deny'
          ? 'with an explicit deny in a service control policy'
          : `because no identity-based policy allows the secretsmanager:${action} action`
      refuse(
        'AccessDeniedException',
        `User: ${caller} is not authorized to perform: secretsmanager:${action} on resource: ${secret?.arn ?? id} ${why}`,
      )
    }

    allow(operation, idIn(body))
    switch (operation) {
      case 'GetSecretValue':
        return valueOf(findAlive(), body)
      case 'BatchGetSecretValue': {
        const {SecretIdList, Filters, NextToken, MaxResults} = body
        if (batchesForbidden)
          refuse(
            'AccessDeniedException',
            `User: ${caller} is not authorized to perform: secretsmanager:BatchGetSecretValue because no identity-based policy allows the secretsmanager:BatchGetSecretValue action`,
          )
        if (Filters !== undefined || MaxResults !== undefined || !Array.isArray(SecretIdList))
          return refuse(
            'InvalidParameterException',
            "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
          )
        const ids = SecretIdList.map(textOf)
        if (ids.length === 0 || ids.length > batchSize)
          refuse(
            'ValidationException',
            `1 validation error detected: Value at 'secretIdList' failed to satisfy constraint: Member must have length ${ids.length === 0 ? 'greater than or equal to 1' : 'less than or equal to 20'}`,
          )
        const isPastEnd = NextToken !== undefined && tokenOf !== undefined
        const from = NextToken === undefined ? 0 : isPastEnd ? ids.length : Number(textOf(NextToken))
        if (!isPastEnd && !(from >= 0 && from < ids.length))
          refuse('InvalidNextTokenException', 'The NextToken is not valid.')
        const [SecretValues, Errors]: [Body[], Body[]] = [[], []]
        for (const id of ids.slice(from, from + page)) {
          try {
            allow('GetSecretValue', id)
            SecretValues.push(valueOf(findAlive(id), {}))
          } catch (error) {
            if (!(error instanceof Refusal)) throw error
            Errors.push({SecretId: id, ErrorCode: error.failure.type, Message: error.message})
          }
        }
        const next = tokenOf?.() ?? (from + page < ids.length ? String(from + page) : undefined)
        return {SecretValues, Errors, ...(next !== undefined && {NextToken: next})}
      }
      case 'DescribeSecret': {
        const {arn, name, versions, created, deleted} = find()
        const labelled = versions.filter(({labels}) => labels.size > 0)
        return {
          ARN: arn,
          Name: name,
          CreatedDate: created,
          ...(deleted !== undefined && {DeletedDate: deleted}),
          VersionIdsToStages: Object.fromEntries(labelled.map(({id, labels}) => [id, [...labels]])),
        }
      }
      case 'ListSecretVersionIds': {
        const {arn, name, versions} = find()
        const shown = versions.filter(({labels}) => labels.size > 0 || body['IncludeDeprecated'] === true)
        const from = Number(body['NextToken'] ?? 0)
        const to = from + Number(body['MaxResults'] ?? 100)
        return {
          ARN: arn,
          Name: name,
          Versions: shown
            .slice(from, to)
            .map(({id, labels, created}) => ({VersionId: id, VersionStages: [...labels], CreatedDate: created})),
          ...(to < shown.length && {NextToken: String(to)}),
        }
      }
      case 'CreateSecret': {
        const name = textOf(body['Name'])
        checkName(name)
        const existing = secrets.get(keyOf(account, name))
        if (existing?.deleted !== undefined)
          refuse(
            'InvalidRequestException',
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
          )
        const repeated = existing?.versions.find(({id}) => id === body['ClientRequestToken'])
        if (existing && !repeated)
          refuse('ResourceExistsException', `The operation failed because the secret ${name} already exists.`)
        checkPayload(body)
        const secret = existing ?? create(secrets, region, name, account)
        const hasValue = body['SecretString'] !== undefined || body['SecretBinary'] !== undefined
        const version = hasValue ? store(secret, body) : undefined
        return {ARN: secret.arn, Name: name, ...(version && {VersionId: version.id})}
      }
      case 'PutSecretValue': {
        const secret = findAlive()
        checkPayload(body)
        const version = store(secret, body)
        return {ARN: secret.arn, Name: secret.name, VersionId: version.id, VersionStages: [...version.labels]}
      }
      case 'UpdateSecretVersionStage': {
        const secret = findAlive()
        moveLabel(secret, textOf(body['VersionStage']), body)
        return {ARN: secret.arn, Name: secret.name}
      }
      case 'DeleteSecret': {
        const secret = find()
        if (body['ForceDeleteWithoutRecovery'] === true) secrets.delete(keyOf(account, secret.name))
        secret.deleted = now() + 86_400 * Number(body['RecoveryWindowInDays'] ?? 30)
        return {ARN: secret.arn, Name: secret.name, DeletionDate: secret.deleted}
      }
      default:
        return refuse('UnknownOperationException', '')
    }
  }

  return {
    answer,
    put(name, value, region = 'us-east-1', owner = account) {
      const secret = secretsIn(region).get(keyOf(owner, name)) ?? create(secretsIn(region), region, name, owner)
      if (typeof value === 'string') store(secret, {SecretString: value})
      else if (value) store(secret, {SecretBinary: value.toString('base64')})
      return secret.arn
    },
    remove(name) {
      for (const secrets of regions.values()) {
        const secret = secrets.get(keyOf(account, name))
        if (secret) secret.deleted = now()
      }
    },
    forbid: (name, why = 'no policy') => void forbidden.set(name, why),
    forbidBatches: () => (batchesForbidden = true),
    pageSize: (size) => (page = size),
    pageTokens: (make) => (tokenOf = make),
  }
}

function checkName(name: string): void {
  if (!/^[A-Za-z0-9/_+=.@!-]{1,512}$/.test(name))
    refuse(
      'ValidationException',
      'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
    )
}

/** SecretId or Name as it was sent; empty where there is none. */
export function idIn(body: Body | undefined): string {
  const name = body?.['SecretId'] ?? body?.['Name']
  return typeof name === 'string' ? name : ''
}

const partitionOf = (region: string): string =>
  region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'

const keyOf = (owner: string, name: string): string => `${owner}/${name}`

function create(secrets: Map<string, StoredSecret>, region: string, name: string, owner: string): StoredSecret {
  const suffix = randomBytes(3).toString('hex')
  const secret = {
    name,
    arn: `arn:${partitionOf(region)}:secretsmanager:${region}:${owner}:secret:${name}-${suffix}`,
    versions: [],
    created: now(),
  }
  secrets.set(keyOf(owner, name), secret)
  return secret
}

function valueOf(secret: StoredSecret, {VersionId, VersionStage}: Body): Body {
  const label = VersionStage ?? (VersionId === undefined ? 'AWSCURRENT' : undefined)
  const version = secret.versions.find(
    ({id, labels}) =>
      (VersionId === undefined || id === VersionId) && (label === undefined || labels.has(textOf(label))),
  )
  if (!version)
    return refuse(
      'ResourceNotFoundException',
      `Secrets Manager can't find the specified secret value for ${label === undefined ? `VersionId: ${textOf(VersionId)}` : `staging label: ${textOf(label)}`}`,
    )
  const {id, text, bytes, labels, created} = version
  return {
    ARN: secret.arn,
    Name: secret.name,
    VersionId: id,
    ...(text !== undefined && {SecretString: text}),
    ...(bytes !== undefined && {SecretBinary: bytes.toString('base64')}),
    VersionStages: [...labels],
    CreatedDate: created,
  }
}

function checkPayload({SecretString, SecretBinary, ClientRequestToken, VersionStages}: Body): void {
  const size =
    SecretString === undefined
      ? SecretBinary && Buffer.from(textOf(SecretBinary), 'base64').length
      : Buffer.byteLength(textOf(SecretString))
  const limit = (size === 0 && 'greater than or equal to 1') || (Number(size) > 65_536 && 'less than or equal to 65536')
  const member = SecretString === undefined ? 'secretBinary' : 'secretString'
  if (limit)
    refuse(
      'ValidationException',
      `1 validation error detected: Value at '${member}' failed to satisfy constraint: Member must have length ${limit}`,
    )
  if (SecretString !== undefined && SecretBinary !== undefined)
    refuse(
      'InvalidParameterException',
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    )
  if (ClientRequestToken !== undefined && !/^.{32,64}$/.test(textOf(ClientRequestToken)))
    refuse('InvalidParameterException', 'ClientRequestToken must be 32-64 characters long.')
  if (Array.isArray(VersionStages) && (VersionStages.length === 0 || VersionStages.length > 20))
    refuse('InvalidParameterException', 'VersionStages must have 1 to 20 members.')
}

/** A new version with its labels; the same one again for the same token and payload, as a retry needs it. */
function store(
  secret: StoredSecret,
  {SecretString, SecretBinary, ClientRequestToken = randomUUID(), VersionStages}: Body,
): StoredVersion {
  const id = textOf(ClientRequestToken)
  const payload = {
    ...(SecretString !== undefined && {text: textOf(SecretString)}),
    ...(SecretBinary !== undefined && {bytes: Buffer.from(textOf(SecretBinary), 'base64')}),
  }
  const repeated = secret.versions.find((version) => version.id === id)
  if (repeated) {
    const same =
      repeated.text === payload.text &&
      (repeated.bytes?.equals(payload.bytes ?? Buffer.of()) ?? payload.bytes === undefined)
    return same ? repeated : refuse('ResourceExistsException', 'A resource with the ID you requested already exists.')
  }
  // Versions made in one millisecond still have an order.
  const created = Math.max(now(), (secret.versions.at(-1)?.created ?? 0) + 0.001)
  const version: StoredVersion = {id, ...payload, labels: new Set(), created}
  const first = secret.versions.length === 0
  secret.versions.push(version)
  const labels = new Set((VersionStages as readonly string[] | undefined) ?? ['AWSCURRENT'])
  if (first) labels.add('AWSCURRENT')
  for (const label of labels) attach(secret, label, version)
  return version
}

/** Puts a label on one version and takes it off the others; AWSPREVIOUS follows AWSCURRENT. */
function attach({versions}: StoredSecret, label: string, to: StoredVersion | undefined): void {
  const from = versions.find(({labels}) => labels.has(label))
  from?.labels.delete(label)
  to?.labels.add(label)
  if (label !== 'AWSCURRENT' || !from || from === to) return
  for (const {labels} of versions) labels.delete('AWSPREVIOUS')
  from.labels.add('AWSPREVIOUS')
}

function moveLabel(secret: StoredSecret, label: string, {RemoveFromVersionId, MoveToVersionId}: Body): void {
  const from = secret.versions.find(({labels}) => labels.has(label))
  const to = secret.versions.find(({id}) => id === MoveToVersionId)
  if (MoveToVersionId !== undefined && !to)
    refuse(
      'ResourceNotFoundException',
      `Secrets Manager can't find the specified secret value for VersionId: ${textOf(MoveToVersionId)}`,
    )
  if (from && from !== to && from.id !== RemoveFromVersionId)
    refuse(
      'InvalidParameterException',
      `The parameter RemoveFromVersionId can't be empty. Staging label ${label} is currently attached to version ${from.id}, so you must explicitly reference that version in RemoveFromVersionId.`,
    )
  if (!to && label === 'AWSCURRENT')
    refuse(
      'InvalidParameterException',
      "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
    )
  attach(secret, label, to)
}
