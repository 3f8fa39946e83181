import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {expect, it} from 'vitest'

import {packageJsonOfProgram, publishedPackageJson} from '../../scripts/build/published-package-json.ts'
import {repository} from '../docs/pages.ts'

const ours = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as Readonly<Record<string, unknown>>

it('the program of a release, which says where it comes from, is that of its commit', () => {
  const released = {...ours, repository: {type: 'git', url: 'git+https://github.com/somebody/envdrift.git'}}
  expect(packageJsonOfProgram(released)).toEqual(packageJsonOfProgram(ours))
  expect(packageJsonOfProgram(ours)).toMatchObject({name: 'envdrift', version: ours['version']})
  expect(publishedPackageJson(released)).toMatchObject({repository: {type: 'git'}})
})
