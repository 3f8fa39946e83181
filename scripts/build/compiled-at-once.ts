import MagicString from 'magic-string'
import {
  parseSync,
  Visitor,
  type ArrowFunctionExpression,
  type Function as OtherFunction,
  type Program,
} from 'oxc-parser'

/**
 * Have V8 compile functions together with the file that they stand in, not each when it is first called: Node's compile cache
 * holds what is compiled before a file runs, and nothing else. Without this, a sync with one vault compiles 1,100 functions
 * at each start, which takes 10 ms.
 *
 * V8 does so for functions in parentheses (https://v8.dev/blog/preparser#pife), arrow functions too. So each function
 * expression gets some, and each declaration of the module becomes a variable that holds such an expression, before all else.
 * Left out are what can't have parentheses (methods, accessors, declarations inside of functions), `async` arrow functions,
 * for which V8 doesn't heed them, and what stands inside of either: a CommonJS package as a whole, which is a method for
 * esbuild.
 *
 * @param text - a module as esbuild writes it. No other may call its functions before it has run: they are not there yet.
 */
export const compiledAtOnce = (text: string): string => withVariables(withParentheses(text))

type AnyFunction = OtherFunction | ArrowFunctionExpression

function withParentheses(text: string): string {
  const program = parsed(text)
  const changed = new MagicString(text)
  const ofModule = new Set<unknown>(program.body)
  /** What V8 compiles when it is first called. */
  const late = new Set<unknown>()
  let around = 0
  const enter = (node: AnyFunction): void => {
    if (late.has(node)) around += 1
    else if (around === 0 && node.type !== 'FunctionDeclaration') {
      changed.appendRight(node.start, '(').appendLeft(node.end, ')')
    }
  }
  const leave = (node: AnyFunction): void => {
    if (late.has(node)) around -= 1
  }
  new Visitor({
    MethodDefinition({value}) {
      late.add(value)
    },
    Property({method, kind, value}) {
      if (method || kind !== 'init') late.add(value)
    },
    ArrowFunctionExpression(node) {
      if (node.async) late.add(node)
      enter(node)
    },
    FunctionDeclaration(node) {
      if (!ofModule.has(node)) late.add(node)
      enter(node)
    },
    FunctionExpression: enter,
    'ArrowFunctionExpression:exit': leave,
    'FunctionDeclaration:exit': leave,
    'FunctionExpression:exit': leave,
  }).visit(program)
  return changed.toString()
}

function withVariables(text: string): string {
  const changed = new MagicString(text)
  for (const node of parsed(text).body) {
    if (node.type !== 'FunctionDeclaration' || node.id === null) continue
    // Without its name, which it gets from the variable: inside, too, it means what was assigned last.
    const nameless = text.slice(node.start, node.id.start) + text.slice(node.id.end, node.end)
    changed.prepend(`var ${node.id.name}=(${nameless});`).overwrite(node.start, node.end, ';')
  }
  return changed.toString()
}

function parsed(text: string): Program {
  const {program, errors} = parseSync('module.js', text, {sourceType: 'module'})
  if (errors.length > 0) throw new Error(`What was bundled is no module: ${errors[0]!.message}`)
  return program
}
