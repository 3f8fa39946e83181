import {readdir, readFile} from 'node:fs/promises'
import type {AgentOptions} from 'node:https'
import {join} from 'node:path'

import {EnvdriftError} from '../../core/errors.ts'
import type {Env} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'
import {clientVariable} from './variables.ts'

/** What the settings say about TLS, as `spec.resolve` leaves them. */
export type TlsSettings = {
  readonly caFile: string | undefined
  readonly caPath: string | undefined
  readonly clientCert: string | undefined
  readonly clientKey: string | undefined
  readonly serverName: string | undefined
  readonly skipVerify: boolean
}

/**
 * The options of a connection; what they leave out is as Node has it. Authorities take the place of Node's own, as they do in
 * Vault's client: a file before VAULT_CACERT_BYTES before a directory.
 *
 * @throws EnvdriftError FILE_UNREADABLE, which names the setting.
 */
export async function tlsOptions(settings: TlsSettings, env: Env): Promise<AgentOptions> {
  const {caFile, caPath, clientCert, clientKey, serverName, skipVerify} = settings
  const [ca, cert, key] = await Promise.all([
    authorities(caFile, caPath, env),
    clientCert === undefined
      ? undefined
      : textOf(clientCert, 'The client certificate', 'client_cert', 'VAULT_CLIENT_CERT'),
    clientKey === undefined
      ? undefined
      : textOf(clientKey, 'The key of the client certificate', 'client_key', 'VAULT_CLIENT_KEY'),
  ])
  return {
    ...(ca !== undefined && {ca: [...ca]}),
    ...(cert !== undefined && {cert}),
    ...(key !== undefined && {key}),
    ...(serverName !== undefined && {servername: serverName}),
    ...(skipVerify && {rejectUnauthorized: false}),
  }
}

async function authorities(
  file: string | undefined,
  directory: string | undefined,
  env: Env,
): Promise<readonly string[] | undefined> {
  const what = 'The certificate authorities'
  if (file !== undefined) return [await textOf(file, what, 'ca_file', 'VAULT_CACERT')]
  if (directory === undefined) {
    const bytes = clientVariable(env, 'CACERT_BYTES')
    return bytes && [bytes.text]
  }
  const fault = (cause?: unknown): EnvdriftError => unreadable(what, directory, 'ca_path', 'VAULT_CAPATH', cause)
  try {
    const entries = await readdir(directory, {withFileTypes: true})
    const files = entries.filter((entry) => !entry.isDirectory()).map(({name}) => join(directory, name))
    const texts = await Promise.all(files.map((path) => readFile(path, 'utf8')))
    const found = texts.filter((text) => text.includes('-----BEGIN CERTIFICATE-----'))
    if (found.length > 0) return found
  } catch (cause) {
    throw fault(cause)
  }
  // Node would take an empty list for its own authorities.
  throw fault()
}

async function textOf(path: string, what: string, setting: string, variable: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw unreadable(what, path, setting, variable, cause)
  }
}

function unreadable(what: string, path: string, setting: string, variable: string, cause: unknown): EnvdriftError {
  const why = cause === undefined ? 'hold no certificate' : 'could not be read'
  return new EnvdriftError('FILE_UNREADABLE', `${what} in ${printable(path)} ${why}`, {
    suggestions: [`Check ${setting} under [vault.hashicorp], or ${variable}.`],
    cause,
  })
}
