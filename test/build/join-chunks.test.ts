import {execFileSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'

import {build, type BuildOptions} from 'esbuild'
import {afterEach, expect, it} from 'vitest'

import {joinChunks, type Stages} from '../../scripts/build/join-chunks.ts'

const places: string[] = []
afterEach(() => {
  for (const place of places.splice(0)) rmSync(place, {recursive: true, force: true})
})

/** Bundles the files, which start at `main.js`, and joins their chunks. */
async function joined(files: Readonly<Record<string, string>>, stages: Stages) {
  const root = mkdtempSync(join(tmpdir(), 'envdrift-join-'))
  places.push(root)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), {recursive: true})
    writeFileSync(join(root, name), text)
  }
  const options: BuildOptions & {readonly absWorkingDir: string} = {
    absWorkingDir: root,
    format: 'esm',
    platform: 'node',
    minifyWhitespace: true,
  }
  const bundled = await build({
    ...options,
    entryPoints: ['main.js'],
    bundle: true,
    splitting: true,
    metafile: true,
    write: false,
    outdir: join(root, 'out'),
    outExtension: {'.js': '.mjs'},
    chunkNames: 'chunks/[name]-[hash]',
  })
  const metafile = await joinChunks(bundled, stages, options)
  const run = (...args: readonly string[]): string =>
    execFileSync(process.execPath, [join(root, 'out/main.mjs'), ...args], {encoding: 'utf8'})
  return {metafile, run, chunks: readdirSync(join(root, 'out/chunks'))}
}

/** Two ways, and what both, one, or neither of them needs. */
const twoWays = {
  'main.js': `import {name} from './both.js'; const {say} = await import(process.argv[2] === 'a' ? './a.js' : './b.js'); console.log(name, say())`,
  'both.js': `export const name = 'both'`,
  'a.js': `import {name} from './both.js'; import {name as mine} from './of-two.js'; import {own} from './a/own.js'; export const say = () => [name, mine, own, 'a'].join()`,
  'b.js': `import {name} from './both.js'; import {name as mine} from './of-two.js'; export const say = () => [name, mine, 'b'].join()`,
  'of-two.js': `export const name = 'of two'`,
  'a/own.js': `export const own = 'own'`,
}

/** More than is taken along for nothing. */
const much = `export const much = () => '${'x'.repeat(3000)}'.length`

it('gives one file to what is always loaded together, though two parts of it mean different things by one name', async () => {
  const {run, chunks, metafile} = await joined(
    {...twoWays, 'of-two.js': `${much}; export const name = 'of two'.slice(0, much())`},
    {
      always: [
        {name: 'all', ways: [['main.js'], ['a.js'], ['b.js']]},
        {name: 'ways', ways: [['a.js'], ['b.js']]},
      ],
      either: [],
    },
  )
  expect(run('a')).toBe('both both,of two,own,a\n')
  expect(run('b')).toBe('both both,of two,b\n')
  expect(chunks.filter((name) => !/^[ab]-/.test(name)).toSorted()).toEqual(['all.js', 'ways.js'])
  expect(Object.keys(metafile.outputs['out/chunks/ways.js']!.inputs)).toEqual(['of-two.js'])
})

it.each([
  ['little', `export const name = 'of two'`, true],
  ['much', `${much}; export const name = 'of two'.slice(0, much())`, false],
  ['little that needs much', `import {much} from './much.js'; export const name = 'of two'.slice(0, much())`, false],
])('takes along what not all ways need, if it is %s', async (_, ofTwo, isTaken) => {
  const files = {
    'main.js': `const way = {a: () => import('./a.js'), b: () => import('./b.js'), c: () => import('./c.js'), much: () => import('./much.js')}; const {say} = await way[process.argv[2]](); console.log(say())`,
    'a.js': `import {name} from './of-two.js'; export const say = () => name + ' for a'`,
    'b.js': `import {name} from './of-two.js'; export const say = () => name + ' for b'`,
    'c.js': `export const say = () => 'c'`,
    'of-two.js': ofTwo,
    'much.js': much,
  }
  const {run, metafile} = await joined(files, {
    always: [{name: 'ways', ways: [['a.js'], ['b.js'], ['c.js']]}],
    either: [],
  })
  expect([run('a'), run('b'), run('c')]).toEqual(['of two for a\n', 'of two for b\n', 'c\n'])
  const [home] = Object.entries(metafile.outputs).find(([, {inputs}]) => 'of-two.js' in inputs)!
  expect(home === 'out/chunks/ways.js').toBe(isTaken)
})

it('puts several chunks into one file, under names of their own', async () => {
  const {run, chunks} = await joined(twoWays, {
    always: [{name: 'everything', ways: [['main.js', 'a.js', 'b.js']]}],
    either: [],
  })
  expect(run('a')).toBe('both both,of two,own,a\n')
  expect(chunks.filter((name) => !/^[ab]-/.test(name))).toEqual(['everything.js'])
})

it('takes nothing into the file of one way that another way needs', async () => {
  const {run, metafile} = await joined(twoWays, {
    always: [],
    either: [
      {name: 'only-a', ways: [['a.js']]},
      {name: 'only-b', ways: [['b.js']]},
    ],
  })
  expect(run('a')).toBe('both both,of two,own,a\n')
  const files = Object.entries(metafile.outputs).filter(([, {inputs}]) => 'of-two.js' in inputs)
  expect(files.map(([path]) => path)).toEqual([expect.stringMatching(/chunks\/chunk-/)])
})

it('refuses a stage that names no entry', async () => {
  await expect(joined(twoWays, {always: [{name: 'x', ways: [['gone.js']]}], either: []})).rejects.toThrow(
    'gone.js is no entry of the bundle',
  )
})
