import {existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {startOf} from '../../src/system/lock.ts'
import type {Place} from './place.ts'

/** A server that `start` started. */
export type Server = {
  readonly pid: number
  /** Start of the process: with its id, it tells our server from a process that got the id of it later. */
  readonly start: string
  /** Where it answers: `http://127.0.0.1:PORT`. */
  readonly url: string
  /** It has answered, and what a test needs of it is set up. */
  readonly ready: boolean
  /** File of all that it printed. */
  readonly log: string
}

/** All servers, by name, with what a test needs to use them. */
export type Servers = {
  readonly moto: Server
  readonly vault: Server & {
    /** The same Vault with TLS: `https://127.0.0.1:PORT`. */
    readonly httpsUrl: string
    /** The authority that signed its certificate, as a PEM file. */
    readonly caFile: string
    readonly rootToken: string
    /** File of Vault's own audit log, a line of JSON for each request and each response. */
    readonly auditLog: string
    /** The program, to run a Vault of one's own: for what can't be undone, as sealing. */
    readonly program: string
  }
  readonly toxiproxy: Server
}

export type ServerName = keyof Servers

const stateFile = (place: Place): string => join(place.run, 'state.json')

/** What was started and not stopped; it may have ended since. */
export function readState(place: Place): Partial<Servers> {
  const file = stateFile(place)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<Servers>) : {}
}

/** For the user alone: it holds Vault's root token. */
export function writeState(place: Place, state: Partial<Servers>): void {
  mkdirSync(place.run, {recursive: true, mode: 0o700})
  const file = stateFile(place)
  writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`, {mode: 0o600})
  renameSync(`${file}.new`, file)
}

export function removeState(place: Place): void {
  rmSync(stateFile(place), {force: true})
}

/** Whether the process that was started still runs, and no other has its id. */
export const isAlive = ({pid, start}: Server): boolean => start !== '' && startOf(pid) === start

/**
 * All servers, running.
 *
 * @throws Error that says what to run, when one isn't there: a test that needs it fails then.
 */
export function runningServers(place: Place): Servers {
  const state = readState(place)
  const names: readonly ServerName[] = ['moto', 'vault', 'toxiproxy']
  const missing = names.filter((name) => state[name]?.ready !== true || !isAlive(state[name]))
  if (missing.length > 0) {
    throw new Error(
      `Not running: ${missing.join(', ')}. Run \`npm run servers -- install && npm run servers -- start\` first.`,
    )
  }
  return state as Servers
}
