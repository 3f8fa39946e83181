import {grpc} from 'google-gax'

import type {Policy} from './policy.ts'
import {denied, Refusal} from './refusal.ts'

/** The most that one version may hold, in bytes. Source: https://cloud.google.com/secret-manager/quotas */
const maxPayloadBytes = 65_536

type State = 'ENABLED' | 'DISABLED' | 'DESTROYED'
type StoredVersion = {state: State; data: Buffer}
type StoredSecret = {readonly versions: StoredVersion[]; readonly aliases: Map<string, number>; changes: number}

/** Who calls, and over which host: each location's secrets are served by its own. */
export type Caller = {
  readonly principal: string
  /** The `:authority` of the call, without its port. */
  readonly host: string
}

/** The methods of google.cloud.secretmanager.v1.SecretManagerService that this fake has. */
type Methods = Readonly<Record<string, (request: never, caller: Caller) => object>>

export type SecretStore = {
  readonly methods: Methods
  /** `name` is a plain name, a regional one (`locations/L/secrets/NAME`), or a full one. */
  readonly seed: (name: string, value: string | Buffer) => void
  readonly create: (name: string) => void
  readonly setState: (name: string, version: number, state: State) => void
  readonly setAlias: (name: string, alias: string, version: number) => void
  readonly versionsOf: (name: string) => readonly string[]
  /** Answers about it carry a payload that does not fit its checksum from now on. */
  readonly corrupt: (name: string) => void
  /** Answers about its payload name this version from now on. */
  readonly mislabel: (name: string, version: number) => void
  /** Called once, in the middle of the next AddSecretVersion: for a second writer. */
  readonly beforeNextAdd: (act: () => void) => void
  /** The secret's own full name, with the id of its project: what a policy is about. */
  readonly fullName: (name: string) => string
}

/**
 * The secrets of some projects, and the calls that reach them.
 *
 * @param projects - numbers by id. Names come in with either, and go out with the number.
 */
export function makeSecrets(projects: ReadonlyMap<string, string>, policy: Policy): SecretStore {
  const [home = ''] = projects.keys()
  const secrets = new Map<string, StoredSecret>()
  const corrupted = new Set<string>()
  const mislabeled = new Map<string, number>()
  let beforeAdd: (() => void) | undefined

  const fullName = (name: string): string =>
    name.startsWith('projects/') ? name : `projects/${home}/${name.startsWith('locations/') ? name : `secrets/${name}`}`
  const stored = (path: string): StoredSecret | undefined => secrets.get(path)
  const put = (path: string): StoredSecret => {
    const made: StoredSecret = {versions: [], aliases: new Map(), changes: 1}
    secrets.set(path, made)
    return made
  }
  const publicName = (path: string): string =>
    path.replace(/^projects\/([^/]+)/, (_, id: string) => `projects/${projects.get(id)}`)

  type Parsed = {readonly path: string; readonly project: string; readonly version: string | undefined}

  /** A name that came in, with its project's id; malformed ones, and those of another host, are refused. */
  function parse(name: string, host: string): Parsed {
    const parts =
      /^projects\/([^/]+)\/(?:locations\/([a-z0-9-]+)\/)?secrets\/([\w-]{1,255})(?:\/versions\/([\w-]{1,63}))?$/.exec(
        name,
      )
    if (!parts) throw new Refusal(grpc.status.INVALID_ARGUMENT, `Resource ID [${name}] is not in a valid format.`)
    const [, asked = '', location, secret = '', version] = parts
    checkHost(name, location, host)
    const project = [...projects].find((pair) => pair.includes(asked))?.[0] ?? asked
    const place = location === undefined ? '' : `locations/${location}/`
    return {path: `projects/${project}/${place}secrets/${secret}`, project, version}
  }

  /** A project that is not there answers as one that is closed to us. */
  function check(permission: string, {path, project}: Parsed, name: string, {principal}: Caller): void {
    // What a secret's own policy grants counts only where the secret is.
    const resource = stored(path) ? path : `projects/${project}`
    if (!projects.has(project) || !policy.allows(principal, permission, resource)) throw denied(permission, name)
  }

  function numberOf(path: string, version: string): number {
    const secret = stored(path)
    if (!secret || secret.versions.length === 0) {
      throw new Refusal(grpc.status.NOT_FOUND, `Secret [${publicName(path)}] not found or has no versions.`)
    }
    const number =
      version === 'latest'
        ? secret.versions.length
        : /^\d+$/.test(version)
          ? Number(version)
          : secret.aliases.get(version)
    if (number === undefined || number < 1 || number > secret.versions.length) {
      throw new Refusal(grpc.status.NOT_FOUND, `Secret Version [${publicName(path)}/versions/${version}] not found.`)
    }
    return number
  }

  function secretAt(path: string): StoredSecret {
    const secret = stored(path)
    if (!secret) throw new Refusal(grpc.status.NOT_FOUND, `Secret [${publicName(path)}] not found.`)
    return secret
  }

  function setState(path: string, number: number, state: State): object {
    const version = secretAt(path).versions[number - 1]!
    if (version.state === 'DESTROYED') throw inState(path, number, 'DESTROYED')
    version.state = state
    if (state === 'DESTROYED') version.data = Buffer.alloc(0)
    return versionOf(path, number)
  }

  const inState = (path: string, number: number, state: State): Refusal =>
    new Refusal(
      grpc.status.FAILED_PRECONDITION,
      `Secret Version [${publicName(path)}/versions/${number}] is in ${state} state.`,
    )

  const versionOf = (path: string, number: number): object => ({
    name: `${publicName(path)}/versions/${number}`,
    state: stored(path)!.versions[number - 1]!.state,
    etag: `"${number}-${stored(path)!.versions[number - 1]!.state.toLowerCase()}"`,
  })

  const secretOf = (path: string): object => ({
    name: publicName(path),
    versionAliases: Object.fromEntries(secretAt(path).aliases),
    etag: `"${secretAt(path).changes}"`,
  })

  /** A version by its full name; a name without one is malformed. */
  function versionNamed(permission: string, name: string, caller: Caller): {path: string; number: number} {
    const parsed = parse(name, caller.host)
    if (parsed.version === undefined) {
      throw new Refusal(grpc.status.INVALID_ARGUMENT, `Resource ID [${name}] is not in a valid format.`)
    }
    check(permission, parsed, name, caller)
    return {path: parsed.path, number: numberOf(parsed.path, parsed.version)}
  }

  const methods = {
    accessSecretVersion({name}: {name: string}, caller: Caller) {
      const {path, number} = versionNamed('secretmanager.versions.access', name, caller)
      const {state, data} = stored(path)!.versions[number - 1]!
      if (state !== 'ENABLED') throw inState(path, number, state)
      const damaged = corrupted.has(path) ? Buffer.concat([data, Buffer.from('x')]) : data
      return {
        name: `${publicName(path)}/versions/${mislabeled.get(path) ?? number}`,
        payload: {data: damaged, dataCrc32c: String(castagnoli(data))},
      }
    },

    getSecretVersion({name}: {name: string}, caller: Caller) {
      const {path, number} = versionNamed('secretmanager.versions.get', name, caller)
      return versionOf(path, number)
    },

    createSecret(
      {parent, secretId, secret}: {parent: string; secretId: string; secret?: {replication?: object}},
      caller: Caller,
    ) {
      const parsed = parse(`${parent}/secrets/${secretId}`, caller.host)
      const isRegional = parsed.path.includes('/locations/')
      if (isRegional === Boolean(secret?.replication)) {
        throw new Refusal(
          grpc.status.INVALID_ARGUMENT,
          isRegional ? 'Regional secrets cannot have replication.' : 'Secret.replication is required.',
        )
      }
      if (
        !projects.has(parsed.project) ||
        !policy.allows(caller.principal, 'secretmanager.secrets.create', `projects/${parsed.project}`)
      ) {
        throw denied('secretmanager.secrets.create', parent)
      }
      if (stored(parsed.path)) {
        throw new Refusal(grpc.status.ALREADY_EXISTS, `Secret [${publicName(parsed.path)}] already exists.`)
      }
      put(parsed.path)
      return secretOf(parsed.path)
    },

    addSecretVersion(
      {parent, payload}: {parent: string; payload?: {data?: Buffer; dataCrc32c?: string}},
      caller: Caller,
    ) {
      const parsed = parse(parent, caller.host)
      check('secretmanager.versions.add', parsed, parent, caller)
      const data = payload?.data ?? Buffer.alloc(0)
      if (data.length === 0) throw new Refusal(grpc.status.INVALID_ARGUMENT, 'Secret Payload cannot be empty.')
      if (data.length > maxPayloadBytes) {
        throw new Refusal(grpc.status.INVALID_ARGUMENT, 'The size of the payload is larger than 65536 bytes.')
      }
      if (payload?.dataCrc32c !== undefined && payload.dataCrc32c !== String(castagnoli(data))) {
        throw new Refusal(grpc.status.INVALID_ARGUMENT, 'The checksum of the payload does not match.')
      }
      const act = beforeAdd
      beforeAdd = undefined
      act?.()
      return versionOf(parsed.path, secretAt(parsed.path).versions.push({state: 'ENABLED', data}))
    },

    getSecret({name}: {name: string}, caller: Caller) {
      const parsed = parse(name, caller.host)
      check('secretmanager.secrets.get', parsed, name, caller)
      secretAt(parsed.path)
      return secretOf(parsed.path)
    },

    listSecretVersions({parent}: {parent: string}, caller: Caller) {
      const parsed = parse(parent, caller.host)
      check('secretmanager.versions.list', parsed, parent, caller)
      const versions = secretAt(parsed.path).versions.map((_, index) => versionOf(parsed.path, index + 1))
      return {versions: versions.toReversed(), totalSize: versions.length}
    },

    enableSecretVersion({name}: {name: string}, caller: Caller) {
      const {path, number} = versionNamed('secretmanager.versions.enable', name, caller)
      return setState(path, number, 'ENABLED')
    },

    disableSecretVersion({name}: {name: string}, caller: Caller) {
      const {path, number} = versionNamed('secretmanager.versions.disable', name, caller)
      return setState(path, number, 'DISABLED')
    },

    destroySecretVersion({name}: {name: string}, caller: Caller) {
      const {path, number} = versionNamed('secretmanager.versions.destroy', name, caller)
      return setState(path, number, 'DESTROYED')
    },
  }

  return {
    methods,
    fullName,
    seed(name, value) {
      const path = fullName(name)
      ;(stored(path) ?? put(path)).versions.push({state: 'ENABLED', data: Buffer.from(value)})
    },
    create: (name) => void put(fullName(name)),
    setState: (name, version, state) => void setState(fullName(name), version, state),
    setAlias: (name, alias, version) => void stored(fullName(name))!.aliases.set(alias, version),
    versionsOf: (name) => (stored(fullName(name))?.versions ?? []).map(({data}) => data.toString()),
    corrupt: (name) => void corrupted.add(fullName(name)),
    mislabel: (name, version) => void mislabeled.set(fullName(name), version),
    beforeNextAdd: (act) => void (beforeAdd = act),
  }
}

/**
 * Global secrets are served by the global host, regional ones by their location's. Under any other host (an address of this
 * machine) this fake stands for all of them.
 */
function checkHost(name: string, location: string | undefined, host: string): void {
  const match = /^secretmanager\.(?:([a-z0-9-]+)\.rep\.)?[a-z0-9.-]+$/.exec(host)
  if (!match || match[1] === location) return
  const form = match[1] === undefined ? 'projects/*' : 'projects/*/locations/*'
  throw new Refusal(
    grpc.status.INVALID_ARGUMENT,
    `The provided Secret ID [${name}] does not match the expected format [${form}/secrets/*/versions/*]`,
  )
}

/** CRC32C bit by bit, on its own: the adapter's must agree with somebody else's. */
function castagnoli(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
