import {expect, it} from 'vitest'

import {networkTrouble} from '../../src/providers/network-trouble.ts'

const errorWith = (code: unknown, cause?: unknown) => Object.assign(new Error('text', {cause}), {code})

it.each(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'EPIPE'])(
  'takes %s for a server that cannot be reached',
  (code) => {
    expect(networkTrouble(errorWith(code))).toEqual({code: 'UNREACHABLE', detail: code})
  },
)

it.each([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'EPROTO',
])('takes %s for a certificate or handshake that failed', (code) => {
  expect(networkTrouble(errorWith(code))).toEqual({code: 'TLS_REFUSED', detail: code})
})

it('looks into causes', () => {
  const nested = new Error('fetch failed', {cause: errorWith(undefined, errorWith('ECONNREFUSED'))})
  expect(networkTrouble(nested)).toEqual({code: 'UNREACHABLE', detail: 'ECONNREFUSED'})
})

it.each([errorWith('ENOENT'), errorWith(16), new Error('connect ECONNREFUSED'), 'ECONNREFUSED', undefined])(
  'takes nothing else for trouble of the network: %s',
  (error) => {
    expect(networkTrouble(error)).toBeUndefined()
  },
)
