/** Not by a pattern: one for slashes at the end takes time with the square of the slashes in the middle. */
export function withoutSlashes(text: string, where: 'end' | 'both'): string {
  let [start, end] = [0, text.length]
  while (end > start && text[end - 1] === '/') end -= 1
  if (where === 'both') while (start < end && text[start] === '/') start += 1
  return text.slice(start, end)
}

/** Of several parts, none empty, none that leads elsewhere, none with a control character. */
export const isPlainPath = (path: string): boolean =>
  path.split('/').every((part) => !['', '.', '..'].includes(part) && !hasControl(part))

// eslint-disable-next-line no-control-regex
export const hasControl = (text: string): boolean => /[\u0000-\u001f\u007f]/.test(text)

/** Does the path lie in what Vault keeps for itself, where reading may do things and no secrets of teams are? */
export const isReserved = (path: string): boolean =>
  ['auth', 'sys', 'identity', 'cubbyhole', 'audit'].includes((path.split('/')[0] ?? '').toLowerCase())

/** As it goes over the wire: each part encoded, the slashes between them not. */
export const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/')
