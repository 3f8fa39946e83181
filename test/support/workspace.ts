import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join, sep} from 'node:path'

import primitives from '@dotenvx/primitives'
import {onTestFinished} from 'vitest'

import type {PlantedKey} from './planted-keys.ts'
import {plantKey} from './planted-keys.ts'

/** A git repository in a temporary directory, with a home of its own beside it. Paths are absolute and after symlinks. */
export type Workspace = {
  /** Holds all the others; the runner scans it whole. */
  readonly base: string
  /** The repository. */
  readonly root: string
  /** `HOME` of what runs here; `XDG_*_HOME` are its usual folders. Empty at first. */
  readonly home: string
  /** `TMPDIR` of what runs here. */
  readonly temporary: string
  /** An env file that must stay inert; see {@link makeWorkspace}. */
  readonly canary: Canary
  readonly path: (...parts: readonly string[]) => string
  /** Paths are relative to the repository; folders are made. */
  readonly write: (path: string, text: string | Uint8Array, mode?: number) => string
  readonly read: (path: string) => string
  readonly exists: (path: string) => boolean
  readonly git: (...args: readonly string[]) => string
}

type Canary = {
  /** `canary`: map it, so that its file goes through the command. */
  readonly folder: string
  readonly key: PlantedKey
  /** This file exists once somebody ran what the env file says. */
  readonly touched: string
}

const workspaces = new Set<Workspace>()

/** @returns the workspace that a directory lies in. */
export const workspaceAround = (directory: string): Workspace | undefined =>
  [...workspaces].find(({base}) => `${realpathSync(directory)}${sep}`.startsWith(`${base}${sep}`))

/**
 * A fresh git repository with these files (path → text), removed when the test ends.
 *
 * Every one holds `canary/.env.production`: `$(touch …)` in the clear and inside a ciphertext. The runner looks after each
 * run whether somebody executed it.
 *
 * @param options.hideCanary - false: git sees the canary's folder, which it is told to ignore otherwise.
 * @param options.canaryHeader - give the canary its `DOTENV_PUBLIC_KEY_PRODUCTION`, too. It counts as an encrypted env
 * file then, so coverage names it unless it is mapped.
 */
export function makeWorkspace(
  files: Readonly<Record<string, string>> = {},
  {canaryHeader = false, hideCanary = true}: {readonly canaryHeader?: boolean; readonly hideCanary?: boolean} = {},
): Workspace {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'envdrift-test-')))
  const [root, home, temporary] = [join(base, 'repository'), join(base, 'home'), join(base, 'temporary')]
  for (const folder of [root, home, temporary]) mkdirSync(folder)

  const canary = {folder: 'canary', key: plantKey(), touched: join(base, 'canary-was-run')}
  const path = (...parts: readonly string[]): string => join(root, ...parts)
  const workspace: Workspace = {
    base,
    root,
    home,
    temporary,
    canary,
    path,
    write: (name, text, mode) => {
      mkdirSync(dirname(path(name)), {recursive: true})
      writeFileSync(path(name), text, mode === undefined ? {} : {mode})
      return path(name)
    },
    read: (name) => readFileSync(path(name), 'utf8'),
    exists: (name) => existsSync(path(name)),
    git: (...args) =>
      execFileSync('git', args, {
        cwd: root,
        encoding: 'utf8',
        stdio: 'pipe',
        env: {PATH: process.env['PATH'], HOME: home, GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C'},
      }),
  }
  workspaces.add(workspace)
  onTestFinished(() => {
    workspaces.delete(workspace)
    rmSync(base, {recursive: true, force: true})
  })

  workspace.git('init', '--quiet', '--initial-branch=main')
  workspace.git('config', 'user.name', 'Test')
  workspace.git('config', 'user.email', 'test@example.com')
  workspace.write('canary/.env.production', canaryText(canary, canaryHeader))
  // Coverage would name it in every run that doesn't map it.
  if (hideCanary && !canaryHeader) workspace.write('.git/info/exclude', '/canary/\n')
  for (const [name, text] of Object.entries(files)) workspace.write(name, text)
  return workspace
}

function canaryText({key, touched}: Canary, header: boolean): string {
  const command = `$(touch '${touched}')`
  const encrypted = encryptEnvFile('DOTENV_PUBLIC_KEY_PRODUCTION', key.publicKey, {EVIL: command, QUIET: '`id`$HOME'})
  const body = header ? encrypted : encrypted.split('\n').slice(5).join('\n')
  return `${body}EVIL_PLAIN=${command}\nEVIL_QUOTED="${command}"\n`
}

/**
 * An env file as `dotenvx encrypt` leaves it: header, public key, every value encrypted.
 *
 * Layout: prependPublicKey.js of @dotenvx/dotenvx 2.38.
 *
 * @param publicKeyName - `DOTENV_PUBLIC_KEY_PRODUCTION`.
 */
export function encryptEnvFile(
  publicKeyName: string,
  publicKey: string,
  values: Readonly<Record<string, string>>,
): string {
  const suffix = publicKeyName.replace(/^DOTENV_PUBLIC_KEY_?/, '').toLowerCase()
  const lines = Object.entries(values).map(([name, value]) => `${name}="${primitives.encrypt(publicKey, value)}"`)
  return [
    '#/-------------------[DOTENV_PUBLIC_KEY]--------------------/',
    '#/            public-key encryption for .env files          /',
    '#/       [how it works](https://dotenvx.com/encryption)     /',
    '#/----------------------------------------------------------/',
    `${publicKeyName}="${publicKey}"`,
    '',
    `# .env${suffix === '' ? '' : `.${suffix}`}`,
    ...lines,
    '',
  ].join('\n')
}
