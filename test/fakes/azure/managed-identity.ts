import {randomBytes, randomUUID} from 'node:crypto'
import type {IncomingHttpHeaders} from 'node:http'

import type {Answer, Clock} from './answer.ts'
import {vaultSuffixes} from './clouds.ts'
import type {Tokens} from './tokens.ts'

export type ManagedIdentity = {
  /** What App Service sets IDENTITY_HEADER to. */
  readonly identityHeader: string
  /** `undefined` for a path that is none of its own. */
  readonly answer: (url: URL, headers: IncomingHttpHeaders) => Answer | undefined
  readonly tokenRequests: () => number
}

/**
 * The two endpoints from which code in Azure gets tokens: the metadata service of machines (and of pod identity), and App
 * Service's own.
 *
 * Sources: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
 * and https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 *
 * @param userAssigned - client id of the identity that is assigned beside the machine's own.
 */
export function makeManagedIdentity(
  {
    tenantId,
    userAssigned,
    principalId,
  }: {readonly tenantId: string; readonly userAssigned: string; readonly principalId: string},
  clock: Clock,
  tokens: Tokens,
): ManagedIdentity {
  const identityHeader = randomBytes(8).toString('hex')
  const systemAssigned = {appid: randomUUID(), oid: randomUUID()}
  let tokenRequests = 0

  const bad = (error: string, text: string): Answer => ({status: 400, body: {error, error_description: text}})

  function answer(url: URL, headers: IncomingHttpHeaders): Answer | undefined {
    const path = url.pathname.replace(/\/$/, '')
    const isAppService = path === '/msi/token'
    if (!isAppService && path !== '/metadata/identity/oauth2/token') return undefined
    const parameter = (name: string) => url.searchParams.get(name)
    if (isAppService) {
      if (headers['x-identity-header'] !== identityHeader) return {status: 401, body: ''}
    } else {
      if (headers['metadata'] !== 'true') return bad('invalid_request', 'Required metadata header not specified')
      // So that no forwarding server gives tokens away.
      if (headers['x-forwarded-for'] !== undefined) return bad('invalid_request', 'Request was forwarded')
    }
    if (parameter('api-version') !== (isAppService ? '2019-08-01' : '2018-02-01')) {
      return bad('invalid_request', 'Required query variable "api-version" is missing or unknown')
    }
    const resource = parameter('resource')
    if (resource === null) return bad('invalid_request', 'Required query variable "resource" is missing')
    const audience = resource.replace(/\/$/, '')
    if (!vaultSuffixes.some((suffix) => audience === `https://${suffix}`)) {
      return bad(
        'invalid_resource',
        `AADSTS500011: The resource principal named ${resource} was not found in the tenant.`,
      )
    }
    const identity = parameter('client_id')
    if (identity !== null && identity !== userAssigned) return bad('invalid_request', 'Identity not found')

    tokenRequests++
    const who = identity === null ? systemAssigned : {appid: userAssigned, oid: principalId}
    const kind =
      identity === null
        ? 'Microsoft.Compute/virtualMachines/myapp-runner'
        : 'Microsoft.ManagedIdentity/userAssignedIdentities/myapp'
    const token = tokens.mint(audience, tenantId, {
      ...who,
      idtyp: 'app',
      xms_mirid: `/subscriptions/${randomUUID()}/resourcegroups/myapp/providers/${kind}`,
    })
    const lifetimeSeconds = tokens.lifetimeSeconds()
    return {
      status: 200,
      body: {
        access_token: token,
        client_id: who.appid,
        expires_in: String(lifetimeSeconds),
        expires_on: String(clock() + lifetimeSeconds),
        resource,
        token_type: 'Bearer',
      },
    }
  }

  return {identityHeader, answer, tokenRequests: () => tokenRequests}
}
