import {EnvdriftError, type ErrorCode} from '../../core/errors.ts'
import {shellWord} from '../../core/shell-word.ts'
import {printable} from '../../core/text.ts'
import {networkTrouble} from '../network-trouble.ts'
import {isUpgrading, isVaults, reasonIn} from './answer.ts'
import type {MountSays} from './mount.ts'
import {vaultKv} from './vault-command.ts'

/** What was asked of Vault; for messages. */
export type Asked = {
  /** `provider.place` */
  readonly place: string
  /** Of secrets; of logins with `auth/` in front. */
  readonly mount: string
  readonly namespace?: string | undefined
  readonly doing: 'read' | 'write' | 'log in to'
  /** The secret's name, or what else was asked for. */
  readonly name: string
  /** Whose token it was sent with. Left out before there is one. */
  readonly holder?: Holder
  /** The path as a policy names it: `secret/data/myapp-production`. */
  readonly policyPath?: string
}

/** Who sends a token, as far as messages know it. */
export type Holder = {
  /** `the token from VAULT_TOKEN`, `the login with …` */
  readonly as: string
  /** Policies of a login of our own; of a given token nobody knows them without asking. */
  readonly policies?: readonly string[]
  /** How many requests a login of our own is good for, where its role limits that. */
  readonly uses?: number | undefined
  /** An agent sends its own, if it has one. */
  readonly isAgent?: boolean
}

/** A connection that fails, an answer that is no HTTP or too much of it: by Node's code, never by its text. */
export function connectionError(cause: unknown, place: string): EnvdriftError {
  const trouble = networkTrouble(cause)
  if (trouble?.code === 'TLS_REFUSED')
    return new EnvdriftError('TLS_REFUSED', `No secure connection to ${place} (${trouble.detail})`, {
      suggestions:
        trouble.detail === 'ERR_TLS_CERT_ALTNAME_INVALID'
          ? [
              'Its certificate is for another host name: correct the address, or set VAULT_TLS_SERVER_NAME, or tls_server_name under [vault.hashicorp], to a name in the certificate.',
            ]
          : [
              'If its certificate comes from a private authority, name that in VAULT_CACERT, or in ca_file under [vault.hashicorp].',
              'Check that the address says https only where Vault listens with TLS, and that the certificate is for its host name.',
            ],
      cause,
    })
  const code = trouble?.detail ?? codeOf(cause)
  if (code === 'PROXY_WANTS_LOGIN')
    return new EnvdriftError('LOGIN_REFUSED', `The proxy on the way to ${place} wants a login of its own`, {
      suggestions: ['Put name and password into the address of the proxy (HTTPS_PROXY), or name the host in NO_PROXY.'],
    })
  if (code === 'PROXY_REFUSED')
    return new EnvdriftError('UNREACHABLE', `The proxy on the way to ${place} makes no connection to it`, {
      suggestions: [
        'Check HTTPS_PROXY or VAULT_PROXY_ADDR, or name the host in NO_PROXY if it is to be reached directly.',
      ],
      cause,
    })
  if (code === 'ANSWER_TOO_LARGE') return badResponse(`${place} sent an answer of more than 2 MiB`, checkAddress)
  // Without its cause: Node puts the bytes that came over the wire into it.
  if (code === 'ANSWER_NOT_TEXT' || code.startsWith('HPE_'))
    return badResponse(`${place} sent an answer that is not Vault's`, checkAddress)
  return new EnvdriftError('UNREACHABLE', `${place} could not be reached (${code === '' ? 'no answer' : code})`, {
    suggestions: [
      code === 'ENOTFOUND'
        ? 'The host name is not known: check url under [vault.hashicorp] or VAULT_ADDR, and the VPN.'
        : 'Check url under [vault.hashicorp] or VAULT_ADDR, the network and the proxy, and that Vault runs: `vault status`.',
    ],
    cause,
  })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** An answer that is neither the secret nor its absence, by its status. The texts of Vault and OpenBao differ. */
export function refusal(status: number, body: unknown, asked: Asked): EnvdriftError {
  const {place, mount, doing, name} = asked
  const attempt = `${doing} ${name}`
  // A login has no policy to lack: what is not Vault's own answer comes from something in front of it.
  if (status === 403 && doing !== 'log in to') return isVaults(body) ? forbidden(asked) : refusedBefore(asked)
  if (status === 404) return wrongPlace(body, asked)
  if (status === 401 || status === 403 || status === 407)
    return new EnvdriftError(
      'LOGIN_REFUSED',
      `Something in front of ${place} ${status === 403 ? 'refuses us' : 'wants a login of its own'} (status ${status})`,
      {
        suggestions: [
          'Vault itself never answers this: check the proxy (HTTPS_PROXY, NO_PROXY) and url under [vault.hashicorp].',
        ],
      },
    )
  if (status >= 300 && status < 400) return badResponse(`${place} redirects`, checkAddress)
  if (status === 429) return busy('THROTTLED', `${place} refused to ${attempt}: too many requests (status 429)`)
  if (status >= 500 || status === 412)
    return busy('SERVICE_ERROR', `${place} could not ${attempt} (status ${status}), and trying again did not help`)
  if (isUpgrading(status, body))
    return new EnvdriftError(
      'SERVICE_ERROR',
      `${place} could not ${attempt}: Vault is still upgrading the mount ${mount} to KV version 2`,
      {
        suggestions: [
          'Run the command again in a minute; `vault secrets list -detailed` shows the version of the mount.',
        ],
      },
    )
  if (!isVaults(body))
    return badResponse(`${place} answered with status ${status}, and not as Vault does`, checkAddress)
  // Of a read: what is found wrong with others may quote what was sent.
  const reason = doing === 'read' ? printable(reasonIn(body).slice(0, 500)) : ''
  const said = reason === '' ? '' : `: ${reason}`
  return new EnvdriftError('BAD_REQUEST', `${place} refused to ${attempt} as malformed (status ${status})${said}`, {
    suggestions: [
      doing === 'log in to'
        ? 'Check auth, auth_mount and namespace under [vault.hashicorp]: `vault auth list` shows which methods are enabled.'
        : `Check secret_name, and mount, kv_version and namespace under [vault.hashicorp]: \`${vaultKv('get', asked, name)}\` must work.`,
      ...(doing === 'write' ? ['A mount with cas_required takes no write that would replace any version.'] : []),
    ],
  })
}

/** A page of a proxy or firewall, perhaps for this path alone: others are still asked for. */
const refusedBefore = ({place, doing, name}: Asked): EnvdriftError =>
  badResponse(
    `Something in front of ${place} refuses to ${doing} ${name} (status 403, and not as Vault does)`,
    'No policy of Vault helps: ask whoever runs the proxy or firewall (HTTPS_PROXY, NO_PROXY), and check url under [vault.hashicorp].',
  )

/** Vault says 403 for a missing policy, a mount that is not there, and a token that is not good any more, all alike. */
function forbidden({place, doing, name, policyPath = '', mount, namespace, holder}: Asked): EnvdriftError {
  const capabilities = doing === 'write' ? '["create", "update"]' : '["read"]'
  const line = `path ${JSON.stringify(policyPath)} { capabilities = ${capabilities} }`
  const own = holder?.policies
  const policy = own?.find((one) => one !== 'default' && one !== 'root')
  const option = namespace === undefined ? '' : ` -namespace=${shellWord(namespace)}`
  const [read, write] = ['read', 'write'].map(
    (verb) => `vault policy ${verb}${option} ${shellWord(policy ?? 'POLICY')}`,
  )
  return new EnvdriftError(
    'FORBIDDEN',
    `${place} refused to ${doing} ${name} with ${holder?.as ?? 'no token'}. Its answer (403) is the same for a missing policy, a wrong mount, and a ${own ? `login that somebody has revoked${holder.uses === undefined ? '' : ', or that is used up'}` : 'token that is wrong, expired or used up'}`,
    {
      suggestions: [
        `${own ? `Put this line into a policy of that login (${own.map((one) => printable(one)).join(', ')})` : "Ask for this line in the token's policy"}: ${line}`,
        `Somebody who may: \`{ ${read} && echo ${shellWord(line)}; } | ${write} -\`${policy === undefined ? ', where POLICY is one that the token has (`vault token lookup`)' : ''}.`,
        `Check that mount = ${JSON.stringify(mount)} and the namespace under [vault.hashicorp] are right.`,
        ...(holder?.uses === undefined ? [] : [moreUses(holder.uses)]),
        ...(own
          ? []
          : [
              holder?.isAgent === true
                ? 'If nothing can be read, the agent may lend no login: set `use_auto_auth_token = true` in its `api_proxy`, or VAULT_TOKEN here.'
                : 'If nothing can be read, the token may have expired: `vault token lookup` shows it, `vault login` gets a new one.',
            ]),
      ],
    },
  )
}

/** The policy of a login has nothing for it, and nobody can say any more what it would have. */
export function endedLogin({place, doing, name, holder}: Asked): EnvdriftError {
  return new EnvdriftError(
    'LOGIN_REFUSED',
    `${place} refused to ${doing} ${name}: ${holder?.as ?? 'the login'} has run out, or somebody has revoked it`,
    {suggestions: ['Run the command again, which logs in anew; a longer token_ttl of the role keeps a login alive.']},
  )
}

/** Vault's 403 to a login that its role gives few uses, and that has had as many: no policy helps there. */
export function usedUpLogin({place, doing, name, holder}: Asked, uses: number): EnvdriftError {
  return new EnvdriftError(
    'LOGIN_REFUSED',
    `${place} refused to ${doing} ${name}: ${holder?.as ?? 'the login'} is good for ${uses} ${uses === 1 ? 'request' : 'requests'} (token_num_uses of its role), and those are used up`,
    {suggestions: [moreUses(uses)]},
  )
}

const moreUses = (uses: number): string =>
  `A login needs one use for each secret, and some to spare for what is tried again: its role gives ${uses}. Set token_num_uses of the role to 0, which is any number; of an AppRole: \`vault write auth/approle/role/ROLE token_num_uses=0\`.`

/** A 404 that isn't "no such secret". */
function wrongPlace(body: unknown, {place, doing, mount, namespace}: Asked): EnvdriftError {
  const namespaceHint =
    namespace === undefined
      ? 'If it lies in a namespace, set namespace under [vault.hashicorp] or VAULT_NAMESPACE.'
      : `Check namespace = ${JSON.stringify(namespace)}.`
  if (!isVaults(body))
    return new EnvdriftError('VAULT_NOT_FOUND', `What answers at ${place} is not Vault (status 404)`, {
      suggestions: [checkAddress],
    })
  if (doing === 'log in to')
    return new EnvdriftError('VAULT_NOT_FOUND', `There is no ${mount} to log in to at ${place}`, {
      suggestions: [
        'Check auth and auth_mount under [vault.hashicorp]; `vault auth list` shows which methods are enabled.',
        'Check namespace under [vault.hashicorp], or VAULT_NAMESPACE.',
      ],
    })
  if (Array.isArray(body['errors']))
    return new EnvdriftError(
      'VAULT_NOT_FOUND',
      `Nothing is mounted at ${mount} in ${place}${namespace === undefined ? '' : ', or there is no such namespace'}`,
      {
        suggestions: [
          'Check mount under [vault.hashicorp]; `vault secrets list` shows what is mounted.',
          namespaceHint,
        ],
      },
    )
  // A KV 2 mount that was asked as KV 1 warns of its paths, and has no errors.
  return otherVersion({place, mount}, 2)
}

/** What is asked there can't be what is meant: an absence of it would say nothing. */
export function wrongMount({place, mount}: Asked, says: Exclude<MountSays, {readonly kind: 'nothing'}>): EnvdriftError {
  switch (says.kind) {
    case 'kv':
      return otherVersion({place, mount}, says.version)
    case 'elsewhere':
      return new EnvdriftError(
        'VAULT_NOT_FOUND',
        `There is no mount ${mount} in ${place}: that path belongs to the mount ${printable(says.path)}`,
        {
          suggestions: [
            `Set mount = ${JSON.stringify(printable(says.path))} under [vault.hashicorp]; what is left of the path belongs into secret_name.`,
          ],
        },
      )
    case 'other type':
      return new EnvdriftError(
        'VAULT_NOT_FOUND',
        `The mount ${mount} in ${place} is no KV secrets engine, but one of type ${printable(says.type)}`,
        {
          suggestions: [
            'Check mount under [vault.hashicorp]; `vault secrets list` shows what is mounted, and keys lie in what is of type kv.',
          ],
        },
      )
  }
}

const otherVersion = ({place, mount}: Pick<Asked, 'place' | 'mount'>, is: 1 | 2): EnvdriftError =>
  new EnvdriftError(
    'VAULT_NOT_FOUND',
    `The mount ${mount} in ${place} holds KV version ${is}, and was asked as version ${3 - is}`,
    {
      suggestions: [`Set kv_version = ${is} under [vault.hashicorp], or leave it out.`],
    },
  )

export function sealedError(place: string): EnvdriftError {
  return new EnvdriftError('VAULT_SEALED', `${place} is sealed: it answers nothing until somebody unseals it`, {
    suggestions: ['Ask whoever runs it to unseal it; `vault status` shows when it is done.'],
  })
}

/** The token goes to the address that was configured, and to no other: whoever can redirect could collect tokens. */
export function redirectError(location: string | undefined, from: URL, place: string): EnvdriftError {
  const target = URL.parse(location ?? '', from.href)?.origin
  const elsewhere = target === undefined || target === 'null' || target === from.origin ? undefined : target
  return badResponse(
    `${place} redirects${elsewhere === undefined ? '' : ` to ${elsewhere}`}; nothing was sent there`,
    elsewhere === undefined
      ? checkAddress
      : `If ${elsewhere} is your Vault (a standby node names its leader so), set it as url under [vault.hashicorp] or as VAULT_ADDR.`,
  )
}

export function deleted(asked: Asked, version: string, destroyed: boolean): EnvdriftError {
  return new EnvdriftError(
    'SECRET_DELETED',
    `Version ${version} of ${asked.name} in ${asked.place} is ${destroyed ? 'destroyed' : 'deleted'}`,
    {
      suggestions: [
        destroyed
          ? `Store the key again: \`${vaultKv('put', asked, asked.name, 'value=@FILE')}\`.`
          : `Bring it back: \`${vaultKv(`undelete -versions=${version}`, asked, asked.name)}\`.`,
      ],
    },
  )
}

export function badResponse(message: string, suggestion: string, cause?: unknown): EnvdriftError {
  return new EnvdriftError('BAD_RESPONSE', message, {suggestions: [suggestion], cause})
}

export const checkAddress =
  'Check url under [vault.hashicorp] or VAULT_ADDR: `vault status` must work with it, with no login page in between.'

const busy = (code: ErrorCode, message: string): EnvdriftError =>
  new EnvdriftError(code, message, {
    suggestions: ['Run the command again in a minute; a lower max_workers under [vault.sync] asks for less at once.'],
  })
