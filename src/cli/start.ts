import packageJson from '../../package.json' with {type: 'json'}
import {keepCompiledCode} from './compile-cache.ts'
import {endWhenOutputFails, write} from './emit.ts'

/** Entry of the built program: `dist/start.js`, with the commands, their manifest and their help beside it. */
const argv = process.argv.slice(2)
const platform = `${process.platform}-${process.arch} node-${process.version}`

// oclif takes 50 ms to say what is known since the build.
const prepared = await preparedAnswer(argv)
if (prepared === undefined) {
  keepCompiledCode(process.env)
  const {main} = await import('./main.ts')
  void main(argv, {
    root: import.meta.dirname,
    packageJson: {...packageJson, oclif: {...packageJson.oclif, commands: './commands', helpClass: './help.js'}},
  })
} else {
  endWhenOutputFails()
  write({to: 'stdout', text: prepared})
}

/** Version and help, where nobody needs them in colours or in another width: what oclif itself printed at build time. */
async function preparedAnswer(words: readonly string[]): Promise<string | undefined> {
  if (words.length === 1 && words[0] === '--version') {
    return `${packageJson.name}/${packageJson.version} ${platform}\n`
  }
  const last = words.at(-1)
  const asksForHelp = last === undefined || last === '--help' || last === '-h'
  if (!asksForHelp || process.stdout.isTTY || (process.env['FORCE_COLOR'] ?? '') !== '') return undefined
  const {readFile} = await import('node:fs/promises')
  try {
    const pages = JSON.parse(await readFile(`${import.meta.dirname}/help.json`, 'utf8')) as Record<string, string>
    const topic = words.slice(0, -1).join(' ')
    return Object.hasOwn(pages, topic) ? pages[topic]?.replace('{platform}', platform) : undefined
  } catch {
    // While the build itself asks for the pages, there are none yet.
    return undefined
  }
}
