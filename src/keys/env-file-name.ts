/** Files beside an env file that show how one looks, or that dotenvx keeps there: never adopted. */
export const isCompanion = (name: string): boolean =>
  /(?:^|\.)(?:example|sample|template|dist|defaults?|schema|keys|vault|me|bak|orig|swp|tmp)(?:\.|$)|\.backup\.|~$/i.test(
    name,
  )

/** The environment at the end of `NAME-E.env`, of those that people use; `undefined` for any other word. */
export const environmentAtEnd = (name: string): string | undefined =>
  /-(staging|stage|stg|development|dev|test|testing|ci|local|preview|qa|uat|sandbox|demo)\.env$/i.exec(name)?.[1]

/**
 * The environment that a file's name says: `production` of `.env.production`, `app.env.production` and `app-production.env`.
 *
 * @returns `undefined` for `.env` and `app.env`, which name none.
 */
export function environmentOfFile(name: string): string | undefined {
  const afterEnv = /\.env\.(.+)$/.exec(name)?.[1]
  if (afterEnv !== undefined) return afterEnv
  return environmentAtEnd(name) ?? /-(production|prod)\.env$/i.exec(name)?.[1]
}
