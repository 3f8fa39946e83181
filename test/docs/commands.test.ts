import {expect, it} from 'vitest'

import {pageOf, pages, tableBelow, tablesOf} from './pages.ts'
import {commands, sharedFlags, type DocumentedCommand, type Flag} from './program.ts'

const pathOf = ({name}: DocumentedCommand): string => `docs/commands/${name.replaceAll(' ', '-')}.md`

/** A flag's row as a page has to have it. */
const rowOf = ([name, {char, type, summary = ''}]: readonly [string, Flag]): readonly string[] => [
  `${char === undefined ? '' : `\`-${char}\`, `}\`--${name}${type === 'option' ? ' VALUE' : ''}\``,
  summary,
]

const rowsOf = (flags: Readonly<Record<string, Flag>>) => Object.entries(flags).map(rowOf)

it('has a page for every command, and no other', () => {
  const found = pages.map(({path}) => path).filter((path) => path.startsWith('docs/commands/'))
  expect(found.toSorted()).toEqual(commands.map(pathOf).toSorted())
})

it.each(commands)('names every flag of $name with its summary, and none that is not there', (command) => {
  const page = pageOf(pathOf(command))
  const {shared, password} = sharedFlags
  const own = Object.fromEntries(
    Object.entries(command.flags).filter(([name]) => !(name in shared) && !(name in password)),
  )
  expect(tableBelow(page, '## Flags')).toEqual(rowsOf(own))
  expect(tableBelow(page, '### Shared by all commands')).toEqual(rowsOf(shared))
  if (!('password-file' in command.flags)) return
  const heading = command.name === 'sync' ? '### The password of an embedded vault' : '### The password'
  expect(tableBelow(page, heading)).toEqual(rowsOf(password))
})

it.each(commands)('says in its first line what $name does, and begins with examples', (command) => {
  const [title, empty, first = '', ...rest] = pageOf(pathOf(command)).text.split('\n')
  expect(title).toBe(`# envdrift ${command.name}`)
  expect(empty).toBe('')
  expect(first).toMatch(/^[A-Z].+\.$/)
  expect(rest.find((line) => line.startsWith('## '))).toBe('## Examples')
})

it('lists every command in the index', () => {
  const listed = tablesOf(pageOf('docs/README.md')).flatMap(
    ([cell = '']) => /^\[envdrift (.+)\]\((.+)\)$/.exec(cell) ?? [],
  )
  for (const command of commands) {
    expect(listed).toContain(command.name)
    expect(listed).toContain(pathOf(command).replace('docs/', ''))
  }
})
