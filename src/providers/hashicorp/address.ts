import {withoutSlashes} from './path.ts'

/** An address of Vault, taken apart: `https://host:8200/v1/team1` is the server `https://host:8200`, namespace `team1`. */
export type Address = {
  /** In one spelling, so that two can be compared: lower case, no default port, no slash at the end. */
  readonly server: string
  /** The namespace in front of every path, which such an address asks for. */
  readonly prefix: string | undefined
}

/** @returns `undefined` for what isn't an http or https address, or holds a login, a query or a fragment. */
export function addressOf(text: string): Address | undefined {
  const url = URL.parse(text.trim())
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return undefined
  const parts = withoutSlashes(url.pathname, 'end').split('/')
  const api = parts.indexOf('v1')
  const below = api === -1 ? [] : parts.slice(api + 1)
  if (below.includes('')) return undefined
  return {
    server: `${url.origin}${(api === -1 ? parts : parts.slice(0, api)).join('/')}`,
    prefix: below.length === 0 ? undefined : decoded(below.join('/')),
  }
}

/** Is this host the machine itself, so that nothing travels in clear? */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
