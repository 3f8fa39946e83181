import {execFile} from 'node:child_process'
import {cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
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
async function audit(
  advisories: Advisories | 'refuses',
  variables: Readonly<Record<string, string>> = {},
  checkout: string = repository,
) {
  // npm remembers what it was told of an advisory.
  const cache = mkdtempSync(join(tmpdir(), 'envdrift-npm-'))
  onTestFinished(() => rmSync(cache, {recursive: true, force: true}))
  const env = {
    ...process.env,
    ...variables,
    npm_config_registry: await startRegistry(advisories),
    npm_config_cache: cache,
  }
  return await run(process.execPath, [join(checkout, 'scripts/audit-bundle.ts')], {cwd: checkout, env}).then(
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

  it('asks although the machine tells npm to stay offline', async () => {
    expect(await audit({'@oclif/core': [{severity: 'high'}]}, {npm_config_offline: 'true'})).toMatchObject({code: 1})
  })

  it('fails where the bundle has another version than the one that is asked about', async () => {
    const checkout = mkdtempSync(join(tmpdir(), 'envdrift-audited-'))
    onTestFinished(() => rmSync(checkout, {recursive: true, force: true}))
    for (const name of ['scripts/audit-bundle.ts', 'dist/sbom.cdx.json', 'package.json', 'package-lock.json'])
      cpSync(join(repository, name), join(checkout, name))
    const sbom = join(checkout, 'dist/sbom.cdx.json')
    const {components} = JSON.parse(readFileSync(sbom, 'utf8')) as {components: readonly {name: string}[]}
    const stale = components.map((one) => (one.name === 'boxen' ? {...one, version: '0.0.1'} : one))
    writeFileSync(sbom, JSON.stringify({components: stale}))
    const {code, text} = await audit({}, {}, checkout)
    expect(text).toContain('Nothing was checked: dist has boxen 0.0.1')
    expect(code).toBe(1)
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
