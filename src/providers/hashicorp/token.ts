import {join} from 'node:path'

import {EnvdriftError} from '../../core/errors.ts'
import type {Host} from '../../core/provider-spec.ts'
import {Secret} from '../../core/secret.ts'
import {printable} from '../../core/text.ts'
import {plainFile} from './plain-file.ts'
import {clientsOf, clientVariable} from './variables.ts'

export type Token = {
  readonly secret: Secret
  /** Where it comes from, as people know it: `VAULT_TOKEN`, `~/.vault-token`. */
  readonly from: string
}

/**
 * Find the token to log in with: `--token`, then VAULT_TOKEN or BAO_TOKEN, then the file that VAULT_TOKEN_FILE names, then
 * what `vault login` or `bao login` left in the home directory. Where VAULT_ADDR names the server, OpenBao's don't count;
 * where BAO_ADDR alone does, they come first.
 *
 * Blank counts as not set. It is not tried out: it may be good for one use only.
 *
 * @throws EnvdriftError NOT_LOGGED_IN when there is none, or none that can be read.
 */
export async function findToken(host: Pick<Host, 'token' | 'env' | 'home'>): Promise<Token> {
  const token = await tokenOfMachine(host)
  if (token === undefined) throw notLoggedIn('There is no token for HashiCorp Vault')
  return token
}

/** {@link findToken}, but `undefined` where there is none: an agent may have a login of its own to lend. */
export async function tokenOfMachine({
  token,
  env,
  home,
}: Pick<Host, 'token' | 'env' | 'home'>): Promise<Token | undefined> {
  const flag = token?.reveal() ?? ''
  if (flag.trim() !== '') return tokenOf(flag, '--token')
  const given = clientVariable(env, 'TOKEN')
  if (given !== undefined) return tokenOf(given.text, given.name)

  const named = clientVariable(env, 'TOKEN_FILE')
  if (named !== undefined) {
    const text = await textOf(named.text, printable(named.text))
    const names = `${named.name} names ${printable(named.text)}`
    if (text === undefined) throw notLoggedIn(`${names}, and there is no such file`)
    if (text.trim() === '') throw notLoggedIn(`${names}, and that file is empty`)
    return tokenOf(text, printable(named.text))
  }
  for (const client of clientsOf(env)) {
    const name = client === 'BAO' ? '.bao-token' : '.vault-token'
    const text = await textOf(join(home, name), `~/${name}`)
    if (text !== undefined && text.trim() !== '') return tokenOf(text, `~/${name}`)
  }
  return undefined
}

async function textOf(path: string, shownAs: string): Promise<string | undefined> {
  const file = await plainFile(path)
  if (file.text !== undefined || file.isMissing) return file.text
  throw notLoggedIn(`The token file ${shownAs} ${file.why}`, file.cause)
}

function tokenOf(text: string, from: string): Token {
  const token = text.trim()
  // What a header cannot hold would come back as an error of Node's that names the header and not the place to look at.
  if (!/^[\u0021-\u007e]+$/.test(token))
    throw notLoggedIn(`What ${from} holds is no token: it has blanks or control characters in it`)
  return {secret: new Secret(token), from}
}

function notLoggedIn(message: string, cause?: unknown): EnvdriftError {
  return new EnvdriftError('NOT_LOGGED_IN', message, {
    suggestions: [
      'Set VAULT_TOKEN, or run `vault login`, which leaves a token in ~/.vault-token.',
      'Or pipe one in: `vault print token | envdrift sync --token -`.',
    ],
    cause,
  })
}
