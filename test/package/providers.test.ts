import {describe, expect, it} from 'vitest'

import {registry} from '../../src/providers/registry.ts'
import {envdrift} from '../support/run-envdrift.ts'
import {openShop} from './shop.ts'

describe.each(Object.keys(registry))('the package asks %s', (provider) => {
  it('for a key, writes it, and finds it in line', async () => {
    const {workspace, env, keysFile, line} = await openShop(provider)
    const options = {cwd: workspace.root, env}
    const first = await envdrift(['sync', '--ci', '--check-decryption'], options)
    expect(first.stdout + first.stderr).toContain('+ services/myapp - created\n')
    expect(first.stdout).toContain('Decryption: PASSED\n')
    expect(workspace.read(keysFile)).toContain(line)
    const second = await envdrift(['sync', '--verify', '--ci'], options)
    expect(second.stdout).toContain('= services/myapp - skipped\n')
    expect([first.code, second.code]).toEqual([0, 0])
  })

  it('and takes another key for a drift', async () => {
    const {workspace, env, keysFile} = await openShop(provider)
    const other = `DOTENV_PRIVATE_KEY_PRODUCTION=${'0123456789abcdef'.repeat(4)}\n`
    workspace.write(keysFile, other, 0o600)
    const {code, stdout} = await envdrift(['sync', '--verify', '--ci', '--json'], {cwd: workspace.root, env})
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({exitReason: 'drift'})
    expect(workspace.read(keysFile)).toBe(other)
  })
})
