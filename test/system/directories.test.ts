import {expect, it} from 'vitest'

import {cacheDir, configDir, stateDir} from '../../src/system/directories.ts'

const all = (env: Record<string, string>, home: string, platform: NodeJS.Platform): readonly string[] =>
  [stateDir, configDir, cacheDir].map((directory) => directory(env, home, platform))

it.each(['linux', 'darwin'] as const)('follows XDG on %s', (platform) => {
  expect(all({}, '/home/ada', platform)).toEqual([
    '/home/ada/.local/state/envdrift',
    '/home/ada/.config/envdrift',
    '/home/ada/.cache/envdrift',
  ])
  const env = {XDG_STATE_HOME: '/s', XDG_CONFIG_HOME: '/c', XDG_CACHE_HOME: '/k'}
  expect(all(env, '/home/ada', platform)).toEqual(['/s/envdrift', '/c/envdrift', '/k/envdrift'])
})

it('ignores relative and empty values: they would lead into the checkout', () => {
  const env = {XDG_STATE_HOME: 'state', XDG_CONFIG_HOME: '', XDG_CACHE_HOME: './k'}
  expect(all(env, '/home/ada', 'linux')).toEqual(all({}, '/home/ada', 'linux'))
})

it('uses the local application data on Windows', () => {
  const home = String.raw`C:\Users\ada`
  const local = String.raw`C:\Users\ada\AppData\Local\envdrift`
  expect(all({}, home, 'win32')).toEqual([`${local}\\state`, `${local}\\config`, `${local}\\cache`])
  expect(stateDir({LOCALAPPDATA: String.raw`D:\data`}, home, 'win32')).toBe(String.raw`D:\data\envdrift\state`)
})
