import {execFileSync} from 'node:child_process'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {Plugin} from '@oclif/core/config'

import packageJson from '../../package.json' with {type: 'json'}

/** Stands where the machine that runs the program is named; `src/cli/start.ts` puts it back. */
const platformMark = '{platform}'

/**
 * Write what is known of the commands before anybody runs one, beside them: oclif's manifest, so that it looks for none,
 * and every page of help, asked of the program itself, so that there is one source.
 *
 * @param out - absolute; holds the bundle.
 */
export async function writeCommandPages(out: string): Promise<void> {
  const plugin = new Plugin({
    root: out,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    isRoot: true,
    type: 'core',
    pjson: {...packageJson, oclif: {...packageJson.oclif, commands: './commands', helpClass: './help.js'}} as never,
  })
  await plugin.load()
  writeFileSync(join(out, 'oclif.manifest.json'), JSON.stringify(plugin.manifest))

  const topics = [
    '',
    ...Object.keys(packageJson.oclif.topics),
    ...plugin.commandIDs.map((id) => id.replaceAll(':', ' ')),
  ]
  const pages = topics.map((topic) => {
    const words = [...topic.split(' ').filter((word) => word !== ''), '--help']
    const {FORCE_COLOR: _, ...env} = process.env
    const page = execFileSync(process.execPath, [join(out, 'start.js'), ...words], {
      encoding: 'utf8',
      env: {...env, NO_COLOR: '1', OCLIF_COLUMNS: '80', COLUMNS: '80'},
    })
    return [topic, page.replace(`${process.platform}-${process.arch} node-${process.version}`, platformMark)]
  })
  writeFileSync(join(out, 'help.json'), JSON.stringify(Object.fromEntries(pages)))
}
