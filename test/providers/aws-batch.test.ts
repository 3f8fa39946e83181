import {describe, expect, it} from 'vitest'

import type {SecretRef} from '../../src/core/mapping.ts'
import {batchesOf, entriesFor} from '../../src/providers/aws-batch.ts'
import {regionOfArn} from '../../src/providers/aws-settings.ts'
import {ref} from './aws-asking.ts'

const arn = (name: string, region = 'us-east-1', account = '210987654321'): string =>
  `arn:aws:secretsmanager:${region}:${account}:secret:${name}`

const regionOf = ({name}: SecretRef): string => regionOfArn(name) ?? 'us-east-1'

describe('what shares a call', () => {
  const batches = (refs: readonly SecretRef[]): readonly (readonly string[])[] =>
    batchesOf(refs, {size: 2, regionOf}).map((batch) =>
      batch.map(({name, version}) => `${name} ${version ?? 'current'}`),
    )

  it('is as many as fit, in their order', () => {
    expect(batches([ref('a'), ref('b'), ref('c')])).toEqual([['a current', 'b current'], ['c current']])
    expect(batches([])).toEqual([])
  })

  it('lies in one region', () => {
    const [near, far] = [arn('a'), arn('a', 'eu-west-1')]
    expect(batches([ref(near), ref(far)])).toEqual([[`${near} current`], [`${far} current`]])
  })

  it('is named in one way: ours by its name and theirs by its ARN may have one name', () => {
    expect(batches([ref('a'), ref(arn('a')), ref('b')])).toEqual([['a current', 'b current'], [`${arn('a')} current`]])
  })

  it('is current or pinned', () => {
    expect(batches([ref('a'), ref('a', '1'), ref('b', '2')])).toEqual([['a current'], ['a 1', 'b 2']])
  })
})

describe('the entry of a reference', () => {
  const entry = (Name: string, account: string, value: string) => ({Name, ARN: arn(Name, 'us-east-1', account), value})
  const [ours, theirs] = [entry('a', '123456789012', 'ours'), entry('a', '210987654321', 'theirs')]

  it('is the one with its name, or with its ARN', () => {
    const [a, foreign] = [ref('a'), ref(theirs.ARN)]
    expect(entriesFor([a], [ours, entry('b', '123456789012', 'other')])).toEqual([[a, ours]])
    expect(entriesFor([foreign], [ours, theirs])).toEqual([[foreign, theirs]])
  })

  it('is none where two have its name, or nobody', () => {
    expect(entriesFor([ref('a'), ref('b')], [ours, theirs])).toEqual([])
  })

  it('is what the service takes for it, where that is more than a name', () => {
    expect(entriesFor([ref('a')], [ours, theirs], ({value}) => value === 'theirs')).toEqual([[ref('a'), theirs]])
  })
})
