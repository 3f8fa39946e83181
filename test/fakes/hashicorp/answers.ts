import {randomUUID} from 'node:crypto'

/** The fields of a secret, as somebody stored them. */
export type Fields = Readonly<Record<string, unknown>>

/** A body is sent as JSON, a string or a Buffer as it is. */
export type Answer = {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** What every answer of Vault's is packed into. */
export const envelope = (data: unknown, over: Fields = {}): Fields => ({
  request_id: randomUUID(),
  lease_id: '',
  renewable: false,
  lease_duration: 0,
  data,
  wrap_info: null,
  warnings: null,
  auth: null,
  mount_type: '',
  ...over,
})

export const ok = (data: unknown, over: Fields = {}): Answer => ({status: 200, body: envelope(data, over)})
export const done: Answer = {status: 204}
export const refusal = (status: number, ...errors: readonly string[]): Answer => ({status, body: {errors}})
export const notThere: Answer = refusal(404)
export const denied: Answer = refusal(403, '1 error occurred:\n\t* permission denied\n\n')
export const badToken: Answer = refusal(403, '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n')
export const unsupported: Answer = refusal(405, '1 error occurred:\n\t* unsupported operation\n\n')
export const unsupportedPath: Answer = refusal(404, '1 error occurred:\n\t* unsupported path\n\n')
export const noRoute = (path: string): Answer =>
  refusal(404, `no handler for route ${JSON.stringify(path)}. route entry not found.`)

/** A JSON body, or no fields at all. */
export function fieldsOf(body: string): Fields {
  const parsed: unknown = body === '' ? {} : JSON.parse(body)
  return typeof parsed === 'object' && parsed !== null ? (parsed as Fields) : {}
}

export const textIn = (fields: Fields, key: string): string => {
  const value = fields[key]
  return typeof value === 'string' ? value : ''
}

/** A list, or its parts separated by commas, as Vault takes both. */
export function listIn(fields: Fields, key: string): readonly string[] {
  const value = fields[key]
  if (Array.isArray(value)) return value.map(String)
  return typeof value === 'string' && value !== '' ? value.split(',').map((one) => one.trim()) : []
}

/** Seconds as a number, as digits, or as `90s`, `5m`, `1h`; 0 where there are none. */
export function secondsIn(fields: Fields, key: string): number {
  const [, number = '0', unit = 's'] =
    /^(\d+)([smh])?$/.exec(JSON.stringify(fields[key] ?? 0).replaceAll('"', '')) ?? []
  return Number(number) * {s: 1, m: 60, h: 3600}[unit as 's' | 'm' | 'h']
}
