import {type Answer, envelope, type Fields, notThere, refusal, unsupported} from './answers.ts'

type KvVersion = {fields: Fields | null; readonly created: string; deleted: string; destroyed: boolean}
type Kv2Secret = {current: number; readonly versions: Map<number, KvVersion>}

/** One KV secrets engine. */
export type Mount =
  | {readonly kv: 1; readonly secrets: Map<string, Fields>}
  | {readonly kv: 2; readonly secrets: Map<string, Kv2Secret>}

/** KV 2 forgets what is older than this many versions. Source: `max_versions` in the API docs of the engine. */
const keptVersions = 10

/** An entry of the integrated storage holds so many bytes. Source: `max_entry_size` in its docs. */
const maxEntryBytes = 1024 * 1024

export const newMount = (kv: 1 | 2): Mount => (kv === 1 ? {kv, secrets: new Map()} : {kv, secrets: new Map()})

/** What the engine answers to a request that a policy has let through. @param rest - the path below the mount. */
export function answerOfKv(mount: Mount, method: string, rest: string, query: URLSearchParams, body: string): Answer {
  const writes = method === 'POST' || method === 'PUT'
  if (writes && Buffer.byteLength(body) > maxEntryBytes)
    return refusal(
      500,
      `1 error occurred:\n\t* put failed due to value being too large; got ${Buffer.byteLength(body)} bytes, max: ${maxEntryBytes} bytes\n\n`,
    )
  return mount.kv === 1 ? kv1(mount.secrets, method, rest, body) : kv2(mount.secrets, method, rest, query, body)
}

/** Stores fields; on KV 2 as a new version. */
export function store(mount: Mount, name: string, fields: Fields): void {
  if (mount.kv === 1) mount.secrets.set(name, fields)
  else addVersion(mount.secrets, name, fields)
}

/** What a policy must allow: a secret that isn't there is created, and updated afterwards. */
export function writeCapability(mount: Mount, rest: string): 'create' | 'update' {
  return mount.secrets.has(mount.kv === 2 ? rest.replace(/^data\//, '') : rest) ? 'update' : 'create'
}

function kv1(secrets: Map<string, Fields>, method: string, name: string, body: string): Answer {
  switch (method) {
    case 'GET': {
      const fields = secrets.get(name)
      return fields
        ? {status: 200, body: {...envelope(fields, {mount_type: 'kv'}), lease_duration: 2_764_800}}
        : notThere
    }
    case 'POST':
    case 'PUT':
      secrets.set(name, JSON.parse(body) as Fields)
      return {status: 204}
    case 'DELETE':
      secrets.delete(name)
      return {status: 204}
    default:
      return unsupported
  }
}

function kv2(
  secrets: Map<string, Kv2Secret>,
  method: string,
  rest: string,
  query: URLSearchParams,
  body: string,
): Answer {
  const [kind = '', ...segments] = rest.split('/')
  const name = segments.join('/')
  const secret = secrets.get(name)
  const sent = (body === '' ? {} : JSON.parse(body)) as {
    readonly data?: Fields
    readonly options?: {readonly cas?: number}
    readonly versions?: readonly number[]
  }
  const writes = method === 'POST' || method === 'PUT'
  if (name !== '' && kind === 'data' && method === 'GET') {
    const asked = Number(query.get('version') ?? 0)
    const number = asked === 0 ? (secret?.current ?? 0) : asked
    const version = secret?.versions.get(number)
    if (!version) return notThere
    const gone = version.destroyed || version.deleted !== ''
    const data = {data: gone ? null : version.fields, metadata: metadataOf(number, version)}
    return {status: gone ? 404 : 200, body: envelope(data)}
  }
  if (name !== '' && kind === 'data' && writes) {
    if (!sent.data) return refusal(400, 'no data provided')
    if (sent.options?.cas !== undefined && sent.options.cas !== (secret?.current ?? 0))
      return refusal(400, 'check-and-set parameter did not match the current version')
    const [number, version] = addVersion(secrets, name, sent.data)
    return {status: 200, body: envelope(metadataOf(number, version))}
  }
  if (name !== '' && kind === 'data' && method === 'DELETE') {
    const version = secret?.versions.get(secret.current)
    if (version) version.deleted = new Date().toISOString()
    return {status: 204}
  }
  if (name !== '' && kind === 'destroy' && writes) {
    for (const number of sent.versions ?? []) {
      const version = secret?.versions.get(number)
      if (version) Object.assign(version, {fields: null, destroyed: true})
    }
    return {status: 204}
  }
  if (name !== '' && kind === 'metadata' && method === 'GET') {
    if (!secret) return notThere
    const versions = Object.fromEntries(
      [...secret.versions].map(([number, {created, deleted, destroyed}]) => [
        number,
        {created_time: created, deletion_time: deleted, destroyed},
      ]),
    )
    const [oldest = 0] = secret.versions.keys()
    return {status: 200, body: envelope({current_version: secret.current, oldest_version: oldest, versions})}
  }
  if (name !== '' && kind === 'metadata' && method === 'DELETE') {
    secrets.delete(name)
    return {status: 204}
  }
  return {status: 404, body: {...envelope(null), warnings: [unversionedPath]}}
}

function addVersion(secrets: Map<string, Kv2Secret>, name: string, fields: Fields): readonly [number, KvVersion] {
  const secret = secrets.get(name) ?? {current: 0, versions: new Map<number, KvVersion>()}
  secrets.set(name, secret)
  secret.current += 1
  const version = {fields, created: new Date().toISOString(), deleted: '', destroyed: false}
  secret.versions.set(secret.current, version)
  secret.versions.delete(secret.current - keptVersions)
  return [secret.current, version]
}

const metadataOf = (number: number, {created, deleted, destroyed}: KvVersion) => ({
  created_time: created,
  custom_metadata: null,
  deletion_time: deleted,
  destroyed,
  version: number,
})

const unversionedPath =
  "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv get' for this operation."
