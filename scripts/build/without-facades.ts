import {isBuiltin} from 'node:module'

/** `import a,{b as c}from"node:fs";`, as esbuild writes it. */
const importOfNode = /\bimport ?(?:([\w$]+),?)?(?:\*as ([\w$]+))?(?:\{([^}]*)\})? ?from"((?:node:)?[\w/]+)";/g
const importOfNodeLater = /\bimport\("((?:node:)?[\w/]+)"\)/g

/**
 * Ask Node for its own modules, and of them for what is used, in place of an `import`: that reads all their exports at once,
 * lazy ones as well. `node:http` then loads undici (30 ms), `node:crypto` its web half, `node:process` opens standard input.
 *
 * @param text - one module as esbuild writes it without white space.
 */
export function withoutFacades(text: string): string {
  const known: string[] = []
  const builtin = (name: string): string => `globalThis.process.getBuiltinModule("${name}")`
  const rest = text
    .replaceAll(
      importOfNode,
      (found, whole: string | undefined, all: string | undefined, names: string | undefined, name: string) => {
        if (!isBuiltin(name)) return found
        const wanted = [whole, all, names === undefined ? undefined : `{${names.replaceAll(' as ', ':')}}`]
        known.push(...wanted.filter((one) => one !== undefined).map((one) => `${one}=${builtin(name)}`))
        return ''
      },
    )
    .replaceAll(importOfNodeLater, (found, name: string) =>
      !isBuiltin(name) ? found : `Promise.resolve({__proto__:${builtin(name)},default:${builtin(name)}})`,
    )
  // What esbuild makes of CommonJS packages looks for it.
  if (/\brequire\b/.test(rest)) known.push(`require=${builtin('node:module')}.createRequire(import.meta.url)`)
  return known.length === 0 ? rest : `const ${known.join()};\n${rest}`
}
