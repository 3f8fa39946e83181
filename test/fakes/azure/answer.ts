/** What one of the fake's hosts says to a request. */
export type Answer = {
  readonly status: number
  /** JSON, or a page as it is. */
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** `undefined` for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Clocks of the fake, in whole seconds since 1970: those of Entra and the vaults may differ from ours. */
export type Clock = () => number
