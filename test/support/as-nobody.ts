import {chmodSync} from 'node:fs'

import {program, runInWorkspace, type Run, type RunOptions} from './run-envdrift.ts'
import type {Workspace} from './workspace.ts'

/**
 * Run envdrift as a user whom modes bind: root ignores them, so under root it becomes `nobody`, with the workspace's home
 * and temporary directory open to it.
 */
export async function envdriftAsNobody(
  {base, home, temporary}: Workspace,
  args: readonly string[],
  options: RunOptions,
): Promise<Run> {
  if (process.getuid?.() !== 0) return runInWorkspace([...program, ...args], options)
  chmodSync(base, 0o755)
  for (const folder of [home, temporary]) chmodSync(folder, 0o777)
  const become =
    'process.setgroups([]); process.setgid(65534); process.setuid(65534); process.argv.splice(1, 1); await import(process.argv[1])'
  const [node, entry] = program
  return runInWorkspace([node, '--input-type=module', '-e', become, 'start', entry, ...args], options)
}
