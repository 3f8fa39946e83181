import {spawnSync} from 'node:child_process'
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {delimiter, dirname, join} from 'node:path'

import {expect, it, onTestFinished} from 'vitest'

import {registry} from '../../src/providers/registry.ts'
import {blocksOf, pageOf, repository} from './pages.ts'

const hasBash = process.platform !== 'win32' && spawnSync('bash', ['--version']).status === 0
const whyNot = hasBash ? '' : ' (skipped: no bash here)'
const providers = Object.keys(registry)

/** Runs a script of bash at the root of the repository, with a home and a temporary directory of its own. */
function bash(script: string): {readonly output: string; readonly code: number | null; readonly directory: string} {
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-examples-'))
  onTestFinished(() => rmSync(directory, {recursive: true, force: true}))
  const {stdout, stderr, status} = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
    cwd: repository,
    encoding: 'utf8',
    timeout: 50_000,
    env: {
      PATH: [join(repository, 'node_modules/.bin'), dirname(process.execPath), process.env['PATH']].join(delimiter),
      HOME: directory,
      TMPDIR: directory,
      NO_COLOR: '1',
      AWS_EC2_METADATA_DISABLED: 'true',
      METADATA_SERVER_DETECTION: 'none',
    },
  })
  return {output: stdout + stderr, code: status, directory}
}

/** A script that fails half way leaves no server behind. */
const cleanUp = `trap '[ -z "\${EXAMPLE_PID:-}" ] || kill "$EXAMPLE_PID" 2>/dev/null || true' EXIT\n`

it('has an example for every provider', () => {
  expect(readdirSync(join(repository, 'examples'))).toEqual(expect.arrayContaining(providers))
})

it.skipIf(!hasBash).each(providers)(`the commands of examples/%s run as its README has them${whyNot}`, (provider) => {
  const [install, ...rest] = blocksOf(pageOf(`examples/${provider}/README.md`))
  // What these tests themselves stand on.
  expect(install?.text).toBe('npm ci\n')
  const script = rest.map(({text}) => text).join('')
  expect(script).toContain(`eval "$(npm run --silent example ${provider})"\n`)
  const inside = /^\(\n(.*)\)\n$/s.exec(script)?.[1] ?? ''
  const look = 'git -C . ls-files --others --exclude-standard > ../listed.txt\n'
  // Whoever runs this stands where they stood, with the variables that they had.
  const outside = '[ "$PWD" = "$start" ] && [ "$(declare -p -x)" = "$before" ] && echo untouched\n'
  const {output, code, directory} = bash(
    `start=$PWD; before=$(declare -p -x)\n(\n${cleanUp}${inside}${look})\n${outside}`,
  )
  expect(output).toMatch(/^untouched$/m)
  expect(output.match(/^  [=+x~-] .*$/gm)).toEqual([
    '  = services/myapp - skipped (matches the public key in .env.production)',
    '  + services/myapp - created',
    '  = services/myapp - skipped',
  ])
  expect(output).toContain('    Decryption: PASSED\n')
  expect(output.match(/1 of 1 encrypted env file is covered/g)).toHaveLength(3)
  expect(output).not.toMatch(/\[(?:WARN|ERROR)\]/)
  expect(code).toBe(0)

  const [copy = ''] = readdirSync(directory).filter((name) => name.startsWith(`envdrift-example-${provider}-`))
  const project = join(directory, copy, 'project')
  expect(readFileSync(join(project, 'services/myapp/.env.production'), 'utf8')).toMatch(/^DATABASE_URL="?encrypted:/m)
  const listed = readFileSync(join(directory, copy, 'listed.txt'), 'utf8')
  expect(listed).toContain('services/myapp/.env.production\n')
  expect(listed).not.toContain('.env.keys')
})

it.each(providers)('examples/%s holds no key, and nothing encrypted', (provider) => {
  const files = readdirSync(join(repository, 'examples', provider), {recursive: true, withFileTypes: true})
  const texts = files
    .filter((file) => file.isFile())
    .map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'))
  expect(texts.join('\n')).not.toMatch(/[0-9a-f]{64}|encrypted:|DOTENV_PRIVATE_KEY_?\w*=/)
})
