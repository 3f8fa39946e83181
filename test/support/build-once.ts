import {execFileSync} from 'node:child_process'
import {join} from 'node:path'

/** The command tests run the built program: built from what the sources are now. */
export default function buildOnce(): void {
  const root = join(import.meta.dirname, '../..')
  execFileSync(process.execPath, ['scripts/build.ts'], {cwd: root, stdio: 'inherit'})
}
