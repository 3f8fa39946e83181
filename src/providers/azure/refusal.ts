import {isIP} from 'node:net'

import {EnvdriftError} from '../../core/errors.ts'
import {principalPlaceholder} from '../../core/provider-spec.ts'
import type {CallContext, Trouble} from './errors.ts'

/** By which role and which permission of an access policy each is allowed. Source: https://learn.microsoft.com/azure/key-vault/general/rbac-guide */
const grants = {
  read: {role: 'Key Vault Secrets User', permission: 'get'},
  'list the versions of': {role: 'Key Vault Secrets User', permission: 'list'},
  'look for a deleted': {role: 'Key Vault Secrets User', permission: 'get'},
  write: {role: 'Key Vault Secrets Officer', permission: 'set'},
} as const satisfies Record<CallContext['doing'], {readonly role: string; readonly permission: string}>

/** Our error for a 403: what kind of refusal it is stands in the inner code, and nowhere else. */
export function refusal({inner, clientAddress}: Trouble, context: CallContext, cause: Error): EnvdriftError {
  const {place, vaultName, doing, secret, principalType} = context
  switch (inner) {
    case 'SecretDisabled':
      return new EnvdriftError('SECRET_DISABLED', `${secret} in ${place} is disabled`, {
        suggestions: [
          `Enable it: \`az keyvault secret set-attributes --vault-name ${vaultName} --name ${secret} --enabled true\`.`,
          'Or set secret_version to a version that is enabled.',
        ],
        cause,
      })
    case 'ForbiddenByFirewall': {
      const address = clientAddress ?? 'ADDRESS'
      return new EnvdriftError(
        'FORBIDDEN',
        `The firewall of ${place} does not let this machine in (ForbiddenByFirewall), so it could not be asked for ${secret}`,
        {
          suggestions: [
            `Let its address in: \`az keyvault network-rule add --name ${vaultName} --ip-address ${address}\`.`,
            'Or run where the network of the vault reaches: a virtual network in its rules, or a private endpoint.',
          ],
          cause,
        },
      )
    }
    case 'ForbiddenByConnection':
      return new EnvdriftError(
        'FORBIDDEN',
        `${place} takes no connections from public networks (ForbiddenByConnection), so it could not be asked for ${secret}`,
        {
          suggestions: [
            `Run where a private endpoint of the vault is: \`az keyvault show --name ${vaultName} --query properties.privateEndpointConnections\` lists them.`,
            `Or open it again: \`az keyvault update --name ${vaultName} --public-network-access Enabled\`.`,
          ],
          cause,
        },
      )
    case undefined:
    default: {
      const {role, permission} = grants[doing]
      const scope = `"$(az keyvault show --name ${vaultName} --query id --output tsv)/secrets/${secret}"`
      const assign = `\`az role assignment create --role "${role}" --assignee-object-id ${principalPlaceholder} --assignee-principal-type ${principalType} --scope ${scope}\``
      const policy = `\`az keyvault set-policy --name ${vaultName} --object-id ${principalPlaceholder} --secret-permissions ${permission}\``
      const isPolicy = inner === 'ForbiddenByPolicy' || inner === 'AccessDenied'
      const lacks = isPolicy ? `the permission ${permission} on secrets` : `the role ${role}`
      return new EnvdriftError(
        'FORBIDDEN',
        `${place} does not let us ${doing} ${secret}${inner === undefined ? '' : ` (${inner})`}: ${lacks} is missing`,
        {
          suggestions: isPolicy
            ? [`Grant it, to ${doing} ${secret}: ${policy}.`, `Where the vault uses roles instead: ${assign}.`]
            : [
                `Grant it: ${assign}.`,
                'A role that was just granted takes up to ten minutes to work.',
                `Where the vault uses access policies instead: ${policy}.`,
              ],
          cause,
        },
      )
    }
  }
}

/** The address that a firewall saw: the only part of its text that we take, and only if it is one. */
export function clientAddressIn(text: unknown): string | undefined {
  const found = typeof text === 'string' ? /Client address: ([\da-fA-F.:]{2,45})/.exec(text)?.[1] : undefined
  return found !== undefined && isIP(found) !== 0 ? found : undefined
}
