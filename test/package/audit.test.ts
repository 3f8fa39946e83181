import {execFile} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {describe, expect, it, onTestFinished} from 'vitest'

import {repository} from '../docs/pages.ts'

const run = promisify(execFile)

type Advisories = Readonly<Record<string, readonly {readonly severity: string}[]>>

/** A registry that knows these vulnerabilities, or doesn't want to say. */
async function startRegistry(advisories: Advisories | 'refuses'): Promise<string> {
  const server = createServer((request, response) => {
    if (!request.url?.endsWith('/security/advisories/bulk')) return void response.writeHead(404).end('{}')
    if (advisories === 'refuses') return void response.writeHead(405).end()
    const whole = Object.entries(advisories).map(([name, all]) => [
      name,
      all.map(({severity}, index) => ({
        id: index + 1,
        url: `https://github.com/advisories/GHSA-${index}`,
        title: `Trouble in ${name}`,
        severity,
        vulnerable_versions: '*',
      })),
    ])
    response.writeHead(200, {'content-type': 'application/json'}).end(JSON.stringify(Object.fromEntries(whole)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

/** `npm run audit:bundle` with that registry. */
async function audit(advisories: Advisories | 'refuses', variables: Readonly<Record<string, string>> = {}) {
  // npm remembers what it was told of an advisory.
  const cache = mkdtempSync(join(tmpdir(), 'envdrift-npm-'))
  onTestFinished(() => rmSync(cache, {recursive: true, force: true}))
  const env = {
    ...process.env,
    ...variables,
    npm_config_registry: await startRegistry(advisories),
    npm_config_cache: cache,
  }
  return await run(process.execPath, [join(repository, 'scripts/audit-bundle.ts')], {cwd: repository, env}).then(
    ({stdout}) => ({code: 0, text: stdout}),
    (error: {code: number; stderr: string}) => ({code: error.code, text: error.stderr}),
  )
}

describe('the audit of the bundle', () => {
  it('passes where nothing is known', async () => {
    const {code, text} = await audit({})
    expect(text).toMatch(/^\d{3} bundled packages, no high or critical vulnerability known\n$/)
    expect(code).toBe(0)
  })

  it.each(['high', 'critical'])('fails on a %s vulnerability of a bundled package, and names it', async (severity) => {
    const {code, text} = await audit({'@oclif/core': [{severity}]})
    expect(text).toMatch(
      new RegExp(`^In the bundle:\\n  ${severity}: @oclif/core \\d\\S+: Trouble in @oclif/core \\(https:`),
    )
    expect(code).toBe(1)
  })

  it.each([
    {npm_config_offline: 'true'},
    {npm_config_prefer_offline: 'true'},
    {npm_config_omit: 'dev'},
    {NODE_ENV: 'production'},
  ])('asks although the machine says %j', async (variables) => {
    expect(await audit({'@oclif/core': [{severity: 'high'}]}, variables)).toMatchObject({code: 1})
  })

  it('says lower ones, and passes', async () => {
    const {code, text} = await audit({'@oclif/core': [{severity: 'moderate'}]})
    expect(text).toContain('lower ones:\n  moderate: @oclif/core ')
    expect(code).toBe(0)
  })

  it('leaves out what nobody gets', async () => {
    expect(await audit({vitest: [{severity: 'critical'}]})).toMatchObject({code: 0})
  })

  it('fails where the registry does not say', async () => {
    const {code, text} = await audit('refuses')
    expect(text).toContain("Nothing was checked: the registry doesn't say what it knows of vulnerabilities (405 Method")
    expect(code).toBe(1)
  })
})
