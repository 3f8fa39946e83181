import type {Output} from '../core/report.ts'

/** The one place where text becomes bytes on a stream. */
export function write({to, text}: Output): void {
  process[to].write(text)
}

/** End the process once both streams have taken everything: a socket that an SDK left open must not keep us waiting. */
export async function flushAndExit(): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))))
  process.exit()
}
