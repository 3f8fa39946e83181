import {EnvdriftError} from '../../core/errors.ts'
import type {Env} from '../../core/provider-spec.ts'

/** As @azure/core-rest-pipeline looks for them: the first that is set counts, for https and http alike. */
const variables = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy', 'HTTP_PROXY', 'http_proxy']

/** The SDK parses the address when a client is made, and throws what says nothing of a variable. @throws EnvdriftError CONFIG_INVALID */
export function refuseUnreadableProxy(env: Env): void {
  const name = variables.find((variable) => env[variable])
  if (name === undefined || URL.canParse(env[name]!)) return
  // Not quoted: a password may stand in it.
  throw new EnvdriftError('CONFIG_INVALID', `The proxy that ${name} names is no http:// or https:// address`, {
    suggestions: [`Set ${name} to an address like http://proxy.example.com:3128, or unset it.`],
  })
}
