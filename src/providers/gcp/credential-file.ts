import {existsSync} from 'node:fs'
import {join} from 'node:path'

import {EnvdriftError} from '../../core/errors.ts'
import type {Env, Host, Settings} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'
import {readTextFile} from '../../system/files.ts'
import {repositoryRoot} from '../../system/git.ts'

/** What Google's tools write into a credential file; the keys that we read ourselves. */
export type CredentialJson = {
  readonly type?: unknown
  readonly [key: string]: unknown
}

/** A credential file that is there. */
export type CredentialFile = {
  readonly content: CredentialJson
  /** For messages: `the file that GOOGLE_APPLICATION_CREDENTIALS names`. */
  readonly named: string
}

/**
 * The credential file of Google's own order: `credentials_file`, GOOGLE_APPLICATION_CREDENTIALS, then what
 * `gcloud auth application-default login` wrote.
 *
 * @returns `undefined` when nothing names one and gcloud has written none.
 * @throws EnvdriftError NOT_LOGGED_IN for a file that can't be used; CONFIG_NOT_ALLOWED for one that lies in a repository and
 *   would send tokens elsewhere, or run a program.
 */
export async function findCredentialFile(settings: Settings, host: Host): Promise<CredentialFile | undefined> {
  const setting = settings['credentials_file'] as string | undefined
  const variable = host.env['GOOGLE_APPLICATION_CREDENTIALS'] || undefined
  if (setting !== undefined) return read(setting, 'the file that credentials_file names', host.env)
  if (variable !== undefined) return read(variable, 'the file that GOOGLE_APPLICATION_CREDENTIALS names', host.env)
  const path = gcloudFile(host)
  const named = 'the file of `gcloud auth application-default login`'
  return existsSync(path) ? read(path, named, host.env) : undefined
}

/** Source: https://cloud.google.com/docs/authentication/application-default-credentials#personal */
function gcloudFile({env, home}: Host): string {
  const windows = process.platform === 'win32' ? env['APPDATA'] : undefined
  const folder =
    env['CLOUDSDK_CONFIG'] || (windows === undefined ? join(home, '.config', 'gcloud') : join(windows, 'gcloud'))
  return join(folder, 'application_default_credentials.json')
}

async function read(path: string, named: string, env: Env): Promise<CredentialFile> {
  const unusable = (why: string): EnvdriftError =>
    new EnvdriftError('NOT_LOGGED_IN', `The credentials in ${named} can't be used: ${why}`, {
      suggestions: [
        'Check that the file is there, readable, and as `gcloud` or the Google Cloud console wrote it.',
        'Or log in as yourself: without that file, run `gcloud auth application-default login`.',
      ],
    })
  let text: string | undefined
  try {
    text = await readTextFile(path)
  } catch (error) {
    if (error instanceof EnvdriftError) throw unusable('it is not a file that can be read')
    throw error
  }
  if (text === undefined) throw unusable('there is no such file')
  const content = jsonOf(text)
  if (content === undefined) throw unusable('it is not JSON')
  await checkTrust(content, path, named, env)
  return {content, named}
}

function jsonOf(text: string): CredentialJson | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as CredentialJson) : undefined
  } catch {
    // Its message would quote the file.
    return undefined
  }
}

/**
 * A file inside a repository is one that a pull request can change, whoever names it: it may say who we are, but not where
 * our token goes, and no program. google-github-actions/auth writes its file into the checkout, so the place alone is no
 * reason to refuse.
 */
async function checkTrust(content: CredentialJson, path: string, named: string, env: Env): Promise<void> {
  if ((await repositoryRoot(path)) === undefined) return
  const universe = env['GOOGLE_CLOUD_UNIVERSE_DOMAIN'] || 'googleapis.com'
  const refuse = (what: string): EnvdriftError =>
    new EnvdriftError(
      'CONFIG_NOT_ALLOWED',
      `${named[0]!.toUpperCase()}${named.slice(1)} lies in a repository, and ${what}`,
      {
        suggestions: ['Move the file out of the repository: a pull request could change it there.'],
      },
    )
  for (const {at, text} of stringsIn(content)) {
    if (at.includes('executable')) throw refuse('it names a program to run')
    // Where the token that proves who we are comes from; it goes to Google only.
    if (at.includes('credential_source') || at.includes('credentialSource')) continue
    const url = URL.parse(text)
    if (url === null || !/^(?:https?|wss?|ftp):$/.test(url.protocol)) continue
    const isGoogles = [universe, 'googleapis.com', 'accounts.google.com'].some(
      (domain) => url.hostname === domain || url.hostname.endsWith(`.${domain}`),
    )
    if (!isGoogles || url.protocol !== 'https:' || url.port !== '') {
      throw refuse(`its ${printable(at.at(-1) ?? '')} is not an address of Google's`)
    }
  }
}

/** Every text of a document, with the keys that lead to it. */
function stringsIn(
  value: unknown,
  at: readonly string[] = [],
): readonly {readonly at: readonly string[]; readonly text: string}[] {
  if (typeof value === 'string') return [{at, text: value}]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => stringsIn(inner, [...at, key]))
}
