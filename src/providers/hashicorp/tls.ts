import {readdir} from 'node:fs/promises'
import type {AgentOptions} from 'node:https'
import {join} from 'node:path'

import {EnvdriftError} from '../../core/errors.ts'
import type {Env} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'
import {statKind} from '../../system/files.ts'
import {plainFile} from './plain-file.ts'
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
 * @throws EnvdriftError FILE_UNREADABLE or CONFIG_INVALID, which name the setting or the variable.
 */
export async function tlsOptions(settings: TlsSettings, env: Env): Promise<AgentOptions> {
  const {caFile, caPath, clientCert, clientKey, serverName, skipVerify} = settings
  // One after another, so that of several that can't be read the same one is named each time.
  const ca = await authorities(caFile, caPath, env)
  const cert =
    clientCert === undefined
      ? undefined
      : await textOf(clientCert, 'The client certificate', 'client_cert', 'VAULT_CLIENT_CERT')
  const key =
    clientKey === undefined
      ? undefined
      : await textOf(clientKey, 'The key of the client certificate', 'client_key', 'VAULT_CLIENT_KEY')
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
  if (file !== undefined) {
    const text = await textOf(file, what, 'ca_file', 'VAULT_CACERT')
    if (holdsCertificate(text)) return [text]
    // Node would go on with no authority at all, and blame the server's certificate.
    throw unreadable(`${what} in ${printable(file)} hold no certificate (PEM)`, 'ca_file', 'VAULT_CACERT', undefined)
  }
  if (directory === undefined) {
    const bytes = clientVariable(env, 'CACERT_BYTES')
    if (bytes === undefined || holdsCertificate(bytes.text)) return bytes && [bytes.text]
    throw new EnvdriftError('CONFIG_INVALID', `${bytes.name} holds no certificate (PEM)`, {
      suggestions: [
        `Set ${bytes.name} to the text of the certificate authorities, or name their file with ca_file under [vault.hashicorp].`,
      ],
    })
  }
  const fault = (why: string, cause?: unknown): EnvdriftError =>
    unreadable(`${what} in ${printable(directory)} ${why}`, 'ca_path', 'VAULT_CAPATH', cause)
  const paths = await regularFilesIn(directory).catch((cause: unknown) => {
    throw fault('could not be read', cause)
  })
  const files = await Promise.all(paths.map((path) => plainFile(path)))
  for (const file of files) if (file.text === undefined && !file.isMissing) throw fault('could not be read', file.cause)
  const found = files.flatMap(({text}) => (text !== undefined && holdsCertificate(text) ? [text] : []))
  // Node would take an empty list for its own authorities.
  if (found.length === 0) throw fault('hold no certificate (PEM)')
  return found
}

/** By the line that OpenSSL looks for, which has older forms. */
const holdsCertificate = (text: string): boolean => /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/.test(text)

/** Symlinks followed: in a folder of Kubernetes everything is one, folders too. A pipe beside the files is nobody's authority. */
async function regularFilesIn(directory: string): Promise<readonly string[]> {
  const paths = (await readdir(directory)).map((name) => join(directory, name))
  const kinds = await Promise.all(paths.map((path) => statKind(path)))
  return paths.filter((_, at) => kinds[at] === 'file')
}

async function textOf(path: string, what: string, setting: string, variable: string): Promise<string> {
  const file = await plainFile(path)
  if (file.text !== undefined) return file.text
  const why = file.isMissing || file.why === 'could not be read' ? '' : `: it ${file.why}`
  throw unreadable(`${what} in ${printable(path)} could not be read${why}`, setting, variable, file.cause)
}

function unreadable(message: string, setting: string, variable: string, cause: unknown): EnvdriftError {
  return new EnvdriftError('FILE_UNREADABLE', message, {
    suggestions: [`Check ${setting} under [vault.hashicorp], or ${variable}.`],
    cause,
  })
}
