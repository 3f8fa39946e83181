import {randomBytes, randomUUID} from 'node:crypto'

import {Refusal, refuse, type AwsFailure} from './refusal.ts'

export type Login = {readonly secretAccessKey: string; readonly sessionToken?: string; readonly arn: string}

/** A role that may be assumed, and what its trust policy asks for beside a login of the account. */
export type Role = {readonly externalId?: string; readonly mfaSerial?: string; readonly mfaCode?: string}

/** A request without a body that somebody reads, as the endpoints for credentials get it. */
type Plain = {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly header: (name: string) => string | undefined
}

export type Logins = {
  readonly byKey: (accessKeyId: string) => Login | undefined
  readonly role: (arn: string, role?: Role) => void
  /** Good for single sign-on, for the container's endpoint, for a web identity. */
  readonly ssoToken: string
  readonly containerToken: string
  readonly webIdentityToken: string
  /** An operation of STS; `caller` checks the signature of those that are signed. Throws a {@link Refusal}. */
  readonly sts: (query: Readonly<Record<string, string>>, caller: () => Login, skewMs: number) => string
  /** @returns what single sign-on, the container's or the machine's endpoint says; `undefined` for another path. */
  readonly plain: (request: Plain) => {readonly operation: string; readonly answer: () => unknown} | undefined
  readonly secrets: () => readonly string[]
}

/**
 * The ways to credentials of AWS: STS, the portal of IAM Identity Center, the endpoint of a container and that of a machine
 * (version 2 of it only).
 *
 * Sources: docs.aws.amazon.com/STS/latest/APIReference, docs.aws.amazon.com/singlesignon/latest/PortalAPIReference,
 * docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html and feature-imds-credentials.html.
 */
export function makeLogins(
  account: string,
  known: Readonly<Record<string, Login>>,
  rejection: () => AwsFailure | undefined,
): Logins {
  const logins = new Map(Object.entries(known))
  const roles = new Map<string, Role>()
  const [ssoToken, containerToken, webIdentityToken, metadataToken] = ['sso', 'container', 'web-identity', 'imds'].map(
    (kind) => `${kind}-${randomUUID()}`,
  ) as [string, string, string, string]

  /** A session that ends in an hour by the server's clock. */
  function session(arn: string, skewMs = 0) {
    const accessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`
    const made = {
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: randomBytes(90).toString('base64'),
      arn,
    }
    logins.set(accessKeyId, made)
    return {...made, accessKeyId, expiration: new Date(Date.now() + skewMs + 3_600_000)}
  }

  function assumed(action: string, roleArn: string, name: string, skewMs: number): string {
    if (!/^[\w+=,.@-]{2,64}$/.test(name))
      refuse('ValidationError', "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint")
    const arn = `arn:aws:sts::${roleArn.split(':')[4]}:assumed-role/${roleArn.split('/').at(-1)}/${name}`
    const {accessKeyId, secretAccessKey, sessionToken, expiration} = session(arn, skewMs)
    return stsAnswer(
      action,
      `<Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>${expiration.toISOString()}</Expiration></Credentials><AssumedRoleUser><Arn>${arn}</Arn><AssumedRoleId>AROAEXAMPLE:${name}</AssumedRoleId></AssumedRoleUser>`,
    )
  }

  function sts(query: Readonly<Record<string, string>>, caller: () => Login, skewMs: number): string {
    const {Action: action = '', RoleArn: roleArn = '', RoleSessionName: name = ''} = query
    switch (action) {
      case 'GetCallerIdentity':
        return stsAnswer(action, `<Arn>${caller().arn}</Arn><UserId>AIDAEXAMPLE</UserId><Account>${account}</Account>`)
      case 'AssumeRole': {
        const {arn} = caller()
        const role = roles.get(roleArn)
        const trusts =
          role !== undefined &&
          (role.externalId === undefined || role.externalId === query['ExternalId']) &&
          (role.mfaSerial === undefined || role.mfaSerial === query['SerialNumber'])
        if (!trusts)
          refuse(
            'AccessDenied',
            `User: ${arn} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`,
            403,
          )
        if (role?.mfaCode !== undefined && role.mfaCode !== query['TokenCode'])
          refuse('AccessDenied', 'MultiFactorAuthentication failed with invalid MFA one time pass code.', 403)
        return assumed(action, roleArn, name, skewMs)
      }
      case 'AssumeRoleWithWebIdentity': {
        const rejected = rejection()
        if (rejected !== undefined) throw new Refusal(rejected)
        if (query['WebIdentityToken'] !== webIdentityToken)
          refuse('InvalidIdentityToken', 'Couldn’t retrieve verification key from your identity provider')
        return assumed(action, roleArn, name, skewMs)
      }
      default:
        return refuse('InvalidAction', `Could not find operation ${action}`)
    }
  }

  const temporary = (arn: string) => {
    const {accessKeyId, secretAccessKey, sessionToken, expiration} = session(arn)
    return {
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      Token: sessionToken,
      Expiration: expiration.toISOString(),
    }
  }

  function portal(query: URLSearchParams, token: string | undefined): unknown {
    if (token !== ssoToken) refuse('UnauthorizedException', 'Session token not found or invalid', 401)
    const [role, of] = [query.get('role_name') ?? '', query.get('account_id') ?? '']
    if (of !== account || role === 'NotAssigned') refuse('ForbiddenException', 'No access', 403)
    const name = `AWSReservedSSO_${role}_0123456789abcdef`
    const {accessKeyId, secretAccessKey, sessionToken, expiration} = session(
      `arn:aws:sts::${of}:assumed-role/${name}/ada@example.com`,
    )
    return {roleCredentials: {accessKeyId, secretAccessKey, sessionToken, expiration: expiration.getTime()}}
  }

  const metadata = (token: string | undefined, answer: () => unknown) => (): unknown =>
    token === metadataToken ? answer() : refuse('Unauthorized', '', 401)

  function plain({method, url, header}: Plain): ReturnType<Logins['plain']> {
    const {pathname, searchParams} = new URL(url, 'http://fake')
    const role = `arn:aws:sts::${account}:assumed-role/myapp-runner`
    switch (`${method} ${pathname}`) {
      case 'GET /federation/credentials':
        return {operation: 'GetRoleCredentials', answer: () => portal(searchParams, header('x-amz-sso_bearer_token'))}
      case 'GET /container/credentials':
        return {
          operation: 'ContainerCredentials',
          answer: () =>
            header('authorization') === containerToken ? temporary(`${role}/task`) : refuse('Unauthorized', '', 401),
        }
      case 'PUT /latest/api/token':
        return {
          operation: 'MetadataToken',
          answer: () => (header('x-aws-ec2-metadata-token-ttl-seconds') ? metadataToken : refuse('BadRequest', '')),
        }
      case 'GET /latest/meta-data/iam/security-credentials/':
        return {
          operation: 'MetadataRole',
          answer: metadata(header('x-aws-ec2-metadata-token'), () => 'myapp-runner'),
        }
      case 'GET /latest/meta-data/iam/security-credentials/myapp-runner':
        return {
          operation: 'MetadataCredentials',
          answer: metadata(header('x-aws-ec2-metadata-token'), () => ({
            Code: 'Success',
            Type: 'AWS-HMAC',
            ...temporary(`${role}/i-0123456789abcdef0`),
          })),
        }
      default:
        return undefined
    }
  }

  return {
    byKey: (accessKeyId) => logins.get(accessKeyId),
    role: (arn, role = {}) => void roles.set(arn, role),
    ssoToken,
    containerToken,
    webIdentityToken,
    sts,
    plain,
    secrets: () => [
      ssoToken,
      containerToken,
      webIdentityToken,
      metadataToken,
      ...[...logins.values()].flatMap(({secretAccessKey, sessionToken}) => [
        secretAccessKey,
        ...(sessionToken ? [sessionToken] : []),
      ]),
    ],
  }
}

const stsAnswer = (action: string, result: string): string =>
  `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></${action}Response>`

export const stsError = (code: string, message: string): string =>
  `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`
