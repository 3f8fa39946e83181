import {Config} from '@oclif/core/config'
import {run} from '@oclif/core/run'

import {homeDirectory} from '../system/surroundings.ts'

/** Where the commands lie: `dist` in a build, `src` in development. */
export type Layout = {
  /** Absolute; holds package.json's oclif part, or the one given here. */
  readonly root: string
  readonly packageJson: Readonly<Record<string, unknown>> & {
    readonly oclif: Readonly<Record<string, unknown>> & {readonly bin: string; readonly commands: string}
  }
}

/** oclif, ready to run a command line: it knows every command, their help, and what was most likely meant. */
export async function loadOclif({root, packageJson}: Layout): Promise<{
  /** What can be run, words separated by spaces. */
  readonly commands: readonly string[]
  /** First words that commands share, and that are no commands themselves. */
  readonly topics: readonly string[]
  readonly run: (argv: readonly string[]) => Promise<void>
}> {
  // oclif looks for it, and says nothing that helps where there is none.
  homeDirectory()
  // We have no plugins; oclif would look for some in the home directory, and warn where that is closed to us.
  const config = await Config.load({root, pjson: packageJson as never, userPlugins: false, devPlugins: false})
  return {
    commands: config.commandIDs.map((id) => id.replaceAll(':', ' ')),
    topics: config.topics.flatMap(({name}) => (config.commandIDs.includes(name) ? [] : [name])),
    run: async (argv) => {
      await run([...argv], config)
    },
  }
}
