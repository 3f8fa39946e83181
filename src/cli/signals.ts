import {EnvdriftError} from '../core/errors.ts'

/** How long a run may take to end by itself after a signal, in milliseconds: time to finish the file being written. */
const graceMs = 3_000

const exitCodes = {SIGINT: 130, SIGTERM: 143} as const

/**
 * A signal that fires on Ctrl-C and on SIGTERM, with an INTERRUPTED or TERMINATED error as its reason.
 *
 * The run then ends in order: the file being written is finished, locks are released. A second signal, or three seconds,
 * ends the process at once.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitCodes[name])
      const [code, word] =
        name === 'SIGINT' ? (['INTERRUPTED', 'Interrupted'] as const) : (['TERMINATED', 'Terminated'] as const)
      controller.abort(new EnvdriftError(code, word, {suggestions: ['Run the command again to finish.']}))
      setTimeout(() => process.exit(exitCodes[name]), graceMs).unref()
    })
  }
  return controller.signal
}
