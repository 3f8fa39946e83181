import {globSync} from 'node:fs'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'

import {BaseCommand} from '../../src/cli/base-command.ts'
import {passwordFlags} from '../../src/cli/password.ts'
import type {ProviderSpec} from '../../src/core/provider-spec.ts'
import {registry} from '../../src/providers/registry.ts'
import {repository} from './pages.ts'

/** A flag as its command class declares it. */
export type Flag = {readonly type: 'boolean' | 'option'; readonly char?: string; readonly summary?: string}

/** A command as people type it. */
export type DocumentedCommand = {
  /** `vault set`. */
  readonly name: string
  readonly summary: string
  /** All that it takes, by name. */
  readonly flags: Readonly<Record<string, Flag>>
}

type CommandClass = {
  readonly summary: string
  readonly flags?: Readonly<Record<string, Flag>>
  readonly baseFlags: Readonly<Record<string, Flag>>
}

/** What oclif adds for `enableJsonFlag`; its words are those of `--help`. */
const json: Flag = {type: 'boolean', summary: 'Format output as json.'}

const groups = {shared: {...BaseCommand.baseFlags, json}, password: passwordFlags} as const

/** Every flag that all commands share, and those of the embedded vault's password. */
export const sharedFlags = groups as Readonly<Record<keyof typeof groups, Readonly<Record<string, Flag>>>>

/** Every command of src/commands. */
export const commands: readonly DocumentedCommand[] = await Promise.all(
  globSync('**/*.ts', {cwd: join(repository, 'src/commands')})
    .toSorted()
    .map(async (file) => {
      const path = pathToFileURL(join(repository, 'src/commands', file)).href
      const {default: command} = (await import(path)) as {readonly default: CommandClass}
      const name = file.replace(/\.ts$/, '').split(/[\\/]/).join(' ')
      return {name, summary: command.summary, flags: {...command.baseFlags, ...command.flags, json}}
    }),
)

/** Specs by provider, as the registry has them. */
export const specs: Readonly<Record<string, ProviderSpec>> = Object.fromEntries(
  Object.entries(registry).map(([id, {spec}]) => [id, spec]),
)
