import {mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {onTestFinished} from 'vitest'

import {Secret} from '../../src/core/secret.ts'
import {createVault, seal} from '../../src/vault/container.ts'
import {embeddedVault, type EmbeddedVault, type VaultPlace} from '../../src/vault/embedded-vault.ts'

export const password = new Secret('correct horse battery staple')

/** A vault whose key costs 30 ms instead of 300: its own header says so, so that commands need no switch for tests. */
export async function writeCheapVault(directory: string, secret: Secret = password): Promise<void> {
  const author = {device: 'd0'.repeat(16), now: new Date('2026-11-21T09:30:00.000Z')}
  const vault = await createVault(secret, {...author, cost: {N: 2 ** 14, r: 8, p: 1}})
  mkdirSync(directory, {recursive: true, mode: 0o700})
  writeFileSync(join(directory, 'vault.enc'), seal(vault, {path: directory, ...author}), {mode: 0o600})
}

/** An empty directory, after symlinks, removed when the test ends. */
export function temporaryDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'envdrift-vault-')))
  onTestFinished(() => rmSync(directory, {recursive: true, force: true}))
  return directory
}

/** A place with a state directory and a home of its own. */
export function placeAt(path: string, over: Partial<VaultPlace> = {}): VaultPlace {
  const base = temporaryDirectory()
  return {
    path,
    stateDir: join(base, 'state'),
    home: join(base, 'home'),
    password: () => Promise.resolve(password),
    now: () => new Date(),
    warn: () => {},
    ...over,
  }
}

/** A cheap vault in a directory of its own, opened. */
export async function cheapVault(over: Partial<VaultPlace> = {}): Promise<EmbeddedVault> {
  const path = join(temporaryDirectory(), 'vault')
  await writeCheapVault(path)
  return embeddedVault(placeAt(path, over))
}
