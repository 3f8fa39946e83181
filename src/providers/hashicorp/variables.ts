import type {Env} from '../../core/provider-spec.ts'
import {addressOf} from './address.ts'

/** A variable of Vault's own client, as it was found: blank counts as not set. */
export type Variable = {readonly name: string; readonly text: string}

/** Whose variables and token file count, and in which order: each client reads its own, and OpenBao's then Vault's. */
export function clientsOf(env: Env): readonly ('VAULT' | 'BAO')[] {
  for (const name of ['ADDR', 'AGENT_ADDR']) {
    if (variable(env, `VAULT_${name}`) !== undefined) return ['VAULT']
    if (variable(env, `BAO_${name}`) !== undefined) return ['BAO', 'VAULT']
  }
  return ['VAULT', 'BAO']
}

/** Find a variable of Vault's client, or of OpenBao's where that one counts: `ADDR` is VAULT_ADDR, else BAO_ADDR. */
export function clientVariable(env: Env, name: string): Variable | undefined {
  return variable(env, ...clientsOf(env).map((client) => `${client}_${name}`))
}

/**
 * The environment as it speaks of this server: what was set for the OpenBao at BAO_ADDR, or for its agent, means nothing to
 * any other.
 *
 * @param server - of {@link addressOf}.
 */
export function envOf(env: Env, server: string): Env {
  if (variable(env, 'BAO_ADDR', 'BAO_AGENT_ADDR') === undefined || clientsOf(env)[0] === 'VAULT') return env
  const isBaos = ['BAO_ADDR', 'BAO_AGENT_ADDR'].some((name) => addressOf(env[name] ?? '')?.server === server)
  return isBaos ? env : {...env, VAULT_ADDR: server}
}

/** The first of these variables that is set. */
export function variable(env: Env, ...names: readonly string[]): Variable | undefined {
  for (const name of names) {
    const text = env[name]?.trim() ?? ''
    if (text !== '') return {name, text}
  }
  return undefined
}

/** As Go's strconv.ParseBool reads it, which is how Vault's own client reads VAULT_SKIP_VERIFY. */
export function booleanOf(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined
}

/** Milliseconds of each unit of Go's time.ParseDuration. */
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** VAULT_CLIENT_TIMEOUT in milliseconds: seconds, or a duration of Go (`1m30s`, `1.5h`). @returns `undefined` for anything else. */
export function durationMsOf(text: string): number | undefined {
  const number = String.raw`(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})`
  const unit = Object.keys(unitMs)
    .toSorted((one, other) => other.length - one.length)
    .join('|')
  const whole = /^\d{1,9}(?:\.\d{1,9})?$/.test(text) ? `${text}s` : text.replace(/^\+/, '')
  if (!new RegExp(`^(?:${number}(?:${unit}))+$`).test(whole)) return undefined
  const parts = [...whole.matchAll(new RegExp(`${number}(${unit})`, 'g'))]
  const ms = parts.reduce((sum, [, amount = '', of = '']) => sum + Number(amount) * (unitMs[of] ?? 0), 0)
  return ms > 0 ? ms : undefined
}

/** VAULT_MAX_RETRIES: how often a call is made again. @returns `undefined` for what is no whole number up to 100. */
export const retriesOf = (text: string): number | undefined =>
  /^\d{1,3}$/.test(text) && Number(text) <= 100 ? Number(text) : undefined
