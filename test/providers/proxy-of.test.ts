import {expect, it} from 'vitest'

import {proxyOf} from '../../src/providers/proxy-of.ts'

const hostname = 'secretsmanager.eu-west-1.amazonaws.com'
const proxy = 'http://proxy.example:3128'

it.each([
  [{}, undefined],
  [{HTTPS_PROXY: proxy}, proxy],
  [{https_proxy: proxy, HTTPS_PROXY: 'http://other.example'}, proxy],
  [{ALL_PROXY: proxy}, proxy],
  [{HTTP_PROXY: proxy}, undefined],
  [{HTTPS_PROXY: 'proxy.example:3128'}, proxy],
  [{HTTPS_PROXY: ' '}, undefined],
  [{HTTPS_PROXY: proxy, NO_PROXY: '*'}, undefined],
  [{HTTPS_PROXY: proxy, NO_PROXY: 'localhost, .AMAZONAWS.com'}, undefined],
  [{HTTPS_PROXY: proxy, no_proxy: 'amazonaws.com'}, undefined],
  [{HTTPS_PROXY: proxy, NO_PROXY: '*.eu-west-1.amazonaws.com'}, undefined],
  [{HTTPS_PROXY: proxy, NO_PROXY: 'amazonaws.com:443'}, undefined],
  [{HTTPS_PROXY: proxy, NO_PROXY: 'amazonaws.com:8443'}, proxy],
  [{HTTPS_PROXY: proxy, NO_PROXY: 'aws.com'}, proxy],
  [{HTTPS_PROXY: proxy, NO_PROXY: ''}, proxy],
])('with %j, the way leads through %s', (env, expected) => {
  expect(proxyOf({hostname}, env)).toBe(expected)
})

it('knows the port and the brackets of an address', () => {
  const env = {HTTPS_PROXY: proxy, NO_PROXY: '127.0.0.1:8443 ::1'}
  expect(proxyOf({hostname: '127.0.0.1', port: 8443}, env)).toBeUndefined()
  expect(proxyOf({hostname: '127.0.0.1', port: 8444}, env)).toBe(proxy)
  expect(proxyOf({hostname: '[::1]'}, env)).toBeUndefined()
})
