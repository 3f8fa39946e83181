import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {describe, expect, it, onTestFinished} from 'vitest'

import {compileCacheDir} from '../../src/cli/compile-cache.ts'

/** A home that only its owner can change. */
function makeHome(): string {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'envdrift-home-')))
  onTestFinished(() => rmSync(home, {recursive: true, force: true}))
  return home
}

const windows = process.platform === 'win32'
const noModes = windows ? ' (skipped: no modes on Windows)' : ''
const isRoot = process.getuid?.() === 0

describe('what is compiled is kept', () => {
  it('in a directory that it makes, closed to everybody else', () => {
    const cache = join(makeHome(), '.cache/envdrift')
    expect(compileCacheDir(() => cache)).toBe(join(cache, 'compiled'))
    // Windows shows 0666 of every folder that can be written.
    expect(statSync(join(cache, 'compiled')).mode & 0o077).toBe(windows ? 0o066 : 0)
  })

  it.skipIf(windows)(`where a link leads, if that is as safe${noModes}`, () => {
    const home = makeHome()
    mkdirSync(join(home, 'disk'), {mode: 0o755})
    symlinkSync(join(home, 'disk'), join(home, '.cache'))
    expect(compileCacheDir(() => join(home, '.cache/envdrift'))).toBe(join(home, 'disk/envdrift/compiled'))
  })
})

describe('what is compiled is kept nowhere', () => {
  it.each(['folder', 'file'])('in a repository whose .git is a %s, and nothing is made in it', (kind) => {
    const home = makeHome()
    const git = join(home, 'project/.git')
    mkdirSync(kind === 'folder' ? git : join(home, 'project'), {recursive: true})
    if (kind === 'file') writeFileSync(git, 'gitdir: ../elsewhere\n')
    expect(compileCacheDir(() => join(home, 'project/.cache/envdrift'))).toBeUndefined()
    expect(readdirSync(join(home, 'project'))).toEqual(['.git'])
  })

  it.skipIf(windows)(`in a repository that a link leads to${noModes}`, () => {
    const home = makeHome()
    mkdirSync(join(home, 'project/.git'), {recursive: true})
    symlinkSync(join(home, 'project'), join(home, '.cache'))
    expect(compileCacheDir(() => join(home, '.cache/envdrift'))).toBeUndefined()
    expect(readdirSync(join(home, 'project'))).toEqual(['.git'])
  })

  it.skipIf(windows).each([0o720, 0o702, 0o777])(`below a folder of mode %o${noModes}`, (mode) => {
    const home = makeHome()
    mkdirSync(join(home, 'shared'))
    chmodSync(join(home, 'shared'), mode)
    expect(compileCacheDir(() => join(home, 'shared/envdrift'))).toBeUndefined()
    expect(readdirSync(join(home, 'shared'))).toEqual([])
  })

  it.skipIf(windows).each([0o750, 0o705])(`in a directory of mode %o that was there before${noModes}`, (mode) => {
    const cache = join(makeHome(), '.cache/envdrift')
    mkdirSync(join(cache, 'compiled'), {recursive: true, mode: 0o700})
    chmodSync(join(cache, 'compiled'), mode)
    expect(compileCacheDir(() => cache)).toBeUndefined()
  })

  it.skipIf(!isRoot)(
    `in a directory of somebody else${isRoot ? '' : ' (skipped: only root can give one away)'}`,
    () => {
      const cache = join(makeHome(), '.cache/envdrift')
      mkdirSync(join(cache, 'compiled'), {recursive: true, mode: 0o700})
      chownSync(join(cache, 'compiled'), 65534, 65534)
      expect(compileCacheDir(() => cache)).toBeUndefined()
    },
  )

  const proc = '/proc/self'
  const hasProc = existsSync(proc)
  it.skipIf(!hasProc)(`where the system makes no folders${hasProc ? '' : ' (skipped: no /proc)'}`, () => {
    expect(compileCacheDir(() => join(proc, 'none/envdrift'))).toBeUndefined()
  })

  it('where nobody knows the home of the user', () => {
    expect(
      compileCacheDir(() => {
        throw new Error('no home')
      }),
    ).toBeUndefined()
  })

  it('where a file is in the way', () => {
    const home = makeHome()
    writeFileSync(join(home, 'cache'), '')
    expect(compileCacheDir(() => join(home, 'cache/envdrift'))).toBeUndefined()
  })
})
