/** What each role allows here. Source: https://cloud.google.com/secret-manager/docs/access-control#secretmanager.roles */
const roles = {
  'roles/secretmanager.secretAccessor': ['secretmanager.versions.access'],
  'roles/secretmanager.secretVersionAdder': ['secretmanager.versions.add'],
  'roles/secretmanager.viewer': [
    'secretmanager.secrets.get',
    'secretmanager.secrets.list',
    'secretmanager.versions.get',
    'secretmanager.versions.list',
  ],
  'roles/secretmanager.secretVersionManager': [
    'secretmanager.versions.add',
    'secretmanager.versions.get',
    'secretmanager.versions.list',
    'secretmanager.versions.enable',
    'secretmanager.versions.disable',
    'secretmanager.versions.destroy',
  ],
  'roles/secretmanager.admin': [
    'secretmanager.secrets.create',
    'secretmanager.secrets.get',
    'secretmanager.secrets.list',
    'secretmanager.versions.access',
    'secretmanager.versions.add',
    'secretmanager.versions.get',
    'secretmanager.versions.list',
    'secretmanager.versions.enable',
    'secretmanager.versions.disable',
    'secretmanager.versions.destroy',
  ],
  'roles/serviceusage.serviceUsageConsumer': ['serviceusage.services.use'],
  'roles/iam.serviceAccountTokenCreator': ['iam.serviceAccounts.getAccessToken'],
  'roles/iam.workloadIdentityUser': ['iam.serviceAccounts.getAccessToken'],
} as const satisfies Readonly<Record<string, readonly string[]>>

type Role = keyof typeof roles

/** Who may do what where: allow policies on projects, secrets and service accounts, inherited downwards. */
export type Policy = {
  /** @param resource - `projects/ID`, `projects/ID/secrets/NAME`, `projects/-/serviceAccounts/EMAIL`, … */
  readonly grant: (member: string, role: Role, resource: string) => void
  /** Takes everything from everybody on this resource, inherited or not. */
  readonly close: (resource: string) => void
  /** Takes every role from one member. */
  readonly strip: (member: string) => void
  readonly allows: (member: string, permission: string, resource: string) => boolean
}

export function makePolicy(): Policy {
  let bindings: {readonly member: string; readonly role: Role; readonly resource: string}[] = []
  const closed = new Set<string>()
  return {
    grant: (member, role, resource) => void bindings.push({member, role, resource}),
    close: (resource) => void closed.add(resource),
    strip: (member) => void (bindings = bindings.filter((binding) => binding.member !== member)),
    allows: (member, permission, resource) =>
      !closed.has(resource) &&
      bindings.some(
        (binding) =>
          binding.member === member &&
          (resource === binding.resource || resource.startsWith(`${binding.resource}/`)) &&
          (roles[binding.role] as readonly string[]).includes(permission),
      ),
  }
}
