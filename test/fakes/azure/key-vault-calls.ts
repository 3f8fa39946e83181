/**
 * What can be asked of a vault: the data action that a role needs for it, and the permission in an access policy.
 *
 * Source: https://learn.microsoft.com/azure/role-based-access-control/permissions/security#microsoftkeyvault, and "This
 * operation requires the … permission" at each operation of https://learn.microsoft.com/rest/api/keyvault/secrets
 */
export const actions = {
  get: {action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action', permission: 'get'},
  set: {action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action', permission: 'set'},
  update: {action: 'Microsoft.KeyVault/vaults/secrets/update/action', permission: 'set'},
  list: {action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action', permission: 'list'},
  delete: {action: 'Microsoft.KeyVault/vaults/secrets/delete', permission: 'delete'},
  getDeleted: {action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action', permission: 'get'},
  listDeleted: {action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action', permission: 'list'},
  recover: {action: 'Microsoft.KeyVault/vaults/secrets/recover/action', permission: 'recover'},
  purge: {action: 'Microsoft.KeyVault/vaults/secrets/purge/action', permission: 'purge'},
} as const

export type Operation = keyof typeof actions

/** One request, understood; `name` is empty for lists of the whole vault. */
export type Call = {readonly operation: Operation; readonly name: string; readonly version: string | undefined}

/** @returns `undefined` for what no vault answers. */
export function callOf(method: string, path: string): Call | undefined {
  const [, collection, name = '', third, ...rest] = path.split('/').map(decodeURIComponent)
  // A version that is left out leaves its slash.
  const version = third === '' ? undefined : third
  if (rest.length > 0) return undefined
  const call = (operation: Operation): Call => ({operation, name, version})
  switch (`${method} ${collection}`) {
    case 'GET secrets':
      return name === '' || third === 'versions' ? {operation: 'list', name, version: undefined} : call('get')
    case 'PUT secrets':
      return version === undefined ? call('set') : undefined
    case 'PATCH secrets':
      return call('update')
    case 'DELETE secrets':
      return version === undefined ? call('delete') : undefined
    case 'GET deletedsecrets':
      return version === undefined ? call(name === '' ? 'listDeleted' : 'getDeleted') : undefined
    case 'POST deletedsecrets':
      return version === 'recover' ? {operation: 'recover', name, version: undefined} : undefined
    case 'DELETE deletedsecrets':
      return version === undefined ? call('purge') : undefined
    default:
      return undefined
  }
}
