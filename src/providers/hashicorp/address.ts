import {isPlainPath, isReserved, withoutSlashes} from './path.ts'

/** An address of Vault, taken apart: `https://host:8200/v1/team1` is the server `https://host:8200`, namespace `team1`. */
export type Address = {
  /** In one spelling, so that two can be compared: lower case, no default port, no slash at the end. */
  readonly server: string
  /** The namespace in front of every path, which such an address asks for; decoded, and to be decoded no second time. */
  readonly prefix: string | undefined
}

/**
 * @returns `undefined` for what isn't an http or https address, holds a login, a query or a fragment, or has behind `/v1/` what
 *   is no namespace: a part that leads elsewhere, `?`, `#` or `%`, one of Vault's own paths.
 */
export function addressOf(text: string): Address | undefined {
  const url = URL.parse(text.trim())
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return undefined
  const parts = withoutSlashes(url.pathname, 'end').split('/')
  const api = parts.indexOf('v1')
  const below = api === -1 ? [] : parts.slice(api + 1)
  const prefix = below.length === 0 ? undefined : below.map(decoded).join('/')
  // A part that holds a slash once it is decoded would add parts, and lead out of Vault's API with `..`.
  if (prefix !== undefined && (prefix.split('/').length !== below.length || !isNamespace(prefix))) return undefined
  return {server: `${url.origin}${(api === -1 ? parts : parts.slice(0, api)).join('/')}`, prefix}
}

const isNamespace = (path: string): boolean => isPlainPath(path) && !/[?#%\\]/.test(path) && !isReserved(path)

/** Is this host the machine itself, so that nothing travels in clear? */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    // A `%` that encodes nothing stays, and is refused.
    return path
  }
}
