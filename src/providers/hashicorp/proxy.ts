import {BlockList, isIP} from 'node:net'

import {EnvdriftError} from '../../core/errors.ts'
import type {Env} from '../../core/provider-spec.ts'
import {clientVariable, variable, type Variable} from './variables.ts'

/**
 * The proxy that leads to an https address, as Vault's own client finds it: VAULT_PROXY_ADDR and VAULT_HTTP_PROXY before
 * HTTPS_PROXY and NO_PROXY. Unlike there, NO_PROXY must name this machine if it is to be reached directly.
 *
 * Without TLS there is none: Vault's client would send the request with its token to the proxy in clear.
 *
 * @param to - `general`: another server, for which Vault's variables mean nothing.
 * @returns `undefined` for a direct connection.
 * @throws EnvdriftError CONFIG_INVALID for a proxy that can't be used; its address is not quoted, it may hold a password.
 */
export function proxyFor(url: URL, env: Env, to: 'vault' | 'general' = 'vault'): URL | undefined {
  if (url.protocol !== 'https:') return undefined
  const ofVault = to === 'vault' ? (clientVariable(env, 'PROXY_ADDR') ?? clientVariable(env, 'HTTP_PROXY')) : undefined
  if (ofVault !== undefined) return proxyAddress(ofVault)
  const general = variable(env, 'HTTPS_PROXY', 'https_proxy')
  if (general === undefined || isExempt(url, variable(env, 'NO_PROXY', 'no_proxy')?.text ?? '')) return undefined
  return proxyAddress(general)
}

function proxyAddress({name, text}: Variable): URL {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url !== null && ['http:', 'https:'].includes(url.protocol) && url.hostname !== '') return url
  throw new EnvdriftError('CONFIG_INVALID', `${name} names no proxy that envdrift can use`, {
    suggestions: [`Set ${name} to an address like http://proxy.example.com:8080, or unset it.`],
  })
}

/** NO_PROXY as Go reads it: names with what lies below them, addresses, networks (`10.0.0.0/8`), each with or without a port. */
function isExempt(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const port = url.port === '' ? '443' : url.port
  return noProxy.split(/[\s,]+/).some((entry) => {
    const [, name = '', ofPort] =
      /^\[?(.*?)\]?(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry.toLowerCase()) ?? []
    if (name === '' || (ofPort !== undefined && ofPort !== port)) return false
    if (name === '*') return true
    if (name.includes('/')) return isWithin(host, name)
    const bare = name.replace(/^\*?\./, '')
    // `.example.com` leaves the name itself out, `example.com` does not.
    return (bare === name && host === bare) || (isIP(host) === 0 && host.endsWith(`.${bare}`))
  })
}

function isWithin(host: string, network: string): boolean {
  const [address = '', prefix = ''] = network.split('/', 2)
  const family = isIP(address)
  if (family === 0 || family !== isIP(host) || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === 4 ? 32 : 128))
    return false
  const list = new BlockList()
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  list.addSubnet(address, Number(prefix), kind)
  return list.check(host, kind)
}
