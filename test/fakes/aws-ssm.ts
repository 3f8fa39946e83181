import {account, startAwsFake, type AwsFake} from './aws.ts'
import {now, refuse, textOf, type Body} from './aws/refusal.ts'

/** How a parameter is stored; `kmsKey` is left out for the default one of the account. */
type ParameterOptions = {
  readonly type?: 'SecureString' | 'String' | 'StringList'
  readonly kmsKey?: string
  readonly region?: string
  /** Another account that shares it with ours. */
  readonly owner?: string
}

/** Why a parameter is denied: by the caller's policies, or by the KMS key behind it, which may be switched off. */
type ParameterDenial = 'no policy' | 'kms' | 'kms in other words' | 'kms key disabled'

/** The fake of AWS with Parameter Store beside Secrets Manager: `put` and `forbid` are about parameters. */
export type SsmFake = Omit<AwsFake, 'put' | 'forbid'> & {
  /** A new version, as PutParameter makes one in the tier that its size asks for. */
  readonly put: (name: string, value: string, options?: ParameterOptions) => void
  readonly label: (name: string, version: number, label: string, region?: string) => void
  /** What `actions` do with this parameter is denied from now on; all actions, if none is named. */
  readonly forbid: (name: string, why?: ParameterDenial, actions?: readonly string[]) => void
  /** The KMS key of the newest version. */
  readonly kmsKeyOf: (name: string, region?: string) => string | undefined
  /** From now on answers don't say by which version or label they were asked for, as moto's don't. */
  readonly leaveOutSelectors: () => void
  /** How many versions a page of a history has from now on. */
  readonly pageSize: (size: number) => void
}

type StoredVersion = {
  readonly value: string
  readonly type: NonNullable<ParameterOptions['type']>
  readonly kmsKey: string | undefined
  readonly tier: string
  readonly modified: number
  readonly labels: Set<string>
}

type StoredParameter = {readonly name: string; readonly arn: string; readonly versions: StoredVersion[]}

/** Names and sizes that the API reference and the user guide give. */
const limits = {names: 10, standard: 4096, advanced: 8192, levels: 15, page: 50} as const

const types: readonly unknown[] = ['SecureString', 'String', 'StringList']

/**
 * AWS SSM Parameter Store over its real protocol, with the logins, regions and signatures of the fake of AWS.
 *
 * Source: docs.aws.amazon.com/systems-manager/latest/APIReference
 */
export async function startSsmFake(options: {readonly port?: number} = {}): Promise<SsmFake> {
  const regions = new Map<string, Map<string, StoredParameter>>()
  const forbidden = new Map<string, {readonly why: ParameterDenial; readonly actions: readonly string[]}>()
  let page: number = limits.page
  let showsSelectors = true

  const parametersIn = (region: string): Map<string, StoredParameter> => {
    if (!regions.has(region)) regions.set(region, new Map())
    return regions.get(region)!
  }

  /** By name in one's own account; by ARN everywhere. */
  const lookUp = (region: string, id: string): StoredParameter | undefined =>
    id.startsWith('arn:')
      ? [...parametersIn(region).values()].find(({arn}) => arn === id)
      : [...parametersIn(region).values()].find(({name, arn}) => name === id && arn.includes(`:${account}:`))

  function answer(operation: string, region: string, body: Body, caller: string): unknown {
    const arnOf = (id: string): string => lookUp(region, id)?.arn ?? arnIn(region, account, id)

    function allow(id: string, decrypts: boolean): void {
      const [name = ''] = parts(id)
      const denial = forbidden.get(lookUp(region, name)?.name ?? name)
      if (denial === undefined || (denial.actions.length > 0 && !denial.actions.includes(operation))) return
      const key = `arn:aws:kms:${region}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`
      const service = '(Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException)'
      if (denial.why === 'no policy')
        refuse(
          'AccessDeniedException',
          `User: ${caller} is not authorized to perform: ssm:${operation} on resource: ${arnOf(name)} because no identity-based policy allows the ssm:${operation} action`,
        )
      if (!decrypts) return
      if (denial.why === 'kms')
        refuse(
          'AccessDeniedException',
          `User: ${caller} is not authorized to perform: kms:Decrypt on resource: ${key} because no identity-based policy allows the kms:Decrypt action ${service}`,
        )
      if (denial.why === 'kms in other words')
        refuse(
          'AccessDeniedException',
          'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
        )
      refuse('InvalidKeyId', `${key} is disabled. (Service: AWSKMS; Status Code: 400; Error Code: DisabledException)`)
    }

    function versionOf(id: string): {readonly parameter: StoredParameter; readonly number: number} {
      const [name = '', selector] = parts(id)
      const parameter = lookUp(region, name) ?? refuse('ParameterNotFound', '')
      const {versions} = parameter
      const number =
        selector === undefined
          ? versions.length
          : /^\d+$/.test(selector)
            ? Number(selector)
            : 1 + versions.findIndex(({labels}) => labels.has(selector))
      if (versions[number - 1] === undefined)
        refuse(
          'ParameterVersionNotFound',
          `Systems Manager could not find version ${selector} of ${name}. Verify the version and try again.`,
        )
      return {parameter, number}
    }

    /** As GetParameter and GetParameters give it. */
    function shown(id: string): Body {
      const {parameter, number} = versionOf(id)
      const [, selector] = parts(id)
      const {type, modified} = parameter.versions[number - 1]!
      return {
        ARN: parameter.arn,
        DataType: 'text',
        LastModifiedDate: modified,
        Name: parameter.name,
        ...(selector !== undefined && showsSelectors && {Selector: `:${selector}`}),
        Type: type,
        Value: valueOf(parameter.versions[number - 1]!, body),
        Version: number,
      }
    }

    const isThere = (id: string): boolean => {
      const [name = '', selector] = parts(id)
      const found = lookUp(region, name)?.versions
      return (
        found !== undefined &&
        (selector === undefined || found.some(({labels}, n) => labels.has(selector) || String(n + 1) === selector))
      )
    }
    const decrypts = body['WithDecryption'] === true

    switch (operation) {
      case 'GetParameters': {
        const names = Array.isArray(body['Names']) ? body['Names'].map(textOf) : []
        if (names.length === 0 || names.length > limits.names)
          refuse(
            'ValidationException',
            `1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length ${names.length === 0 ? 'greater than or equal to 1' : `less than or equal to ${limits.names}`}.`,
          )
        // One that is denied fails the call. What can't be read otherwise is listed, without a reason.
        for (const name of names) allow(name, decrypts)
        return {
          Parameters: names.filter((name) => isThere(name)).map(shown),
          InvalidParameters: names.filter((name) => !isThere(name)),
        }
      }
      case 'GetParameter': {
        const id = textOf(body['Name'])
        checkName(parts(id)[0] ?? '')
        allow(id, decrypts)
        return {Parameter: shown(id)}
      }
      case 'GetParameterHistory': {
        const id = textOf(body['Name'])
        allow(id, decrypts)
        const {parameter} = versionOf(id)
        const from = Number(body['NextToken'] ?? 0)
        const to = from + Math.min(page, Number(body['MaxResults'] ?? limits.page))
        return {
          Parameters: parameter.versions.slice(from, to).map((version, n) => ({
            Name: parameter.name,
            Type: version.type,
            ...(version.type === 'SecureString' && {KeyId: version.kmsKey ?? defaultKey}),
            Value: valueOf(version, body),
            Version: from + n + 1,
            Labels: [...version.labels],
            LastModifiedDate: version.modified,
            Tier: version.tier,
          })),
          ...(to < parameter.versions.length && {NextToken: String(to)}),
        }
      }
      case 'PutParameter': {
        const name = textOf(body['Name'])
        checkName(name)
        allow(name, true)
        return putParameter(region, name, body)
      }
      default:
        return refuse('UnknownOperationException', '')
    }
  }

  function putParameter(region: string, name: string, {Type, Value, KeyId, Overwrite, Tier}: Body): Body {
    const value = textOf(Value)
    const parameter = lookUp(region, name)
    const last = parameter?.versions.at(-1)
    if (last !== undefined && Overwrite !== true)
      refuse(
        'ParameterAlreadyExists',
        'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
      )
    const type = Type ?? last?.type
    if (!types.includes(type))
      refuse('ValidationException', 'A parameter type is required when you create a parameter.')
    if (last !== undefined && type !== last.type)
      refuse(
        'HierarchyTypeMismatchException',
        `Parameter Store doesn't support changing a parameter type in a hierarchy. The parameter ${name} is of the type ${last.type}.`,
      )
    if (value === '')
      refuse(
        'ValidationException',
        "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.",
      )
    // An advanced parameter stays one.
    const tier = last?.tier === 'Advanced' ? 'Advanced' : (Tier ?? 'Standard')
    const [most, tierName] = tier === 'Standard' ? [limits.standard, 'Standard'] : [limits.advanced, 'Advanced']
    if (Buffer.byteLength(value) > most)
      refuse(
        'ValidationException',
        `${tierName} tier parameters support a maximum parameter value of ${most} characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.`,
      )
    const kmsKey = KeyId === undefined ? undefined : textOf(KeyId)
    const version = {value, type: type as StoredVersion['type'], kmsKey, tier: tierName}
    return {Tier: tierName, Version: store(region, name, account, version)}
  }

  /** @returns the version's number. */
  function store(
    region: string,
    name: string,
    owner: string,
    version: Omit<StoredVersion, 'modified' | 'labels'>,
  ): number {
    const arn = arnIn(region, owner, name)
    const parameter = parametersIn(region).get(arn) ?? {name, arn, versions: []}
    parametersIn(region).set(arn, parameter)
    return parameter.versions.push({...version, modified: now(), labels: new Set()})
  }

  const fake = await startAwsFake({...options, services: [{signingName: 'ssm', target: 'AmazonSSM', answer}]})
  return {
    ...fake,
    put(name, value, {type = 'SecureString', kmsKey, region = 'us-east-1', owner = account} = {}) {
      const tier = Buffer.byteLength(value) > limits.standard ? 'Advanced' : 'Standard'
      store(region, name, owner, {value, type, kmsKey, tier})
    },
    label: (name, version, label, region = 'us-east-1') =>
      void lookUp(region, name)?.versions[version - 1]?.labels.add(label),
    forbid: (name, why = 'no policy', actions = []) => void forbidden.set(name, {why, actions}),
    kmsKeyOf: (name, region = 'us-east-1') => lookUp(region, name)?.versions.at(-1)?.kmsKey,
    leaveOutSelectors: () => (showsSelectors = false),
    pageSize: (size) => (page = size),
  }
}

const defaultKey = 'alias/aws/ssm'

/** Encrypted values come as a ciphertext where nobody asked for them in clear. */
const valueOf = ({value, type}: StoredVersion, {WithDecryption}: Body): string =>
  type === 'SecureString' && WithDecryption !== true ? `AQICAHh${Buffer.from(value).toString('hex')}` : value

/** `NAME:SELECTOR`, also of an ARN, which has five colons before. */
function parts(id: string): readonly [name?: string, selector?: string] {
  const [, name, selector] = /^((?:arn:(?:[^:]*:){4})?[^:]*)(?::(.*))?$/.exec(id) ?? []
  return selector === undefined ? [name ?? id] : [name ?? id, selector]
}

const arnIn = (region: string, owner: string, name: string): string =>
  `arn:${region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'}:ssm:${region}:${owner}:parameter/${name.replace(/^\//, '')}`

function checkName(name: string): void {
  if (name.startsWith('arn:')) return
  if (/^\/?(?:aws|ssm)/i.test(name))
    refuse('ValidationException', 'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).')
  if (!/^[A-Za-z0-9_./-]{1,2048}$/.test(name) || /\/\/|.\/$/.test(name))
    refuse(
      'ValidationException',
      'Parameter name must not end with slash. It can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_',
    )
  if (name.includes('/') && !name.startsWith('/'))
    refuse('ValidationException', 'Parameter name must be a fully qualified name.')
  if (name.split('/').length - 1 > limits.levels)
    refuse('HierarchyLevelLimitExceededException', 'A hierarchy can have a maximum of 15 levels.')
}
