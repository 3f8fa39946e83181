import {spawn} from 'node:child_process'
import {text} from 'node:stream/consumers'

/** One program run with its arguments. */
export type Command = {
  readonly name: string
  readonly argv: readonly [string, ...string[]]
  readonly cwd: string
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>
}

/** Wall time of one run in milliseconds, and what it printed. @throws Error when it ends with anything but 0. */
export async function once({name, argv, cwd, env}: Command): Promise<{readonly ms: number; readonly stderr: string}> {
  const [program, ...args] = argv
  const start = performance.now()
  const child = spawn(program, args, {cwd, env, stdio: ['ignore', 'pipe', 'pipe']})
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('close', resolve)
    child.on('error', reject)
  })
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`${name} ended with ${code}:\n${stdout}${stderr}`)
  return {ms: performance.now() - start, stderr}
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/**
 * Median wall time of each command, in milliseconds. They run in turn, so that a slow moment of the machine meets all of
 * them; the first round isn't counted.
 */
export async function interleaved(commands: readonly Command[], rounds: number): Promise<readonly number[]> {
  const times = commands.map((): number[] => [])
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, command] of commands.entries()) {
      const {ms} = await once(command)
      if (round > 0) times[index]!.push(ms)
    }
  }
  return times.map(median)
}

/** Peak memory of one run of Node, in MiB, as the process itself knows it when it ends. */
export async function peakMiB(command: Command): Promise<number> {
  const [node, ...args] = command.argv
  const reporter = `data:text/javascript,process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS))`
  const {stderr} = await once({...command, argv: [node, '--import', reporter, ...args]})
  return Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024
}
