import {describe, expect, it} from 'vitest'

import {choose} from '../../src/config/choose.ts'
import type {ConfigFlags, MappingConfig} from '../../src/config/config.ts'

const mapping = (folderPath: string, environment?: string): MappingConfig => ({
  ref: {vault: 'default', name: `key of ${folderPath}`},
  folderPath,
  folder: `/repo/${folderPath}`,
  ephemeral: false,
  required: 'always',
  number: 1,
  ...(environment === undefined ? {} : {environment}),
})

const foldersOf = async (mappings: readonly MappingConfig[], flags: ConfigFlags): Promise<readonly string[]> =>
  (await choose(mappings, flags)).chosen.map(({folderPath}) => folderPath)

describe('--filter', () => {
  const shop = [
    'services/pay',
    'services/payments',
    './services/payroll/',
    'services/pay/eu',
    'services/auth',
    '.',
  ].map((folder) => mapping(folder))

  it.each([
    ['services/pay*', ['services/pay', 'services/payments', './services/payroll/']],
    ['services/pay/**', ['services/pay', 'services/pay/eu']],
    ['services/{auth,payments}', ['services/payments', 'services/auth']],
    ['./services/auth/', ['services/auth']],
    ['services/[!p]*', ['services/auth']],
    ['.', ['.']],
    ['**', shop.map(({folderPath}) => folderPath)],
  ])('%s takes the folders that match it', async (filter, folders) => {
    expect(await foldersOf(shop, {filter})).toEqual(folders)
  })

  it('hands back what it left, so that nobody takes its files for unmapped', async () => {
    const {chosen, left} = await choose(shop, {filter: 'services/auth'})
    expect([...chosen, ...left]).toHaveLength(shop.length)
    expect(left).not.toContain(chosen[0])
  })

  it('that matches nothing is an error: nothing would have been checked', async () => {
    await expect(choose(shop, {filter: 'service/*'})).rejects.toMatchObject({code: 'NOTHING_TO_DO'})
    await expect(choose(shop, {filter: ' '})).rejects.toMatchObject({code: 'USAGE'})
    await expect(choose(shop, {filter: 'a'.repeat(100_000)})).rejects.toMatchObject({code: 'USAGE'})
  })
})

describe('--shard', () => {
  const many = Array.from({length: 400}, (_, n) => mapping(`services/s${n}`, n % 2 === 0 ? 'production' : 'staging'))
  const shards = (mappings: readonly MappingConfig[], count: number): Promise<readonly (readonly string[])[]> =>
    Promise.all(Array.from({length: count}, (_, index) => foldersOf(mappings, {shard: `${index + 1}/${count}`})))

  it.each([1, 2, 7, 8, 32])('puts every mapping into exactly one of %i, and none stays empty', async (count) => {
    const parts = await shards(many, count)
    expect(parts.flat().toSorted()).toEqual(many.map(({folderPath}) => folderPath).toSorted())
    expect(parts.filter((part) => part.length === 0)).toEqual([])
  })

  it('moves no mapping when others come, go or change places', async () => {
    const before = await shards(many.slice(100), 8)
    const after = await shards(many.toReversed(), 8)
    const old = new Set(before.flat())
    expect(after.map((part) => part.filter((folder) => old.has(folder)).toSorted())).toEqual(
      before.map((part) => part.toSorted()),
    )
  })

  it('is taken of what the filter leaves', async () => {
    const both = await Promise.all(['1/2', '2/2'].map((shard) => foldersOf(many, {shard, filter: 'services/s1?'})))
    expect(both.flat()).toHaveLength(10)
  })

  it.each(['0/8', '9/8', '1', '1/0', 'a/b', '1/2/3', '-1/2', '1/1001', ''])('refuses %j', async (shard) => {
    await expect(choose(many, {shard})).rejects.toMatchObject({code: 'USAGE'})
  })
})
