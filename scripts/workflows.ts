/**
 * `npm run workflows`: what other people's tools say of our workflows and schemas. Needs `npm run servers -- install`;
 * nothing is asked of the network.
 */
import {spawnSync} from 'node:child_process'
import {existsSync, globSync} from 'node:fs'
import {join} from 'node:path'

import {placeOf, programPath} from './servers/place.ts'

const root = join(import.meta.dirname, '..')
const ours = globSync('.github/workflows/*.yml', {cwd: root})
const examples = globSync('examples/ci/github-*.yml', {cwd: root})
const schemas = globSync('docs/schemas/*.json', {cwd: root})

const checks = [
  // Without the shell and Python checkers that happen to be on this machine.
  ['actionlint', ['-shellcheck=', '-pyflakes=', ...ours, ...examples]],
  // Not of the examples: they name actions by tag, so that people see what to pin.
  ['zizmor', ['--offline', '--no-progress', ...ours]],
  ['check-jsonschema', ['--builtin-schema', 'vendor.github-workflows', ...ours, ...examples]],
  ['check-jsonschema', ['--builtin-schema', 'vendor.gitlab-ci', 'examples/ci/gitlab-ci.yml']],
  ['check-jsonschema', ['--check-metaschema', ...schemas]],
] as const

for (const [name, args] of checks) {
  const program = programPath(placeOf(), name)
  if (!existsSync(program)) throw new Error(`${name} is not installed. Run \`npm run servers -- install\` first.`)
  process.stdout.write(`${name} ${args.join(' ')}\n`)
  const {status} = spawnSync(program, args, {cwd: root, stdio: 'inherit'})
  if (status !== 0) process.exitCode = 1
}
