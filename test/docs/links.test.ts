import {existsSync} from 'node:fs'
import {dirname, join, posix} from 'node:path'

import {expect, it} from 'vitest'

import {pageOf, pages, repository} from './pages.ts'

/** The id that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-')

const anchorsIn = (text: string): readonly string[] =>
  [...text.replaceAll(/^```[^]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))

it.each(pages)('$path links only to files and headings that are there', ({path, text}) => {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, '').replaceAll(/`[^`]*`/g, '')
  const broken: string[] = []
  for (const [, target = ''] of prose.matchAll(/\]\(([^)]+)\)/g)) {
    if (/^https?:/.test(target)) continue
    const [file = '', anchor] = target.split('#', 2)
    const where = file === '' ? path : posix.normalize(posix.join(dirname(path), file))
    const isThere = existsSync(join(repository, where))
    if (!isThere || (anchor !== undefined && !anchorsIn(pageOf(where).text).includes(anchor))) broken.push(target)
  }
  expect(broken).toEqual([])
})

it('every page of docs can be reached from the index', () => {
  const seen = new Set<string>()
  const visit = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    for (const [, target = ''] of pageOf(path).text.matchAll(/\]\(([^)#]+\.md)[^)]*\)/g))
      if (!/^https?:/.test(target)) visit(posix.normalize(posix.join(dirname(path), target)))
  }
  visit('docs/README.md')
  for (const {path} of pages.filter(({path: page}) => page.startsWith('docs/'))) expect([...seen]).toContain(path)
})
