export type Capability = 'create' | 'read' | 'update' | 'patch' | 'delete' | 'list' | 'sudo' | 'deny'

/** One line of a policy: an exact path, or a prefix that ends in `*`. `deny` beats the rest. */
export type Rule = {readonly path: string; readonly capabilities: readonly Capability[]}

/** What every token may do unless it was made without it. Source: `vault policy read default` of 1.21, the part that we ask. */
export const defaultPolicy: readonly Rule[] = [
  {path: 'auth/token/lookup-self', capabilities: ['read']},
  {path: 'auth/token/renew-self', capabilities: ['update']},
  {path: 'auth/token/revoke-self', capabilities: ['update']},
  {path: 'sys/capabilities-self', capabilities: ['update']},
  {path: 'cubbyhole/*', capabilities: ['create', 'read', 'update', 'delete', 'list']},
]

/** A policy in HCL, as far as `path` and `capabilities` go. @returns `undefined` for what is none. */
export function parsePolicy(text: string): Rule[] | undefined {
  const bare = text.replaceAll(/^\s*(?:#|\/\/).*$/gm, '')
  const block = /path\s+"([^"]+)"\s*\{\s*(?:capabilities\s*=\s*\[([^\]]*)\]\s*)?\}/g
  if (bare.replaceAll(block, '').trim() !== '') return undefined
  return [...bare.matchAll(block)].map(([, path = '', list = '']) => ({
    path,
    capabilities: [...list.matchAll(/"([a-z]+)"/g)].map(([, one = '']) => one as Capability),
  }))
}

/** The most specific line decides: an exact path before a prefix, a longer prefix before a shorter one. */
export function allows(rules: readonly Rule[], path: string, capability: Capability): boolean {
  const matching = rules.filter((rule) =>
    rule.path.endsWith('*') ? path.startsWith(rule.path.slice(0, -1)) : path === rule.path,
  )
  const weight = (rule: Rule): number => rule.path.length + (rule.path.endsWith('*') ? 0 : 10_000)
  const best = Math.max(...matching.map(weight))
  const deciding = matching.filter((rule) => weight(rule) === best).flatMap((rule) => rule.capabilities)
  return deciding.includes(capability) && !deciding.includes('deny')
}

/**
 * May a token see that there is a mount? It may if it may do anything below. A prefix that covers the mount as a whole shows it
 * even where it denies, as measured on 1.21.0.
 *
 * @param mount - with its slash at the end.
 */
export const reaches = (rules: readonly Rule[], mount: string): boolean =>
  rules.some(({path, capabilities}) => {
    const start = path.replace(/\*$/, '')
    if (path.endsWith('*') && mount.startsWith(start)) return true
    return start.startsWith(mount) && capabilities.length > 0 && !capabilities.includes('deny')
  })
