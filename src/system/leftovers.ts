import {unlinkSync} from 'node:fs'

// State of the process, as the exit handler is: one set, so that a thousand files need one handler.
const paths = new Set<string>()

/**
 * Removes the file when the process exits before the returned function is called: by `process.exit` in a signal handler,
 * or by an error that nobody caught. Nothing can be done about SIGKILL; the next run sweeps what that leaves.
 *
 * @returns call it once the file is gone or has become what it should be.
 */
export function removeAtExit(path: string): () => void {
  if (paths.size === 0) process.on('exit', removeAll)
  paths.add(path)
  return () => {
    paths.delete(path)
    if (paths.size === 0) process.off('exit', removeAll)
  }
}

function removeAll(): void {
  for (const path of paths) {
    try {
      unlinkSync(path)
    } catch {
      // Gone already, or not ours to remove any more; there is nobody left to tell.
    }
  }
}
